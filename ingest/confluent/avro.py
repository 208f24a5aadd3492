"""Avro: a payload as JSON, by the schema that it was written with.

Logical types become what the native format has: times are RFC 3339 with Z, decimals are numbers of exactly those
digits, UUIDs are texts. Bytes become base64. A schema that is only bytes, or only a text, holds the record itself.
"""

from __future__ import annotations

import io
import struct
import uuid
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import msgspec

from ingest.confluent.avro_bounds import Bounds, kind_of
from ingest.jsonrecord import DECODE_ERRORS, cut
from schemas.errors import RecordError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

LONGEST_SCHEMA = 1024 * 1024
DEEPEST_TEXT = 400  # a type within a type is up to four levels of JSON
LONGEST_DECIMAL = 64  # bytes: a longer one takes long to be written in digits, and no amount needs it
LARGEST_SCALE = 1000
_ROOT = "CounterfoilRoot"
_PREFIX = "counterfoil-"
_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - of times with a zone and of those without
# What the decoder raises on bytes and schemas that are not as it thinks.
_FAULTS = (
    ArithmeticError, AssertionError, AttributeError, EOFError, LookupError, RecursionError, TypeError, ValueError,
    struct.error,
)  # fmt: skip
_encode = msgspec.json.Encoder(decimal_format="number").encode


def reader(text: str, references: Sequence[str], most_bytes: int) -> Callable[[bytes], bytes]:
    """What turns payloads of a schema into JSON, which then raises RecordError: invalid_avro, too_large, too_deep.

    `references` are the schemas that it builds on, each behind those that it builds on itself. Raises RecordError
    unsupported_schema.
    """
    import fastavro
    from fastavro.schema import SchemaParseException

    _teach()
    named: dict[str, Any] = {}
    root: Any = None
    try:
        for each in (*references, text):
            root = _prepared(each)
            # A record around it changes nothing in the bytes, and lets a schema be a union or a name.
            wrapped = {"type": "record", "name": _ROOT, "fields": [{"name": "value", "type": root}]}
            named.pop(_ROOT, None)
            parsed: Any = fastavro.parse_schema(wrapped, named)
        value = parsed["fields"][0]["type"]
        bounds = Bounds(value, {name: of for name, of in named.items() if name != _ROOT}, most_bytes)
        whole = kind_of(bounds.resolve(value))
    except (*_FAULTS, SchemaParseException) as error:
        detail = f"the Avro schema cannot be used ({type(error).__name__}: {error})"
        raise RecordError("unsupported_schema", cut(detail)) from error

    def read(payload: bytes) -> bytes:
        if whole == "bytes":
            return _without_length(payload)
        bounds.check(payload)
        source = io.BytesIO(payload)
        try:
            found: Any = fastavro.schemaless_reader(source, parsed, None)
        except _FAULTS as error:
            detail = f"the payload is not of this schema ({type(error).__name__}: {error})"
            raise RecordError("invalid_avro", cut(detail)) from error
        if source.tell() != len(payload):
            raise RecordError(
                "invalid_avro",
                f"the payload is not of this schema: {len(payload) - source.tell()} bytes are left over",
            )
        if whole == "string":
            return str(found["value"]).encode()
        try:
            return _encode(found["value"])
        except (TypeError, ValueError, RecursionError) as error:
            raise RecordError(
                "invalid_avro", cut(f"the payload is not to be had as JSON: {error}")
            ) from error

    return read


def _without_length(payload: bytes) -> bytes:
    """Bytes as they were meant: the producers of some languages write their length before them, others do not."""
    count = shift = 0
    for place, byte in enumerate(payload[:5]):
        count |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return payload[place + 1 :] if count == 2 * (len(payload) - place - 1) else payload
    return payload


def _prepared(text: str) -> Any:
    """The schema, with the logical types that are read here under names of their own, and no others."""
    if len(text) > LONGEST_SCHEMA:
        raise ValueError(f"it is longer than {LONGEST_SCHEMA} characters")
    try:
        schema = msgspec.json.decode(text)
    except DECODE_ERRORS as error:
        raise ValueError(f"it is no JSON: {error}") from error
    return _renamed(schema, 0)


def _renamed(of: Any, depth: int) -> Any:
    if depth > DEEPEST_TEXT:
        raise ValueError(f"it nests deeper than {DEEPEST_TEXT} levels")
    if isinstance(of, list):
        return [_renamed(each, depth + 1) for each in of]
    if not isinstance(of, dict):
        return of
    if "size" in of and not _is_whole(of["size"], LONGEST_SCHEMA):
        raise ValueError(f"a size must be from 0 to {LONGEST_SCHEMA}")
    made = {key: of[key] for key in ("name", "namespace", "size", "symbols", "scale") if key in of}
    made |= {key: _renamed(of[key], depth + 1) for key in ("type", "items", "values", "fields") if key in of}
    word = f"{of.get('type')}-{of.get('logicalType')}"
    if word in _READ_AS and (not word.endswith("-decimal") or _is_whole(of.get("scale", 0), LARGEST_SCALE)):
        made["logicalType"] = f"{_PREFIX}{of['logicalType']}"
    return made


def _is_whole(number: object, most: int) -> bool:
    return isinstance(number, int) and not isinstance(number, bool) and 0 <= number <= most


def _teach() -> None:
    """Tell the decoder how the logical types under our names are read; its own stay as they are."""
    from fastavro.read import LOGICAL_READERS

    for word, read in _READ_AS.items():
        kind, logical = word.split("-", maxsplit=1)
        LOGICAL_READERS[f"{kind}-{_PREFIX}{logical}"] = read


def _instant(per_second: int, *, zone: str) -> Callable[..., str]:
    """A count since 1970, of which so many make a second, as a time; with `zone` behind it."""

    def read(count: int, *_: object) -> str:
        try:
            when = _EPOCH + timedelta(microseconds=count * 1_000_000 // per_second)
        except OverflowError as error:
            detail = f"{count} is no time within the years 1 to 9999, counted from 1970 by 1/{per_second} of a second"
            raise RecordError("time_out_of_range", detail) from error
        return f"{when.isoformat(timespec='microseconds')}{zone}"

    return read


def _date(days: int, *_: object) -> str:
    try:
        return (date(1970, 1, 1) + timedelta(days=days)).isoformat()
    except OverflowError as error:
        raise RecordError(
            "time_out_of_range", f"{days} days from 1970 is no date of the years 1 to 9999"
        ) from error


def _time_of_day(per_second: int) -> Callable[..., str]:
    def read(count: int, *_: object) -> str:
        if not 0 <= count < 86_400 * per_second:
            raise RecordError("out_of_range", f"{count} is no time of a day, by 1/{per_second} of a second")
        return (
            (_EPOCH + timedelta(microseconds=count * 1_000_000 // per_second))
            .time()
            .isoformat("microseconds")
        )

    return read


def _decimal(written: bytes, schema: Any = None, *_: object) -> Decimal:
    if len(written) > LONGEST_DECIMAL:
        raise RecordError(
            "out_of_range", f"a decimal of {len(written)} bytes: at most {LONGEST_DECIMAL} are read"
        )
    return Decimal(f"{int.from_bytes(written, 'big', signed=True)}E-{schema.get('scale', 0)}")


def _uuid(written: bytes, *_: object) -> str:
    return str(uuid.UUID(bytes=written))


_PER_SECOND = {"millis": 1_000, "micros": 1_000_000, "nanos": 1_000_000_000}
_READ_AS: dict[str, Callable[..., Any]] = {
    "int-date": _date,
    "int-time-millis": _time_of_day(1_000),
    "long-time-micros": _time_of_day(1_000_000),
    "bytes-decimal": _decimal,
    "fixed-decimal": _decimal,
    "fixed-uuid": _uuid,
    **{f"long-timestamp-{unit}": _instant(n, zone="Z") for unit, n in _PER_SECOND.items()},
    **{f"long-local-timestamp-{unit}": _instant(n, zone="") for unit, n in _PER_SECOND.items()},
}
