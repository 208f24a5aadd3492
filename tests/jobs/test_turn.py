"""A turn: what fails stays open and stops nothing else, what is done is kept, a stop ends after the step at hand."""

from __future__ import annotations

import logging
import threading
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from analytics.detect import Detection
from jobs.schedule import Schedule
from jobs.state import state_of
from jobs.turn import Turn, planned, take_turn
from lake.store import open_lake
from schemas.errors import LakeError, SettingsError
from tests.jobs.month import settings_for

if TYPE_CHECKING:
    from pathlib import Path

    from schemas.settings import Settings

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
EVERY = {"01": "5m", "03": "15m"}


class Judge:
    """Stands in for detection: notes what it was asked for, and fails or is stopped where the test says so."""

    def __init__(self) -> None:
        self.asked: list[tuple[str | None, list[str]]] = []
        self.failing: set[str] = set()
        self.unreadable = False

    def __call__(self, _: Settings, *, only: Any, as_of: datetime | None, **__: Any) -> Detection:
        if as_of is not None and self.unreadable:
            raise LakeError("runs keeps its versions since 9 only")
        self.asked.append((None if as_of is None else f"{as_of:%H:%M}", list(only)))
        return Detection("r", failed={rule: "it broke" for rule in only if rule in self.failing})


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    open_lake(tmp_path / "lake", create=True)
    return settings_for(tmp_path / "lake", every=EVERY)


def turn(settings: Settings, judge: Judge, minutes: float, **more: Any) -> Turn:
    judge.asked.clear()
    return take_turn(settings, NOON + timedelta(minutes=minutes), judge=judge, **more)


def test_a_slot_in_which_nothing_was_new_is_done_all_the_same(settings: Settings) -> None:
    judge = Judge()
    turn(settings, judge, 1)
    assert judge.asked == [(None, ["01", "03"])]
    turn(settings, judge, 4)
    assert judge.asked == []
    turn(settings, judge, 11)
    assert judge.asked == [("12:05", ["01"]), (None, ["01"])]
    turn(settings, judge, 15)
    assert judge.asked == [(None, ["01", "03"])]


def test_a_rule_that_fails_stays_open_and_stops_no_other(
    settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    judge = Judge()
    turn(settings, judge, 0)
    judge.failing = {"01"}
    done = turn(settings, judge, 16)
    # Its later windows wait for it, so that they stay in order.
    assert judge.asked == [("12:05", ["01"]), (None, ["03"])]
    assert done.failed == {"01": "it broke"}
    judge.failing = set()
    turn(settings, judge, 21)
    assert judge.asked == [("12:10", ["01"]), ("12:15", ["01"]), (None, ["01"])]
    assert "rule 01: 2 slots were missed or not judged, from 2026-03-02T12:00:00Z" in caplog.text


def test_a_past_that_cannot_be_read_goes_with_the_next_window(
    settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    judge = Judge()
    turn(settings, judge, 0)
    judge.unreadable = True
    turn(settings, judge, 11)
    assert judge.asked == [(None, ["01"])]
    assert "windows of rules 01 that end at 2026-03-02T12:05:00Z are judged with the next" in caplog.text
    assert planned(settings, NOON + timedelta(minutes=12)) == []


def test_a_stop_ends_after_the_step_at_hand(settings: Settings) -> None:
    judge = Judge()
    turn(settings, judge, 0)
    done = turn(settings, judge, 11, stop=lambda: bool(judge.asked))
    assert (judge.asked, done.stopped) == ([("12:05", ["01"])], True)
    turn(settings, judge, 11)
    assert judge.asked == [(None, ["01"])]


def test_a_real_failure_is_on_record_and_is_tried_at_the_next_slot(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "rules" / "broken"
    folder.mkdir(parents=True)
    (folder / "rule.toml").write_text("id = 3\n", "utf-8")
    (folder / "rule.sql").write_text("SELECT 1\n", "utf-8")
    open_lake(tmp_path / "lake", create=True)
    settings = settings_for(tmp_path / "lake").model_copy(update={"rules_folder": [tmp_path / "rules"]})
    told: list[str] = []
    now = [datetime.now(UTC)]
    schedule = Schedule(
        settings,
        threading.Event(),
        now=lambda: now[0],
        tell=lambda began, ended: told.extend(alert.kind for alert in [*began, *ended]),
    )
    first, _ = schedule.turn()
    assert list(first.failed) == ["broken"]
    assert [window.rule_id for step in first.done for window in step.step.windows] == ["01", "03", "broken"]
    again, _ = schedule.turn()
    assert again.done == []
    assert told == ["system-rule"]
    state = state_of(settings, now[0])
    assert state.rules["broken"].last.stand.failed is not None
    assert state.rules["01"].waiting == 0
    now[0] += timedelta(minutes=15)
    assert "broken" in [w.rule_id for step in planned(settings, now[0]) for w in step.windows]
    assert [record.levelno for record in caplog.records if "system-rule" in record.message] == [
        logging.ERROR
    ] * 2


def test_a_schedule_for_a_rule_that_is_not_there_is_refused(tmp_path: Path) -> None:
    open_lake(tmp_path / "lake", create=True)
    settings = settings_for(tmp_path / "lake", every={"77": "5m"})
    with pytest.raises(SettingsError, match=r"schedule\.every\.77: there is no such rule"):
        planned(settings, NOON)
