"""What a run on Apache Spark costs at a rate of events, computed from measured runs: executors, hours and money.

A run has a part that does not grow with rows, in which the driver plans every query and makes its code while executors
wait, and a part that does, which executors share. Both are taken from the CPU of runs of two sizes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Cost:
    """CPU seconds: of every run before its size counts, and what a million rows add."""

    planning: float
    per_million: float


@dataclass(frozen=True)
class Executors:
    """What runs within the time asked for: executors, the hours that one run takes, and its core-hours."""

    executors: int
    hours: float
    core_hours: float


def fit(small: tuple[float, float], large: tuple[float, float]) -> Cost:
    """The line through two runs, each given as its rows and CPU seconds."""
    per_million = 1e6 * (large[1] - small[1]) / (large[0] - small[0])
    return Cost(max(0.0, small[1] - per_million * small[0] / 1e6), per_million)


def executors(cost: Cost, rows: float, *, within: float, cores: int, busy: float) -> Executors:
    """As few executors of so many cores as judge the rows within so many seconds, and what their run takes.

    `busy` is the share of its time that a core of theirs works. All of planning is taken to be one after the other, and
    the driver's core is counted as one more. ValueError where planning alone takes longer.
    """
    left = within - cost.planning
    if left <= 0:
        raise ValueError(f"planning alone takes {cost.planning:.0f} s")
    work = cost.per_million * rows / 1e6 / busy
    count = max(1, math.ceil(work / left / cores))
    hours = (cost.planning + work / (count * cores)) / 3600
    return Executors(count, hours, hours * (count * cores + 1))
