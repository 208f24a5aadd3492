"""Rows to stdout: as a table for people, as CSV or JSON for machines.

What is printed comes from logs, so on its way to a terminal every control character is made visible.
"""

from __future__ import annotations

import csv
import json
import re
import sys
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any, TextIO

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    import pyarrow as pa

# C0 and C1 controls, and the marks that turn the direction of text.
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def write(rows: pa.Table, form: str) -> None:
    """Write the rows to stdout as `table`, `csv` or `json` (one object a line)."""
    write_batches(rows.column_names, rows.to_batches(max_chunksize=10_000), form, sys.stdout)


def write_batches(
    names: Sequence[str],
    batches: Iterable[pa.RecordBatch],
    form: str,
    out: TextIO,
    *,
    shown: Callable[[str], str] = str,
) -> int:
    """Write rows as they come, as `table`, `csv` or `json`, and return how many there were.

    `shown` is what is made of the text of each cell of a CSV. A terminal gets its control characters written out.
    """
    if form == "table":
        rows = (list(row.values()) for batch in batches for row in batch.to_pylist())
        return write_table(names, rows, out=out)
    count = 0
    if form == "csv":
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(names)
        # A terminal must not be steered by a log; a file or a pipe gets the text as it is.
        steady = visible if out.isatty() else str
        for batch in batches:
            writer.writerows(
                [steady(_csv_cell(value, shown)) for value in row.values()] for row in batch.to_pylist()
            )
            count += batch.num_rows
        return count
    for batch in batches:
        out.writelines(to_json(row) + "\n" for row in batch.to_pylist())
        count += batch.num_rows
    return count


def _csv_cell(value: Any, shown: Callable[[str], str]) -> str:
    text = cell(value, null="")
    return text if isinstance(value, int | float) else shown(text)


def write_table(
    names: Sequence[str],
    rows: Iterable[Sequence[Any]],
    title: str | None = None,
    *,
    out: TextIO | None = None,
) -> int:
    """Write rows as a table, as wide as the terminal, or wide enough when piped; return how many there were."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    to = sys.stdout if out is None else out
    table = Table(title=title, title_justify="left", show_edge=False, header_style="bold", pad_edge=False)
    for name in names:
        table.add_column(Text(visible(name)), overflow="fold")
    count = 0
    for row in rows:
        # Text and not str: rich would read "[red]" in a log as markup.
        table.add_row(*(Text(visible(cell(value))) for value in row))
        count += 1
    console = Console(file=to, width=None if to.isatty() else 200)
    console.print(table if count else Text("no rows", style="dim"))
    return count


def to_json(value: Any) -> str:
    """One line of JSON; times as RFC 3339, bytes as hexadecimal, control characters escaped."""
    text = json.dumps(value, default=cell, ensure_ascii=False)
    return _CONTROL.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


def cell(value: Any, null: str = "–") -> str:
    """A value as text."""
    if value is None:
        return null
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, list | dict):
        return to_json(value)
    if isinstance(value, float):
        return f"{value:.6g}"
    return str(value)


def visible(text: str) -> str:
    """The text with its control characters written out, so that a log line cannot steer a terminal."""
    return _CONTROL.sub(lambda m: f"\\x{ord(m[0]):02x}" if ord(m[0]) < 256 else f"\\u{ord(m[0]):04x}", text)
