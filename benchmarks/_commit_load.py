"""What many writers of one table do to each other: a simulation, event by event, of commits to a Delta log.

A version is written by one writer at a time. On a disk the writers queue at a lock; on an object store each writes at
once, and all but the first of those that overlap find that they lost, wait a little and try again, as `lake.commit`
does. How long a commit takes is drawn from measured times.
"""

from __future__ import annotations

import heapq
import random
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

LONGEST_PAUSE = 0.5


@dataclass(frozen=True)
class Load:
    """Writers of one table, each with a batch ready every `every` seconds (0: at once after the one before).

    `took` are measured seconds of a commit without others, after its files were written, which takes `outside` seconds
    beside those of others; `queued` is the lock of a disk.
    """

    writers: int
    every: float
    took: Sequence[float]
    queued: bool
    outside: float = 0.0


@dataclass(frozen=True)
class Outcome:
    """Commits per second, tries per commit, and the seconds from a batch being ready to its commit: p50 and p95."""

    rate: float
    tries: float
    p50: float
    p95: float
    keeps_up: bool


def simulate(load: Load, seconds: float, seed: int = 7) -> Outcome:
    """What becomes of the load within so many seconds. `keeps_up` is False where batches wait longer and longer."""
    chance = random.Random(seed)
    # (time, order, writer, since when its batch is ready, tries so far, version it set out from; None: not begun)
    events: list[tuple[float, int, int, float, int, int | None]] = []
    order = 0
    for writer in range(load.writers):
        ready = chance.uniform(0, load.every)
        heapq.heappush(events, (ready + load.outside, order, writer, ready, 0, None))
        order += 1
    version = tries = 0
    free = 0.0
    waits: list[float] = []
    while events and events[0][0] <= seconds:
        now, _, writer, ready, tried, base = heapq.heappop(events)
        order += 1
        if base is None:
            begin = max(now, free) if load.queued else now
            end = begin + chance.choice(load.took)
            if load.queued:
                free = end
            tries += 1
            heapq.heappush(events, (end, order, writer, ready, tried + 1, version))
        elif not load.queued and base != version:
            pause = chance.uniform(0, min(0.01 * tried, LONGEST_PAUSE))
            heapq.heappush(events, (now + pause, order, writer, ready, tried, None))
        else:
            version += 1
            waits.append(now - ready)
            following = max(ready + load.every, now)
            heapq.heappush(events, (following + load.outside, order, writer, following, 0, None))
    ranked = sorted(waits) or [0.0]
    half = waits[len(waits) // 2 :]
    mean = sum(half) / max(1, len(half))
    wanted = load.writers / load.every if load.every else 0.0
    return Outcome(
        rate=version / seconds,
        tries=tries / max(1, version),
        p50=ranked[len(ranked) // 2],
        p95=ranked[int(len(ranked) * 0.95)],
        keeps_up=not load.every or (version / seconds > 0.98 * wanted and mean < load.every),
    )
