"""Writing a table's Parquet files: one per event date, on the disk before anything names them.

Files are written here and not by `write_deltalake`, because its files reach the disk after the log entry
that names them, if at all: for that while another process could read, and build on, a commit that a power
cut takes back.
"""

from __future__ import annotations

import json
import time
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import chain, pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from deltalake.transaction import AddAction
from pyarrow import parquet

from lake.commit import first_line
from lake.durable import make_folder, sync_path
from lake.objects import filesystem
from schemas.errors import LakeError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from contextlib import AbstractContextManager
    from datetime import date

    from lake.place import Place

PARTITION = "event_date"
GROUP_ROWS = 122_880  # DuckDB reads one row group per thread
GROUP_BYTES = 128 * 1024 * 1024  # raw records may be large; a row group is what a reader holds in memory
_LONGEST_BOUND = 128  # longer strings get no minimum and maximum: every reader of the log would carry them
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FIRST_DAY = _EPOCH.date()
# Rows come by partition and nearly by time. Stretches of a date that are this long in the mean are not copied.
_STRETCH = 500
_SAMPLE = 256
_OFTEN_VARIED = (pa.types.is_string, pa.types.is_timestamp, pa.types.is_int64)


@dataclass
class Statistics:
    """Row count, null counts, minimum and maximum of a few columns, gathered batch by batch."""

    columns: tuple[str, ...]
    rows: int = 0
    nulls: dict[str, int] = field(default_factory=dict)
    low: dict[str, Any] = field(default_factory=dict)
    high: dict[str, Any] = field(default_factory=dict)

    def add(self, batch: pa.Table) -> None:
        """Count a batch in."""
        self.rows += batch.num_rows
        for name in self.columns:
            if name not in batch.column_names:
                self.nulls[name] = self.nulls.get(name, 0) + batch.num_rows
                continue
            column = batch[name]
            self.nulls[name] = self.nulls.get(name, 0) + column.null_count
            if pa.types.is_timestamp(column.type):
                column = column.cast(pa.int64())
            elif not (pa.types.is_string(column.type) or pa.types.is_int64(column.type)):
                continue
            found = pc.min_max(column)
            low, high = found["min"].as_py(), found["max"].as_py()
            if low is not None:
                self.low[name] = min(self.low.get(name, low), low)
                self.high[name] = max(self.high.get(name, high), high)

    def to_json(self, schema: pa.Schema) -> str:
        """As the log of Delta Lake holds them, for readers that skip files by them."""
        low: dict[str, Any] = {}
        high: dict[str, Any] = {}
        for name in self.low:
            bounds = (self.low[name], self.high[name])
            if pa.types.is_timestamp(schema.field(name).type):
                bounds = (_instant(bounds[0]), _instant(bounds[1]))
            if None in bounds or any(isinstance(b, str) and len(b) > _LONGEST_BOUND for b in bounds):
                continue
            low[name], high[name] = bounds
        return json.dumps(
            {"numRecords": self.rows, "minValues": low, "maxValues": high, "nullCount": self.nulls},
            separators=(",", ":"),
        )


def _instant(microseconds: int) -> str | None:
    try:
        return (_EPOCH + timedelta(microseconds=microseconds)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    except OverflowError:
        return None


def by_date(rows: pa.Table) -> Iterator[tuple[date, pa.Table]]:
    """The rows of each event date, in their order, without the column that their folder stands for."""
    days = rows[PARTITION].combine_chunks().cast(pa.int32()).to_numpy()
    starts = [0, *(np.flatnonzero(np.diff(days)) + 1).tolist()] if len(days) else []
    if len(starts) > 1 + len(days) // _STRETCH:
        order = np.argsort(days, kind="stable")
        rows, days = rows.take(pa.array(order)), days[order]
        starts = [0, *(np.flatnonzero(np.diff(days)) + 1).tolist()]
    stretches: dict[int, list[pa.Table]] = {}
    for start, end in pairwise([*starts, len(days)]):
        stretches.setdefault(int(days[start]), []).append(rows.slice(start, end - start))
    for day in sorted(stretches):
        yield _FIRST_DAY + timedelta(days=day), pa.concat_tables(stretches[day]).drop_columns([PARTITION])


def write_file(
    place: Place,
    name: str,
    day: str,
    schema: pa.Schema,
    batches: Iterable[pa.Table],
    statistics: Sequence[str],
    *,
    new_rows: bool = True,
) -> AddAction:
    """Write one Parquet file of one event date and return the action that adds it to the table.

    `schema` and the batches lack the partition column. Locally the file and its name are on the disk on
    return.
    """
    path = f"{PARTITION}={day}/part-{uuid.uuid4().hex}.zstd.parquet"
    folder = place.folder(name)
    gathered = Statistics(tuple(s for s in statistics if s in schema.names))
    try:
        if folder is None:
            with filesystem(place, name).open_output_stream(path) as stream:
                _write(stream, schema, batches, gathered)
                size = stream.tell()
        else:
            make_folder((folder / path).parent)
            with pa.OSFile(str(folder / path), "wb") as file:
                _write(file, schema, batches, gathered)
                size = file.tell()
            sync_path(folder / path)
            sync_path((folder / path).parent)
            sync_path(folder)  # also for a folder of the date that a killed writer made and did not sync
    except OSError as error:
        remove_files(place, name, [path])
        raise LakeError(
            f"cannot write {place.file_url(name, path)}: {error.strerror or first_line(error)}"
        ) from error
    return AddAction(
        path=path,
        size=size,
        partition_values={PARTITION: day},
        modification_time=time.time_ns() // 1_000_000,
        data_change=new_rows,
        stats=gathered.to_json(schema),
    )


def remove_files(place: Place, name: str, paths: Iterable[str]) -> None:
    """Delete files that no commit names, as far as that is possible; what stays, expiry finds."""
    files = filesystem(place, name)
    for path in paths:
        try:
            files.delete_file(path)
        except OSError:
            continue


def _write(target: Any, schema: pa.Schema, batches: Iterable[pa.Table], statistics: Statistics) -> None:
    rest = iter(batches)
    first = next(rest, None)
    plain = [f.name for f in schema if pa.types.is_binary(f.type) or _is_varied(first, f)]
    with _writer(target, schema, plain) as writer:
        for batch in chain([] if first is None else [first], rest):
            statistics.add(batch)
            per_row = max(batch.nbytes // max(batch.num_rows, 1), 1)
            writer.write_table(batch, row_group_size=max(min(GROUP_ROWS, GROUP_BYTES // per_row), 1))


def _is_varied(rows: pa.Table | None, field: pa.Field) -> bool:
    """Whether the first values of a column mostly differ: a dictionary of them would be as large again."""
    if rows is None or not any(of_type(field.type) for of_type in _OFTEN_VARIED):
        return False
    sample = rows[field.name].slice(0, _SAMPLE)
    there = len(sample) - sample.null_count  # none in most columns
    return there > 0 and bool(2 * pc.count_distinct(sample, mode="only_valid").as_py() > there)


def _writer(target: Any, schema: pa.Schema, plain: list[str]) -> AbstractContextManager[Any]:
    encoded = [name for name in schema.names if name not in plain]
    return parquet.ParquetWriter(  # type: ignore[no-any-return]
        target,
        schema.remove_metadata(),
        compression="zstd",
        compression_level=1,
        use_dictionary=encoded,  # raw records repeat too little for a dictionary
        write_statistics=True,
        store_schema=False,
    )
