"""Triage is appended, and of two people the later one is told who was first."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest

from analytics.session import open_session
from analytics.triage import Change, Outcome, record
from lake.store import open_lake
from schemas.actor import Actor, local_operator
from schemas.errors import CounterfoilError
from schemas.findings import FINDINGS
from schemas.settings import load_settings

if TYPE_CHECKING:
    from pathlib import Path

    from schemas.settings import Settings

START = datetime(2026, 3, 2, 9, tzinfo=UTC)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """The settings of a lake with two findings."""
    lake = open_lake(tmp_path / "lake", create=True)
    usual: dict[str, Any] = {
        "revision": 1, "status": "open", "rule_id": "01", "rule_version": "1.0.0", "rule_name": "r", "level": "high",
        "confidence": 1.0, "title": "t", "explanation": "e", "entity_keys": [], "anchor_event_ids": [],
        "decision_ids": [], "evidence": "{}", "first_seen_time": START, "last_seen_time": START,
        "recorded_time": START, "run_id": "run", "event_date": START.date(),
    }  # fmt: skip
    rows = [usual | {"finding_id": each, "tenant_id": of} for each, of in (("f-1", "acme"), ("f-2", None))]
    lake.append(FINDINGS, pa.Table.from_pylist(rows, schema=FINDINGS.schema))
    return load_settings(lake={"url": str(tmp_path / "lake")})


def current(settings: Settings) -> dict[str, dict[str, Any]]:
    with open_session(settings) as session:
        session.need("current_triage", "current_findings")
        joined = session.fetch("SELECT count(*) AS n FROM current_findings WHERE triage_version > 0")["n"][
            0
        ].as_py()
        rows = session.fetch("SELECT * FROM current_triage").to_pylist()
    assert joined == len(rows)
    return {row["finding_id"]: row for row in rows}


def test_an_entry_keeps_what_the_one_before_said(settings: Settings) -> None:
    assert record(settings, {"f-1": 0}, Change(assignee="ana"), local_operator("ana")).written == {"f-1": 1}
    assert record(settings, {"f-1": 1}, Change(status="in_progress"), local_operator("bo")).written == {
        "f-1": 2
    }

    row = current(settings)["f-1"]
    assert (row["version"], row["status"], row["assignee"], row["actor"]) == (2, "in_progress", "ana", "bo")


def test_the_later_of_two_is_refused_and_told_who_was_first(settings: Settings) -> None:
    record(settings, {"f-1": 0}, Change(assignee="ana", comment="mine"), local_operator("ana"))

    late = record(settings, {"f-1": 0, "f-2": 0}, Change(assignee="bo"), local_operator("bo"))

    assert late.written == {"f-2": 1}
    assert {each: (row["actor"], row["comment"]) for each, row in late.refused.items()} == {
        "f-1": ("ana", "mine")
    }
    assert current(settings)["f-1"]["assignee"] == "ana"


def test_writers_at_one_moment_each_come_through_once(settings: Settings) -> None:
    def write(name: str) -> list[Outcome]:
        return [
            record(settings, {each: 0}, Change(assignee=name), local_operator(name))
            for each in ("f-1", "f-2")
        ]

    with ThreadPoolExecutor(3) as pool:
        outcomes = [each for pair in pool.map(write, ("ana", "bo", "cy")) for each in pair]

    assert sorted(next(iter(each.written), "") for each in outcomes) == ["", "", "", "", "f-1", "f-2"]
    assert {row["version"] for row in current(settings).values()} == {1}


def test_closing_and_opening_again(settings: Settings) -> None:
    record(settings, {"f-1": 0}, Change("closed", "ana", "expected", "a drill"), local_operator("ana"))
    assert current(settings)["f-1"]["disposition"] == "expected"

    record(settings, {"f-1": 1}, Change(status="in_progress", assignee=""), local_operator("ana"))
    row = current(settings)["f-1"]
    assert (row["status"], row["disposition"], row["assignee"], row["comment"]) == (
        "in_progress",
        None,
        None,
        None,
    )


@pytest.mark.parametrize(
    ("seen", "change", "actor", "said"),
    [
        (
            {"f-1": 0},
            Change(status="closed", comment="why"),
            "ana",
            "closing needs a disposition and a comment",
        ),
        ({"f-1": 0}, Change(status="closed", disposition="expected", comment=" "), "ana", "closing needs"),
        ({"f-1": 0}, Change(status="done"), "ana", "status: give one of new"),
        ({"f-1": 0}, Change(disposition="expected"), "ana", "a disposition goes with closing"),
        (
            {"f-1": 0},
            Change(status="closed", disposition="x", comment="y"),
            "ana",
            "disposition: give one of",
        ),
        ({"f-1": 0}, Change(comment="x" * 4001), "ana", "comment: give at most 4,000"),
        ({"f-1": 0}, Change(comment=" "), "ana", "nothing to write"),
        ({"f-1": 0}, Change(assignee="ana"), " ", "say who you are"),
        ({}, Change(assignee="ana"), "ana", "choose from 1 to 1,000 findings"),
        ({"f-1": 0, "no-such": 0}, Change(assignee="ana"), "ana", "there is no finding 'no-such'"),
    ],
)
def test_what_is_not_allowed_is_a_sentence_and_writes_nothing(
    settings: Settings, seen: dict[str, int], change: Change, actor: str, said: str
) -> None:
    with pytest.raises(CounterfoilError, match=said):
        record(settings, seen, change, local_operator(actor))
    assert current(settings) == {}


@pytest.mark.parametrize(
    ("actor", "seen", "said"),
    [
        (
            Actor("vi", "viewer"),
            {"f-1": 0},
            "the role viewer may not work on findings; the roles analyst, admin may",
        ),
        (Actor("au", "auditor"), {"f-1": 0}, "the role auditor may not"),
        (Actor("gl", "analyst", frozenset({"globex"})), {"f-1": 0}, "there is no finding 'f-1'"),
        (Actor("ac", "admin", frozenset({"acme"})), {"f-1": 0, "f-2": 0}, "there is no finding 'f-2'"),
    ],
)
def test_whom_role_or_tenant_keeps_out_is_refused_and_writes_nothing(
    settings: Settings, actor: Actor, seen: dict[str, int], said: str
) -> None:
    with pytest.raises(CounterfoilError, match=said):
        record(settings, seen, Change(assignee="x"), actor)
    assert current(settings) == {}


def test_an_analyst_works_on_findings_of_their_tenant(settings: Settings) -> None:
    written = record(settings, {"f-1": 0}, Change(assignee="ac"), Actor("ac", "analyst", frozenset({"acme"})))

    assert written.written == {"f-1": 1}
    assert current(settings)["f-1"]["actor"] == "ac"
