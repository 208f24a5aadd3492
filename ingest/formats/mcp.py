"""Model Context Protocol: JSON-RPC messages, raw or as a gateway logged them with their answers.

A request to call a tool is a `tool_call`. An answer that comes as a record of its own says how a call ended, but
not of which tool, and is a `step` with the same `request_id`: the two are joined when they are read, since no
reader keeps state between records. Messages that ask or tell about no action hold no event.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ingest.formats.attributes import attributes_text
from ingest.formats.collect import Collector
from ingest.formats.jsonrpc import Exchange, error_of, exchanges, head_of, request_name
from ingest.formats.toolcall import tool_columns
from ingest.jsonrecord import cut, list_of, object_in, object_of, text_of
from ingest.secrets import mask
from ingest.traceparent import read_traceparent
from schemas.errors import RecordError
from schemas.events import ORCHESTRATION_EVENTS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ingest.formats.shape import Shape
    from ingest.mapping import Mapping
    from ingest.records import Decoded, Headers, Records

_NAME = "mcp"
_ERROR_CHARACTERS = 200
_METHODS = ("initialize", "ping")
_METHOD_HEADS = (
    "tools/", "resources/", "prompts/", "completion/", "logging/", "notifications/", "sampling/", "elicitation/",
    "roots/", "server/", "tasks/",
)  # fmt: skip
_EVENT_TYPES = {
    "tools/call": "tool_call",
    "resources/read": "data_access",
    "prompts/get": "step",
    "sampling/createMessage": "model_call",
    "elicitation/create": "step",
}
_CLIENT_INFO = "io.modelcontextprotocol/clientInfo"
_SERVER_INFO = "io.modelcontextprotocol/serverInfo"
_SDK_CLIENT = "mcp"  # what a client of the SDK is called that was given no name


class Mcp:
    """Reads messages of the Model Context Protocol."""

    name = _NAME

    def __init__(self, mapping: Mapping) -> None:
        """Tools and refusals are read by `mapping`."""
        self._mapping = mapping

    def claims(self, headers: Headers) -> bool:  # noqa: ARG002 - MCP has no transport of its own on Kafka
        """Never."""
        return False

    def recognises(self, shape: Shape) -> bool:
        """By JSON-RPC with one of its methods, or with an answer, which names none."""
        head = head_of(shape)
        if head is None:
            return False
        method = head[0]
        if method is None:
            return bool(shape.result or shape.error)
        return method in _METHODS or method.startswith(_METHOD_HEADS)

    def read(self, records: Records, chosen: Sequence[int]) -> Decoded:
        """One row a request that acts, one an answer to a call that is a record of its own."""
        found = Collector(ORCHESTRATION_EVENTS, _NAME)
        for i in chosen:
            where = f"{records.topic}:{records.partition}:{records.offset[i]}"
            try:
                held = exchanges(records.value[i] or b"", records.headers[i])
                rows = [
                    row
                    for place, exchange in enumerate(held)
                    for row in self._events(exchange, f"{where}:{place}")
                ]
            except RecordError as error:
                found.dead(i, 0, error)
                continue
            if not rows:
                found.skip("no_event")
            for index, row in enumerate(rows):
                found.row(i, index, row)
        return found.finish()

    def _events(self, exchange: Exchange, where: str) -> list[dict[str, Any]]:
        for answer in exchange.answers:
            if isinstance(answer, RecordError):
                raise answer
        answers = [answer for answer in exchange.answers if not isinstance(answer, RecordError)]
        if exchange.request is not None:
            return self._request(exchange, exchange.request, answers, where)
        return [row for answer in answers for row in self._answer(exchange, answer, where)]

    def _request(
        self, exchange: Exchange, request: dict[str, Any], answers: list[dict[str, Any]], where: str
    ) -> list[dict[str, Any]]:
        method = request.get("method")
        kind = _EVENT_TYPES.get(method) if isinstance(method, str) else None
        if kind is None:
            return []
        params = object_of(request.get("params"))
        meta = object_of(params.get("_meta"))
        trace_id, span_id = _trace(exchange, meta)
        client = text_of(object_of(meta.get(_CLIENT_INFO)).get("name"))
        # The answer to this request; in a stream others go before it.
        own = [
            answer for answer in answers if answer.get("id") == request.get("id") and "method" not in answer
        ]
        status, error_type = self._outcome(own[-1]) if own else (_by_http(exchange.status), None)
        row = {
            **_base(exchange, request.get("id"), trace_id, span_id, where),
            "event_type": kind,
            "agent_name": client if client != _SDK_CLIENT else None,
            "status": status,
            "error_type": error_type,
            "attributes": attributes_text({
                "method": method,
                "client": client,
                "arguments": params.get("arguments"),
                "result": _text(object_of(own[-1].get("result"))) if own and kind == "tool_call" else None,
                "session_id": exchange.headers.get("mcp-session-id"),
            }),
        }  # fmt: skip
        if kind == "tool_call":
            row.update(tool_columns(self._mapping, text_of(params.get("name")), params.get("arguments")))
        elif kind == "data_access":
            row.update(tool_columns(self._mapping, str(method), None))
            row["resource_id"] = text_of(params.get("uri"))
        return [row]

    def _answer(self, exchange: Exchange, answer: dict[str, Any], where: str) -> list[dict[str, Any]]:
        """The end of a call: an error, or a result with content, as only calls of tools have it."""
        result = object_in(answer, "result")
        if answer.get("error") is None and "content" not in result and "isError" not in result:
            return []
        status, error_type = self._outcome(answer)
        meta = object_of(result.get("_meta"))
        trace_id, span_id = _trace(exchange, meta)
        row = {
            **_base(exchange, answer.get("id"), trace_id, None, where),
            "event_type": "step",
            "parent_span_id": span_id,
            "status": status,
            "error_type": error_type,
            "attributes": attributes_text({
                "method": "tools/call" if result else None,
                "server": object_of(meta.get(_SERVER_INFO)).get("name"),
                "result": _text(result),
                "session_id": exchange.headers.get("mcp-session-id"),
            }),
        }  # fmt: skip
        row["event_id"] += ":answer"
        return [row]

    def _outcome(self, answer: dict[str, Any]) -> tuple[str, str | None]:
        """The status that an answer tells, and the kind of error if it is one."""
        error = error_of(answer)
        result = object_of(answer.get("result"))
        text = text_of(object_of(answer.get("error")).get("message")) if error else _text(result)
        if self._mapping.refused(text):
            return "rejected", None
        if error:
            return "error", cut(mask(error), _ERROR_CHARACTERS)
        if result.get("isError") is True:
            return "error", cut(mask(text or "isError"), _ERROR_CHARACTERS)
        return ("input_required" if result.get("resultType") == "input_required" else "ok"), None


def _base(
    exchange: Exchange, identifier: object, trace_id: str | None, span_id: str | None, where: str
) -> dict[str, Any]:
    """What each row has. Ids of JSON-RPC are unique in a connection only, so they alone make no identity."""
    request_id = request_name(identifier)
    session = exchange.headers.get("mcp-session-id")
    event_id = f"mcp:{where}"
    if request_id is not None and trace_id is not None and span_id is not None:
        event_id = f"mcp:{trace_id}-{span_id}:{request_id}"
    elif request_id is not None and session:
        event_id = f"mcp:{session}:{request_id}"
    return {
        "event_id": event_id,
        "event_time": exchange.time,
        "time_estimated": exchange.time is None,
        "trace_id": trace_id,
        "span_id": span_id,
        "request_id": request_id,
    }


def _trace(exchange: Exchange, meta: dict[str, Any]) -> tuple[str | None, str | None]:
    trace_id, span_id = read_traceparent(meta.get("traceparent"))
    return (trace_id, span_id) if trace_id else exchange.trace()


def _text(result: dict[str, Any]) -> str | None:
    """The texts of a tool's result."""
    parts = [text_of(object_of(part).get("text")) for part in list_of(result.get("content"))]
    return "\n".join(part for part in parts if part) or None


def _by_http(status: int | None) -> str:
    return {401: "auth_required", 403: "rejected"}.get(status or 0, "unset")
