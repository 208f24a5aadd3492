"""Taking rows out of files, or changing them: the one thing that makes a table hold less than was written.

Expiry of rows and erasure rest on it. The files with the rows are written anew without them, in one commit. What is new
there is no new row, and said to be none, so that those who follow the table see nothing come.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pyarrow as pa
from deltalake.transaction import RemoveAction

from lake.commit import Changes
from lake.files import PARTITION, remove_files, write_file
from lake.maintain import File, active

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from deltalake import DeltaTable

    from lake.commit import Committer
    from lake.newest import Newest
    from schemas.table import Table


def rewrite(
    committer: Committer,
    table: Table,
    handle: DeltaTable,
    contents: Mapping[str, Callable[[], Iterable[pa.Table]]],
    message: str,
) -> int | None:
    """Put new content in the place of files, and return the version; None when one of them is gone from the table.

    `contents` gives by a file's address its new rows, as tables with any of the stored columns; without rows the file
    is dropped.
    """
    place = committer.place
    schema = pa.schema(handle.schema())
    schema = schema.remove(schema.get_field_index(PARTITION))
    files = {place.file_url(table.name, file.path): file for file in active(handle)}
    if not files.keys() >= contents.keys():
        return None
    adds = []
    for address, content in contents.items():
        rows = _fitting(content(), schema)
        first = next(rows, None)
        if first is not None:
            day = files[address].day
            parts = _chain(first, rows)
            adds.append(write_file(place, table.name, day, schema, parts, table.statistics, new_rows=False))
    old = [files[address] for address in contents]

    def plan(newest: Newest) -> Changes | None:
        there = {file.path for file in active(newest.handle)}
        if not there.issuperset(file.path for file in old):
            return None
        return Changes(adds=adds, removes=[_removal(file) for file in old], message=message)

    version = committer.commit(table, plan)
    if version is None:
        remove_files(place, table.name, [add.path for add in adds])
    return version


def _removal(file: File) -> RemoveAction:
    return RemoveAction(file.path, True, time.time_ns() // 1_000_000, file.size, {PARTITION: file.day})


def _fitting(tables: Iterable[pa.Table], schema: pa.Schema) -> Iterator[pa.Table]:
    """The tables that hold rows, with the stored columns; those that a table lacks are null."""
    for rows in tables:
        if rows.num_rows:
            columns = [
                rows[f.name].cast(f.type) if f.name in rows.column_names else pa.nulls(rows.num_rows, f.type)
                for f in schema
            ]
            yield pa.table(columns, schema=schema)


def _chain(first: pa.Table, rest: Iterator[pa.Table]) -> Iterator[pa.Table]:
    yield first
    yield from rest
