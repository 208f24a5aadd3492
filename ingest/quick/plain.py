"""Plain records of the native format, read all at once into columns.

A plain record is a flat JSON object of at most `ingest.max_record_bytes`, with no headers but those of tracing, whose
keys are columns of the native format, each once, with texts that have no escapes and values of the right types. Any
other is left to the careful readers, which alone say what is wrong; what is read here comes out as it would there.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
import pyarrow as pa

from ingest.formats.native import BOUNDS, Native
from ingest.jsonrecord import DECODE_ERRORS, json_text
from ingest.quick import _quick
from ingest.records import Rows
from ingest.stretch import SILENT_HEADERS, as_pack
from schemas.errors import RecordError
from schemas.events import (
    AUTHORIZATION_DECISIONS,
    IDENTITY_EVENT_TYPES,
    IDENTITY_EVENTS,
    ORCHESTRATION_EVENTS,
)
from schemas.table import BOOL, BYTES, FLOAT, INT, STRING, STRINGS, TIME

if TYPE_CHECKING:
    from ingest.records import Records
    from schemas.table import Column

_TABLES = (ORCHESTRATION_EVENTS, AUTHORIZATION_DECISIONS, IDENTITY_EVENTS)
_TEXT, _WORD, _TIME, _INTEGER, _REAL, _TRUTH, _LIST, _OBJECT = range(8)  # as in spec.h
_KINDS = {STRING: _TEXT, TIME: _TIME, INT: _INTEGER, FLOAT: _REAL, BOOL: _TRUTH, STRINGS: _LIST}
_object = msgspec.json.Decoder(dict[str, Any]).decode


@dataclass(slots=True)
class Plain:
    """What was read, and the places of the records that were not."""

    rows: list[Rows] = field(default_factory=list)
    rest: list[int] = field(default_factory=list)


def _told(column: Column) -> tuple[bytes, int, bool, tuple[bytes, ...], int, int]:
    kind = _OBJECT if column.name == "attributes" else _WORD if column.values else _KINDS[column.type]
    low, high = BOUNDS.get(column.name, (-(2**63), 2**63 - 1))
    words = tuple(word.encode() for word in column.values)
    return column.name.encode(), kind, column.required, words, low, high


_SPEC: _quick.Spec | None = (
    None
    if _quick is None
    else _quick.prepare(
        [[_told(column) for column in table.columns if column.native] for table in _TABLES],
        tuple(word.encode() for word in IDENTITY_EVENT_TYPES),
        tuple(sorted(name.encode() for name in SILENT_HEADERS)),
    )
)


def read_plain(records: Records, most_bytes: int) -> Plain:
    """Read the plain records; all are left where the C part is not there."""
    if _SPEC is None:
        return Plain(rest=list(range(len(records))))
    made, rest = _quick.read_plain(_SPEC, _batches(records), most_bytes)
    found = Plain(rest=rest)
    for table, (places, raw, grown) in zip(_TABLES, made, strict=True):
        record = np.frombuffer(places, np.int64)
        if not len(record):
            continue
        columns = {
            column.name: _array(column.type, len(record), grown[name])
            for column in table.columns
            if (name := column.name.encode()) in grown
        }
        columns["raw"] = _array(BYTES, len(record), raw)
        if "attributes" in columns:
            columns["attributes"], wrong = _attributes(columns["attributes"])
            if wrong:
                found.rest = sorted(found.rest + record[wrong].tolist())
                kept = pa.array(np.delete(np.arange(len(record)), wrong))
                columns = {name: values.take(kept) for name, values in columns.items()}
                record = np.delete(record, wrong)
        if len(record):
            found.rows.append(
                Rows(table, dict(columns), record, np.zeros(len(record), np.int64), Native.name)
            )
    return found


def _batches(records: Records) -> list[tuple[bytes, memoryview]]:
    """The records as their batches hold them; lists are put into one."""
    packs = [as_pack(records)] if records.packs is None else records.packs
    return [(pack.data, pack.bytes_of_places()) for pack in packs]


def _array(of_type: pa.DataType, count: int, grown: tuple[bytes, bytes, bytes, bytes, int]) -> pa.Array:
    """The column over the memory that it came in."""
    valid, ends, data, item_ends, nulls = grown
    bits = pa.py_buffer(valid) if nulls else None
    if of_type == STRINGS:
        items = len(item_ends) // 4 - 1 if item_ends else 0
        values = pa.StringArray.from_buffers(items, pa.py_buffer(item_ends or bytes(4)), pa.py_buffer(data))
        return pa.Array.from_buffers(of_type, count, [bits, pa.py_buffer(ends)], nulls, children=[values])
    if of_type in (STRING, BYTES):
        return pa.Array.from_buffers(of_type, count, [bits, pa.py_buffer(ends), pa.py_buffer(data)], nulls)
    return pa.Array.from_buffers(of_type, count, [bits, pa.py_buffer(data)], nulls)


def _attributes(texts: pa.Array) -> tuple[pa.Array, list[int]]:
    """The objects as the careful reader writes them, and the places of those that it is to look at."""
    written: list[str | None] = []
    wrong = []
    for place, text in enumerate(texts.to_pylist()):
        try:
            written.append(None if text is None else json_text(_object(text)))
        except (*DECODE_ERRORS, RecordError):
            written.append(None)
            wrong.append(place)
    return pa.array(written, texts.type), wrong
