"""From a span to the events that it tells of, by OpenTelemetry's GenAI and MCP conventions and those beside them.

Spans of other kinds stay as steps, since they hold the tree together.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple

from ingest.formats.attributes import attributes_text
from ingest.formats.handoff import is_handoff, target_of
from ingest.formats.jsonrpc import request_name
from ingest.formats.toolcall import read_arguments, tool_columns
from ingest.jsonrecord import cut, name_of, parse, text_of, texts_of
from ingest.secrets import mask
from schemas.errors import RecordError
from schemas.events import ORCHESTRATION_EVENTS
from schemas.table import STRING, STRINGS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ingest.formats.otlp_span import Origin, Span
    from ingest.mapping import Mapping

_ERROR_CHARACTERS = 200
_CLIENT, _SERVER = 3, 2
_EVENT_TYPES = {
    "invoke_agent": "task_start",
    "invoke_workflow": "task_start",
    "execute_tool": "tool_call",
    "chat": "model_call",
    "generate_content": "model_call",
    "text_completion": "model_call",
    "embeddings": "model_call",
}
# Operations that are told by the first word of the span's name where the attribute is missing.
_NAMED = frozenset({"invoke_agent", "invoke_workflow", "execute_tool", "create_agent"})
_HANDOFF_OPERATIONS = frozenset({"handoff", "agent_handoff", "transfer"})
_FROM = ("gen_ai.handoff.from_agent", "gen_ai.agent.handoff.source.name")
_TO = ("gen_ai.handoff.to_agent", "gen_ai.agent.handoff.target.name")
_FROM_ID, _TO_ID = "gen_ai.agent.handoff.source.id", "gen_ai.agent.handoff.target.id"
_HANDOFF_NAME = re.compile(r"handoff from (.+) to (.+)", re.IGNORECASE | re.DOTALL)
_ARGUMENTS = ("gen_ai.tool.call.arguments", "gcp.vertex.agent.tool_call_args", "tool_arguments")
_RESULTS = ("gen_ai.tool.call.result", "gcp.vertex.agent.tool_response", "tool_response")
_RESOURCE = ("service.name", "service.instance.id")
# Of attributes, what its column holds whole.
_IN_COLUMNS = frozenset({
    "gen_ai.agent.name", "gen_ai.agent.id", "gen_ai.agent.call.id", "gen_ai.tool.name", "gen_ai.tool.call.id",
    "agent_name",
})  # fmt: skip
_OWN = "counterfoil."
# Columns that a producer may fill by an attribute of its own, such as counterfoil.decision_id.
_OWN_COLUMNS = {
    _OWN + column.name: column
    for column in ORCHESTRATION_EVENTS.columns
    if column.native
    and column.type in (STRING, STRINGS)
    and not column.required
    and not column.values
    and column.name
    not in ("trace_id", "span_id", "parent_span_id", "native_span_id", "native_parent_id", "attributes")
}


class _Handoff(NamedTuple):
    source: str | None
    target: str | None
    source_id: str | None = None
    target_id: str | None = None


class SpanRows:
    """Makes the rows of a span, by the settings."""

    def __init__(self, mapping: Mapping) -> None:
        """Tools, refusals and the names of attributes are read by `mapping`."""
        self._mapping = mapping
        of = mapping.otlp
        self._taken = {*_IN_COLUMNS, *of.tenant, *of.environment, *of.on_behalf_of, *of.conversation}

    def repeated_bytes(self, origin: Origin) -> int:
        """How much of its origin each of a span's rows repeats."""
        of = self._mapping.otlp
        names = (*of.tenant, *of.environment, *of.on_behalf_of, *_RESOURCE)
        texts = (origin.scope, *(origin.resource.get(name) for name in names))
        return sum(len(text) for text in texts if isinstance(text, str))

    def rows(self, span: Span, origin: Origin) -> list[dict[str, Any]]:
        """One row, or two where an agent's start tells of a handoff as well."""
        given = span.attributes
        operation = _operation(span)
        handoff = _handoff(span, operation)
        kind = self._event_type(span, operation)
        row = {**self._common(span, origin), "event_type": kind}
        own = _own(given)
        passing = _passing(handoff, row, given) if handoff is not None else {}
        if passing and kind != "task_start":
            return [{**row, **passing, **own}]
        start = {**row, **self._about(kind, span, operation), **own}
        if not passing:
            return [start]
        # The handoff is a point in time within the span that it started.
        point = {"event_id": f"{row['event_id']}#handoff", "span_id": None, "parent_span_id": span.span_id}
        return [start, {**row, **passing, **own, **point, "end_time": None, "attributes": None}]

    def _common(self, span: Span, origin: Origin) -> dict[str, Any]:
        of, given = self._mapping.otlp, span.attributes
        if origin.columns is None:
            origin.columns = self._whose(origin.resource)
        status, error_type = self._outcome(span)
        return {
            "event_id": f"{span.trace_id}-{span.span_id}",
            "event_time": span.start,
            "time_estimated": span.start is None,
            "end_time": span.end,
            "agent_id": text_of(given.get("gen_ai.agent.id")),
            "agent_name": text_of(given.get("gen_ai.agent.name")) or text_of(given.get("agent_name")),
            "agent_instance_id": name_of(given.get("gen_ai.agent.call.id")),
            "trace_id": span.trace_id,
            "span_id": span.span_id,
            "parent_span_id": span.parent_id,
            "conversation_id": _first(of.conversation, given),
            "request_id": request_name(given.get("jsonrpc.request.id")),
            "status": status,
            "error_type": error_type,
            "attributes": self._attributes(span, origin),
            **origin.columns,
            **self._whose(given),
        }

    def _whose(self, given: dict[str, Any]) -> dict[str, Any]:
        """Whose run it is, as far as the attributes of a span, or of its resource, say."""
        of = self._mapping.otlp
        row = {}
        for column, names in (
            ("tenant_id", of.tenant),
            ("environment", of.environment),
            ("on_behalf_of", of.on_behalf_of),
        ):
            found = _first(names, given)
            if found is not None:
                row[column] = found if column != "on_behalf_of" else self._mapping.root(found)
        return row

    def _event_type(self, span: Span, operation: str | None) -> str:
        given = span.attributes
        if given.get("mcp.method.name") == "tools/call":
            told_here = span.kind != _SERVER or self._mapping.otlp.mcp_server_calls
            return "tool_call" if told_here else "step"
        if operation is None:
            return "tool_call" if "gen_ai.tool.call.id" in given else "step"
        if operation == "retrieval" and self._mapping.tool(_data_source(given)) is not None:
            return "data_access"
        return _EVENT_TYPES.get(operation, "step")

    def _about(self, kind: str, span: Span, operation: str | None) -> dict[str, Any]:
        """What a kind of event has in columns of its own."""
        given = span.attributes
        if kind == "tool_call":
            arguments = next((given[key] for key in _ARGUMENTS if given.get(key) is not None), None)
            attempt = given.get("pydantic_ai.tool.retry.attempt")
            return {
                **tool_columns(self._mapping, _tool_name(span), arguments),
                "tool_call_id": name_of(given.get("gen_ai.tool.call.id")),
                "attempt": attempt if isinstance(attempt, int) and 0 < attempt < 2**31 else None,
            }
        if kind == "data_access":
            source = _data_source(given)
            columns = tool_columns(self._mapping, source, None)
            return {**columns, "resource_id": columns.get("resource_id") or source}
        if operation == "create_agent":
            return {"agent_name": None, "agent_id": None}  # the agent that was made, not the one that acts
        return {}

    def _outcome(self, span: Span) -> tuple[str, str | None]:
        """The status, and the kind of error if it is one."""
        given = span.attributes
        declared = text_of(given.get("error.type"))
        failed = span.code == 2 or (declared is not None and span.code == 0)
        results = [given.get(key) for key in _RESULTS]
        if failed:
            results += [span.error_message, span.message]
        if any(self._refused(result) for result in results):
            return "rejected", None
        if failed:
            told = declared or span.error_type or span.message or span.error_message or "error"
            return "error", cut(mask(told), _ERROR_CHARACTERS)
        return ("unset" if span.end is None else "ok"), None

    def _refused(self, result: object) -> bool:
        """Whether a result says that the call was refused; a text may have been written as JSON."""
        if isinstance(result, str) and result[:1] == '"':
            try:
                result = parse(result.encode())
            except RecordError:
                return False
        return self._mapping.refused(result)

    def _attributes(self, span: Span, origin: Origin) -> str | None:
        rest = {
            key: value
            for key, value in span.attributes.items()
            if key not in self._taken and key not in _OWN_COLUMNS
        }
        resource = {key: origin.resource[key] for key in _RESOURCE if key in origin.resource}
        return attributes_text({
            "span_name": span.name or None,
            "span_kind": span.kind or None,
            "scope": origin.scope,
            "resource": resource or None,
            "links": span.links or None,
            "error_message": span.error_message or span.message,
            **rest,
        })  # fmt: skip


def _operation(span: Span) -> str | None:
    operation = text_of(span.attributes.get("gen_ai.operation.name"))
    if operation is not None:
        return operation
    word, _, rest = span.name.partition(" ")
    return word if rest and word in _NAMED else None


def _handoff(span: Span, operation: str | None) -> _Handoff | None:
    given = span.attributes
    source, target = _first(_FROM, given), _first(_TO, given)
    if target is not None or _TO_ID in given:
        return _Handoff(source, target, text_of(given.get(_FROM_ID)), text_of(given.get(_TO_ID)))
    source, target = text_of(given.get("from_agent")), text_of(given.get("to_agent"))
    if source is not None and target is not None:
        return _Handoff(source, target)
    if operation in _HANDOFF_OPERATIONS:
        match = _HANDOFF_NAME.fullmatch(cut(span.name, 1000))
        # A name that holds " to " itself could be divided in two ways, and is not.
        return (
            _Handoff(match[1], match[2])
            if match and span.name.count(" to ") == 1
            else _Handoff(source, target)
        )
    if operation == "execute_tool":
        tool = _tool_name(span)
        if is_handoff(tool):
            arguments = next((given[key] for key in _ARGUMENTS if given.get(key) is not None), None)
            return _Handoff(None, target_of(tool, read_arguments(arguments)[0]))
    return None


def _passing(handoff: _Handoff, row: dict[str, Any], given: dict[str, Any]) -> dict[str, Any]:
    """What makes the row of a span that of a handoff."""
    return {
        "event_type": "handoff",
        "agent_name": handoff.source or row["agent_name"],
        "agent_id": handoff.source_id or row["agent_id"],
        "target_agent_name": handoff.target,
        "target_agent_id": handoff.target_id,
        "tool_name": text_of(given.get("gen_ai.tool.name")),
        "tool_call_id": name_of(given.get("gen_ai.tool.call.id")),
    }


def _tool_name(span: Span) -> str | None:
    """The tool of a call; by convention the span's name ends in it: execute_tool NAME, tools/call NAME."""
    name = text_of(span.attributes.get("gen_ai.tool.name"))
    for head in ("execute_tool ", "tools/call "):
        if name is None and head in span.name:
            name = text_of(span.name.partition(head)[2])
    return name


def _data_source(given: dict[str, Any]) -> str | None:
    return text_of(given.get("gen_ai.data_source.id"))


def _first(names: Iterable[str], given: dict[str, Any]) -> str | None:
    """The first of the attributes that is an identifier."""
    for name in names:
        if name in given:
            found = name_of(given[name])
            if found is not None:
                return found
    return None


def _own(given: dict[str, Any]) -> dict[str, Any]:
    """The columns that the producer fills by attributes of its own."""
    row = {}
    for name, value in given.items():
        column = _OWN_COLUMNS.get(name) if name.startswith(_OWN) else None
        if column is not None:
            told = texts_of(value) if column.type == STRINGS else name_of(value)
            if told is not None:
                row[column.name] = told
    return row
