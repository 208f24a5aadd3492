"""Whose turn it is at a sink: one number, kept as a position of the table `deliveries`.

It is the fence and the lease in one. Every commit for a sink raises it and is refused if somebody else has raised it
since, so of two deliverers only one can record. An odd number says that a deliverer is at work, and when it last
recorded, so that the other does not even begin; after LEASE it is taken for dead. An even one says that it has ended.
"""

from __future__ import annotations

from datetime import datetime, timedelta

# Longer than the longest time between two records: a message may take as long as the longest timeout.
LEASE = timedelta(minutes=5)


def next_turn(turn: int | None, now: datetime, *, busy: bool) -> int:
    """The number that says `busy` or not at that time. It is higher than `turn` also where the clocks differ."""
    value = 2 * _milliseconds(now) + busy
    if turn is None or value > turn:
        return value
    return turn + 1 if (turn + 1) % 2 == busy else turn + 2


def is_busy(turn: int | None, now: datetime) -> bool:
    """Whether another deliverer is at work. A time far ahead is that of a wrong clock, and blocks nobody."""
    if turn is None or turn % 2 == 0:
        return False
    return abs(_milliseconds(now) - turn // 2) < LEASE // timedelta(milliseconds=1)


def _milliseconds(time: datetime) -> int:
    return int(time.timestamp() * 1000)
