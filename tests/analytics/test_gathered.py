"""What runs keep of the whole lake is what the whole lake tells."""

from __future__ import annotations

import random
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

from analytics import detect as module
from analytics.detect import detect
from analytics.gathered.gather import GATHERED_STEPS, gather, keep
from analytics.session import open_session
from schemas.catalogue import TABLES
from schemas.gathered import GATHERED

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest

    from lake.store import Lake
    from schemas.settings import Settings

Row = dict[str, Any]
DAY = timedelta(days=1)


def told(settings: Settings, lake: Lake, *, anew: bool = False, write: bool = True) -> dict[str, list[Row]]:
    """The rows of each gathered step, in any order."""
    with open_session(settings) as session:
        new = gather(session, lake, DAY, anew=anew)
        if write:
            keep(lake, new)
        return {step: rows(session.fetch(f"FROM {step}").to_pylist()) for step in GATHERED_STEPS}


def over_the_whole(settings: Settings) -> dict[str, list[Row]]:
    with open_session(settings) as session:
        session.need(*GATHERED_STEPS)
        return {step: rows(session.fetch(f"FROM {step}").to_pylist()) for step in GATHERED_STEPS}


def rows(found: list[Row]) -> list[Row]:
    return sorted(found, key=repr)


def kept(settings: Settings) -> list[Row]:
    with open_session(settings) as session:
        found: list[Row] = session.fetch("FROM gathered").to_pylist()
    return found


def some_records(chance: random.Random, number: int) -> tuple[list[Row], list[Row]]:
    """Events and decisions of a few agents, tools without a mapping and policies, in no order."""

    def call() -> str:
        return f"call-{chance.randrange(40)}"

    events, decisions = [], []
    for place in range(30):
        name, at = f"{number}-{place}", chance.uniform(0, 40 * 3600)
        who = {"agent": chance.choice("abc"), "agent_id": chance.choice(["spiffe://x", "spiffe://y", None])}
        events.append(
            {"id": f"e{name}", "at": at, "trace": "t", "tool_name": chance.choice("uvw"), "action": None,
             "tool_call_id": call(), **who}
        )  # fmt: skip
        decisions.append(
            {"id": f"d{name}", "at": chance.uniform(0, 40 * 3600), "trace": "t",
             "action": chance.choice(["read", "pay"]), "resource": "invoice/1", "tool_call_id": call(),
             "policy_version": chance.choice(["1", "2", None]), "pdp_id": chance.choice(["p", None]), **who}
        )  # fmt: skip
    return events, decisions


def test_what_parts_tell_together_is_what_the_whole_tells(
    put: Callable[..., None], lake: Lake, settings: Settings
) -> None:
    chance = random.Random(5)
    for number in range(5):
        events, decisions = some_records(chance, number)
        # A call and its decision come in the same part, or in different ones, and a part may lack one of the two.
        put(orchestration=events if number != 2 else [], decisions=decisions if number != 3 else [])
        whole = over_the_whole(settings)
        assert told(settings, lake, write=number != 1) == whole
    assert all(whole.values())
    # Those that were not kept were gathered by the run after.
    assert len({row["set_id"] for row in kept(settings)}) == 1
    assert {row["kind"] for row in kept(settings)} == {"covered", *GATHERED_STEPS}


def test_a_call_and_its_decision_on_both_sides_of_midnight_and_the_last_day_of_the_calendar(
    put: Callable[..., None], lake: Lake, settings: Settings
) -> None:
    hours = settings.correlate.model_copy(update={"lookback": timedelta(hours=2)})
    short = settings.model_copy(update={"correlate": hours})
    call = {"trace": "t", "tool_name": "u", "action": None, "tool_call_id": "c", "agent": "a"}
    put(orchestration=[{"id": "e0", "at": "14h", **call}])
    told(short, lake)
    put(
        decisions=[
            {"id": "d1", "at": 55_800, "trace": "t", "tool_call_id": "c", "action": "pay", "resource": "i/1"}
        ]
    )
    with open_session(short) as session:
        keep(lake, gather(session, lake, timedelta(hours=2)))
        assert session.fetch("SELECT tool_name FROM tools_told")["tool_name"].to_pylist() == ["u"]
    put(orchestration=[{"id": "e9", "event_time": datetime(9999, 12, 31, 23, tzinfo=UTC), **call}])
    assert told(settings, lake)["tools_told"] == over_the_whole(settings)["tools_told"]


def test_only_what_is_new_is_kept(put: Callable[..., None], lake: Lake, settings: Settings) -> None:
    put(orchestration=[{"id": "e1", "at": 5, "agent": "a"}])
    told(settings, lake)
    before = len(kept(settings))
    told(settings, lake)
    assert len(kept(settings)) == before
    put(orchestration=[{"id": "e2", "at": 0, "agent": "a"}])
    told(settings, lake)
    assert [row["kind"] for row in kept(settings)].count("covered") == 2
    assert len(kept(settings)) == before + 1


def test_a_day_begins_with_a_set_of_its_own(put: Callable[..., None], lake: Lake, settings: Settings) -> None:
    put(orchestration=[{"id": "e1", "at": 0, "agent": "a"}])
    with open_session(settings) as session:
        new = gather(session, lake, DAY)
    yesterday = [{**row, "event_date": date(2026, 1, 1)} for row in new.to_pylist()]
    lake.append(GATHERED, GATHERED.schema.empty_table().from_pylist(yesterday, schema=GATHERED.schema))
    put(orchestration=[{"id": "e2", "at": 1, "agent": "b"}])
    assert told(settings, lake) == over_the_whole(settings)
    today = [row for row in kept(settings) if row["event_date"] == datetime.now(UTC).date()]
    assert sorted(row["subject"][2] for row in today if row["kind"] == "names_told") == ["a", "b"]


def test_a_run_as_of_then_knows_only_what_was_there_then(
    put: Callable[..., None], lake: Lake, settings: Settings
) -> None:
    put(orchestration=[{"id": "e1", "at": 0, "agent": "a"}])
    told(settings, lake)
    then = lake.snapshot().versions
    put(orchestration=[{"id": "e2", "at": 1, "agent": "b"}])
    told(settings, lake)
    now = lake.snapshot().versions
    with open_session(settings, as_of={**then, GATHERED.name: now[GATHERED.name]}) as session:
        assert gather(session, lake, DAY).num_rows == 0
        assert session.fetch("SELECT agent FROM names_told")["agent"].to_pylist() == ["a"]


def test_where_the_log_no_longer_tells_what_is_new_all_is_gathered_again(
    put: Callable[..., None], lake: Lake, settings: Settings, tmp_path: Any
) -> None:
    for number in range(3):
        put(orchestration=[{"id": f"e{number}", "at": number, "agent": f"a{number}"}])
        if not number:
            told(settings, lake)
    lake.checkpoint(TABLES["orchestration_events"])
    (tmp_path / "lake/orchestration_events/_delta_log" / f"{2:020d}.json").unlink()
    assert told(settings, lake) == over_the_whole(settings)
    assert len({row["set_id"] for row in kept(settings)}) == 2


def test_a_run_that_writes_nothing_keeps_nothing(
    put: Callable[..., None], settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_FEW_ROWS", 0)
    put(orchestration=[{"id": "e1", "at": 0, "agent": "a"}])
    detect(settings, only=("01",), dry_run=True)
    assert kept(settings) == []
    detect(settings, only=("01",))
    assert kept(settings)
