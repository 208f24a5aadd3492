"""What a run on Spark is computed to cost, where it can be told beforehand."""

from __future__ import annotations

import pytest

from benchmarks._executors import Cost, executors, fit

COST = Cost(planning=100, per_million=30)


def test_the_line_goes_through_both_runs() -> None:
    assert fit((1_000_000, 130), (11_000_000, 430)) == COST


def test_more_executors_shorten_what_grows_and_not_the_planning() -> None:
    one = executors(COST, 45e6, within=1e9, cores=2, busy=0.75)
    assert one.executors == 1
    assert one.hours * 3600 == pytest.approx(100 + 900)
    two = executors(COST, 45e6, within=550, cores=2, busy=0.75)
    assert two.executors == 2
    assert two.hours * 3600 == pytest.approx(100 + 450)
    assert two.core_hours * 3600 == pytest.approx(550 * 5)


@pytest.mark.parametrize("rows", [1e6, 86.4e6, 86.4e9])
def test_they_are_as_few_as_are_done_in_time(rows: float) -> None:
    made = executors(COST, rows, within=3600, cores=4, busy=1)
    assert made.hours <= 1
    if made.executors > 1:
        assert COST.planning + COST.per_million * rows / 1e6 / (4 * (made.executors - 1)) > 3600


def test_no_number_of_executors_plans_faster() -> None:
    with pytest.raises(ValueError, match="planning alone takes 100 s"):
        executors(COST, 1e6, within=60, cores=4, busy=1)
