"""A2A (Agent2Agent) 1.0 over JSON-RPC: messages between agents, and the states of the tasks that come of them.

A message that is sent is a `delegation`; a state of a task in an answer is the start, a step or the stop of it.
A state that is told twice, in an answer and when the task is asked for, is the same event.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ingest.formats.a2a_states import TaskStates, states_in
from ingest.formats.attributes import attributes_text
from ingest.formats.collect import Collector
from ingest.formats.jsonrpc import Exchange, error_of, exchanges, head_of, request_name
from ingest.jsonrecord import cut, object_of, required_text, text_of, texts_of
from ingest.secrets import mask
from schemas.errors import RecordError
from schemas.events import ORCHESTRATION_EVENTS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ingest.formats.shape import Shape
    from ingest.mapping import Agent, Mapping
    from ingest.records import Decoded, Headers, Records

_NAME = "a2a"
_ERROR_CHARACTERS = 200
_LONGEST_NAME = 1024  # each state of the task repeats it
_SENDING = frozenset({"SendMessage", "SendStreamingMessage", "message/send", "message/stream"})
_METHODS = _SENDING | {
    "GetTask", "ListTasks", "CancelTask", "SubscribeToTask", "GetExtendedAgentCard", "GetAgentCard",
    "CreateTaskPushNotificationConfig", "SetTaskPushNotificationConfig", "GetTaskPushNotificationConfig",
    "ListTaskPushNotificationConfig", "ListTaskPushNotificationConfigs", "DeleteTaskPushNotificationConfig",
    "TaskSubscription", "tasks/resubscribe",
}  # fmt: skip
# How the JSON of a result of A2A begins to differ from others: its only key, or the task that it is.
_RESULT_KEYS = (b'"task"', b'"statusUpdate"', b'"artifactUpdate"', b'"contextId"')


class A2A:
    """Reads messages between agents."""

    name = _NAME

    def __init__(self, mapping: Mapping) -> None:
        """Senders, receivers and refusals are read by `mapping`."""
        self._mapping = mapping

    def claims(self, headers: Headers) -> bool:  # noqa: ARG002 - A2A has no transport of its own on Kafka
        """Never."""
        return False

    def recognises(self, shape: Shape) -> bool:
        """By JSON-RPC with one of its methods, or with an answer about a task."""
        head = head_of(shape)
        if head is None:
            return False
        method, result = head
        return method in _METHODS if method is not None else states_in(result)

    def read(self, records: Records, chosen: Sequence[int]) -> Decoded:
        """One row a message that is sent, and one a state or an artifact of a task that an answer tells."""
        found = Collector(ORCHESTRATION_EVENTS, _NAME)
        for i in chosen:
            where = f"{records.topic}:{records.partition}:{records.offset[i]}"
            try:
                held = exchanges(records.value[i] or b"", records.headers[i])
                rows = [
                    row for place, each in enumerate(held) for row in self._events(each, f"{where}:{place}")
                ]
            except RecordError as error:
                found.dead(i, 0, error)
                continue
            if not rows:
                found.skip("no_event")
            for index, row in enumerate(rows):
                if isinstance(row, RecordError):
                    found.dead(i, index, row)
                else:
                    found.row(i, index, row)
        return found.finish()

    def _events(self, exchange: Exchange, where: str) -> list[dict[str, Any] | RecordError]:
        answers = [answer for answer in exchange.answers if not isinstance(answer, RecordError)]
        broken = [answer for answer in exchange.answers if isinstance(answer, RecordError)]
        receiver = self._receiver(exchange)
        request = exchange.request or {}
        states = TaskStates(exchange, receiver, where)
        for answer in answers:
            states.read(answer)
        rows: list[dict[str, Any] | RecordError] = []
        if request.get("method") in _SENDING:
            rows.append(self._delegation(exchange, request, answers, states, receiver))
        return [*rows, *states.rows, *states.broken, *broken]

    def _delegation(
        self,
        exchange: Exchange,
        request: dict[str, Any],
        answers: list[dict[str, Any]],
        states: TaskStates,
        receiver: str | None,
    ) -> dict[str, Any]:
        message = object_of(object_of(request.get("params")).get("message"))
        message_id = required_text(message, "messageId", "$.params.message")
        sender = self._sender(message)
        trace_id, span_id = exchange.trace()
        status, error_type = self._outcome(exchange, answers, states)
        return {
            "event_id": f"a2a:message:{message_id}",
            "event_type": "delegation",
            "event_time": exchange.time,
            "time_estimated": exchange.time is None,
            "trace_id": trace_id,
            "parent_span_id": span_id,
            "tenant_id": sender.tenant,
            "agent_id": sender.id,
            "agent_name": sender.name,
            "target_agent_name": receiver,
            "conversation_id": text_of(message.get("contextId")) or states.context_id,
            "task_id": text_of(message.get("taskId")) or states.task_id,
            "request_id": request_name(request.get("id")),
            "input_refs": texts_of(message.get("referenceTaskIds")) or None,
            "status": status,
            "error_type": error_type,
            "attributes": attributes_text({
                "method": request.get("method"),
                "role": message.get("role"),
                "extensions": message.get("extensions"),
                "metadata": message.get("metadata"),
                "http_status": exchange.status,
            }),
        }  # fmt: skip

    def _outcome(
        self, exchange: Exchange, answers: list[dict[str, Any]], states: TaskStates
    ) -> tuple[str, str | None]:
        """Whether the message was taken; how the task goes on is told by events of its own."""
        for answer in answers:
            error = error_of(answer)
            if error is not None:
                refused = self._mapping.refused(object_of(answer.get("error")).get("message"))
                return ("rejected", None) if refused else ("error", cut(mask(error), _ERROR_CHARACTERS))
        if exchange.status in (401, 403):
            return ("auth_required" if exchange.status == 401 else "rejected"), None
        if exchange.status is not None and exchange.status >= 400:
            return "error", f"HTTP {exchange.status}"
        if not answers:
            return "unset", None
        return ("rejected" if "rejected" in states.statuses else "ok"), None

    def _sender(self, message: dict[str, Any]) -> Agent:
        """Who sends, where the message says so: A2A itself leaves it to the credential of the transport."""
        metadata = object_of(message.get("metadata"))
        told = next((name for key in self._mapping.a2a.sender if (name := text_of(metadata.get(key)))), None)
        agent = self._mapping.agent(told)
        return agent if agent.name is not None or agent.id is not None else agent._replace(name=told)

    def _receiver(self, exchange: Exchange) -> str | None:
        """Who receives: the card that the log has beside the exchange, else the setting for its URL."""
        card = object_of(exchange.about.get("agent_card"))
        named = text_of(card.get("name"))
        if named is not None and len(named) <= _LONGEST_NAME:
            return named
        url = text_of(exchange.about.get("url"))
        fitting = [
            prefix for prefix in self._mapping.a2a.receivers if url is not None and url.startswith(prefix)
        ]
        return self._mapping.a2a.receivers[max(fitting, key=len)] if fitting else None
