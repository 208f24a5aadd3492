"""Appending rows, and how far each source has been read, in one commit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pyarrow as pa

from lake.commit import Changes, Committer
from lake.files import PARTITION, by_date, remove_files, write_file
from schemas.errors import CommitConflict, LakeError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lake.newest import Newest
    from schemas.table import Table

# As the expected start of a source: nothing of it has been recorded yet.
NEVER: Final = -1


def append(
    committer: Committer,
    table: Table,
    rows: pa.Table,
    positions: Mapping[str, tuple[int | None, int]],
    message: str,
) -> int | None:
    """Append as `lake.store.Lake.append` says."""
    for source, (start, end) in positions.items():
        if end < 0 or (start is not None and not NEVER <= start <= end):
            raise LakeError(
                f"{source}: cannot move from offset {start} to {end}: a position never moves back"
            )
    rows = conform(table, rows)
    if not rows.num_rows and not positions:
        return None
    schema = rows.schema.remove(rows.schema.get_field_index(PARTITION))
    adds = [
        write_file(committer.place, table.name, day.isoformat(), schema, [part], table.statistics)
        for day, part in by_date(rows)
    ]

    def plan(newest: Newest) -> Changes | None:
        moved = moves(newest, table, positions)
        return Changes(adds=adds, positions=moved, message=message) if adds or moved else None

    try:
        return committer.commit(table, plan)
    except CommitConflict:
        remove_files(committer.place, table.name, [add.path for add in adds])
        raise


def moves(newest: Newest, table: Table, positions: Mapping[str, tuple[int | None, int]]) -> dict[str, int]:
    """The positions to record; CommitConflict when the lake has another one than the reader started from.

    Delta itself lets a fresh handle record a lower version without complaint, so the check is here.
    """
    moved: dict[str, int] = {}
    for source, (start, end) in positions.items():
        recorded = newest.position(source)
        if start is None:
            refused = recorded is not None and recorded > end
        else:
            refused = recorded != (None if start == NEVER else start)
        if refused:
            expected = f"at most {end}" if start is None else "none yet" if start == NEVER else str(start)
            raise CommitConflict(
                f"{table.name}: the position recorded for {source} is {recorded}, expected {expected}: "
                "another reader was first; read the position again"
            )
        if recorded != end:
            moved[source] = end
    return moved


def conform(table: Table, rows: pa.Table) -> pa.Table:
    """The rows with exactly the contract's columns, order and types; what is missing is null.

    `event_date` is computed from the table's time column where it is absent. LakeError, with the column's
    name, for unknown columns, types that do not fit, and nulls where the contract has none.
    """
    unknown = [name for name in rows.column_names if name not in table.names]
    if unknown:
        raise LakeError(f"{table.name} has no column {', '.join(map(repr, unknown))}")
    columns = []
    for column in table.columns:
        if column.name in rows.column_names:
            source, of = rows[column.name], column.name
        elif column.name == PARTITION and table.time_column in rows.column_names:
            source, of = rows[table.time_column], table.time_column
        else:
            source, of = pa.nulls(rows.num_rows, column.type), column.name
        try:
            if of != column.name:
                source = source.cast(table.column(of).type)
            values = source if source.type == column.type else source.cast(column.type)
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
            raise LakeError(
                f"{table.name}.{of} does not fit {column.type}: {str(error).splitlines()[0]}"
            ) from error
        if column.required and values.null_count:
            raise LakeError(
                f"{table.name}.{column.name} is required and is null in {values.null_count} row(s)"
            )
        columns.append(values)
    return _checked_dates(
        table, pa.table(columns, schema=pa.schema([f.with_nullable(True) for f in table.schema]))
    )


def _checked_dates(table: Table, rows: pa.Table) -> pa.Table:
    # The folder of a date outside the calendar of the other engines could be read by none of them.
    try:
        rows[PARTITION].unique().to_pylist()
    except (ValueError, OverflowError) as error:
        raise LakeError(
            f"{table.name}.{table.time_column} holds a time outside the years 1 to 9999"
        ) from error
    return rows
