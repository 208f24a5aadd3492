"""OpenFGA request log in JSON: each call of `Check` is a decision, and each check of a `BatchCheck`.

The log says what was asked and answered only for these; a list of objects or users is no decision about one
action, and a write of tuples is none either. A user such as `agent:refunds` is the principal; its part before the
colon is the type.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ingest.formats.attributes import attributes_text
from ingest.formats.collect import MOST_EVENTS, Collector, check_repeated, too_many_events
from ingest.formats.facts import content_id, facts, no_answer, number_of, rest, short
from ingest.formats.redact import without_secrets
from ingest.jsonrecord import kind_of, list_in, object_of, parse_object, required_text, text_in, text_of
from ingest.times import read_epoch, read_time
from ingest.traceparent import read_traceparent
from schemas.errors import RecordError
from schemas.events import AUTHORIZATION_DECISIONS

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from ingest.formats.shape import Shape
    from ingest.mapping import Mapping
    from ingest.records import Decoded, Headers, Records

_NAME = "openfga"
_SERVICE = b'"openfga.'
_TIMES = ("ts", "timestamp", "time")


class OpenFga:
    """Reads the request log of an OpenFGA server."""

    name = _NAME

    def __init__(self, mapping: Mapping) -> None:
        """Users and what the context says are read by `mapping`."""
        self._mapping = mapping

    def claims(self, headers: Headers) -> bool:  # noqa: ARG002 - the server writes to no broker itself
        """Never: the server writes to its own output."""
        return False

    def recognises(self, shape: Shape) -> bool:
        """By the service that was called."""
        return bytes(shape.grpc_service).startswith(_SERVICE)

    def read(self, records: Records, chosen: Sequence[int]) -> Decoded:
        """One row a check."""
        found = Collector(AUTHORIZATION_DECISIONS, _NAME)
        for i in chosen:
            value = records.value[i] or b""
            try:
                line = parse_object(value)
                checks = _checks(line)
                if not checks:
                    found.skip("no_event")
                    continue
                time = _time(line)
                own_id = text_of(line.get("request_id"))
                decision_id = own_id or content_id(value, records.headers[i])
            except RecordError as error:
                found.dead(i, 0, error)
                continue
            for index, check in enumerate(checks):
                try:
                    row = self._decision(line, time, check, index)
                    row["decision_id"] = f"{decision_id}#{index}"
                    row["source_decision_id"] = row["request_id"] = own_id
                    found.row(i, index, row)
                except RecordError as error:
                    found.dead(i, index, error)
        return found.finish()

    def _decision(self, line: dict[str, Any], time: datetime, check: object, index: int) -> dict[str, Any]:
        if not isinstance(check, dict):
            raise RecordError("wrong_type", f"check {index} is {kind_of(check)}: it must be an object")
        asked, answered = object_of(line.get("raw_request")), object_of(line.get("raw_response"))
        key = object_of(check.get("tuple_key"))
        relation = required_text(key, "relation", "$.raw_request.tuple_key")
        user, thing = text_of(key.get("user")), text_of(key.get("object"))
        kind, own_name = _split(user)
        agent = self._mapping.agent(user)
        if agent.name is None:
            agent = self._mapping.agent_of(own_name, kind)
        resource_type, resource_id = _split(thing)
        context = {**object_of(asked.get("context")), **object_of(check.get("context"))}
        told = facts(self._mapping, time, [context], {})
        trace_id, span_id = read_traceparent(context.get(self._mapping.attributes.traceparent or ""))
        correlation = text_of(check.get("correlation_id"))
        if check is not asked:
            results = object_of(answered.get("result", answered.get("results")))
            answered = object_of(results.get(correlation)) if correlation else {}
        return {
            "decision_time": time,
            **_answer(line, answered),
            "principal_id": user,
            "principal_type": kind,
            "agent_id": agent.id,
            "agent_name": agent.name,
            "action": relation,
            "resource_type": resource_type,
            "resource_id": resource_id,
            "trace_id": trace_id or text_of(line.get("trace_id")),
            "span_id": span_id,
            **told,
            "tenant_id": agent.tenant or told["tenant_id"],
            "policy_version": text_of(asked.get("authorization_model_id"))
            or text_of(line.get("authorization_model_id")),
            "latency_ms": number_of(line.get("query_duration_ms")),
            "attributes": attributes_text(
                {
                    "store_id": text_of(asked.get("store_id")) or text_of(line.get("store_id")),
                    "correlation_id": correlation,
                    "context": without_secrets(rest(self._mapping, context)) or None,
                    "contextual_tuples": check.get("contextual_tuples") or None,
                    "user_agent": text_of(line.get("user_agent")),
                }
            ),
        }


def _checks(line: dict[str, Any]) -> list[Any]:
    """What the line has decisions about; nothing for a call of another method."""
    called = required_text(line, "grpc_method") if "grpc_service" in line else text_in(line, "grpc_method")
    method = (called or "").rsplit("/", 1)[-1]
    if method not in ("Check", "BatchCheck"):
        return []
    asked = line.get("raw_request")
    if not isinstance(asked, dict):
        raise RecordError(
            "missing_field", "$.raw_request is missing, which says what was checked: log requests in JSON"
        )
    if method == "Check":
        return [asked]
    checks = list_in(asked, "checks", "$.raw_request")
    if len(checks) > MOST_EVENTS:
        raise too_many_events(len(checks))
    check_repeated(asked.get("context"), len(checks))
    return checks


def _answer(line: dict[str, Any], answered: dict[str, Any]) -> dict[str, Any]:
    failed = text_of(line.get("internal_error")) or text_of(line.get("error"))
    own = answered.get("error")
    failed = failed or text_of(own) or text_of(object_of(own).get("message"))
    allowed = answered.get("allowed")
    if failed is not None:
        return no_answer(failed)
    if not isinstance(allowed, bool):
        return no_answer(short(answered.get("message")) or "the line holds no answer for this check")
    return {"decision": "allow" if allowed else "deny"}


def _time(line: dict[str, Any]) -> datetime:
    said = next((line[key] for key in _TIMES if line.get(key) is not None), None)
    if isinstance(said, str):
        number = number_of(said)
        return read_time(said, "$.ts") if number is None else _moment(number)
    return read_time(None, "$.ts") if said is None else _moment(said)


def _moment(seconds: object) -> datetime:
    time = read_epoch(seconds)
    if time is None:
        raise RecordError("wrong_type", "$.ts is no time: it must be seconds since 1970 or RFC 3339")
    return time


def _split(name: str | None) -> tuple[str | None, str | None]:
    """Type and id of `type:id`; the whole as the id where there is no type."""
    if name is None:
        return None, None
    kind, colon, own = name.partition(":")
    return (kind or None, own or None) if colon else (None, name)
