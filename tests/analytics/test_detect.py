"""A detection run over a real lake: what it writes, when it writes nothing, and how a finding lives on."""

from __future__ import annotations

import hashlib
import json
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from analytics import detect as module
from analytics.detect import chosen_rules, detect
from analytics.findings import finding_id
from analytics.rule import RuleSet, rules
from analytics.session import open_session
from schemas.errors import LakeError, SettingsError
from schemas.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable

    from lake.store import Lake

    Put = Callable[..., None]

Row = dict[str, Any]

# One rule is enough for most of what a run does; the others are run where it matters.
FIRST = ("01",)
PAY: Row = {"agent": "clerk", "action": "pay", "resource": "payment/p-1"}
PAID: Row = {"id": "i1", "at": 10, **PAY}
NO_DECISION = "6e9ca0b4f168af944ce1e9efa76e13b9"


def contents(lake: Lake) -> dict[str, str]:
    """Every file of the lake with its digest."""
    files = sorted(path for path in Path(lake.url).rglob("*") if path.is_file())
    return {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def history(settings: Settings, columns: str = "revision, status, status_reason, reason, level") -> list[Row]:
    with open_session(settings) as session:
        session.need("findings")
        rows = session.fetch(f"SELECT {columns} FROM findings ORDER BY finding_id, revision, run_id")
    found: list[Row] = rows.to_pylist()
    return found


def current(settings: Settings) -> list[Row]:
    with open_session(settings) as session:
        session.need("current_findings")
        found: list[Row] = session.fetch("SELECT * FROM current_findings ORDER BY finding_id").to_pylist()
    return found


def with_rules(settings: Settings, **overrides: Any) -> Settings:
    return settings.model_copy(update={"rules": Settings.model_validate({"rules": overrides}).rules})


def test_a_run_records_what_it_finds_and_how_it_went(put: Put, settings: Settings, lake: Lake) -> None:
    put(orchestration=[PAID])
    detection = detect(settings, only=FIRST, closed=True)
    (finding,) = detection.findings
    assert (detection.written, detection.closed, detection.failed) == (1, 0, {})

    (state,) = current(settings)
    assert (state["finding_id"], state["revision"], state["status"]) == (finding["finding_id"], 1, "open")
    assert {name: state[name] for name in finding} == finding
    assert state["explanation"].startswith("clerk ran pay on payment p-1 at 2026-03-02 09:00:10 UTC.")
    assert json.loads(state["evidence"])["cited_decision_id"] is None

    with open_session(settings) as session:
        (run,) = session.fetch("SELECT * FROM runs").to_pylist()
    assert (run["rule_id"], run["outcome"], run["findings"], run["written"]) == ("01", "ok", 1, 1)
    assert run["run_id"] == state["run_id"]
    assert json.loads(run["input_versions"]) == {"orchestration_events": 1}
    assert lake.snapshot().rows("runs") == 1


def test_running_again_writes_nothing(put: Put, settings: Settings, lake: Lake) -> None:
    put(orchestration=[PAID])
    first = detect(settings, closed=True)
    before = contents(lake)
    second = detect(settings, closed=True)
    assert (first.written, second.written) == (1, 0)
    assert second.findings == first.findings
    assert contents(lake) == before


def test_a_dry_run_tells_what_holds_and_writes_nothing(put: Put, settings: Settings, lake: Lake) -> None:
    put(orchestration=[PAID])
    before = contents(lake)
    detection = detect(settings, only=FIRST, closed=True, dry_run=True)
    assert ([f["reason"] for f in detection.findings], detection.written) == (["no_decision"], 0)
    assert contents(lake) == before


def test_without_a_lake_there_is_nothing_to_run_over(settings: Settings) -> None:
    with pytest.raises(LakeError, match="there is no lake"):
        detect(settings)


def test_absence_is_found_by_the_run_after_the_stream_is_complete(put: Put, settings: Settings) -> None:
    put(orchestration=[PAID])
    assert detect(settings, only=FIRST).findings == []
    put(progress=[{"at": 610, "next": 0}])
    assert [f["reason"] for f in detect(settings, only=FIRST).findings] == ["no_decision"]


# How a finding lives on.


def test_late_evidence_closes_a_finding_and_says_so(put: Put, settings: Settings) -> None:
    put(orchestration=[PAID])
    detect(settings, only=FIRST, closed=True)
    put(decisions=[{"id": "d1", "at": 9, **PAY}])
    detection = detect(settings, only=FIRST, closed=True)
    assert (detection.findings, detection.written, detection.closed) == ([], 1, 1)
    assert [(row["revision"], row["status"]) for row in history(settings)] == [(1, "open"), (2, "closed")]
    (state,) = current(settings)
    assert state["status_reason"] == "evidence that came later explains it: the rule no longer fires"
    assert (state["level"], state["anchor_event_ids"]) == ("high", ["i1"])
    assert detect(settings, only=FIRST, closed=True).written == 0


def test_a_closed_finding_opens_again_when_it_holds_again(put: Put, settings: Settings) -> None:
    put(orchestration=[PAID])
    detect(settings, only=FIRST, closed=True)
    put(decisions=[{"id": "d1", "at": 8, **PAY}])
    detect(settings, only=FIRST, closed=True)
    put(decisions=[{"id": "d2", "at": 9, **PAY, "decision": "deny", "source_offset": 7}])
    detect(settings, only=FIRST, closed=True)
    rows = history(settings)
    assert [row["status"] for row in rows] == ["open", "closed", "open"]
    assert [row["reason"] for row in rows] == ["no_decision", "no_decision", "denied"]
    assert rows[-1]["status_reason"] == "it holds again"


def test_evidence_that_changes_a_finding_updates_it(put: Put, settings: Settings) -> None:
    put(orchestration=[PAID])
    detect(settings, only=FIRST, closed=True)
    put(decisions=[{"id": "d1", "at": 9, **PAY, "decision": "deny"}])
    assert detect(settings, only=FIRST, closed=True).written == 1
    rows = history(settings)
    assert [(row["revision"], row["status"], row["level"]) for row in rows] == [
        (1, "open", "high"),
        (2, "updated", "critical"),
    ]
    assert rows[1]["status_reason"] == "the evidence changed"


def test_what_has_nothing_to_do_with_a_finding_leaves_it_alone(put: Put, settings: Settings) -> None:
    put(orchestration=[PAID])
    detect(settings, only=FIRST, closed=True)
    other = {"agent": "x", "action": "read", "resource": "record/r-1", "trace": "run-2"}
    put(orchestration=[{"id": "i2", "at": 20, **other}], decisions=[{"id": "d2", "at": 19, **other}])
    assert detect(settings, only=FIRST, closed=True).written == 0


def test_an_event_that_arrives_again_changes_nothing(put: Put, settings: Settings) -> None:
    put(orchestration=[PAID])
    first = detect(settings, only=FIRST, closed=True)
    put(orchestration=[PAID | {"source_offset": 44}])
    again = detect(settings, only=FIRST, closed=True)
    assert (again.written, again.findings) == (0, first.findings)


# Runs beside each other.


def test_a_run_that_began_before_another_ended_writes_nothing_twice(put: Put, settings: Settings) -> None:
    """The inner run starts after the outer one has taken its snapshot, and is done before the outer one writes."""
    put(orchestration=[PAID])
    inner: list[int] = []

    def interrupt(_: str) -> None:
        if not inner:
            inner.append(-1)
            inner.append(detect(settings, only=FIRST, closed=True).written)

    outer = detect(settings, only=FIRST, closed=True, report=interrupt)
    assert (inner[1], outer.written) == (1, 0)
    assert len(outer.findings) == 1
    assert len(history(settings)) == 1


def test_runs_at_the_same_time_give_one_history(put: Put, settings: Settings) -> None:
    put(orchestration=[{**PAID, "id": f"i{n}", "trace": f"run-{n}"} for n in range(20)])
    start, written, errors = threading.Barrier(3), [], []

    def run() -> None:
        start.wait()
        try:
            written.append(detect(settings, only=FIRST, closed=True).written)
        except LakeError as error:
            errors.append(error)

    threads = [threading.Thread(target=run) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert sum(written) == 20
    rows = history(settings, "finding_id, revision")
    assert len(rows) == len({(row["finding_id"], row["revision"]) for row in rows}) == 20


# Rules that fail, and rules that are chosen.


def test_a_rule_that_fails_does_not_stop_the_others(
    put: Put, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = rules()["01"].model_copy(
        update={"id": "00", "name": "broken", "sql": "SELECT no_such_column FROM events"}
    )
    monkeypatch.setattr(module, "load_rules", lambda _: RuleSet({"00": broken, "01": rules()["01"]}, {}))
    put(orchestration=[PAID])
    detection = detect(settings, closed=True)
    assert list(detection.failed) == ["00"]
    assert detection.failed["00"].startswith("rule 00 broken: ")
    assert "no_such_column" in detection.failed["00"]
    assert [f["rule_id"] for f in detection.findings] == ["01"]
    assert detection.written == 1

    with open_session(settings) as session:
        runs = session.fetch("SELECT rule_id, outcome, error FROM runs ORDER BY 1").to_pylist()
    assert [(run["rule_id"], run["outcome"]) for run in runs] == [("00", "failed"), ("01", "ok")]
    assert "no_such_column" in runs[0]["error"]


def test_a_rule_that_gives_a_reason_without_a_title_fails_by_itself(
    put: Put, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    wordless = rules()["01"].model_copy(update={"id": "00", "titles": {}})
    monkeypatch.setattr(module, "load_rules", lambda _: RuleSet({"00": wordless, "01": rules()["01"]}, {}))
    put(orchestration=[PAID])
    detection = detect(settings, closed=True)
    assert list(detection.failed) == ["00"]
    assert [f["rule_id"] for f in detection.findings] == ["01"]


def test_a_failing_rule_closes_nothing(put: Put, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not to find is not the same as not to have looked."""
    put(orchestration=[PAID])
    detect(settings, only=FIRST, closed=True)
    broken = rules()["01"].model_copy(update={"sql": "SELECT no_such_column FROM events"})
    monkeypatch.setattr(module, "load_rules", lambda _: RuleSet({**rules(), "01": broken}, {}))
    assert detect(settings, closed=True).failed.keys() == {"01"}
    assert [row["status"] for row in history(settings)] == ["open"]


def test_rules_are_chosen_by_name_and_switched_off_by_settings(settings: Settings) -> None:
    assert [rule.id for rule in chosen_rules(settings)] == sorted(rules())
    assert [rule.id for rule in chosen_rules(settings, ["07", "01"])] == ["01", "07"]
    off = with_rules(settings, **{"02": {"enabled": False}})
    assert "02" not in [rule.id for rule in chosen_rules(off)]
    with pytest.raises(SettingsError, match="there is no rule '99'; known are 01, 02"):
        chosen_rules(settings, ["99"])


def test_a_level_may_be_set_and_the_severest_finding_comes_first(put: Put, settings: Settings) -> None:
    put(
        orchestration=[PAID, {"id": "i2", "at": 20, **PAY, "agent": "payer", "trace": "run-2"}],
        decisions=[{"id": "d1", "at": 19, **PAY, "agent": "payer", "trace": "run-2", "decision": "deny"}],
    )
    levels = [f["level"] for f in detect(settings, only=FIRST, closed=True, dry_run=True).findings]
    assert levels == ["critical", "high"]
    low = with_rules(settings, **{"01": {"level": "low"}})
    assert [f["level"] for f in detect(low, only=FIRST, closed=True, dry_run=True).findings] == ["low", "low"]


# Identity.


def test_the_id_of_a_finding_is_that_of_its_rule_entities_and_events(put: Put, settings: Settings) -> None:
    """It is written down here: an id that changes would orphan all that people noted about a finding."""
    assert finding_id("01", ["t1", "clerk", "i1"], ["i1"]) == NO_DECISION
    put(orchestration=[PAID])
    assert [f["finding_id"] for f in detect(settings, only=FIRST, closed=True).findings] == [NO_DECISION]


def test_only_rule_entities_and_events_make_the_id() -> None:
    base = finding_id("01", ["t1", "a"], ["e1", "e2"])
    assert finding_id("01", ["t1", "a"], ["e2", "e1"]) == base
    others = [
        finding_id("02", ["t1", "a"], ["e1", "e2"]),
        finding_id("01", ["a", "t1"], ["e1", "e2"]),
        finding_id("01", ["t1", "a"], ["e1"]),
        finding_id("01", ["t1"], ["a", "e1", "e2"]),
        finding_id("01", ['t1","a'], ["e1", "e2"]),
        finding_id("01", ["t1", "a\ud800"], ["e1", "e2"]),
    ]
    assert len({base, *others}) == len(others) + 1


def test_what_a_log_says_is_never_read_as_a_template(put: Put, settings: Settings) -> None:
    put(orchestration=[{**PAID, "agent": "{level} {0} {agent.x} %s"}])
    (finding,) = detect(settings, only=FIRST, closed=True).findings
    assert finding["title"] == "{level} {0} {agent.x} %s ran pay on payment p-1 and no decision covers it"


def test_long_names_do_not_push_the_sentence_out_of_sight(put: Put, settings: Settings) -> None:
    put(orchestration=[{**PAID, "agent": "a" * 5000}])
    (finding,) = detect(settings, only=FIRST, closed=True).findings
    assert len(finding["title"]) <= 200
    assert "… ran pay on payment p-1" in finding["title"]
    assert finding["agent"] == "a" * 5000
