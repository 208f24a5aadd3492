"""Text from logs is shown as it is, with what could deceive written out."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pyarrow as pa
import pytest

from analytics.rule import rules
from dashboards.words import (
    REASONS,
    clock,
    counted,
    duration,
    from_bytes,
    inert,
    one_line,
    visible,
    what,
    words_for,
)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain", "plain"),
        ("**not bold** <b>", "**not bold** <b>"),
        ("abc\u202egpj.exe", "abc\\u202egpj.exe"),
        ("zero\u200bwidth", "zero\\u200bwidth"),
        ("bell\x07esc\x1b[31m", "bell\\u0007esc\\u001b[31m"),
        ("tag\U000e0041", "tag\\U000e0041"),
        ("half \ud800", "half \\ud800"),
        ("two\nlines\tand a tab", "two\nlines\tand a tab"),
    ],
)
def test_what_is_unseen_is_written_out(text: str, shown: str) -> None:
    assert visible(text) == shown


def test_one_line_has_no_breaks_and_ends_where_it_is_cut() -> None:
    assert one_line("a\nb\tc") == "a\\nb\\tc"
    assert one_line(None) == one_line("") == "–"
    assert one_line("x" * 50, cut=10) == "x" * 9 + "…"
    assert one_line("x" * 10, cut=10) == "x" * 10


def test_bytes_that_are_no_text_are_shown_as_bytes() -> None:
    assert from_bytes(b"\xff<script>") == "\\xff<script>"
    assert from_bytes(None) == "(no value)"
    assert from_bytes(b"a" * 30, most=10) == "a" * 10 + "\n… 20 more bytes"


def test_a_table_is_made_inert_but_for_what_is_looked_up_by() -> None:
    table = pa.table({"name": ["a\u202eb", None], "id": ["a\u202eb", "c"], "n": [1, 2]})

    shown = inert(table, keep=("id",))

    assert shown.to_pydict() == {"name": ["a\\u202eb", "–"], "id": ["a\u202eb", "c"], "n": [1, 2]}


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.0, "0 ms"),
        (0.85, "850 ms"),
        (-0.009, "9 ms"),
        (0.9999, "1.0 s"),
        (12.43, "12.4 s"),
        (59.97, "1 min"),
        (192, "3 min 12 s"),
        (3600, "1 h"),
        (18_120, "5 h 2 min"),
        (90 * 86_400, "90 d"),
        (4 * 86_400 + 3_700, "4 d 1 h"),
    ],
)
def test_a_duration_is_told_in_the_units_that_matter(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_times_are_in_utc() -> None:
    at = datetime(2026, 3, 2, 11, 0, 0, 123_999, tzinfo=timezone(timedelta(hours=2)))

    assert clock(at) == "2026-03-02 09:00:00.123"
    assert clock(at.astimezone(UTC), date=False) == "09:00:00.123"
    assert clock(None) == "–"


def test_an_action_is_named_by_what_is_known_of_it() -> None:
    row = {"action": "refund", "resource_type": "payment", "resource_id": "p-1", "tool_name": "pay"}

    assert what(row) == "refund payment p-1"
    assert what(row | {"resource_id": "payment-1"}) == "refund payment-1"
    assert what({"tool_name": "pay"}) == "pay"
    assert what({}) == "–"


def test_a_code_that_is_not_known_is_shown_and_not_hidden() -> None:
    assert words_for("no_decision", REASONS) == "no decision anywhere in its lineage"
    assert words_for("quite_new", REASONS) == "quite new"
    assert words_for(None, REASONS) == "–"


def test_every_reason_of_the_rules_about_verdicts_has_words() -> None:
    assert [reason for rule in ("01", "02") for reason in rules()[rule].titles if reason not in REASONS] == []


def test_things_are_counted() -> None:
    assert [counted(n, "agent") for n in (0, 1, 1200)] == ["0 agents", "1 agent", "1,200 agents"]
