"""The JSON of one record: parsed with a reason when it cannot be, and read without trusting its types.

One parser (msgspec) decides what a record says. Where an object repeats a key, its last value counts; NaN,
comments, trailing text, byte order marks, lone surrogates and numbers out of range are refused.
"""

from __future__ import annotations

import hashlib
import re
from typing import Any

import msgspec

from schemas.errors import RecordError

_DETAIL_LIMIT = 500
_decode = msgspec.json.Decoder().decode

# What msgspec can raise on bytes from outside. MemoryError is not among them: that one must stop the process.
DECODE_ERRORS = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)


def parse(value: bytes) -> Any:
    """The JSON value of a record. RecordError: invalid_json, invalid_utf8, too_deep or out_of_range."""
    try:
        return _decode(value)
    except DECODE_ERRORS as error:
        raise fault(error, value) from error


def parse_object(value: bytes) -> dict[str, Any]:
    """The JSON object of a record. Raises RecordError: as `parse`, and wrong_type for another JSON value."""
    parsed = parse(value)
    if not isinstance(parsed, dict):
        raise RecordError("wrong_type", f"$ is {kind_of(parsed)}: send one JSON object a record")
    return parsed


def fault(error: Exception, value: bytes) -> RecordError:
    """Say what a msgspec error means as a reason code and a sentence that names the path."""
    text = str(error)
    if isinstance(error, RecursionError):
        return RecordError("too_deep", "the JSON nests too deeply: send fewer levels than about 900")
    if isinstance(error, UnicodeDecodeError) or not _is_utf8(value):
        return RecordError("invalid_utf8", "the record is not UTF-8: send JSON encoded as UTF-8")
    if not isinstance(error, msgspec.ValidationError):
        return RecordError("invalid_json", cut(f"not JSON: {text}"))
    if "out of range" in text or re.match(r"Expected `(int|float)( \| null)?` [<>]", text):
        return RecordError("out_of_range", cut(f"{text}: send a number within the range"))
    if text.startswith("Object missing required field"):
        return RecordError("missing_field", cut(f"{text}: send it"))
    if "got `null`" in text:
        return RecordError("missing_field", cut(f"{text}: this field is required"))
    if text.startswith("Invalid enum value"):
        return RecordError("unknown_value", cut(text))
    if "timezone" in text:
        return RecordError("wrong_type", cut(f"{text}: end the time with Z or an offset such as +01:00"))
    if "RFC3339" in text:
        return RecordError("wrong_type", cut(f"{text}: send a time such as 2026-01-31T12:00:00.000000Z"))
    return RecordError("wrong_type", cut(text))


def cut(text: str, limit: int = _DETAIL_LIMIT) -> str:
    """At most `limit` characters of a text that may hold words of the record."""
    return text if len(text) <= limit else text[: limit - 1] + "…"


def json_text(value: Any) -> str:
    """A value as compact JSON text. Raises RecordError too_deep."""
    try:
        return msgspec.json.encode(value).decode()
    except RecursionError as error:
        raise RecordError("too_deep", "the JSON nests too deeply to be kept: send fewer levels") from error


def canonical_digest(value: Any) -> str:
    """SHA-256, hexadecimal, of a JSON value with its keys sorted, without spaces, as unescaped UTF-8."""
    try:
        return hashlib.sha256(msgspec.json.encode(value, order="sorted")).hexdigest()
    except RecursionError as error:
        raise RecordError(
            "too_deep", "the arguments nest too deeply for a digest: send fewer levels"
        ) from error


def kind_of(value: object) -> str:
    """The JSON name of a value's type, for a message."""
    names = {dict: "an object", list: "an array", str: "a string", bool: "a boolean", type(None): "null"}
    return names.get(type(value), "a number")


def required_text(holder: dict[str, Any], key: str, path: str = "$") -> str:
    """A text that must be there. Raises RecordError missing_field or wrong_type."""
    value = holder.get(key)
    if value is None or value == "":
        raise RecordError("missing_field", f"{path}.{key} is missing: the format requires it")
    if not isinstance(value, str):
        raise RecordError("wrong_type", f"{path}.{key} is {kind_of(value)}: it must be a string")
    return value


def text_in(holder: dict[str, Any], key: str, path: str = "$") -> str | None:
    """A text that may be absent, null or empty. Raises RecordError wrong_type: what is there cannot be read."""
    value = holder.get(key)
    if value is not None and not isinstance(value, str):
        raise RecordError("wrong_type", f"{path}.{key} is {kind_of(value)}: it must be a string")
    return value or None


def object_in(holder: dict[str, Any], key: str, path: str = "$") -> dict[str, Any]:
    """An object, empty where it is absent or null. Raises RecordError wrong_type: what is there cannot be read."""
    value = holder.get(key)
    if value is not None and not isinstance(value, dict):
        raise RecordError("wrong_type", f"{path}.{key} is {kind_of(value)}: it must be an object")
    return value or {}


def list_in(holder: dict[str, Any], key: str, path: str = "$") -> list[Any]:
    """A list, empty where it is absent or null. Raises RecordError wrong_type: what is there cannot be read."""
    value = holder.get(key)
    if value is not None and not isinstance(value, list):
        raise RecordError("wrong_type", f"{path}.{key} is {kind_of(value)}: it must be an array")
    return value or []


def text_of(value: object) -> str | None:
    """A text that says something; None for an empty one or another type."""
    return value if isinstance(value, str) and value else None


def object_of(value: object) -> dict[str, Any]:
    """An object; an empty one for any other type."""
    return value if isinstance(value, dict) else {}


def list_of(value: object) -> list[Any]:
    """A list; an empty one for any other type."""
    return value if isinstance(value, list) else []


def texts_of(value: object) -> list[str] | None:
    """A list whose items are all texts; None for anything else."""
    return value if isinstance(value, list) and all(isinstance(item, str) for item in value) else None


def name_of(value: object) -> str | None:
    """An identifier as text: a text, or a whole number written out; None for anything else."""
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return text_of(value)


def _is_utf8(value: bytes) -> bool:
    try:
        value.decode()
    except UnicodeDecodeError:
        return False
    return True
