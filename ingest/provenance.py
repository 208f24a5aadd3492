"""From a reader's rows to a table of the lake: types, checked times, one spelling of ids, provenance."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ingest.records import DeadLetter
from ingest.secrets import mask_column
from ingest.traceparent import one_spelling
from schemas.events import DEAD_LETTERS
from schemas.table import BOOL, BYTES, DATE, INT, STRING, TIME

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from ingest.records import Headers, Records, Rows

# Times other than the event's own may lie far ahead ("never expires"), but within the calendar, or no
# reader of the lake could show them.
_CALENDAR = (
    pa.scalar(datetime(1, 1, 1, tzinfo=UTC), TIME),
    pa.scalar(datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC), TIME),
)
_ID_DIGITS = {"trace_id": 32, "span_id": 16, "parent_span_id": 16}
_FREE_TEXT = ("attributes", "reason", "error_type", "destination")


@dataclass
class Batch:
    """The records that are being decoded, and what the rows read from them share.

    `oldest` and `newest` bound the event times that are accepted.
    """

    records: Records
    ingest_time: datetime
    oldest: datetime
    newest: datetime
    keep_raw: bool

    @cached_property
    def digests(self) -> pa.Array:
        """SHA-256 of each record; a tombstone has that of nothing."""
        return self.records.digests()

    @cached_property
    def offsets(self) -> pa.Array:
        """Offset of each record."""
        return self.records.offsets()

    @cached_property
    def record_times(self) -> pa.Array:
        """Time of each record; null where it has none that a calendar holds."""
        return calendar_times(self.records.times())


def calendar_times(whole: pa.Array) -> pa.Array:
    """Microseconds since 1970 as times; null for one outside the calendar."""
    low, high = (bound.cast(pa.int64()) for bound in _CALENDAR)
    outside = pc.or_(pc.less(whole, low), pc.greater(whole, high))
    if pc.any(outside).as_py():
        whole = pc.if_else(outside, pa.scalar(None, pa.int64()), whole)
    return whole.cast(TIME)


def build_table(rows: Rows, batch: Batch) -> tuple[pa.Table, list[DeadLetter]]:
    """The rows as a table with every column of the contract; those with impossible times as dead letters."""
    table = rows.table
    count = len(rows.record)
    places = pa.array(rows.record, pa.int64())
    columns = {}
    for column in table.columns:
        given = rows.columns.get(column.name)
        if given is None:
            absent = False if column.required and column.type == BOOL else None
            columns[column.name] = pa.repeat(pa.scalar(absent, column.type), count)
        else:
            columns[column.name] = given if isinstance(given, pa.Array) else pa.array(given, column.type)
    if "time_estimated" in columns:
        own = pc.coalesce(batch.record_times.take(places), pa.scalar(batch.ingest_time, TIME))
        times = columns[table.time_column]
        estimated = pc.and_(columns["time_estimated"], pc.is_null(times))
        columns[table.time_column] = pc.if_else(estimated, own, times)
    for name, digits in _ID_DIGITS.items():
        if name in columns:
            columns[name] = one_spelling(columns[name], digits)
    for name in _FREE_TEXT:
        if name in columns:
            columns[name] = mask_column(columns[name])
    dead, good = _check_times(rows, columns, batch)
    index = rows.index
    if good is not None:
        kept = pa.array(good, pa.int64())
        columns = {name: values.take(kept) for name, values in columns.items()}
        places = places.take(kept)
        index = [int(rows.index[r]) for r in good]
    columns.update(_provenance(rows.source_format, index, places, batch))
    columns["raw"] = _raw(places, columns["raw"] if "raw" in rows.columns else None, batch)
    columns["event_date"] = columns[table.time_column].cast(DATE)
    return pa.Table.from_arrays([columns[name] for name in table.names], schema=table.schema), dead


def _check_times(
    rows: Rows, columns: dict[str, pa.Array], batch: Batch
) -> tuple[list[DeadLetter], list[int] | None]:
    """Dead letters for rows with an impossible time, and the places of the others; None if all are good."""
    own = rows.table.time_column
    dead: dict[int, DeadLetter] = {}
    for column in rows.table.columns:
        times = columns[column.name]
        if column.type != TIME or not column.native or times.null_count == len(times):
            continue
        low, high = _CALENDAR
        if column.name == own:
            low, high = pa.scalar(batch.oldest, TIME), pa.scalar(batch.newest, TIME)
        span = pc.min_max(times)
        if pc.and_(pc.greater_equal(span["min"], low), pc.less_equal(span["max"], high)).as_py():
            continue
        outside = pc.fill_null(pc.or_(pc.less(times, low), pc.greater(times, high)), False)
        places = pc.indices_nonzero(outside)
        advice = (
            f"it must lie from {_written(low)} to {_written(high)} (ingest.oldest, ingest.max_future)"
            if column.name == own
            else "it must lie within the years 1 to 9999 in UTC"
        )
        for r, when in zip(places.to_pylist(), _written(times.take(places)), strict=True):
            detail = f"$.{column.name} is {when}: {advice}"
            letter = DeadLetter(
                int(rows.record[r]), "time_out_of_range", detail, int(rows.index[r]), rows.source_format
            )
            dead.setdefault(r, letter)
    if not dead:
        return [], None
    return list(dead.values()), [r for r in range(len(rows.record)) if r not in dead]


def _written(time: pa.Scalar | pa.Array) -> Any:
    """Times in words of the calendar, which Python's own would refuse outside the years 1 to 9999."""
    return pc.strftime(time, format="%Y-%m-%dT%H:%M:%SZ")


def _provenance(
    source_format: str, index: Sequence[int] | npt.NDArray[np.int64], places: pa.Array, batch: Batch
) -> dict[str, pa.Array]:
    records = batch.records
    count = len(places)
    return {
        "source_format": pa.repeat(pa.scalar(source_format, STRING), count),
        "source_topic": pa.repeat(pa.scalar(records.topic, STRING), count),
        "source_partition": pa.repeat(pa.scalar(records.partition, INT), count),
        "source_offset": _taken(batch.offsets, places),
        "source_index": pa.array(index, INT),
        "record_time": _taken(batch.record_times, places),
        "ingest_time": pa.repeat(pa.scalar(batch.ingest_time, TIME), count),
        "raw_sha256": _taken(batch.digests, places),
    }


def _taken(values: pa.Array, places: pa.Array) -> pa.Array:
    """The values at those places: as they are, where these are all of them in their order."""
    every = len(places) == len(values) and places.equals(pa.array(np.arange(len(values)), pa.int64()))
    return values if every else values.take(places)


def _raw(places: pa.Array, given: pa.Array | None, batch: Batch) -> pa.Array:
    """The bytes of each row's record, where they are kept."""
    if not batch.keep_raw:
        return pa.nulls(len(places), BYTES)
    return pa.array(_first_only(batch.records.value, places.to_pylist()), BYTES) if given is None else given


def _first_only(values: Sequence[bytes | None], record: list[int]) -> Sequence[bytes | None]:
    """The value of each row's record, on the first row of the record only."""
    if len(set(record)) == len(record):
        return [values[place] for place in record]
    seen: set[int] = set()
    first: list[bytes | None] = []
    for place in record:
        first.append(None if place in seen else values[place])
        seen.add(place)
    return first


def dead_table(dead: Sequence[DeadLetter], batch: Batch) -> pa.Table:
    """The dead letters as a table, given in the order of their records.

    The bytes are kept whatever `keep_raw` says, since nothing is dropped, on the record's first dead
    letter: a record of many bad events must not be stored as often.
    """
    records = batch.records
    count = len(dead)
    places = pa.array([letter.record for letter in dead], pa.int64())
    values = [records.value[letter.record] for letter in dead]
    raw = _first_only(records.value, [letter.record for letter in dead])
    where = f"{records.topic}:{records.partition}"
    columns: dict[str, pa.Array | list[object]] = {
        "dead_letter_id": [f"{where}:{records.offset[d.record]}:{d.index}" for d in dead],
        "stream": [records.stream] * count,
        "reason": [d.reason for d in dead],
        "detail": [d.detail for d in dead],
        "source_format": [d.source_format for d in dead],
        "source_topic": [records.topic] * count,
        "source_partition": [records.partition] * count,
        "source_offset": batch.offsets.take(places),
        "source_index": [d.index for d in dead],
        "record_time": batch.record_times.take(places),
        "ingest_time": [batch.ingest_time] * count,
        "record_key": [records.key[d.record] for d in dead],
        "headers": [_headers_text(records.headers[d.record]) for d in dead],
        "raw": list(raw),
        "raw_size": [len(value or b"") for value in values],
        "raw_sha256": batch.digests.take(places),
        "event_date": [batch.ingest_time.astimezone(UTC).date()] * count,
    }
    arrays = [
        values if isinstance(values, pa.Array) else pa.array(values, column.type)
        for column in DEAD_LETTERS.columns
        for values in [columns[column.name]]
    ]
    return pa.Table.from_arrays(arrays, schema=DEAD_LETTERS.schema)


def _headers_text(headers: Headers) -> str:
    """A JSON array of [name, value in base64]; an absent value, which Kafka allows, becomes an empty one."""
    pairs = [(name, base64.b64encode(value or b"").decode()) for name, value in headers]
    return msgspec.json.encode(pairs).decode()
