"""JSON-RPC as agents speak it: a message as it went over the wire, or an exchange that a gateway logged.

An exchange is an object with `request` and `response`, and beside them the `time`, the `request_headers` and
the HTTP `status`. A response that was streamed may be the text of its server-sent events.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import msgspec

from ingest.formats.collect import MOST_EVENTS, too_many_events
from ingest.jsonrecord import DECODE_ERRORS, cut, kind_of, name_of, object_of, parse, required_text, text_of
from ingest.times import read_time_or_none
from ingest.traceparent import read_traceparent
from schemas.errors import RecordError

if TYPE_CHECKING:
    from datetime import datetime

    from ingest.formats.shape import Shape
    from ingest.records import Headers

# How a line of server-sent events may begin.
_STREAM = ("data", "event", "id", "retry", ":")
_PROPAGATED = ("traceparent", "mcp-session-id")
_LONGEST_HEADER = 1024  # a longer one is no id, and each message of a batch would repeat it


@dataclass(slots=True)
class Exchange:
    """A request, its answers, or both; an answer that cannot be read is the error of it.

    `headers` are those of HTTP, else of the record, in lower case; `about` is what else a log says.
    """

    request: dict[str, Any] | None = None
    answers: list[dict[str, Any] | RecordError] = field(default_factory=list)
    time: datetime | None = None
    headers: dict[str, str] = field(default_factory=dict)
    status: int | None = None
    about: dict[str, Any] = field(default_factory=dict)

    def trace(self) -> tuple[str | None, str | None]:
        """Trace and span of the caller."""
        return read_traceparent(self.headers.get("traceparent"))


class Call(msgspec.Struct):
    """The head of a JSON-RPC message."""

    jsonrpc: msgspec.Raw = msgspec.Raw()
    method: msgspec.Raw = msgspec.Raw()
    result: msgspec.Raw = msgspec.Raw()
    error: msgspec.Raw = msgspec.Raw()


_call = msgspec.json.Decoder(Call).decode
_text = msgspec.json.Decoder(str).decode


def head_of(shape: Shape) -> tuple[str | None, bytes] | None:
    """Method and result of the message, or of the request of the exchange, that a record is; None for neither."""
    within = _head(shape.request) if bytes(shape.request).startswith(b"{") else None
    if within is not None:
        return within
    if bytes(shape.jsonrpc) != b'"2.0"':
        return None
    return _method(shape.method), bytes(shape.result)


def _head(raw: msgspec.Raw) -> tuple[str | None, bytes] | None:
    try:
        call = _call(raw)
    except DECODE_ERRORS:
        return None
    return (_method(call.method), bytes(call.result)) if bytes(call.jsonrpc) == b'"2.0"' else None


def _method(raw: msgspec.Raw) -> str | None:
    try:
        return _text(raw) if raw else None
    except DECODE_ERRORS:
        return None


def exchanges(value: bytes, headers: Headers) -> list[Exchange]:
    """What a record holds. Raises RecordError for what is neither a message, nor several, nor an exchange."""
    given = parse(value)
    propagated = {
        name.lower(): (content or b"").decode("utf-8", "replace")
        for name, content in headers
        if name.lower() in _PROPAGATED and len(content or b"") <= _LONGEST_HEADER
    }
    if isinstance(given, list):
        if len(given) > MOST_EVENTS:
            raise too_many_events(len(given))
        return [_message(item, propagated) for item in given]
    if isinstance(given, dict) and "jsonrpc" not in given and "request" in given:
        return [_logged(given, propagated)]
    return [_message(given, propagated)]


def _message(given: object, headers: dict[str, str]) -> Exchange:
    if not isinstance(given, dict):
        raise RecordError("wrong_type", f"$ is {kind_of(given)}: it must be a JSON-RPC message")
    if given.get("jsonrpc") != "2.0":
        raise RecordError(
            "unknown_value", f"$.jsonrpc is {cut(repr(given.get('jsonrpc')), 60)}: it must be 2.0"
        )
    if "method" in given:
        required_text(given, "method")
        return Exchange(request=given, headers=headers)
    return Exchange(answers=[given], headers=headers)


def _logged(given: dict[str, Any], propagated: dict[str, str]) -> Exchange:
    request = given.get("request")
    if isinstance(request, str):
        request = parse(request.encode())
    if not isinstance(request, dict):
        raise RecordError("wrong_type", f"$.request is {kind_of(request)}: it must be a JSON-RPC message")
    required_text(request, "method", "$.request")
    said = given.get("status")
    status = said if isinstance(said, int) and not isinstance(said, bool) else None
    headers = {
        name.lower(): content
        for name, content in object_of(given.get("request_headers")).items()
        if isinstance(content, str)
    }
    return Exchange(
        request=request,
        answers=_answers(given.get("response"), failed=status is not None and status >= 400),
        time=read_time_or_none(given.get("time"), "$.time"),
        headers={**propagated, **headers},
        status=status,
        about={name: value for name, value in given.items() if name not in ("request", "response", "time")},
    )


def _answers(response: object, *, failed: bool) -> list[dict[str, Any] | RecordError]:
    """The answers in a response: one, several, or those of a stream.

    Where HTTP says that it `failed`, a body that is something else is no answer: gateways write pages of their own.
    """
    if response is None:
        return []
    found = _read_answers(response)
    return [each for each in found if isinstance(each, dict)] if failed else found


def _read_answers(response: object) -> list[dict[str, Any] | RecordError]:
    if not isinstance(response, str):
        return [_answer(item) for item in (response if isinstance(response, list) else [response])]
    text = response.lstrip()
    found: list[dict[str, Any] | RecordError] = []
    for event in [text] if text.startswith(("{", "[")) else _server_sent(response):
        try:
            parsed = parse(event.encode())
        except RecordError as error:
            found.append(error)
        else:
            found += [_answer(item) for item in (parsed if isinstance(parsed, list) else [parsed])]
    if text and not found and not text.startswith(_STREAM):
        return [RecordError("invalid_json", "the response is text, and neither JSON nor server-sent events")]
    return found


def _answer(given: object) -> dict[str, Any] | RecordError:
    if not isinstance(given, dict):
        return RecordError("wrong_type", f"an answer is {kind_of(given)}: it must be a JSON-RPC message")
    if not given.keys() & {"result", "error", "method"}:
        return RecordError("missing_field", "an answer has neither result nor error: the format requires one")
    return given


def _server_sent(text: str) -> list[str]:
    """The data of the events of a stream: lines of `data:`, those of one event joined, events apart by blanks."""
    events: list[list[str]] = [[]]
    for line in text.replace("\r\n", "\n").replace("\r", "\n").split("\n"):
        if not line:
            events.append([])
        elif line.startswith("data:"):
            events[-1].append(line[5:].removeprefix(" "))
    return ["\n".join(lines) for lines in events if lines]


def request_name(identifier: object) -> str | None:
    """The id of a request as text.

    A number, which is unique only within a connection, is marked as such, so that it equals no request id of
    another source.
    """
    name = name_of(identifier)
    return f"jsonrpc:{name}" if name is not None and name.isdigit() else name


def error_of(answer: dict[str, Any]) -> str | None:
    """Code and message of a JSON-RPC error; None where the answer is none."""
    if answer.get("error") is None:
        return None
    error = object_of(answer["error"])
    code, message = error.get("code"), text_of(error.get("message"))
    number = str(code) if isinstance(code, int) and not isinstance(code, bool) else "error"
    return f"{number} {message}" if message else number
