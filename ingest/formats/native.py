"""The native format: one JSON object a record, whose keys are the canonical columns.

The keys choose the table, so a producer never names it: a record with `decision` (or `decision_time` and no
`event_type`) is an authorization decision, one whose `event_type` is a word of `identity_events` is an
identity event, any other is an orchestration event. Types are strict: a number is no text, and a time is
RFC 3339 with a zone. `attributes` is an object. Keys that the table does not have come from a producer
newer than this reader; they are kept in `attributes`.
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec
import pyarrow as pa
from msgspec.structs import astuple

from ingest.formats.shape import shape_of
from ingest.jsonrecord import DECODE_ERRORS, fault, json_text, parse_object
from ingest.records import DeadLetter, Decoded, Rows
from schemas.errors import RecordError
from schemas.events import (
    AUTHORIZATION_DECISIONS,
    IDENTITY_EVENT_TYPES,
    IDENTITY_EVENTS,
    ORCHESTRATION_EVENTS,
)
from schemas.table import BOOL, FLOAT, INT, STRING, STRINGS, TIME

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ingest.formats.shape import Shape
    from ingest.records import Headers, Records
    from schemas.table import Column, Table

_NAME = "native"
_CHUNK = 1000
_CONTENT_TYPE = b"application/vnd.counterfoil+json"
_IDENTITY_TYPES = frozenset(f'"{word}"'.encode() for word in IDENTITY_EVENT_TYPES)
BOUNDS = {"sensitivity": (0, 4), "max_uses": (0, 2**63 - 1)}
_PYTHON = {STRINGS: list[str], TIME: Annotated[datetime, msgspec.Meta(tz=True)], BOOL: bool, FLOAT: float}


def _type_of(column: Column) -> Any:
    """What the JSON of a column must be."""
    if column.name == "attributes":
        # A text is taken as well, by its type, so that its message can say what to send instead.
        return dict[str, Any] | str
    if column.values:
        return Literal[column.values]
    if column.type == INT:
        low, high = BOUNDS.get(column.name, (-(2**63), 2**63 - 1))
        return Annotated[int, msgspec.Meta(ge=low, le=high)]
    if column.type == STRING:
        return Annotated[str, msgspec.Meta(min_length=1)] if column.required else str
    return _PYTHON[column.type]


class _Target:
    """A table as a msgspec struct: decoding a record checks it."""

    def __init__(self, table: Table) -> None:
        self.table = table
        self.names = tuple(column.name for column in table.columns if column.native)
        fields: list[Any] = [
            (c.name, _type_of(c)) if c.required else (c.name, _type_of(c) | None, None)
            for c in table.columns
            if c.native
        ]
        self.types = [table.column(name).type for name in self.names]
        self.struct = msgspec.defstruct(
            f"native_{table.name}", fields, kw_only=True, forbid_unknown_fields=True, gc=False
        )
        self.decode: Callable[[bytes], Any] = msgspec.json.Decoder(self.struct).decode
        self.attributes = self.names.index("attributes")

    def explain(self, error: RecordError) -> RecordError:
        """Add the words that a column may hold to the complaint about another word."""
        path = re.search(r"`\$\.(\w+)`", error.detail)
        if error.reason != "unknown_value" or path is None:
            return error
        values = self.table.column(path[1]).values
        if self.table is ORCHESTRATION_EVENTS and path[1] == "event_type":
            values += IDENTITY_EVENT_TYPES
        return RecordError(error.reason, f"{error.detail}: send one of {', '.join(values)}")


_ORCHESTRATION, _DECISION, _IDENTITY = (
    _Target(table) for table in (ORCHESTRATION_EVENTS, AUTHORIZATION_DECISIONS, IDENTITY_EVENTS)
)

# Every key that a native record may have, undecoded. No other format has records of these keys alone.
_decode_keys = msgspec.json.Decoder(
    msgspec.defstruct(
        "native_keys",
        [
            (name, msgspec.Raw, msgspec.Raw())
            for name in dict.fromkeys(
                name for target in (_ORCHESTRATION, _DECISION, _IDENTITY) for name in target.names
            )
        ],
        forbid_unknown_fields=True,
        gc=False,
    )
).decode


def is_plain(value: bytes) -> bool:
    """Whether a record is of the native format beyond doubt, by its keys; much quicker than asking all readers."""
    try:
        keys: Any = _decode_keys(value)
    except DECODE_ERRORS:
        return False
    return bool((keys.event_id and keys.event_time) or (keys.decision_id and keys.decision_time))


class Native:
    """Reads records of the native format."""

    name = _NAME

    def claims(self, headers: Headers) -> bool:
        """By `content-type: application/vnd.counterfoil+json`."""
        return any(
            name.lower() == "content-type" and value and value.lower().startswith(_CONTENT_TYPE)
            for name, value in headers
        )

    def recognises(self, shape: Shape) -> bool:
        """By an id of ours, or by what else only a canonical row has at its top."""
        return bool(
            shape.event_id
            or shape.decision_id
            or (shape.event_type and shape.event_time)
            or (shape.decision and shape.decision_time)
        )

    def read(self, records: Records, chosen: Sequence[int]) -> Decoded:
        """One row a record."""
        decoded = Decoded()
        found = {target.table.name: _Found(target) for target in (_ORCHESTRATION, _DECISION, _IDENTITY)}
        usual = found[(_DECISION if records.stream == "authorization" else _ORCHESTRATION).table.name]
        decode, add = usual.target.decode, usual.add
        for i in chosen:
            value = records.value[i] or b""
            try:
                # What the stream's usual table takes strictly is of that table by its keys, so no look at
                # them is needed: the keys that lead to another table are unknown to it or missing in it.
                add(i, decode(value))
            except DECODE_ERRORS:
                target = _target_of(shape_of(value))
                try:
                    found[target.table.name].add(i, *_read_again(target, value))
                except RecordError as error:
                    decoded.dead.append(_dead(i, target.explain(error)))
            except RecordError as error:
                decoded.dead.append(_dead(i, error))
        decoded.rows.extend(part.rows() for part in found.values() if part.places)
        return decoded


class _Found:
    """The rows of one table. They become columns a thousand at a time, while the cache holds them."""

    def __init__(self, target: _Target) -> None:
        self.target = target
        self.places: list[int] = []
        self._pending: list[Any] = []
        self._texts: list[str | None] = []
        self._columns: list[list[pa.Array]] = [[] for _ in target.names]

    def add(self, place: int, row: Any, newer: dict[str, Any] | None = None) -> None:
        """Add a row; `newer` holds keys that its table does not have. RecordError for wrong attributes."""
        given = row.attributes
        self._texts.append(None if given is None and not newer else _attributes(given, newer))
        self._pending.append(row)
        self.places.append(place)
        if len(self._pending) >= _CHUNK:
            self._flush()

    def rows(self) -> Rows:
        """All rows as columns."""
        self._flush()
        arrays = [pa.concat_arrays(chunks) for chunks in self._columns]
        columns: dict[str, Any] = dict(zip(self.target.names, arrays, strict=True))
        return Rows(self.target.table, columns, self.places, [0] * len(self.places), _NAME)

    def _flush(self) -> None:
        if not self._pending:
            return
        values: list[Sequence[Any]] = list(zip(*map(astuple, self._pending), strict=True))
        values[self.target.attributes] = self._texts
        for chunks, column, of_type in zip(self._columns, values, self.target.types, strict=True):
            chunks.append(pa.array(column, of_type))
        self._pending.clear()
        self._texts.clear()


def _target_of(shape: Shape | None) -> _Target:
    if shape is None:
        return _ORCHESTRATION  # decoding will say what is wrong
    if shape.decision or (shape.decision_time and not shape.event_type):
        return _DECISION
    return _IDENTITY if bytes(shape.event_type) in _IDENTITY_TYPES else _ORCHESTRATION


def _read_again(target: _Target, value: bytes) -> tuple[Any, dict[str, Any]]:
    """Read a record that is of another table than usual, has keys that are not in its table, or is wrong."""
    try:
        return target.decode(value), {}
    except DECODE_ERRORS as error:
        newer = parse_object(
            value
        )  # first of all it must be JSON: a wrong field is not what is wrong with it else
        if "unknown field" not in str(error):
            raise fault(error, value) from error
    known = {name: newer.pop(name) for name in target.names if name in newer}
    try:
        return msgspec.convert(known, target.struct), newer
    except msgspec.ValidationError as error:
        raise fault(error, value) from error


def _attributes(attributes: dict[str, Any] | str | None, newer: dict[str, Any] | None) -> str:
    if isinstance(attributes, str):
        raise RecordError("wrong_type", "$.attributes is a string: send a JSON object, not its text")
    return json_text({**(newer or {}), **(attributes or {})})


def _dead(place: int, error: RecordError) -> DeadLetter:
    return DeadLetter(place, error.reason, error.detail, source_format=_NAME)
