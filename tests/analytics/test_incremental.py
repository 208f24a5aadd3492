"""A run over what is new finds what a run over everything would find, however the records arrive and the runs fall."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given, settings, strategies

from analytics import detect as module
from analytics import history
from analytics.cases import Case
from analytics.crowd import crowd_of, fits
from analytics.detect import detect
from analytics.findings import STATE_COLUMNS
from analytics.reach import narrow as narrowing
from analytics.reach.narrow import NARROWED
from analytics.session import open_session
from lake.store import open_lake
from sample_data.adversarial import adversarial_cases
from schemas.catalogue import TABLES
from schemas.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from lake.store import Lake

Row = dict[str, Any]

RUN_RULES = ("01", "02")
# With the long profile of Hypothesis, which `make test-long` asks for.
IS_LONG = settings().max_examples > 100
LONG_CASES = 300
# In the short form a few of them, of two reaches.
SPLIT_RULES = () if IS_LONG else ("01", "02", "03", "10")
PAY: Row = {"agent": "clerk", "action": "pay", "resource": "payment/p-1"}
# After the last of the records, so that absence is judged.
END = datetime(2026, 3, 20, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _even_for_few_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_FEW_ROWS", 0)


def standing(chosen: Settings) -> dict[str, Row]:
    """The findings that are not closed, by id, without what a run says of itself."""
    with open_session(chosen) as session:
        session.need("current_findings")
        rows = session.fetch("SELECT * FROM current_findings WHERE status <> 'closed'").to_pylist()
    return {row["finding_id"]: {name: row[name] for name in STATE_COLUMNS} for row in rows}


def runs(chosen: Settings) -> list[Row]:
    with open_session(chosen) as session:
        rows: list[Row] = session.fetch("SELECT * FROM runs ORDER BY start_time, rule_id").to_pylist()
    return rows


def see(lake: Lake, at: datetime, number: int) -> None:
    """Both streams were seen to be read to their end at that time."""
    rows = [
        {"progress_id": f"{stream}-{number}", "observed_time": at, "stream": stream, "source_topic": stream,
         "source_partition": 0, "next_offset": number, "end_offset": number, "caught_up": True, "event_date": at.date()}
        for stream in ("orchestration", "authorization")
    ]  # fmt: skip
    table = TABLES["stream_progress"]
    lake.append(table, pa.Table.from_pylist(rows, schema=table.schema))


def repeated(rows: pa.Table) -> pa.Table:
    """The rows as they come when a producer sends them once more: at later offsets."""
    place = rows.schema.get_field_index("source_offset")
    return rows.set_column(place, rows.schema.field(place), pc.add(rows["source_offset"], 1_000_000))


def arrive(folder: Path, tables: dict[str, pa.Table], chance: random.Random, batches: int) -> Settings:
    """Let the rows arrive in this many batches, in any order and some twice, with a run after each."""
    chosen = Settings.model_validate(
        {"lake": {"url": str(folder)}, "correlate": {"threads": 1, "memory_limit": "1GB"}}
    )
    lake = open_lake(folder, create=True)
    batch_of = {name: [chance.randrange(batches) for _ in range(tables[name].num_rows)] for name in NARROWED}
    for batch in range(batches):
        for name in NARROWED:
            rows = [row for row, its in enumerate(batch_of[name]) if its == batch]
            chance.shuffle(rows)
            if rows:
                lake.append(TABLES[name], tables[name].take(rows))
            if rows and batches > 1 and chance.random() < 0.5:
                lake.append(TABLES[name], repeated(tables[name].take(rows[:20])))
        early = batch < batches - 1 and chance.random() < 0.7
        see(lake, END - timedelta(days=chance.uniform(15, 30)) if early else END, batch)
        assert detect(chosen, only=SPLIT_RULES).failed == {}
    return chosen


@pytest.fixture(scope="module")
def crowd() -> dict[str, pa.Table]:
    """Adversarial cases of every rule, near each other in time, each with a tenant and ids of its own."""
    cases = [
        Case(**scene.as_case()) for scene in adversarial_cases(seed=11, count=LONG_CASES if IS_LONG else 60)
    ]
    return crowd_of([case for case in cases if fits(case)])


@pytest.fixture(scope="module")
def whole(crowd: dict[str, pa.Table], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Row]:
    """What one run over everything finds."""
    return standing(arrive(tmp_path_factory.mktemp("whole") / "lake", crowd, random.Random(0), 1))


@given(seed=strategies.integers(0, 2**32))
@settings(max_examples=30 if IS_LONG else 1, deadline=None)
def test_any_split_into_batches_and_runs_gives_the_same_findings(
    crowd: dict[str, pa.Table], whole: dict[str, Row], tmp_path_factory: pytest.TempPathFactory, seed: int
) -> None:
    chance = random.Random(seed)
    folder = tmp_path_factory.mktemp("split") / "lake"
    found = standing(arrive(folder, crowd, chance, chance.choice((2, 3, 4) if IS_LONG else (2,))))
    assert len(whole) > 20
    assert found == whole


def test_a_run_reads_what_is_new_and_what_that_is_joined_with(
    put: Callable[..., None], settings: Settings
) -> None:
    put(
        orchestration=[
            {"id": f"a{number}", "at": number, "trace": f"t{number}", **PAY} for number in range(20)
        ],
        decisions=[{"id": "d3", "at": 2.9, "trace": "t3", **PAY}],
    )
    first = detect(settings, only=RUN_RULES, closed=True)
    assert (first.reach["01"], first.rows["01"], len(first.findings)) == ("whole", 21, 19)

    # A late decision for one of the runs, and a second action in another.
    put(
        decisions=[{"id": "d5", "at": 4.9, "trace": "t5", **PAY}],
        orchestration=[{"id": "b7", "at": 7.5, "trace": "t7", **PAY}],
    )
    second = detect(settings, only=RUN_RULES, closed=True)
    assert (second.reach["01"], second.rows["01"]) == ("run", 4)
    assert (second.written, second.closed, len(second.findings)) == (2, 1, 19)

    (_, _, *newer) = runs(settings)
    assert {run["reach"] for run in newer} == {"run"}
    assert all(run["window_start_time"] < run["window_end_time"] for run in newer)
    assert standing(settings).keys() == {finding["finding_id"] for finding in second.findings}


def test_a_decision_without_a_run_leads_to_what_it_can_be_matched_with(
    put: Callable[..., None], settings: Settings
) -> None:
    put(
        orchestration=[
            {"id": "mine", "at": 10, "trace": "t1", **PAY},
            {"id": "also mine", "at": 500, "trace": "t2", **PAY},
            {"id": "vague", "at": 12, "trace": "t3", "agent": "clerk", "tool_name": "t"},
            {"id": "nobody's", "at": 900, "trace": "t4", **PAY, "agent": None},
            {"id": "of another name", "at": 11, "trace": "t5", **PAY, "agent": "payer"},
            *(
                {"id": f"o{n}", "at": 10 + n / 9, "trace": f"o{n}", **PAY, "resource": f"payment/{n}"}
                for n in range(9)
            ),
        ],
        decisions=[{"id": "d9", "at": 99, "trace": "t9", **PAY, "resource": "payment/x"}],
    )
    detect(settings, only=RUN_RULES, closed=True)
    put(decisions=[{"id": "d1", "at": 9.5, "trace": None, **PAY}])
    with open_session(settings) as session:
        others = session.fetch("SELECT count(*) AS n FROM orchestration_events WHERE event_id LIKE 'o_'")
    assert others["n"].to_pylist() == [9]
    again = detect(settings, only=RUN_RULES, closed=True)
    assert (again.reach["01"], again.rows["01"]) == ("run", 6)


def test_an_old_decision_without_a_run_that_still_holds_is_looked_at(
    put: Callable[..., None], settings: Settings
) -> None:
    put(
        orchestration=[{"id": "h1", "at": 0, "trace": "t0", "agent": "a", "to": "b"}],
        decisions=[
            {"id": "d1", "at": 0, "until": "9d", "trace": None, **PAY},
            {"id": "d2", "at": 0, "until": "2d", "trace": None, **PAY},
        ],
    )
    detect(settings, only=RUN_RULES, closed=True)
    put(orchestration=[{"id": "i1", "at": "5d", "trace": "t1", **PAY}])
    again = detect(settings, only=RUN_RULES, closed=True)
    assert (again.reach["01"], again.rows["01"], again.findings) == ("run", 2, [])


def test_a_late_revocation_closes_what_is_on_record_of_its_credential(
    put: Callable[..., None], settings: Settings
) -> None:
    task: Row = {"event_type": "task_start", "agent": "clerk", "credential_expires_time": "2h"}
    put(
        orchestration=[
            {"id": "i1", "at": 0, "until": 60, "trace": "t1", **task, "credential_id": "c1"},
            {"id": "i2", "at": 0, "until": 60, "trace": "t2", **task, "credential_id": "c2"},
        ]
    )
    first = detect(settings, only=["08"], closed=True)
    assert len(first.findings) == 2
    revoked = {"id": "n1", "at": 61, "event_type": "credential_revoked", "trace": None, "credential_id": "c1"}
    put(identity=[revoked])
    again = detect(settings, only=["08"], closed=True)
    assert (again.reach["08"], again.written, again.closed) == ("credential", 1, 1)
    assert [finding["anchor_event_ids"] for finding in again.findings] == [["i2"]]
    # As the command that runs on a schedule asks: what stands is counted, and not told.
    put(identity=[{**revoked, "id": "n2", "at": 62}])
    quiet = detect(settings, only=["08"], closed=True, changes_only=True)
    assert (quiet.written, quiet.findings, runs(settings)[-1]["findings"]) == (0, [], 1)


def test_time_alone_makes_a_run_look_again(put: Callable[..., None], lake: Lake, settings: Settings) -> None:
    put(
        orchestration=[
            {"id": "i1", "at": 0, "trace": "t1", **PAY},
            {"id": "i2", "at": 3600, "trace": "t2", **PAY},
        ]
    )
    start = datetime(2026, 3, 2, 9, tzinfo=UTC)
    see(lake, start + timedelta(minutes=5), 1)
    assert detect(settings, only=RUN_RULES).findings == []
    see(lake, start + timedelta(minutes=11), 2)
    ripe = detect(settings, only=RUN_RULES)
    assert (ripe.reach["01"], ripe.rows["01"]) == ("run", 1)
    assert [finding["anchor_event_ids"] for finding in ripe.findings] == [["i1"]]


def test_other_settings_judge_everything_anew(put: Callable[..., None], settings: Settings) -> None:
    put(orchestration=[{"id": "i1", "at": 0, "trace": "t1", **PAY}])
    detect(settings, only=RUN_RULES, closed=True)
    put(orchestration=[{"id": "i2", "at": 1, "trace": "t2", **PAY}])
    low = settings.model_copy(
        update={"rules": Settings.model_validate({"rules": {"01": {"level": "low"}}}).rules}
    )
    changed = detect(low, only=RUN_RULES, closed=True)
    assert changed.reach == {"01": "whole", "02": "run"}
    assert [finding["level"] for finding in changed.findings] == ["low", "low"]


def test_an_older_run_that_ends_last_changes_nothing(put: Callable[..., None], settings: Settings) -> None:
    put(orchestration=[{"id": "i1", "at": 10, "trace": "t1", **PAY}])
    before = datetime.now(UTC)
    put(decisions=[{"id": "d1", "at": 9, "trace": "t1", **PAY}])
    assert detect(settings, only=RUN_RULES, closed=True).findings == []
    late = detect(settings, only=RUN_RULES, closed=True, as_of=before)
    assert late.written == 0
    assert [run["outcome"] for run in runs(settings)] == ["ok", "ok", "superseded", "superseded"]
    assert standing(settings) == {}


def test_what_an_older_run_writes_meanwhile_is_judged_by_the_newer(
    put: Callable[..., None], settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(decisions=[{"id": "d9", "at": 9, "trace": "t9", **PAY}])
    detect(settings, only=RUN_RULES, closed=True)
    put(orchestration=[{"id": "i1", "at": 10, "trace": "t1", **PAY}])
    before = datetime.now(UTC)
    put(decisions=[{"id": "d1", "at": 9, "trace": "t1", **PAY}])
    older: list[Any] = []

    def overlapped(*arguments: Any, **more: Any) -> None:
        if not older:
            older.append(None)
            older.append(detect(settings, only=RUN_RULES, closed=True, as_of=before))
        history.record(*arguments, **more)

    monkeypatch.setattr(module, "record", overlapped)
    newer = detect(settings, only=RUN_RULES, closed=True)
    assert (older[1].written, newer.closed, newer.findings) == (1, 1, [])
    assert standing(settings) == {}


def test_runs_that_were_missed_are_made_good_one_after_the_other(
    put: Callable[..., None], settings: Settings
) -> None:
    put(decisions=[{"id": "d9", "at": 9, "trace": "t9", **PAY}])
    moments = []
    for number in range(3):
        put(orchestration=[{"id": f"i{number}", "at": 10 + number, "trace": f"t{number}", **PAY}])
        moments.append(datetime.now(UTC))
    put(decisions=[{"id": "d1", "at": 10.9, "trace": "t1", **PAY}])
    moments.append(datetime.now(UTC))
    found = [detect(settings, only=RUN_RULES, closed=True, as_of=moment) for moment in moments]
    assert [len(each.findings) for each in found] == [1, 2, 3, 2]
    assert [each.reach["01"] for each in found] == ["whole", "run", "run", "run"]
    assert [each.rows["01"] for each in found] == [2, 1, 1, 2]


def test_where_the_log_no_longer_tells_what_is_new_everything_is_judged(
    put: Callable[..., None], lake: Lake, settings: Settings, tmp_path: Path
) -> None:
    put(orchestration=[{"id": "i1", "at": 0, "trace": "t1", **PAY}])
    detect(settings, only=RUN_RULES, closed=True)
    put(orchestration=[{"id": "i2", "at": 1, "trace": "t2", **PAY}])
    put(orchestration=[{"id": "i3", "at": 2, "trace": "t3", **PAY}])
    lake.checkpoint(TABLES["orchestration_events"])
    (tmp_path / "lake/orchestration_events/_delta_log" / f"{2:020d}.json").unlink()
    again = detect(settings, only=RUN_RULES, closed=True)
    assert (again.reach["01"], len(again.findings)) == ("whole", 3)


def test_where_what_is_new_cannot_be_looked_up_the_rules_fail_and_the_others_run(
    put: Callable[..., None], settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(orchestration=[{"id": "i1", "at": 0, "trace": "t1", **PAY}])
    only = (*RUN_RULES, "07")
    detect(settings, only=only, closed=True)
    put(orchestration=[{"id": "i2", "at": 1, "trace": "t2", **PAY}])
    whole_text = narrowing.reach_sql
    broken = {
        "narrow": "DROP VIEW orchestration_events; CREATE TABLE orchestration_events (a INT); SELECT nothing"
    }
    monkeypatch.setattr(narrowing, "reach_sql", lambda name: broken.get(name) or whole_text(name))
    failing = detect(settings, only=only, closed=True)
    assert (set(failing.failed), failing.reach) == (set(RUN_RULES), {"07": "whole"})
    assert "what is new cannot be looked up" in failing.failed["01"]

    monkeypatch.undo()
    assert len(detect(settings, only=RUN_RULES, closed=True).findings) == 2


def test_compaction_makes_nothing_new(put: Callable[..., None], lake: Lake, settings: Settings) -> None:
    for number in range(4):
        put(orchestration=[{"id": f"i{number}", "at": number, "trace": f"t{number}", **PAY}])
    detect(settings, only=RUN_RULES, closed=True)
    lake.compact(TABLES["orchestration_events"])
    put(orchestration=[{"id": "i9", "at": 9, "trace": "t9", **PAY}])
    after = detect(settings, only=RUN_RULES, closed=True)
    assert (after.reach["01"], after.rows["01"], len(after.findings)) == ("run", 1, 5)
