"""Whether the footer of a Parquet file speaks true of its columns.

Readers pass over a group of rows when its footer says that none of them can be wanted. A footer with a false least or
greatest value, or a false count of nulls, so hides rows from every query, while each row is still there and whole.
"""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Any

from lake.duck import quote_name

if TYPE_CHECKING:
    from proof.reader import Reader

# The bytes of records, by which nobody selects, are most of a file.
_UNASKED = frozenset({"raw"})
_TOLD = """
SELECT row_group_id, row_group_num_rows, path_in_schema,
    coalesce(stats_min_value, stats_min), coalesce(stats_max_value, stats_max), stats_null_count
FROM parquet_metadata(?)
ORDER BY row_group_id, column_id
"""
# By it DuckDB would take the footer's word for what is asked here.
_TRUSTING = "statistics_propagation"


def misleading(reader: Reader, file: str) -> str | None:
    """The column of which the footer says what its values do not bear out; None where there is none.

    Unreadable where the footer, or a column of which it tells, cannot be read.
    """
    told = reader.rows(_TOLD, [file])
    types = {name: kind for name, kind, *_ in reader.rows("DESCRIBE FROM read_parquet(?)", [file])}
    reader.rows(f"SET disabled_optimizers = '{_TRUSTING}'")
    try:
        return _wrong(reader, file, told, types)
    finally:
        reader.rows("RESET disabled_optimizers")


def _wrong(reader: Reader, file: str, told: list[tuple[Any, ...]], types: dict[str, str]) -> str | None:
    start = 0
    for (_, count), group in groupby(told, key=lambda row: row[:2]):
        # What is within lists has a path of its own, and is not selected by.
        columns = [row[2:] for row in group if row[2] in types and row[2] not in _UNASKED]
        if columns:
            checks = ", ".join(_check(name, types[name]) for name, *_ in columns)
            query = (
                f"SELECT {checks} FROM read_parquet(?, file_row_number = true) "
                "WHERE file_row_number >= ? AND file_row_number < ?"
            )
            values = [value for _, *facts in columns for value in facts]
            (answer,) = reader.rows(query, [*values, file, start, start + count])
            for (name, *_), is_wrong in zip(columns, answer, strict=True):
                if is_wrong:
                    return str(name)
        start += count
    return None


def _check(name: str, kind: str) -> str:
    """Whether a column has a smaller or greater value, or another number of nulls, than the three parameters say."""
    column = quote_name(name)
    # No least and greatest value takes in what is not a number.
    numbers = f" FILTER (NOT isnan({column}))" if kind == "DOUBLE" else ""
    return (
        f"coalesce(min({column}){numbers} < TRY_CAST(? AS {kind}), false) "
        f"OR coalesce(max({column}){numbers} > TRY_CAST(? AS {kind}), false) "
        f"OR coalesce(count(*) - count({column}) <> ?, false)"
    )
