"""The simulation of commits, where what comes out can be told beforehand."""

from __future__ import annotations

import pytest

from benchmarks._commit_load import Load, simulate


@pytest.mark.parametrize("queued", [True, False])
def test_a_writer_alone_never_waits_and_never_tries_twice(queued: bool) -> None:
    outcome = simulate(Load(1, 2.0, [0.05], queued), 1000)
    assert outcome.rate == pytest.approx(0.5, rel=0.01)
    assert outcome.tries == pytest.approx(1, rel=0.01)
    assert outcome.keeps_up
    assert outcome.p95 == pytest.approx(0.05)


def test_at_a_lock_commits_follow_one_another_however_many_write() -> None:
    assert [round(simulate(Load(writers, 0, [0.05], True), 100).rate) for writers in (1, 4, 16)] == [
        20,
        20,
        20,
    ]


def test_without_a_lock_more_writers_lose_more_tries_and_no_more_than_one_commits_at_a_time() -> None:
    outcomes = [simulate(Load(writers, 0, [0.05], False), 200) for writers in (1, 2, 8)]
    tries = [outcome.tries for outcome in outcomes]
    assert tries == sorted(tries)
    assert tries[0] < 1.01 < 1.2 < tries[2]
    assert all(outcome.rate <= 20.01 for outcome in outcomes)


@pytest.mark.parametrize("queued", [True, False])
def test_more_than_the_log_can_take_does_not_keep_up(queued: bool) -> None:
    assert simulate(Load(10, 2.0, [0.05], queued), 500).keeps_up
    assert not simulate(Load(100, 2.0, [0.05], queued), 500).keeps_up


def test_a_lock_is_idle_until_somebody_asks_again() -> None:
    alone, two = (simulate(Load(writers, 0, [0.05], True, 0.03), 200).rate for writers in (1, 2))
    assert alone == pytest.approx(1 / 0.08, rel=0.01)
    assert alone < two < 1 / 0.05


def test_at_a_lock_who_waits_longest_is_not_the_first() -> None:
    outcome = simulate(Load(8, 0, [0.05], True, 0.005), 200)
    in_turn = 8 * 0.05
    assert outcome.p50 < in_turn < outcome.p95


def test_a_version_of_another_writer_is_read_first() -> None:
    alone, two = (
        simulate(Load(writers, 2.0, [0.05], queued=True, after_another=[0.07]), 1000) for writers in (1, 2)
    )
    assert alone.p95 == pytest.approx(0.05)
    assert two.p95 == pytest.approx(0.07)
