"""`counterfoil dead-letters`: counted, shown without steering a terminal, exported byte for byte, replayed."""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import json
import stat
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

CONTROLS = {chr(c) for c in (*range(0x20), *range(0x7F, 0xA0), 0x202E)} - {"\n"}
OLD = {
    "event_id": "old", "event_time": "2025-06-01T10:00:00Z", "event_type": "tool_call", "agent_name": "planner",
}  # fmt: skip
LINES = [
    b'{"event_id": "\x1b[31mred\x07',
    b"\xff\xfe \x1b]0;owned\x07\xe2\x80\xae",
    json.dumps(OLD).encode(),
    b'{"what": 1}',
]
REASONS = {"invalid_json", "invalid_utf8", "time_out_of_range", "unknown_format"}


@pytest.fixture
def dead(counterfoil: Callable[..., Any], tmp_path: Path) -> Callable[..., Any]:
    """A lake with four dead letters, and a function that runs `dead-letters` over it."""
    (tmp_path / "records.jsonl").write_bytes(b"".join(line + b"\n" for line in LINES))
    made = counterfoil("ingest", "--files", "records.jsonl", COUNTERFOIL_INGEST__OLDEST="2026-01-01")
    assert made.code == 0

    def run(command: str, *arguments: str, **extra: str) -> Any:
        return counterfoil("dead-letters", command, *arguments, **extra)

    return run


def newest(dead: Callable[..., Any], *arguments: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in dead("list", "--format", "json", *arguments).out.splitlines()]


def id_of(dead: Callable[..., Any], reason: str) -> str:
    [letter] = newest(dead, "--reason", reason)
    return str(letter["dead_letter_id"])


def test_the_list_counts_and_names_the_newest(dead: Callable[..., Any]) -> None:
    shown = dead("list")

    assert shown.code == 0
    assert shown.out.count("unknown_format") == 2
    assert "records.jsonl" in shown.out
    assert CONTROLS & set(shown.out) == set()


def test_the_list_is_filtered(dead: Callable[..., Any]) -> None:
    assert {letter["reason"] for letter in newest(dead)} == REASONS
    assert [letter["reason"] for letter in newest(dead, "--reason", "invalid_json")] == ["invalid_json"]
    assert newest(dead, "--topic", "elsewhere") == []
    assert len(newest(dead, "--since", "1h")) == 4
    assert newest(dead, "--since", "2999-01-01T00:00:00+02:00") == []
    assert len(newest(dead, "--most", "2")) == 2


def test_counts_are_rows_of_their_own(dead: Callable[..., Any]) -> None:
    rows = list(csv.DictReader(io.StringIO(dead("list", "--counts", "--format", "csv").out)))

    assert {(row["reason"], row["dead_letters"], row["records"]) for row in rows} == {
        (reason, "1", "1") for reason in REASONS
    }


@pytest.mark.parametrize("form", [[], ["--hex"], ["--whole"]])
@pytest.mark.parametrize("reason", ["invalid_json", "invalid_utf8"])
def test_a_record_is_shown_and_steers_no_terminal(
    dead: Callable[..., Any], reason: str, form: list[str]
) -> None:
    shown = dead("show", id_of(dead, reason), *form)

    assert shown.code == 0
    assert CONTROLS & set(shown.out) == set()
    assert reason in shown.out


def test_the_bytes_are_shown_as_they_are(dead: Callable[..., Any]) -> None:
    as_text = dead("show", id_of(dead, "invalid_utf8")).out
    as_hex = dead("show", id_of(dead, "invalid_utf8"), "--hex").out

    assert r"\xff\xfe \x1b]0;owned\x07\u202e" in as_text
    assert hashlib.sha256(LINES[1]).hexdigest() in as_text
    digits = "".join(line[10:58] for line in as_hex.splitlines() if line.startswith("0000"))
    assert bytes.fromhex(digits) == LINES[1]


def test_a_long_record_is_cut_unless_the_whole_is_asked_for(
    counterfoil: Callable[..., Any], tmp_path: Path
) -> None:
    (tmp_path / "long.jsonl").write_bytes(b"{" + b"x" * 9_000 + b"\n")
    counterfoil("ingest", "--files", "long.jsonl")
    name = json.loads(counterfoil("dead-letters", "list", "--format", "json").out)["dead_letter_id"]

    assert "the first 4,000 of 9,001 bytes" in counterfoil("dead-letters", "show", name).out
    assert "x" * 9_000 in counterfoil("dead-letters", "show", name, "--whole").out


def test_one_that_is_not_there_is_said_so(dead: Callable[..., Any]) -> None:
    assert "there is no dead letter 'nosuch'" in dead("show", "nosuch").fails_with(1)


def test_an_export_gives_the_bytes_back(dead: Callable[..., Any], tmp_path: Path) -> None:
    done = dead("export", "dead.jsonl")
    records = [json.loads(line) for line in (tmp_path / "dead.jsonl").read_text().splitlines()]

    assert (done.code, done.out, done.err) == (0, "", "4 records written\n")
    assert [base64.b64decode(record["value"]) for record in records] == LINES
    assert [record["offset"] for record in records] == [0, 1, 2, 3]
    assert {letter["reason"] for record in records for letter in record["dead_letters"]} == REASONS
    assert all(
        record["sha256"] == hashlib.sha256(line).hexdigest()
        for record, line in zip(records, LINES, strict=True)
    )
    assert stat.S_IMODE((tmp_path / "dead.jsonl").stat().st_mode) == 0o600


def test_an_export_overwrites_nothing_and_leaves_no_part(dead: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "dead.jsonl").write_text("mine")

    assert "not there yet" in dead("export", "dead.jsonl").fails_with(1)
    assert "not there yet" in dead("export", "no/such/folder.jsonl").fails_with(1)
    assert (tmp_path / "dead.jsonl").read_text() == "mine"
    assert list(tmp_path.glob("*.part")) + list(tmp_path.glob(".*.part")) == []


def test_an_export_to_stdout_is_for_pipes(dead: Callable[..., Any]) -> None:
    done = dead("export", "-", "--reason", "unknown_format")

    assert base64.b64decode(json.loads(done.out)["value"]) == LINES[3]


def test_a_replay_resolves_what_decodes_now(
    dead: Callable[..., Any], counterfoil: Callable[..., Any]
) -> None:
    before = dead("replay", "--dry-run", "--format", "json")
    done = dead("replay", "--format", "json")

    for each, dry_run in ((before, True), (done, False)):
        facts = json.loads(each.out)
        assert facts["dry_run"] is dry_run
        assert (facts["records"], facts["rows"]) == (4, {"orchestration_events": 1})
        assert facts["resolved"] == {"time_out_of_range": 1}
        assert facts["failing"] == {"invalid_json": 1, "invalid_utf8": 1, "unknown_format": 1}
    assert {letter["reason"] for letter in newest(dead)} == REASONS - {"time_out_of_range"}
    assert len(newest(dead, "--all")) == 4
    query = "SELECT event_id, source_offset FROM orchestration_events"
    assert json.loads(counterfoil("sql", "--format", "json", query).out) == {
        "event_id": "old",
        "source_offset": 2,
    }


def test_one_dead_letter_can_be_replayed(dead: Callable[..., Any]) -> None:
    done = dead("replay", id_of(dead, "time_out_of_range"))

    assert "1 records tried: 1 orchestration_events added" in done.out
    assert "1 dead letters resolved" in done.out
    assert (
        "resolved at"
        in dead("show", newest(dead, "--all", "--reason", "time_out_of_range")[0]["dead_letter_id"]).out
    )


@pytest.mark.parametrize("since", ["soon", "5y", "2026-13-01", "-1h"])
def test_a_time_that_is_none_is_wrong_usage(dead: Callable[..., Any], since: str) -> None:
    ended = dead("list", f"--since={since}")

    assert ended.code == 2
    assert "how long ago" in ended.err
