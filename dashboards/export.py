"""Tables as CSV for a spreadsheet, in which no cell is a formula."""

from __future__ import annotations

import csv
import io
from datetime import datetime
from typing import TYPE_CHECKING, Any

from dashboards.words import clock

if TYPE_CHECKING:
    import pyarrow as pa

# What makes a spreadsheet take a cell as a formula, also in its full-width forms and behind blanks.
_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")


def guard(text: str) -> str:
    """The text, with an apostrophe before it where a spreadsheet would compute it."""
    return f"'{text}" if text.startswith(_STARTS) or text.lstrip().startswith(_STARTS) else text


def to_csv(table: pa.Table) -> bytes:
    """The table as UTF-8 CSV with the byte order mark that spreadsheets need; times in UTC, lists with blanks."""
    out = io.StringIO(newline="")
    writer = csv.writer(out)
    writer.writerow(table.column_names)
    for row in zip(*(column.to_pylist() for column in table.columns), strict=True):
        writer.writerow([_cell(value) for value in row])
    return out.getvalue().encode("utf-8-sig", errors="backslashreplace")


def _cell(value: Any) -> Any:
    if isinstance(value, datetime):
        return clock(value)
    if isinstance(value, list):
        return guard(" ".join(str(each) for each in value))
    return guard(value) if isinstance(value, str) else value
