"""A span of OTLP, whichever encoding it came in, and the reading of its parts that both encodings share."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass, field
from typing import Any

from ingest.jsonrecord import cut
from schemas.errors import RecordError

DEEPEST_VALUE = 32

# What goes into models and comes out of them is not copied out of the record, nor what describes it.
_CONTENT = frozenset({
    "gen_ai.input.messages", "gen_ai.output.messages", "gen_ai.system_instructions", "gen_ai.tool.definitions",
    "gen_ai.prompt", "gen_ai.completion", "pydantic_ai.all_messages", "all_messages_events", "events",
    "model_request_parameters", "logfire.json_schema", "logfire.msg", "input.value", "output.value",
    "traceloop.entity.input", "traceloop.entity.output", "gcp.vertex.agent.llm_request",
    "gcp.vertex.agent.llm_response",
})  # fmt: skip
_CONTENT_HEADS = ("gen_ai.prompt.", "gen_ai.completion.", "llm.input_messages.", "llm.output_messages.")


@dataclass(slots=True)
class Span:
    """One span; ids are lower-case hexadecimal, times microseconds since 1970."""

    trace_id: str
    span_id: str
    parent_id: str | None
    name: str
    kind: int
    start: int | None
    end: int | None
    attributes: dict[str, Any]
    code: int = 0
    message: str | None = None
    error_type: str | None = None
    error_message: str | None = None
    links: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Origin:
    """Where spans come from: the attributes of their resource, and the name of what instrumented it."""

    resource: dict[str, Any]
    scope: str | None
    columns: dict[str, Any] | None = None  # of the rows, as far as the resource says them; made once


def is_content(key: str) -> bool:
    """Whether an attribute holds what went into a model or came out of it."""
    return key in _CONTENT or key.startswith(_CONTENT_HEADS)


def read_id(text: str | None, size: int, path: str) -> str:
    """An id of `size` bytes in hexadecimal.

    OTLP writes it so; JSON tools of protobuf write base64, which is read too. Raises RecordError: missing_field
    for none or all zeros, wrong_type for another form.
    """
    if not text:
        raise RecordError("missing_field", f"{path} is missing: the format requires it")
    identifier = _hexadecimal(text, size)
    if identifier is None:
        wanted = f"it must be {2 * size} hexadecimal digits"
        raise RecordError("wrong_type", f"{path} is {cut(repr(text), 60)}: {wanted}")
    if not identifier.strip("0"):
        raise RecordError("missing_field", f"{path} is all zeros, which is how no id is written")
    return identifier


def parent_of(text: str | None, path: str) -> str | None:
    """The id of the parent; None for none, however it is written."""
    return read_id(text, 8, path) if text and text.strip("0") else None


def _hexadecimal(text: str, size: int) -> str | None:
    if len(text) == 2 * size:
        try:
            return text.lower() if len(bytes.fromhex(text)) == size else None
        except ValueError:
            return None
    if len(text) != 4 * -(-size // 3):
        return None
    try:
        decoded = base64.b64decode(text.translate(str.maketrans("-_", "+/")), validate=True)
    except (binascii.Error, ValueError):
        return None
    return decoded.hex() if len(decoded) == size else None


def too_deep() -> RecordError:
    """The error of a value with more levels than are read."""
    return RecordError("too_deep", f"an attribute nests deeper than {DEEPEST_VALUE} levels: send fewer")
