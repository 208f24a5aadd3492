"""A month of turns that are missed, late, overlapping and killed at every step ends as one run over everything does."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Iterable
from datetime import timedelta
from itertools import chain, cycle
from typing import TYPE_CHECKING, Any

import pytest

from analytics.detect import detect
from analytics.run_record import INPUTS
from tests.jobs.month import Killed, Month, before_and_after, drive_clock, settings_for, standing

if TYPE_CHECKING:
    from pathlib import Path

STEPS = [f"{when} {what}" for what in ("record", "append_runs", "keep_slots") for when in ("before", "after")]


# How many hours go by, and what befalls the turn after them: a kill at that step, or another scheduler in between.
Plan = Iterable[tuple[float, str | None]]
SHORT: Plan = [(30, "after record"), (5, "overlap"), (13, "before append_runs")]


def whatever(month: Month) -> Plan:
    """A plan by chance, to the end of the month; each of the kills comes again and again."""
    steps = cycle(STEPS)
    while month.now < month.end:
        kind = month.chance.random()
        fault = next(steps) if kind < 0.3 else "overlap" if kind < 0.45 else None
        yield month.chance.choice((1, 6, 6, 6, 6, 8, 14, 40)), fault


class Faults:
    """Lets one thing befall a turn, once."""

    def __init__(self, month: Month) -> None:
        self.month = month
        self.happened: Counter[str] = Counter()
        self.next: str | None = None

    def __call__(self, step: str) -> None:
        if step == self.next:
            self._happens(step)
            raise Killed
        if self.next == "overlap" and step == "before record":
            self._happens("overlap")
            # A second scheduler takes its turn over newer data while this one is about to write.
            self.month.pass_time(timedelta(hours=2))
            self.month.turn()

    def _happens(self, what: str) -> None:
        self.next = None
        self.happened[what] += 1


def live(month: Month, monkeypatch: pytest.MonkeyPatch, plan: Plan) -> Counter[str]:
    """Live through the month; what happened, counted."""
    drive_clock(monkeypatch, month)
    faults = Faults(month)
    before_and_after(monkeypatch, faults)
    happened = faults.happened
    # All has come a day and a half after its time.
    for hours, fault in chain(plan, [(48, None)]):
        month.pass_time(timedelta(hours=hours))
        faults.next = fault
        try:
            turn = month.turn()
        except Killed:
            continue
        assert turn.failed == {}
        happened["caught up"] += sum(each.step.as_of is not None for each in turn.done)
        happened["merged"] += sum(window.slots > 1 for each in turn.done for window in each.step.windows)
    return happened


def all_at_once(month: Month, folder: Path) -> dict[str, Any]:
    """What a single run finds over the same records, in a lake that never had another."""
    for name in INPUTS:
        shutil.copytree(month.folder / name, folder / name)
    other = settings_for(folder)
    assert detect(other, whole=True).failed == {}
    return standing(other)


def check(month: Month, monkeypatch: pytest.MonkeyPatch, folder: Path, plan: Plan) -> Counter[str]:
    happened = live(month, monkeypatch, plan)
    assert month.all_came()
    expected = all_at_once(month, folder)
    assert {finding["rule_id"] for finding in expected.values()} == {"01", "03"}
    assert standing(month.settings) == expected
    return happened


def test_some_days_of_faults_find_what_one_run_finds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    month = Month(tmp_path / "lake", days=2, seed=2)
    happened = check(month, monkeypatch, tmp_path / "once", SHORT)
    assert happened["caught up"]
    assert happened["merged"]
    assert all(happened[fault] == 1 for _, fault in SHORT if fault)


@pytest.mark.long
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_month_of_faults_finds_what_one_run_finds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    month = Month(tmp_path / "lake", days=30, seed=seed)
    happened = check(month, monkeypatch, tmp_path / "once", whatever(month))
    assert [what for what in (*STEPS, "overlap", "caught up", "merged") if not happened[what]] == []
