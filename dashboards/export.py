"""Taking things out: for the roles that may, and tables as CSV for a spreadsheet, in which no cell is a formula."""

from __future__ import annotations

import csv
import io
from datetime import datetime
from typing import TYPE_CHECKING, Any

import streamlit as st

from analytics.spreadsheet import guard
from dashboards import data
from dashboards.words import clock

if TYPE_CHECKING:
    from collections.abc import Callable

    import pyarrow as pa

_MIME = {"csv": "text/csv", "json": "application/json", "zip": "application/zip"}


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


def download(
    label: str,
    make: Callable[[], str | bytes],
    file_name: str,
    *,
    icon: str = ":material/download:",
    about: str | None = None,
) -> None:
    """A button that makes a file and lets it be saved, for those who may; the file is made when it is pressed."""

    def made() -> str | bytes:
        data.actor().check("export")
        return make()

    if data.actor().may("export"):
        mime = _MIME[file_name.rpartition(".")[2]]
        st.download_button(
            label, made, file_name=file_name, mime=mime, on_click="ignore", icon=icon, help=about
        )
