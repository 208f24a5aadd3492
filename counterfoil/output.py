"""Rows to stdout: as a table for people, as CSV or JSON for machines.

What is printed comes from logs, so on its way to a terminal every control character is made visible.
"""

from __future__ import annotations

import csv
import json
import re
import sys
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import pyarrow as pa

# C0 and C1 controls, and the marks that turn the direction of text.
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def write(rows: pa.Table, form: str) -> None:
    """Write the rows to stdout as `table`, `csv` or `json` (one object a line)."""
    if form == "table":
        write_table(rows.column_names, (list(row.values()) for row in rows.to_pylist()))
        return
    if form == "csv":
        out = csv.writer(sys.stdout, lineterminator="\n")
        out.writerow(rows.column_names)
        # A terminal must not be steered by a log; a file or a pipe gets the text as it is.
        shown = visible if sys.stdout.isatty() else str
        for batch in rows.to_batches(max_chunksize=10_000):
            out.writerows(
                [shown(cell(value, null="")) for value in row.values()] for row in batch.to_pylist()
            )
        return
    for batch in rows.to_batches(max_chunksize=10_000):
        for row in batch.to_pylist():
            sys.stdout.write(to_json(row) + "\n")


def write_table(names: Sequence[str], rows: Iterable[Sequence[Any]], title: str | None = None) -> None:
    """Write rows as a table to stdout, as wide as the terminal, or wide enough when piped."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(title=title, title_justify="left", show_edge=False, header_style="bold", pad_edge=False)
    for name in names:
        table.add_column(Text(visible(name)), overflow="fold")
    count = 0
    for row in rows:
        # Text and not str: rich would read "[red]" in a log as markup.
        table.add_row(*(Text(visible(cell(value))) for value in row))
        count += 1
    console = Console(width=None if sys.stdout.isatty() else 200)
    console.print(table if count else Text("no rows", style="dim"))


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
