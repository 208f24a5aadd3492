"""Whether the footer of a Parquet file speaks true of its columns.

Readers pass over a group of rows when its footer says that none of them can be wanted. A footer with a false least or
greatest value, or a false count of nulls, so hides rows from every query, while each row is still there and whole.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import parquet

from lake.remote import open_file

if TYPE_CHECKING:
    from collections.abc import Iterator

# The bytes of records, by which nobody selects, are most of a file.
_UNASKED = frozenset({"raw"})


def misleading(file: str) -> str | None:
    """The column of which the footer says what its values do not bear out; None where there is none.

    None too for a file that cannot be read, of which whoever reads its rows tells.
    """
    stored = "://" in file
    try:
        # What is next to each other is asked of a store at once.
        source = open_file(file) if stored else file
        with parquet.ParquetFile(source, pre_buffer=stored) as opened:
            for number in range(opened.metadata.num_row_groups):
                wrong = next(_wrong(opened, number), None)
                if wrong is not None:
                    return wrong
    except (OSError, pa.ArrowException):
        return None
    return None


def _wrong(opened: parquet.ParquetFile, number: int) -> Iterator[str]:
    group = opened.metadata.row_group(number)
    told = {}
    for place in range(group.num_columns):
        chunk = group.column(place)
        if chunk.statistics is not None and chunk.path_in_schema not in _UNASKED:
            told[chunk.path_in_schema] = chunk.statistics
    # What is within lists has a path of its own, and is not selected by.
    names = [name for name in opened.schema_arrow.names if name in told]
    rows = opened.read_row_group(number, columns=names)
    for name in names:
        if not _borne_out(told[name], rows[name]):
            yield name


def _borne_out(told: Any, values: pa.ChunkedArray) -> bool:
    if told.has_null_count and told.null_count != values.null_count:
        return False
    if not told.has_min_max:
        return True
    ends = pc.min_max(values).as_py()
    return ends["min"] is None or not (told.min > ends["min"] or told.max < ends["max"])
