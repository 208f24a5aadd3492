"""Amazon Verified Permissions, as CloudTrail records its decisions (data events, which are off by default).

The record's identity is that of the enforcement point. The principal is in the request: where that was a token
(`IsAuthorizedWithToken`), it is not recorded. Determining policies are not recorded either.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ingest.formats.attributes import attributes_text
from ingest.formats.collect import check_repeated
from ingest.formats.facts import facts, no_answer, rest, short
from ingest.formats.redact import without_secrets
from ingest.jsonrecord import cut, list_in, list_of, name_of, object_in, object_of, text_of
from ingest.traceparent import read_traceparent
from schemas.errors import RecordError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from ingest.mapping import Mapping

SOURCE = "verifiedpermissions.amazonaws.com"
_SINGLE = ("IsAuthorized", "IsAuthorizedWithToken")
_BATCH = ("BatchIsAuthorized", "BatchIsAuthorizedWithToken")
_DECISIONS = {"ALLOW": "allow", "DENY": "deny"}


def questions(event: dict[str, Any]) -> Iterator[tuple[dict[str, Any], object]]:
    """Each request of the event with its answer; none where it is not about decisions.

    Raises RecordError where they are not as the format has them, and too_many_events.
    """
    asked, told = object_in(event, "requestParameters"), object_in(event, "additionalEventData")
    if event.get("eventName") in _SINGLE:
        yield asked, told.get("decision")
    elif event.get("eventName") in _BATCH:
        results = list_in(told, "results", "$.additionalEventData")
        requests = list_in(asked, "requests", "$.requestParameters")
        shared = {key: value for key, value in asked.items() if key != "requests"}
        count = max(len(results), len(requests))
        check_repeated(shared, count)
        for index in range(count):
            result = object_of(results[index]) if index < len(results) else {}
            request = object_of(result.get("request"))
            if not request and index < len(requests):
                request = object_of(requests[index])
            yield {**shared, **request}, result.get("decision")


def decision(
    event: dict[str, Any], time: datetime, index: int, asked: dict[str, Any], answer: object, mapping: Mapping
) -> dict[str, Any]:
    """The row of one decision. Raises RecordError where it names no action."""
    event_id = event["eventID"]
    principal, action = object_of(asked.get("principal")), object_of(asked.get("action"))
    resource, context = object_of(asked.get("resource")), _context(asked.get("context"))
    action_id = name_of(action.get("actionId"))
    if action_id is None:
        raise RecordError("missing_field", f"request {index} names no action: the format requires it")
    principal_id = name_of(principal.get("entityId"))
    agent = mapping.agent_of(principal_id, text_of(principal.get("entityType")))
    told = facts(mapping, time, [context], {})
    trace_id, span_id = read_traceparent(context.get(mapping.attributes.traceparent or ""))
    return {
        "decision_id": f"{event_id}#{index}",
        "source_decision_id": event_id,
        "decision_time": time,
        **_answer(event, answer),
        "principal_id": principal_id,
        "principal_type": text_of(principal.get("entityType")),
        "agent_id": agent.id,
        "agent_name": agent.name,
        "action": action_id,
        "resource_type": text_of(resource.get("entityType")),
        "resource_id": name_of(resource.get("entityId")),
        "trace_id": trace_id,
        "span_id": span_id,
        "request_id": text_of(event.get("requestID")),
        **told,
        "tenant_id": agent.tenant or told["tenant_id"],
        "policy_version": text_of(asked.get("policyStoreId")),
        "attributes": attributes_text(
            {
                "event_name": text_of(event.get("eventName")),
                "enforcement_point": text_of(object_of(event.get("userIdentity")).get("arn")),
                "context": without_secrets(rest(mapping, context)) or None,
            }
        ),
    }


def _answer(event: dict[str, Any], answer: object) -> dict[str, Any]:
    code = text_of(event.get("errorCode"))
    if code is not None:
        return no_answer(f"{code}: {text_of(event.get('errorMessage')) or 'no message'}")
    known = _DECISIONS.get(answer) if isinstance(answer, str) else None
    if known is None:
        return no_answer(f"the decision is {cut(repr(answer), 60)}")
    return {"decision": known, "reason": short(event.get("errorMessage"))}


def _context(value: object) -> dict[str, Any]:
    """The context as plain values: the service writes each with its type, as in {"string": "…"}."""
    typed = object_of(object_of(value).get("contextMap"))
    return {key: _plain(inner) for key, inner in typed.items()}


def _plain(value: object, depth: int = 8) -> Any:
    holder = object_of(value)
    if len(holder) != 1 or depth == 0:
        return None
    kind, inner = next(iter(holder.items()))
    if kind == "set":
        return [_plain(item, depth - 1) for item in list_of(inner)]
    if kind == "record":
        return {key: _plain(item, depth - 1) for key, item in object_of(inner).items()}
    return inner
