"""SpiceDB permission checks: AuthZed's audit log, and the server's own log where it holds the payloads.

The audit log (of AuthZed's products) sends CloudEvents whose data has `request`, `response` and `metadata`. The
server's own log has a line per call, which says that permission was checked but neither whose nor what for; only
a line with both payloads, `grpc.request.content` and `grpc.response.content`, is a decision.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from ingest.cloudevents import attribute, fallback_id
from ingest.formats.attributes import attributes_text
from ingest.formats.collect import MOST_EVENTS, Collector, too_many_events
from ingest.formats.facts import content_id, facts, no_answer, number_of, rest
from ingest.formats.redact import without_secrets
from ingest.formats.shape import asked_of
from ingest.jsonrecord import (
    cut,
    kind_of,
    list_in,
    object_in,
    object_of,
    parse_object,
    required_text,
    text_in,
    text_of,
)
from ingest.times import read_time
from ingest.traceparent import read_traceparent
from schemas.errors import RecordError
from schemas.events import AUTHORIZATION_DECISIONS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ingest.formats.shape import Shape
    from ingest.mapping import Mapping
    from ingest.records import Decoded, Headers, Records

_NAME = "spicedb"
_SERVICE = b'"authzed.api.'
_TYPE = b'"type.googleapis.com/authzed.api.'
_SINGLE = "CheckPermission"
_BULK = ("CheckBulkPermissions", "BulkCheckPermission")
_ANSWERS = {
    "PERMISSIONSHIP_HAS_PERMISSION": ("allow", None),
    "PERMISSIONSHIP_NO_PERMISSION": ("deny", None),
    "PERMISSIONSHIP_CONDITIONAL_PERMISSION": ("indeterminate", "conditional"),
}
_ID_DIGITS = 16


class SpiceDb:
    """Reads permission checks of SpiceDB."""

    name = _NAME

    def __init__(self, mapping: Mapping) -> None:
        """Subjects and what the caveat's context says are read by `mapping`."""
        self._mapping = mapping

    def claims(self, headers: Headers) -> bool:
        """By the CloudEvent's type, which is the method called."""
        return _called(headers) is not None

    def recognises(self, shape: Shape) -> bool:
        """By the service that was called, or by the type of the request."""
        if bytes(shape.grpc_dotted_service).startswith(_SERVICE):
            return True
        asked = asked_of(shape.request) if shape.request else None
        return asked is not None and bytes(asked.any_type).startswith(_TYPE)

    def read(self, records: Records, chosen: Sequence[int]) -> Decoded:
        """One row a check."""
        found = Collector(AUTHORIZATION_DECISIONS, _NAME)
        for i in chosen:
            try:
                value, headers = records.value[i] or b"", records.headers[i]
                line = parse_object(value)
                call = _Call(line, value, headers, self._mapping) if _answered(line) else None
                checks = call.checks(headers) if call is not None else []
            except RecordError as error:
                found.dead(i, 0, error)
                continue
            if call is None or not checks:
                found.skip("no_event")
                continue
            for index, (asked, answer) in enumerate(checks):
                try:
                    found.row(i, index, call.decision(index, asked, answer))
                except RecordError as error:
                    found.dead(i, index, error)
        return found.finish()


def _called(headers: Headers) -> str | None:
    """The method that a CloudEvent's type names; None where it is another's event, in which a line came."""
    kind = attribute(headers, "type")
    return kind if kind is not None and kind.startswith("/authzed.api.") else None


def _answered(line: dict[str, Any]) -> bool:
    """Whether a record has payloads: a line of the server's log mostly has none, or only one."""
    if "grpc.service" in line:
        return "grpc.request.content" in line and "grpc.response.content" in line
    return "level" not in line or "request" in line


class _Call:
    """One call: what all its checks share."""

    def __init__(self, line: dict[str, Any], value: bytes, headers: Headers, mapping: Mapping) -> None:
        self._line, self._mapping = line, mapping
        key = "request" if "request" in line else "grpc.request.content"
        if line.get(key) is None:
            raise RecordError("missing_field", "$.request is missing, which says what was asked")
        self._request = object_in(line, key)
        # AuthZed's documentation shows the response within the request.
        told = line.get("response", line.get("grpc.response.content", self._request.get("response")))
        self._response = object_of(told)
        metadata = object_of(line.get("metadata", self._request.get("metadata")))
        self._time = read_time(line.get("time", attribute(headers, "time")), "$.time")
        self._request_id = text_of(metadata.get("x-request-id")) or text_of(line.get("requestID"))
        # A request id may come from the client, who may use it for several calls.
        self._id = fallback_id(headers) or (
            f"{self._request_id}:{hashlib.sha256(value).hexdigest()[:_ID_DIGITS]}"
            if self._request_id
            else content_id(value, headers)
        )
        self._trace_id = text_of(line.get("traceID"))
        self._about = {
            "token_hash": text_of(metadata.get("token_hash")),
            "user_agent": text_of(metadata.get("user-agent")),
            "checked_at": text_of(object_of(self._response.get("checkedAt")).get("token")),
        }

    def checks(self, headers: Headers) -> list[tuple[object, dict[str, Any]]]:
        """What was asked, each with its answer; nothing for a call that checks no permission."""
        said = text_in(self._request, "@type", "$.request") or _called(headers)
        said = said or text_in(self._line, "grpc.method")
        if said is None:
            raise RecordError(
                "missing_field", "no method: neither a CloudEvent's type nor $.request.@type says it"
            )
        method = said.rsplit("/", 1)[-1].rsplit(".", 1)[-1].removesuffix("Request")
        if method == _SINGLE:
            return [(self._request, self._response)]
        if method not in _BULK:
            return []
        items = list_in(self._request, "items", "$.request")
        pairs = list_in(self._response, "pairs", "$.response")
        if len(items) > MOST_EVENTS:
            raise too_many_events(len(items))
        return [(item, object_of(pairs[n]) if n < len(pairs) else {}) for n, item in enumerate(items)]

    def decision(self, index: int, asked: object, answer: dict[str, Any]) -> dict[str, Any]:
        """The row of one check."""
        if not isinstance(asked, dict):
            raise RecordError("wrong_type", f"check {index} is {kind_of(asked)}: it must be an object")
        resource = object_of(asked.get("resource"))
        holder = asked if "permission" in asked else resource
        permission = required_text(holder, "permission", "$.request")
        subject = object_of(asked.get("subject"))
        who = object_of(subject.get("object"))
        kind, own_id = text_of(who.get("objectType")), text_of(who.get("objectId"))
        relation = text_of(subject.get("optionalRelation"))
        principal_id = None if own_id is None else f"{kind}:{own_id}" if kind else own_id
        if principal_id is not None and relation is not None:
            principal_id = f"{principal_id}#{relation}"
        agent = self._mapping.agent(principal_id)
        if agent.name is None:
            agent = self._mapping.agent_of(own_id, kind)
        context = object_of(asked.get("context"))
        told = facts(self._mapping, self._time, [context], {})
        trace_id, span_id = read_traceparent(context.get(self._mapping.attributes.traceparent or ""))
        return {
            "decision_id": f"{self._id}#{index}",
            "source_decision_id": self._request_id,
            "decision_time": self._time,
            **self._answer(answer),
            "principal_id": principal_id,
            "principal_type": kind,
            "agent_id": agent.id,
            "agent_name": agent.name,
            "action": permission,
            "resource_type": text_of(resource.get("objectType")),
            "resource_id": text_of(resource.get("objectId")),
            "trace_id": trace_id or self._trace_id,
            "span_id": span_id,
            "request_id": self._request_id,
            **told,
            "tenant_id": agent.tenant or told["tenant_id"],
            "latency_ms": number_of(self._line.get("grpc.time_ms")),
            "attributes": attributes_text(
                {**self._about, "context": without_secrets(rest(self._mapping, context)) or None}
            ),
        }

    def _answer(self, answer: dict[str, Any]) -> dict[str, Any]:
        failed = answer.get("error", self._line.get("error"))
        why = text_of(failed) or text_of(object_of(failed).get("message"))
        if why is not None:
            return no_answer(why)
        said = object_of(answer.get("item")).get("permissionship", answer.get("permissionship"))
        known = _ANSWERS.get(said) if isinstance(said, str) else None
        if known is None:
            return no_answer(f"the permissionship is {cut(repr(said), 60)}")
        return {"decision": known[0], "determination": known[1]}
