"""An exported table is opened in a spreadsheet, and nothing in it is computed there."""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime

import pyarrow as pa
import pytest

from analytics.spreadsheet import guard
from dashboards.export import to_csv


@pytest.mark.parametrize(
    "text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "  =1", "\n=1", "\uff1dHYPERLINK()", "\uff20x"]
)
def test_a_cell_that_would_be_computed_is_text(text: str) -> None:
    assert guard(text) == "'" + text


@pytest.mark.parametrize("text", ["", "refund payment-1", "a=b", "1-2", "'quoted"])
def test_other_text_is_left_alone(text: str) -> None:
    assert guard(text) == text


def test_the_file_reads_back_as_it_was() -> None:
    table = pa.table(
        {
            "title": ["=HYPERLINK(1)", 'a "quote", and\na line', None],
            "confidence": [-0.5, 1.0, None],
            "seen": [datetime(2026, 3, 2, 9, tzinfo=UTC), None, None],
            "ids": [["=a", "b"], [], None],
        }
    )

    raw = to_csv(table)
    rows = list(csv.reader(io.StringIO(raw.decode("utf-8-sig"))))

    assert raw.startswith(b"\xef\xbb\xbf")
    assert rows == [
        ["title", "confidence", "seen", "ids"],
        ["'=HYPERLINK(1)", "-0.5", "2026-03-02 09:00:00.000", "'=a b"],
        ['a "quote", and\na line', "1.0", "", ""],
        ["", "", "", ""],
    ]


def test_a_broken_character_does_not_stop_the_export() -> None:
    from dashboards.export import _cell

    assert _cell("half \ud800").encode("utf-8", "backslashreplace") == b"half \\ud800"
