"""When to try again."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import random

FIRST, LONGEST = timedelta(seconds=5), timedelta(minutes=15)
# What a receiver may ask for at most: it must not be able to silence us for good.
LONGEST_WAIT = timedelta(hours=1)


def pause(attempt: int, draw: random.Random) -> timedelta:
    """How long to wait after that many attempts: twice as long each time, up to LONGEST, and spread by chance."""
    whole: timedelta = min(LONGEST, FIRST * (1 << min(attempt - 1, 20)))
    return whole * draw.uniform(0.5, 1.0)


def asked_to_wait(header: str | None, now: datetime) -> timedelta | None:
    """What a Retry-After says, in seconds or as a date, within LONGEST_WAIT; None where it says nothing that can be
    read."""
    text = (header or "").strip()
    if text.isascii() and text.isdigit():
        return min(timedelta(seconds=int(text[:9])), LONGEST_WAIT)
    try:
        until = parsedate_to_datetime(text)
    except (TypeError, ValueError, IndexError, OverflowError):
        return None
    if until.tzinfo is None:
        until = until.replace(tzinfo=UTC)
    return max(timedelta(0), min(until - now, LONGEST_WAIT))
