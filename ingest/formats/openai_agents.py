"""OpenAI Agents SDK: exported traces and spans, one JSON object a record, or the batches that it posts.

A trace carries no time, so a run_start takes the record's. A function span names neither its agent nor its
call; the agent is found through the parents, in analytics. Spans have no W3C ids: instrumentations that
propagate `traceparent` use the trace id without its prefix and the first 16 digits of the span id, and so
does this reader.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from ingest.formats.attributes import attributes_text
from ingest.formats.collect import MOST_EVENTS, Collector, too_many_events
from ingest.formats.toolcall import tool_columns
from ingest.jsonrecord import (
    cut,
    kind_of,
    object_of,
    parse,
    parse_object,
    required_text,
    text_of,
)
from ingest.secrets import mask
from ingest.times import read_time_or_none
from schemas.errors import RecordError
from schemas.events import ORCHESTRATION_EVENTS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ingest.formats.shape import Shape
    from ingest.mapping import Mapping
    from ingest.records import Decoded, Headers, Records

_NAME = "openai_agents"
_ERROR_CHARACTERS = 200
_SPAN_ID = re.compile(r"(?:span_)?([0-9a-fA-F]{16})[0-9a-fA-F]*")
_EVENT_TYPES = {
    "agent": "task_start",
    "task": "task_start",
    "function": "tool_call",
    "handoff": "handoff",
    "guardrail": "guardrail",
    "generation": "model_call",
    "response": "model_call",
}
# Of each type of span, what is kept in `attributes` when no column holds it. Prompts and answers of models
# are not.
_KEPT = {
    "agent": ("tools", "handoffs", "output_type"),
    "task": ("name", "usage"),
    "turn": ("turn", "usage"),
    "function": ("input", "output", "mcp_data"),
    "guardrail": ("name", "triggered"),
    "generation": ("model", "model_config", "usage"),
    "response": ("response_id", "usage"),
    "mcp_tools": ("server", "result"),
    "custom": ("name", "data"),
}


class OpenAIAgents:
    """Reads traces and spans of the OpenAI Agents SDK."""

    name = _NAME

    def __init__(self, mapping: Mapping) -> None:
        """Tools and run metadata are read by `mapping`."""
        self._mapping = mapping

    def claims(self, headers: Headers) -> bool:  # noqa: ARG002 - the SDK sets no header
        """Never: the SDK writes to no broker itself."""
        return False

    def recognises(self, shape: Shape) -> bool:
        """By `object`, or by a `data` list whose first item has it."""
        if bytes(shape.object) in (b'"trace"', b'"trace.span"'):
            return True
        if not bytes(shape.data).startswith(b"["):
            return False
        try:
            items = parse(bytes(shape.data))
        except RecordError:
            return False
        return bool(items) and object_of(items[0]).get("object") in ("trace", "trace.span")

    def read(self, records: Records, chosen: Sequence[int]) -> Decoded:
        """One row a trace or span."""
        found = Collector(ORCHESTRATION_EVENTS, _NAME)
        for i in chosen:
            try:
                items = _items(parse_object(records.value[i] or b""))
            except RecordError as error:
                found.dead(i, 0, error)
                continue
            if not items:
                found.skip("no_event")
            for index, item in enumerate(items):
                try:
                    found.row(i, index, self._event(item))
                except RecordError as error:
                    found.dead(i, index, error)
        return found.finish()

    def _event(self, item: object) -> dict[str, Any]:
        if not isinstance(item, dict):
            raise RecordError("wrong_type", f"the item is {kind_of(item)}: it must be a trace or span object")
        kind = required_text(item, "object")
        if kind == "trace":
            return self._run(item)
        if kind == "trace.span":
            return self._span(item)
        raise RecordError(
            "unknown_value", f"$.object is {cut(repr(kind), 60)}: it must be trace or trace.span"
        )

    def _run(self, trace: dict[str, Any]) -> dict[str, Any]:
        native_id = required_text(trace, "id")
        metadata = object_of(trace.get("metadata"))
        owner = self._mapping.owner(metadata)
        rest = {key: value for key, value in metadata.items() if key not in self._mapping.owner_keys()}
        return {
            "event_id": native_id,
            "event_time": None,
            "time_estimated": True,
            "event_type": "run_start",
            "tenant_id": owner.tenant,
            "on_behalf_of": owner.on_behalf_of,
            "environment": owner.environment,
            "trace_id": _trace_id(native_id),
            "conversation_id": text_of(trace.get("group_id")),
            "attributes": attributes_text(
                {"workflow_name": trace.get("workflow_name"), "metadata": rest or None}
            ),
        }

    def _span(self, span: dict[str, Any]) -> dict[str, Any]:
        native_id = required_text(span, "id")
        parent_id = text_of(span.get("parent_id"))
        data = span.get("span_data")
        if not isinstance(data, dict):
            raise RecordError("wrong_type", f"$.span_data is {kind_of(data)}: it must be an object")
        kind, data = _kind(data)
        started = read_time_or_none(span.get("started_at"), "$.started_at")
        error = span.get("error")
        kept = {"span_type": kind, **{key: data.get(key) for key in _KEPT.get(kind, ())}}
        row: dict[str, Any] = {
            "event_id": native_id,
            "event_time": started,
            "time_estimated": started is None,
            "end_time": read_time_or_none(span.get("ended_at"), "$.ended_at"),
            "event_type": _EVENT_TYPES.get(kind, "step"),
            "trace_id": _trace_id(required_text(span, "trace_id")),
            "span_id": _span_id(native_id),
            "parent_span_id": _span_id(parent_id),
            "native_span_id": native_id,
            "native_parent_id": parent_id,
            "status": _status(span),
            "error_type": _error_type(error),
            "attributes": attributes_text({**kept, "error": error}),
        }
        if kind == "agent":
            row["agent_name"] = text_of(data.get("name"))
            row["agent_instance_id"] = native_id
        elif kind == "task":
            row["task_id"] = native_id
        elif kind == "turn":
            row["agent_name"] = text_of(data.get("agent_name"))
        elif kind == "handoff":
            row["agent_name"] = text_of(data.get("from_agent"))
            row["target_agent_name"] = text_of(data.get("to_agent"))
        elif kind == "guardrail" and data.get("triggered") is True:
            row["status"] = "rejected"
        elif kind == "function":
            row.update(tool_columns(self._mapping, text_of(data.get("name")), data.get("input")))
            if self._mapping.refused(data.get("output")):
                row["status"] = "rejected"
        return row


def _items(record: dict[str, Any]) -> list[Any]:
    """The traces and spans of a record: itself, or those of the batch that it is."""
    if "object" in record or "data" not in record:
        return [record]
    items = record["data"]
    if not isinstance(items, list):
        raise RecordError("wrong_type", f"$.data is {kind_of(items)}: it must be a list")
    if len(items) > MOST_EVENTS:
        raise too_many_events(len(items))
    return items


def _kind(data: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """The type of a span and its data; the SDK tells tasks and turns as custom spans."""
    kind = required_text(data, "type", "$.span_data")
    inner = object_of(data.get("data"))
    if kind == "custom" and inner.get("sdk_span_type") in ("task", "turn"):
        return str(inner["sdk_span_type"]), inner
    return kind, data


def _status(span: dict[str, Any]) -> str:
    if span.get("error") is not None:
        return "error"
    return "unset" if span.get("ended_at") is None else "ok"


def _error_type(error: object) -> str | None:
    if error is None:
        return None
    message = text_of(error) or text_of(object_of(error).get("message")) or "error"
    return cut(mask(message), _ERROR_CHARACTERS)


def _trace_id(native_id: str) -> str:
    return native_id.removeprefix("trace_")


def _span_id(native_id: str | None) -> str | None:
    match = _SPAN_ID.fullmatch(native_id) if native_id else None
    return match[1].lower() if match else None
