"""The states of A2A tasks, from the answers that tell them."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

import msgspec

from ingest.formats.attributes import attributes_text
from ingest.formats.collect import MOST_EVENTS, too_many_events
from ingest.formats.jsonrpc import request_name
from ingest.jsonrecord import DECODE_ERRORS, cut, kind_of, list_of, object_of, text_of
from ingest.secrets import mask
from schemas.errors import RecordError

if TYPE_CHECKING:
    from ingest.formats.jsonrpc import Exchange

_ERROR_CHARACTERS = 200
# State, without its prefix: the type of the event and the status.
_STATES = {
    "SUBMITTED": ("task_start", "unset"),
    "WORKING": ("step", "unset"),
    "COMPLETED": ("task_stop", "ok"),
    "FAILED": ("task_stop", "error"),
    "CANCELED": ("task_stop", "canceled"),
    "REJECTED": ("task_stop", "rejected"),
    "INPUT_REQUIRED": ("step", "input_required"),
    "AUTH_REQUIRED": ("step", "auth_required"),
}


class _Result(msgspec.Struct):
    """The keys by which a result is told to be one of A2A."""

    task: msgspec.Raw = msgspec.Raw()
    tasks: msgspec.Raw = msgspec.Raw()
    message: msgspec.Raw = msgspec.Raw()
    statusUpdate: msgspec.Raw = msgspec.Raw()  # noqa: N815 - the format's own names
    artifactUpdate: msgspec.Raw = msgspec.Raw()  # noqa: N815
    contextId: msgspec.Raw = msgspec.Raw()  # noqa: N815


_result = msgspec.json.Decoder(_Result).decode


def states_in(result: bytes) -> bool:
    """Whether the JSON of a result is one of A2A."""
    try:
        keys = _result(result)
    except DECODE_ERRORS:
        return False
    within = (keys.task, keys.message, keys.statusUpdate, keys.artifactUpdate)
    return any(bytes(raw).startswith(b"{") for raw in within) or bool(keys.contextId)


class TaskStates:
    """Gathers the events of tasks from the answers to one request."""

    def __init__(self, exchange: Exchange, agent: str | None, where: str) -> None:
        """`agent` is the one that does the tasks, if it is known; `where` names the record."""
        self.rows: list[dict[str, Any]] = []
        self.broken: list[RecordError] = []
        self.statuses: set[str] = set()
        self.task_id: str | None = None
        self.context_id: str | None = None
        self._exchange = exchange
        self._agent = agent
        self._where = where

    def read(self, answer: dict[str, Any]) -> None:
        """Add what an answer tells: a task, tasks, an update of one, or a message and no task."""
        result = self._told(answer.get("result"), "result") or {}
        tasks = [*self._tasks(result.get("tasks")), self._told(result.get("task"), "task")]
        if "status" in result and "id" in result:
            tasks.append(result)
        for task in tasks:
            if task is None:
                continue
            artifacts = [object_of(artifact) for artifact in list_of(task.get("artifacts"))]
            self._state(task, text_of(task.get("id")), artifacts, answer)
        own = result if "status" in result and "taskId" in result else None
        update = self._told(result.get("statusUpdate", own), "statusUpdate")
        if update is not None:
            self._state(update, text_of(update.get("taskId")), [], answer)
        own = result if "artifact" in result and "taskId" in result else None
        update = self._told(result.get("artifactUpdate", own), "artifactUpdate")
        if update is not None:
            self._artifact(update, answer)

    def _tasks(self, given: object) -> list[dict[str, Any] | None]:
        if given is not None and not isinstance(given, list):
            self._told(given, "tasks")
        return [self._told(task, "task") for task in list_of(given)]

    def _told(self, given: object, what: str) -> dict[str, Any] | None:
        """The object that an answer has there; None where it has none. What is something else is broken."""
        if given is None or isinstance(given, dict):
            return given
        if len(self.broken) >= MOST_EVENTS:
            raise too_many_events(len(self.broken))
        self.broken.append(RecordError("wrong_type", f"a {what} is {kind_of(given)}: it must be an object"))
        return None

    def _state(
        self,
        told: dict[str, Any],
        task_id: str | None,
        artifacts: list[dict[str, Any]],
        answer: dict[str, Any],
    ) -> None:
        status = object_of(told.get("status"))
        state = name_of_state(status.get("state"))
        kind, outcome = _STATES.get(state or "", ("step", "unset"))
        self.statuses.add(outcome)
        time = _time(status.get("timestamp"))
        reason = _words(status.get("message"))
        row = self._row(told, task_id, answer, time)
        # A state is the same event however often it is told, where the task and the time of the state say so.
        if task_id is not None and state is not None:
            at = text_of(status.get("timestamp")) or row["request_id"] or self._where
            row["event_id"] = f"a2a:{task_id}:{state}:{at}"
        self.rows.append({
            **row,
            "event_type": kind,
            "status": outcome,
            "error_type": cut(mask(reason or "failed"), _ERROR_CHARACTERS) if outcome == "error" else None,
            "output_refs": [name for artifact in artifacts if (name := text_of(artifact.get("artifactId")))] or None,
            "attributes": attributes_text({"state": state, "reason": reason}),
        })  # fmt: skip

    def _artifact(self, update: dict[str, Any], answer: dict[str, Any]) -> None:
        artifact = object_of(update.get("artifact"))
        task_id, artifact_id = text_of(update.get("taskId")), text_of(artifact.get("artifactId"))
        row = self._row(update, task_id, answer, None)
        self.rows.append({
            **row,
            "event_type": "step",
            "status": "unset",
            "output_refs": [artifact_id] if artifact_id else None,
            "attributes": attributes_text({"artifact": artifact.get("name")}),
        })  # fmt: skip

    def _row(
        self, told: dict[str, Any], task_id: str | None, answer: dict[str, Any], time: datetime | None
    ) -> dict[str, Any]:
        if len(self.rows) >= MOST_EVENTS:
            raise too_many_events(len(self.rows))
        trace_id, span_id = self._exchange.trace()
        context_id = text_of(told.get("contextId"))
        self.task_id = self.task_id or task_id
        self.context_id = self.context_id or context_id
        return {
            "event_id": f"a2a:{self._where}:{len(self.rows)}",
            "event_time": time or self._exchange.time,
            "time_estimated": time is None,
            "trace_id": trace_id,
            "parent_span_id": span_id,
            "agent_name": self._agent,
            "conversation_id": context_id,
            "task_id": task_id,
            "request_id": request_name(answer.get("id")),
        }


def name_of_state(state: object) -> str | None:
    """The state without the prefix of its enumeration, in capitals, as also older versions wrote it."""
    text = text_of(state)
    return text.upper().replace("-", "_").removeprefix("TASK_STATE_") if text else None


def _time(timestamp: object) -> datetime | None:
    """The time of a state; None where it is none with a zone."""
    try:
        time = datetime.fromisoformat(timestamp) if isinstance(timestamp, str) else None
    except ValueError:
        return None
    return time if time is not None and time.tzinfo is not None else None


def _words(message: object) -> str | None:
    """The text of an agent's message."""
    parts = [text_of(object_of(part).get("text")) for part in list_of(object_of(message).get("parts"))]
    return "\n".join(part for part in parts if part) or None
