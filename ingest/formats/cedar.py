"""Cedar decisions as the Python bindings (cedarpy) give them: `request` and `response` in one object a record.

A principal, action or resource is an object with `type` and `id`, one in Cedar's JSON form (`__entity`), or
Cedar's own text such as `Acme::Agent::"refunds"`. Cedar keeps no log itself: the caller writes `time` beside what
it asked.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from ingest.cloudevents import attribute
from ingest.formats.attributes import attributes_text
from ingest.formats.collect import Collector
from ingest.formats.facts import content_id, facts, name, no_answer, number_of, rest, short
from ingest.formats.redact import without_secrets
from ingest.formats.shape import asked_of
from ingest.jsonrecord import DECODE_ERRORS, cut, list_of, name_of, object_of, parse_object, text_of
from ingest.times import read_time
from ingest.traceparent import read_traceparent
from schemas.errors import RecordError
from schemas.events import AUTHORIZATION_DECISIONS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ingest.formats.shape import Shape
    from ingest.mapping import Mapping
    from ingest.records import Decoded, Headers, Records

_NAME = "cedar"
_DECISIONS = {"allow": "allow", "deny": "deny"}
_ENTITY = re.compile(r"([A-Za-z_][\w:]*)::(\".*\")", re.DOTALL)
_ENTITY_CHARACTERS = 8192
_TIMES = ("time", "timestamp", "decision_time")


class Entity(NamedTuple):
    """What Cedar calls an entity."""

    type: str | None
    id: str | None


class Cedar:
    """Reads decisions of the Cedar policy engine."""

    name = _NAME

    def __init__(self, mapping: Mapping) -> None:
        """Principals and what the context says are read by `mapping`."""
        self._mapping = mapping

    def claims(self, headers: Headers) -> bool:  # noqa: ARG002 - Cedar is a library
        """Never: Cedar is a library and writes no records itself."""
        return False

    def recognises(self, shape: Shape) -> bool:
        """By a request with a principal and an action, beside its response."""
        if not bytes(shape.request).startswith(b"{") or not shape.response:
            return False
        asked = asked_of(shape.request)
        return asked is not None and bool(asked.principal and asked.action)

    def read(self, records: Records, chosen: Sequence[int]) -> Decoded:
        """One row a record."""
        found = Collector(AUTHORIZATION_DECISIONS, _NAME)
        for i in chosen:
            try:
                found.row(i, 0, self._decision(records.value[i] or b"", records.headers[i]))
            except RecordError as error:
                found.dead(i, 0, error)
        return found.finish()

    def _decision(self, value: bytes, headers: Headers) -> dict[str, Any]:
        record = parse_object(value)
        request, response = object_of(record.get("request")), object_of(record.get("response"))
        told = next((record[key] for key in _TIMES if record.get(key) is not None), None)
        time = read_time(told if told is not None else attribute(headers, "time"), "$.time")
        correlation = text_of(request.get("correlation_id")) or text_of(response.get("correlation_id"))
        principal, action = entity_of(request.get("principal")), entity_of(request.get("action"))
        resource = entity_of(request.get("resource"))
        if action.id is None:
            raise RecordError("missing_field", "$.request.action names no action: the format requires it")
        context = _context(request.get("context"))
        agent = self._mapping.agent_of(principal.id, principal.type)
        said = facts(self._mapping, time, [context], {})
        traceparent = self._mapping.attributes.traceparent
        trace_id, span_id = read_traceparent(context.get(traceparent) if traceparent else None)
        return {
            "decision_id": f"{correlation or content_id(value, headers)}#0",
            "source_decision_id": correlation,
            "decision_time": time,
            **_answer(response),
            "principal_id": principal.id,
            "principal_type": principal.type,
            "agent_id": agent.id,
            "agent_name": agent.name,
            "action": action.id,
            "resource_type": resource.type,
            "resource_id": resource.id,
            "trace_id": trace_id,
            "span_id": span_id,
            "request_id": name("request_id", [context]),
            **said,
            "tenant_id": agent.tenant or said["tenant_id"],
            "latency_ms": _latency(response),
            "attributes": _attributes(self._mapping, context, response),
        }


def entity_of(value: object) -> Entity:
    """Type and id of an entity, in any of Cedar's ways to write it; both None where it is none."""
    if isinstance(value, str):
        match = _ENTITY.fullmatch(value.strip()) if len(value) <= _ENTITY_CHARACTERS else None
        return Entity(match[1], _unquoted(match[2])) if match else Entity(None, value or None)
    holder = object_of(value)
    holder = object_of(holder["__entity"]) if "__entity" in holder else holder
    return Entity(text_of(holder.get("type")), name_of(holder.get("id")))


def _unquoted(text: str) -> str:
    """A quoted text of Cedar, whose escapes are those of JSON but for a few; those stay as written."""
    try:
        return msgspec.json.decode(text, type=str)
    except DECODE_ERRORS:
        return text[1:-1]


def _context(value: object) -> dict[str, Any]:
    """The context of a request, which may be given as its JSON text."""
    if isinstance(value, str):
        try:
            return parse_object(value.encode())
        except RecordError:
            return {}
    return object_of(value)


def _answer(response: dict[str, Any]) -> dict[str, Any]:
    diagnostics = object_of(response.get("diagnostics"))
    errors = [text for error in list_of(diagnostics.get("errors")) if (text := _error(error))]
    said = response.get("decision")
    decision = _DECISIONS.get(said.lower()) if isinstance(said, str) else None
    if decision is None:
        why = "; ".join(errors) or f"the decision is {cut(repr(said), 60)}"
        return no_answer(why)
    reasons = diagnostics.get("reason", diagnostics.get("reasons"))
    named = object_of(diagnostics.get("id_annotations_by_reason"))
    policies = [text_of(named.get(id_)) or id_ for id_ in list_of(reasons) if isinstance(id_, str)]
    known = "explicit" if policies else "implicit" if isinstance(reasons, list) else None
    return {
        "decision": decision,
        "determination": "error" if errors else known,
        "reason": short("; ".join(errors)),
        "policy_ids": policies if isinstance(reasons, list) else None,
    }


def _error(value: object) -> str | None:
    if isinstance(value, dict):
        inner = value.get("error")
        return text_of(inner) or text_of(object_of(inner).get("message")) or text_of(value.get("message"))
    return text_of(value)


def _latency(response: dict[str, Any]) -> float | None:
    micros = number_of(object_of(response.get("metrics")).get("authz_duration_micros"))
    return None if micros is None else micros / 1000


def _attributes(mapping: Mapping, context: dict[str, Any], response: dict[str, Any]) -> str | None:
    parts = {
        "context": without_secrets(rest(mapping, context)),
        "policies": object_of(response.get("diagnostics")).get("reason"),
    }
    return attributes_text({key: value for key, value in parts.items() if value})
