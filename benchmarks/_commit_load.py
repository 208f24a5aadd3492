"""What many writers of one table do to each other: a simulation, event by event, of commits to a Delta log.

A version is written by one writer at a time. On a disk there is a lock, which whoever finds it taken asks for again
after a pause, as `lake.durable` does: so it is idle for a moment after each commit, and who waits longest is not
the first. On an object store each writes at once, and all but the first of those that overlap find that they lost, wait
a little and try again, as `lake.commit` does. How long a commit takes is drawn from measured times.
"""

from __future__ import annotations

import heapq
import itertools
import random
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

LONGEST_PAUSE = 0.5
# At the lock: the first pause, what each is longer than the one before, and the longest.
_LOCK_PAUSE, _LOCK_GROWTH, _LOCK_LONGEST = 0.001, 1.5, 0.02


@dataclass(frozen=True)
class Load:
    """Writers of one table, each with a batch ready every `every` seconds (0: at once after the one before).

    `took` are measured seconds of a commit without others, from when its files are written to its end, and
    `after_another` those of one after a version of another writer, where that differs: it is read first. Writing
    the files takes `outside` seconds beside those of others; `queued` is the lock of a disk.
    """

    writers: int
    every: float
    took: Sequence[float]
    queued: bool
    outside: float = 0.0
    after_another: Sequence[float] = ()


@dataclass(frozen=True)
class Outcome:
    """Commits per second, tries per commit, and the seconds from a batch being ready to its commit: p50 and p95."""

    rate: float
    tries: float
    p50: float
    p95: float
    keeps_up: bool


@dataclass
class _Turn:
    """A writer's batch: since when it is ready, and how far it is."""

    writer: int
    ready: float
    tries: int = 0
    pause: float = _LOCK_PAUSE
    base: int | None = None  # the version that it set out from; None: not begun


def simulate(load: Load, seconds: float, seed: int = 7) -> Outcome:
    """What becomes of the load within so many seconds. `keeps_up` is False where batches wait longer and longer."""
    chance = random.Random(seed)
    # (time, order, turn): who was put in first is the first of those of one time.
    events: list[tuple[float, int, _Turn]] = []
    order = itertools.count()

    def put(time: float, turn: _Turn) -> None:
        heapq.heappush(events, (time, next(order), turn))

    for writer in range(load.writers):
        ready = chance.uniform(0, load.every)
        put(ready + load.outside, _Turn(writer, ready))
    version = tries = last = 0
    free = 0.0
    waits: list[float] = []
    while events and events[0][0] <= seconds:
        now, _, turn = heapq.heappop(events)
        if turn.base is None and load.queued and now < free:
            put(now + turn.pause, turn)
            turn.pause = min(turn.pause * _LOCK_GROWTH, _LOCK_LONGEST)
        elif turn.base is None:
            took = load.took if turn.writer == last else load.after_another or load.took
            free = now + chance.choice(took)
            tries += 1
            turn.tries += 1
            turn.base = version
            put(free, turn)
        elif not load.queued and turn.base != version:
            turn.base = None
            put(now + chance.uniform(0, min(0.01 * turn.tries, LONGEST_PAUSE)), turn)
        else:
            version += 1
            last = turn.writer
            waits.append(now - turn.ready)
            following = max(turn.ready + load.every, now)
            put(following + load.outside, _Turn(turn.writer, following))
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
