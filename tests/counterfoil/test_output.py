"""What is printed: a table for people, CSV and JSON for machines, and nothing that a log line can steer."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

QUERY = "SELECT event_id, agent_name, event_time, labels, raw_sha256 FROM orchestration_events ORDER BY event_time"
CONTROLS = {chr(c) for c in (*range(0x20), *range(0x7F, 0xA0), 0x202E)} - {"\n"}


@pytest.fixture
def ask(counterfoil: Callable[..., Any], lake: Path) -> Callable[[str, str], str]:
    """Return a function from a query and a format to what is printed."""

    def run(query: str, form: str) -> str:
        done = counterfoil("sql", "--lake", str(lake), "--format", form, query)
        assert (done.code, done.err) == (0, "")
        return str(done.out)

    return run


def test_a_table_shows_hostile_text_as_it_was_written(ask: Callable[[str, str], str]) -> None:
    shown = ask("SELECT agent_name FROM orchestration_events WHERE event_id = 'unseen'", "table")

    assert CONTROLS & set(shown) == set()
    assert len(shown.splitlines()) == 3
    assert (
        r"\x1b]0;owned\x07\x1b[31mred\x9b1m [bold red]x[/] [link=file:///]y[/link]\x0anext\u202eline" in shown
    )


def test_the_findings_show_hostile_text_as_it_was_written(
    counterfoil: Callable[..., Any], lake: Path
) -> None:
    done = counterfoil("detect", "--lake", str(lake), "--closed", "--dry-run")

    assert CONTROLS & set(done.out) == set()
    assert "[bold" in done.out
    assert done.err == "2 findings hold; nothing written (dry run)\n"


def test_json_is_one_object_a_line_and_gives_values_back_whole(
    ask: Callable[[str, str], str], hostile: str
) -> None:
    rows = [json.loads(line) for line in ask(QUERY, "json").splitlines()]

    assert [row["event_id"] for row in rows] == ["permitted", "denied", "refused", "unseen"]
    assert rows[0]["event_time"] == "2026-11-24T10:00:01.000000Z"
    assert rows[0]["labels"] is None
    assert len(bytes.fromhex(rows[0]["raw_sha256"])) == 32
    assert rows[3]["agent_name"] == hostile


def test_csv_has_a_header_and_an_empty_cell_for_null(ask: Callable[[str, str], str]) -> None:
    rows = list(csv.DictReader(io.StringIO(ask(QUERY, "csv"))))

    assert [row["event_id"] for row in rows] == ["permitted", "denied", "refused", "unseen"]
    assert rows[0]["event_time"] == "2026-11-24T10:00:01.000000Z"
    assert rows[0]["labels"] == ""


def test_no_rows_are_said_in_a_table_and_are_nothing_for_machines(ask: Callable[[str, str], str]) -> None:
    query = "SELECT event_id FROM orchestration_events WHERE false"

    assert ask(query, "table") == "no rows\n"
    assert ask(query, "csv") == "event_id\n"
    assert ask(query, "json") == ""


def test_without_a_query_it_lists_what_one_may_name(counterfoil: Callable[..., Any]) -> None:
    listed = counterfoil("sql").out

    for name in ("action_backing", "handoff_backing", "orchestration_events", "current_findings"):
        assert f"\n{name} " in listed


def test_findings_are_the_same_on_every_run(counterfoil: Callable[..., Any], lake: Path) -> None:
    command = ("detect", "--lake", str(lake), "--closed", "--dry-run", "--format", "json")
    first, second = (counterfoil(*command) for _ in range(2))

    assert first.out == second.out
    assert {(f["rule_id"], f["verdict"]) for f in map(json.loads, first.out.splitlines())} == {
        ("01", "after_deny"),
        ("01", "unbacked"),
    }


def test_ingest_tells_its_counts_as_json(counterfoil: Callable[..., Any], lake: Path, tmp_path: Path) -> None:
    command = ("ingest", "--lake", str(tmp_path / "lake"), "--format", "json", "--files")
    first, again = (counterfoil(*command, str(lake.parent / "events.jsonl")) for _ in range(2))

    assert json.loads(first.out)["rows"] == {"orchestration_events": 4}
    assert json.loads(again.out)["records"] == 0


@pytest.mark.parametrize("form", ["table", "csv", "json"])
def test_a_reader_that_has_enough_is_no_error(
    lake: Path, tmp_path: Path, plain_environment: dict[str, str], form: str
) -> None:
    query = "SELECT range AS n, repeat('x', 1000) AS text FROM range(2000)"
    command = [sys.executable, "-m", "counterfoil", "sql", "--lake", str(lake), "--format", form, query]
    with subprocess.Popen(
        command,
        cwd=tmp_path,
        env=plain_environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline()
        process.stdout.close()
        complaint = process.stderr.read()

    assert complaint == ""
