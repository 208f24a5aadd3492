"""Which windows are due: none is left out, whatever was missed and however much of it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, strategies

from jobs.windows import Stand, due, next_slot, plan, slot_before

FIVE = timedelta(minutes=5)
NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


def at(minutes: float) -> datetime:
    return NOON + timedelta(minutes=minutes)


def spans(done: float | None, now: float, catch_up: int = 12) -> list[tuple[float | None, float, int, bool]]:
    """The windows that are due, in minutes from noon."""
    stand = Stand(None if done is None else at(done))

    def minutes(moment: datetime | None) -> float | None:
        return None if moment is None else (moment - NOON) / timedelta(minutes=1)

    return [
        (minutes(w.start), (w.end - NOON) / timedelta(minutes=1), w.slots, w.missed)
        for w in due("01", FIVE, stand, at(now), catch_up)
    ]


@pytest.mark.parametrize(
    ("done", "now", "expected"),
    [
        (None, 2, [(None, 0, 1, False)]),
        (0, 4.9, []),
        (0, 5, [(0, 5, 1, False)]),
        # A run by hand in between counts.
        (3, 4.9, []),
        (3, 7, [(3, 5, 1, False)]),
        (0, 16, [(0, 5, 1, True), (5, 10, 1, True), (10, 15, 1, False)]),
    ],
)
def test_slots_since_the_last_window_are_due(
    done: float | None, now: float, expected: list[tuple[float | None, float, int, bool]]
) -> None:
    assert spans(done, now) == expected


def test_more_than_may_be_caught_up_become_one_wide_window() -> None:
    assert spans(0, 50, catch_up=3) == [
        (0, 35, 7, True), (35, 40, 1, True), (40, 45, 1, True), (45, 50, 1, False),
    ]  # fmt: skip
    assert spans(0, 50, catch_up=0) == [(0, 50, 10, False)]


def test_a_rule_that_failed_is_due_again_at_its_next_slot() -> None:
    stand = Stand(done=at(0), failed=at(5.1))
    assert due("01", FIVE, stand, at(9.9), 12) == []
    assert [(w.start, w.end) for w in due("01", FIVE, stand, at(10), 12)] == [
        (at(0), at(5)),
        (at(5), at(10)),
    ]


def test_rules_that_are_due_together_run_together_and_the_oldest_first() -> None:
    every = {"01": FIVE, "02": FIVE, "07": timedelta(minutes=15)}
    stands = {"01": Stand(at(0)), "02": Stand(at(5)), "07": Stand(at(-15))}
    steps = plan(every, stands, at(16), 12)
    assert [(step.as_of, [w.rule_id for w in step.windows]) for step in steps] == [
        (at(0), ["07"]),
        (at(5), ["01"]),
        (at(10), ["01", "02"]),
        (None, ["01", "02", "07"]),
    ]


@given(
    every=strategies.integers(1, 86_400),
    behind=strategies.integers(0, 5_000_000),
    at_once=strategies.integers(0, 20),
    now=strategies.integers(0, 2_000_000_000),
)
def test_windows_leave_no_gap(every: int, behind: int, at_once: int, now: int) -> None:
    step, moment = timedelta(seconds=every), datetime.fromtimestamp(now, UTC)
    done = moment - timedelta(seconds=behind)
    windows = due("01", step, Stand(done), moment, at_once)
    ends = [done, *(window.end for window in windows)]
    assert [window.start for window in windows] == ends[:-1]
    assert len(windows) <= at_once + 1
    assert max(ends[-1], done) >= slot_before(moment, step)
    assert next_slot(ends[-1], step) > moment
    assert (
        sum(window.slots for window in windows)
        == (slot_before(moment, step) - slot_before(done, step)) / step
    )
    assert [window.missed for window in windows] == [True] * (len(windows) - 1) + [False] * bool(windows)
