"""Which windows of which rules are due. Nothing here reads a clock or a lake.

A rule's slots end at the whole multiples of its `every`, counted in UTC from 1970. A window goes from where the rule
stands to the end of a slot; the newest is judged over the lake as it is, those that were missed over the lake as it
was at their ends.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Stand:
    """Where a rule stands: what came until `done` is judged (None: it never ran). `failed` is when it last failed,
    where it has not gone well since."""

    done: datetime | None = None
    failed: datetime | None = None


@dataclass(frozen=True)
class Window:
    """A stretch that one rule is to judge. `slots` says how many slots it covers, `missed` that it is past its time."""

    rule_id: str
    start: datetime | None
    end: datetime
    slots: int
    missed: bool

    @property
    def why(self) -> str:
        """Why it is due, in words."""
        if self.start is None:
            return "first run"
        if self.slots > 1:
            return f"{self.slots} slots in one"
        return "missed" if self.missed else "due"


@dataclass(frozen=True)
class Step:
    """The windows that one run judges: over the lake as it was at `as_of`, or as it is where that is None."""

    as_of: datetime | None
    windows: tuple[Window, ...]


def slot_before(moment: datetime, every: timedelta) -> datetime:
    """The end of the last slot that ended at or before the moment."""
    return _EPOCH + (moment - _EPOCH) // every * every


def next_slot(moment: datetime, every: timedelta) -> datetime:
    """The end of the first slot that ends after the moment."""
    return slot_before(moment, every) + every


def due(rule_id: str, every: timedelta, stand: Stand, now: datetime, catch_up: int) -> list[Window]:
    """The windows of a rule that are due, oldest first; each begins where the one before it ends.

    At most `catch_up` missed ones and the newest. Where more were missed, the oldest are one wide window. A rule that
    failed in the newest slot is due again in the next.
    """
    newest = slot_before(now, every)
    if stand.failed is not None and stand.failed >= newest:
        return []
    if stand.done is None:
        return [Window(rule_id, None, newest, 1, missed=False)]
    if stand.done >= newest:
        return []
    first = next_slot(stand.done, every)
    missed = (newest - first) // every
    wide = missed - catch_up + 1 if missed > catch_up else 1
    # With no window of their own at all, the missed slots go with the newest.
    ends = [first + number * every for number in range(wide - 1, missed)] if catch_up else []
    windows = []
    start = stand.done
    for end in (*ends, newest):
        slots = (end - slot_before(start, every)) // every
        windows.append(Window(rule_id, start, end, slots, missed=end != newest))
        start = end
    return windows


def plan(
    every: Mapping[str, timedelta], stands: Mapping[str, Stand], now: datetime, catch_up: int
) -> list[Step]:
    """What is to be run, in order: rules whose missed windows end together go together, and so do the newest."""
    windows = [w for rule in every for w in due(rule, every[rule], stands.get(rule, Stand()), now, catch_up)]
    ends = sorted({window.end for window in windows if window.missed})
    steps = [Step(end, _of(w for w in windows if w.missed and w.end == end)) for end in ends]
    newest = _of(window for window in windows if not window.missed)
    return [*steps, Step(None, newest)] if newest else steps


def _of(windows: Iterable[Window]) -> tuple[Window, ...]:
    return tuple(sorted(windows, key=lambda window: window.rule_id))
