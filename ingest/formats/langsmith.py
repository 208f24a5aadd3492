"""LangSmith runs, of LangGraph and LangChain: one run a record, an answer of the API, or a batch of the SDK.

Within a graph the name of an agent is that of its node: the last part of `checkpoint_ns`, which names the graph
that a run belongs to. A run that ends with a ParentCommand passed the work on and did not fail.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from uuid import UUID

from ingest.formats.attributes import attributes_text
from ingest.formats.collect import MOST_EVENTS, Collector, too_many_events
from ingest.formats.handoff import is_handoff, target_of
from ingest.formats.langsmith_times import Order, of_dotted_order, read_naive_time
from ingest.formats.toolcall import read_arguments, tool_columns
from ingest.jsonrecord import cut, kind_of, name_of, object_of, parse, required_text, text_of
from ingest.secrets import mask
from schemas.errors import RecordError
from schemas.events import ORCHESTRATION_EVENTS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ingest.formats.shape import Shape
    from ingest.mapping import Mapping
    from ingest.records import Decoded, Headers, Records

_NAME = "langsmith"
_ERROR_CHARACTERS = 200
_ERROR_CLASS = re.compile(r"([A-Za-z_][\w.]{0,200})\(")
_COMMAND_END = 400  # where in a command's text its end is looked at
_GOTO = re.compile(r"goto='([^']+)'\)+")
_INTERRUPTS = ("GraphInterrupt(", "NodeInterrupt(")
_THREADS = ("thread_id", "session_id", "conversation_id")
_KEPT_METADATA = (
    "langgraph_step",
    "langgraph_node",
    "langgraph_checkpoint_ns",
    "ls_model_name",
    "ls_provider",
)


class LangSmith:
    """Reads runs of LangSmith."""

    name = _NAME

    def __init__(self, mapping: Mapping) -> None:
        """Tools, refusals and run metadata are read by `mapping`."""
        self._mapping = mapping

    def claims(self, headers: Headers) -> bool:  # noqa: ARG002 - LangSmith writes to no broker itself
        """Never."""
        return False

    def recognises(self, shape: Shape) -> bool:
        """By a run's type with its place in the trace, or by a batch of such runs."""
        if shape.run_type and (shape.dotted_order or shape.trace_id or shape.parent_run_id):
            return True
        return any(_holds_runs(bytes(raw)) for raw in (shape.post, shape.patch, shape.runs, shape.data))

    def read(self, records: Records, chosen: Sequence[int]) -> Decoded:
        """One row a run."""
        found = Collector(ORCHESTRATION_EVENTS, _NAME)
        for i in chosen:
            try:
                runs = _runs(parse(records.value[i] or b""))
            except RecordError as error:
                found.dead(i, 0, error)
                continue
            if not runs:
                found.skip("no_event")
            for index, (run, part) in enumerate(runs):
                try:
                    found.row(i, index, self._event(run, part))
                except RecordError as error:
                    found.dead(i, index, error)
        return found.finish()

    def _event(self, run: object, part: str | None) -> dict[str, Any]:
        if not isinstance(run, dict):
            raise RecordError("wrong_type", f"the item is {kind_of(run)}: it must be a run")
        run_id = required_text(run, "id")
        row = self._common(run, run_id)
        kind = text_of(run.get("run_type"))
        if part == "post" and row["end_time"] is None:
            # The SDK tells a run twice, when it begins and when it has ended: the second is the event.
            return {**row, "event_id": f"{run_id}#begun", "event_type": "step", "native_span_id": None}
        if kind is None:
            if part != "patch":
                raise RecordError("missing_field", "$.run_type is missing: the format requires it")
            return {**row, "event_id": f"{run_id}#ended", "event_type": "step", "native_span_id": None}
        if kind == "tool":
            return {**row, **self._tool(run)}
        if kind == "retriever" and self._mapping.tool(text_of(run.get("name"))) is not None:
            columns = tool_columns(self._mapping, text_of(run.get("name")), run.get("inputs"))
            return {**row, **columns, "event_type": "data_access"}
        if kind == "llm":
            return {**row, "event_type": "model_call"}
        return {**row, **self._chain(run, row)}

    def _common(self, run: dict[str, Any], run_id: str) -> dict[str, Any]:
        told = run.get("trace_id") and run.get("parent_run_id") and run.get("start_time")
        order = Order() if told else of_dotted_order(run.get("dotted_order"))
        trace = text_of(run.get("trace_id")) or order.trace or (None if order.parent else run_id)
        metadata = object_of(object_of(_json(run.get("extra"))).get("metadata"))
        owner = self._mapping.owner(metadata)
        started = read_naive_time(run.get("start_time"), "$.start_time") or order.time
        status, error_type = self._outcome(run)
        return {
            "event_id": run_id,
            "event_time": started,
            "time_estimated": started is None,
            "end_time": read_naive_time(run.get("end_time"), "$.end_time"),
            "tenant_id": owner.tenant,
            "environment": owner.environment,
            "on_behalf_of": owner.on_behalf_of,
            "agent_name": _agent(metadata),
            "trace_id": _trace_id(trace),
            "native_span_id": run_id,
            "native_parent_id": text_of(run.get("parent_run_id")) or order.parent,
            "conversation_id": next((name for key in _THREADS if (name := name_of(metadata.get(key)))), None),
            "task_id": trace,
            "tool_call_id": name_of(object_of(_json(run.get("extra"))).get("tool_call_id")),
            "status": status,
            "error_type": error_type,
            "attributes": self._attributes(run, metadata, failed=status == "error"),
        }

    def _tool(self, run: dict[str, Any]) -> dict[str, Any]:
        name = text_of(run.get("name"))
        given = _inputs(run.get("inputs"))
        goto = _goto(object_of(_json(run.get("outputs"))).get("output"))
        if is_handoff(name) or goto is not None:
            target = goto or target_of(name, read_arguments(given)[0])
            return {"event_type": "handoff", "tool_name": name, "target_agent_name": target}
        return {"event_type": "tool_call", **tool_columns(self._mapping, name, given)}

    def _chain(self, run: dict[str, Any], row: dict[str, Any]) -> dict[str, Any]:
        name = text_of(run.get("name"))
        metadata = object_of(object_of(_json(run.get("extra"))).get("metadata"))
        if row["native_parent_id"] is None:
            agent = row["agent_name"] or (name if self._mapping.langsmith.root_agent else None)
            return {"event_type": "run_start", "agent_name": agent}
        own, outer = text_of(metadata.get("langgraph_checkpoint_ns")), text_of(metadata.get("checkpoint_ns"))
        agent = text_of(metadata.get("lc_agent_name"))
        node = text_of(metadata.get("langgraph_node"))
        if (agent is not None and agent == name) or (own is not None and own == outer and node == name):
            return {
                "event_type": "task_start",
                "agent_name": agent or node,
                "agent_instance_id": row["event_id"],
            }
        return {"event_type": "step", **_passed_on(run.get("error"))}

    def _outcome(self, run: dict[str, Any]) -> tuple[str, str | None]:
        """The status, and the kind of error if it is one."""
        error = text_of(run.get("error"))
        message = object_of(_json(run.get("outputs"))).get("output")
        content = object_of(message).get("content") if isinstance(message, dict) else _words(message)
        if run.get("run_type") == "tool" and (self._mapping.refused(content) or self._mapping.refused(error)):
            return "rejected", None
        if error is not None and error.startswith(_INTERRUPTS):
            return "input_required", None
        if error is not None and not error.startswith("ParentCommand("):
            return "error", _error_type(error)
        if object_of(message).get("status") == "error":
            return "error", _error_type(text_of(content) or "error")
        return ("unset" if run.get("end_time") is None else "ok"), None

    def _attributes(self, run: dict[str, Any], metadata: dict[str, Any], *, failed: bool) -> str | None:
        tool = run.get("run_type") in ("tool", "retriever")
        return attributes_text({
            "name": run.get("name"),
            "run_type": run.get("run_type"),
            "tags": run.get("tags") or None,
            "inputs": run.get("inputs") if tool else None,
            "outputs": run.get("outputs") if tool else None,
            "error": run.get("error") if failed else _head(run.get("error")) or None,
            **{key: metadata.get(key) for key in _KEPT_METADATA},
        })  # fmt: skip


def _holds_runs(raw: bytes) -> bool:
    """Whether the JSON of a list begins with a run."""
    if not raw.startswith(b"["):
        return False
    try:
        items = parse(raw)
    except RecordError:
        return False
    first = object_of(items[0]) if items else {}
    return "dotted_order" in first or ("run_type" in first and "id" in first)


def _runs(record: object) -> list[tuple[Any, str | None]]:
    """The runs of a record, each with the part of a batch that it came in."""
    if isinstance(record, list):
        held: list[tuple[list[Any], str | None]] = [(record, None)]
    elif not isinstance(record, dict):
        raise RecordError("wrong_type", f"$ is {kind_of(record)}: it must be a run or a batch of them")
    elif "id" in record:
        held = [([record], None)]
    else:
        parts = [part for part in ("post", "patch", "runs", "data") if isinstance(record.get(part), list)]
        if not parts:
            raise RecordError("missing_field", "$.id is missing: the format requires it")
        held = [(record[part], part) for part in parts]
    count = sum(len(runs) for runs, _ in held)
    if count > MOST_EVENTS:
        raise too_many_events(count)
    return [(run, part) for runs, part in held for run in runs]


def _agent(metadata: dict[str, Any]) -> str | None:
    """The agent whose graph a run belongs to; None at the top of the trace."""
    named = text_of(metadata.get("lc_agent_name"))
    if named is not None:
        return named
    own, outer = text_of(metadata.get("langgraph_checkpoint_ns")), text_of(metadata.get("checkpoint_ns"))
    if outer is None or own is None or not own.startswith(f"{outer}|"):
        return None
    return outer.rsplit("|", 1)[-1].split(":", 1)[0] or None


def _passed_on(error: object) -> dict[str, Any]:
    """A handoff that a node made itself. One that a tool made is told by the run of the tool already."""
    command = _head(error)
    if not command.startswith("ParentCommand(Command(graph='__parent__'") or "tool_call_id=" in command:
        return {}
    target = _goto(command.removeprefix("ParentCommand("))
    return {"event_type": "handoff", "target_agent_name": target} if target else {}


def _head(error: object) -> str:
    """An error without its stack."""
    return error.partition("Traceback (most recent call last)")[0] if isinstance(error, str) else ""


def _goto(output: object) -> str | None:
    """Where a command sends the work, as an object or as its text; None for what is no command."""
    if isinstance(output, dict):
        return text_of(output.get("goto")) if "graph" in output or "update" in output else None
    if not isinstance(output, str) or not output.startswith("Command("):
        return None
    # Only the very end counts: what stands before it may be words of a model.
    found = list(_GOTO.finditer(output[-_COMMAND_END:]))
    return found[-1][1] if found and output.endswith(found[-1][0]) else None


def _words(message: object) -> object:
    """A message's words, where a tracer wrote down the message as Python shows it: content='…' name='…'."""
    if isinstance(message, str) and message.startswith(("content='", 'content="')):
        return message[len("content='") :]
    return message


def _inputs(given: object) -> object:
    """The arguments of a tool: an object, or the text of one that older tracers put under `input`."""
    given = _json(given)
    if isinstance(given, dict) and set(given) == {"input"} and isinstance(given["input"], str):
        return given["input"]
    return given


def _json(value: object) -> object:
    """A value, or that whose JSON text it is: exports in columns hold objects as text."""
    if not isinstance(value, str) or not value.startswith("{"):
        return value
    try:
        return parse(value.encode())
    except RecordError:
        return value


def _error_type(error: str) -> str:
    match = _ERROR_CLASS.match(error)
    return match[1] if match else cut(mask(error), _ERROR_CHARACTERS)


def _trace_id(trace: str | None) -> str | None:
    try:
        return UUID(trace).hex if trace else None
    except ValueError:
        return trace
