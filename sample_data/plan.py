"""Which traces there are, of which template and tenant, and when each starts.

The calendar that the truth rests on: policies change at fixed hours and no run but those of stale_policy
spans a change; runs with something missing end well before the decisions stop arriving; `missing_stream`
plays after.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from sample_data.hashing import below, draw, log_normal, trace_keys
from sample_data.parts import MINUTE, SECOND
from sample_data.roles import ENVIRONMENTS
from sample_data.scenarios import SCENARIOS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sample_data.book import Book, Ints
    from sample_data.hashing import U64

HOUR = 60 * MINUTE
USERS = 200
APPROVERS = 20
_BLOCK = 50_000
_QUIET = 45 * MINUTE
_LATE = 30 * MINUTE
_SHORT = 5 * MINUTE
_EVERY_SCENARIO = 2
_WITHIN_HOUR = ("missing_decision_root", "destructive_unbacked")
# Work by hour of the day, UTC: mostly in the day, some at night, less at weekends.
_BY_HOUR = (1, 1, 1, 1, 1, 2, 3, 6, 10, 12, 12, 11, 8, 10, 12, 12, 11, 8, 5, 3, 2, 2, 1, 1)
_WEEKEND = 3

# Kinds of numbers drawn per trace, apart from those of `render.py`, which begin at 1.
_SCENARIO, _TEMPLATE, _TENANT, _ENVIRONMENT, _USER, _APPROVER, _HOUR, _MOMENT, _SHIFT, _GAP = range(100, 110)


@dataclass(frozen=True)
class Calendar:
    """In microseconds. No decision has arrived from `cut` on; policies change at `first + n * period`."""

    start: int
    cut: int
    end: int
    first: int
    period: int

    @classmethod
    def of(cls, start: int, days: float) -> Calendar:
        """The calendar of that many days from the hour of `start`."""
        begin = start - start % HOUR
        hours = int(days * 24)
        period = min(24, hours)
        end = begin + hours * HOUR
        return cls(begin, end - HOUR, end, begin + period // 2 * HOUR, period * HOUR)

    def revision(self, moments: Ints) -> Ints:
        """How many changes of policy there were by then."""
        return np.maximum((moments - self.first) // self.period + 1, 0)


@dataclass(frozen=True)
class Plan:
    """One entry per trace, in order of start. `pair` is the place of its tenant and environment."""

    calendar: Calendar
    keys: U64
    template: Ints
    pair: Ints
    tenant: Ints
    user: Ints
    approver: Ints
    start: Ints

    def __len__(self) -> int:
        """How many traces."""
        return len(self.keys)


def ticks(book: Book, keys: U64, template: Ints) -> tuple[Ints, Ints]:
    """Microseconds from a trace's start to each of its ticks, laid flat, and where each trace's begin."""
    counts = book.tick_counts[template]
    begins = np.cumsum(counts) - counts
    trace = np.repeat(np.arange(len(keys)), counts)
    tick = np.arange(len(trace)) - begins[trace]
    place = book.tick_base[template][trace] + tick
    gap = book.floor[place] + log_normal(
        draw(keys[trace], tick, _GAP), book.median[place], book.spread[place]
    )
    total = np.cumsum(gap)
    return total - (total[begins] - gap[begins])[trace], begins


def make_plan(
    book: Book,
    calendar: Calendar,
    tenants: Sequence[str],
    *,
    seed: int,
    runs: int | None,
    events: int | None,
    faulty: float,
) -> Plan:
    """Choose traces until there are `runs` of them, or `events` records; `faulty` is the share of faults."""
    size = book.records
    keys: list[U64] = []
    templates: list[Ints] = []
    done, total = 0, 0
    while (runs is None or done < runs) and (events is None or total < events):
        block = _BLOCK if runs is None else min(_BLOCK, runs - done)
        some = trace_keys(seed, done, block)
        chosen = _choose(book, some, done, faulty)
        if events is not None:
            enough = int(np.searchsorted(np.cumsum(size[chosen]), events - total)) + 1
            some, chosen = some[:enough], chosen[:enough]
        total += int(size[chosen].sum())
        done += len(some)
        keys.append(some)
        templates.append(chosen)
    key, template = np.concatenate(keys), np.concatenate(templates)
    start = _schedule(book, calendar, key, template)
    order = np.argsort(start, kind="stable")
    key, template, start = key[order], template[order], start[order]
    tenant = below(draw(key, 0, _TENANT), len(tenants))
    staging = (below(draw(key, 0, _ENVIRONMENT), 7) == 0).astype(np.int64)
    return Plan(
        calendar=calendar,
        keys=key,
        template=template,
        pair=tenant * len(ENVIRONMENTS) + staging,
        tenant=tenant,
        user=tenant * USERS + below(draw(key, 0, _USER), USERS),
        approver=tenant * APPROVERS + below(draw(key, 0, _APPROVER), APPROVERS),
        start=start,
    )


def _choose(book: Book, keys: U64, first: int, faulty: float) -> Ints:
    """A template per trace: every scenario twice to begin with, then by share and weight."""
    is_faulty = below(draw(keys, 0, _SCENARIO), 1_000_000) < round(faulty * 1_000_000)
    number = draw(keys, 1, _SCENARIO)
    scenario = np.zeros(len(keys), dtype=np.int64)
    for side in (False, True):
        places = np.array([i for i, s in enumerate(SCENARIOS) if s.faulty is side])
        edges = np.cumsum([SCENARIOS[i].weight for i in places])
        scenario[is_faulty == side] = places[
            np.searchsorted(edges, below(number, int(edges[-1])), side="right")
        ][is_faulty == side]
    place = np.arange(first, first + len(keys))
    scenario = np.where(place < _EVERY_SCENARIO * len(SCENARIOS), place % len(SCENARIOS), scenario)
    begin = np.array([book.of_scenario[s.name][0] for s in SCENARIOS])
    count = np.array([len(book.of_scenario[s.name]) for s in SCENARIOS])
    pick = (draw(keys, 0, _TEMPLATE) % count[scenario].astype(np.uint64)).astype(np.int64)
    return begin[scenario] + pick


def _schedule(book: Book, calendar: Calendar, keys: U64, template: Ints) -> Ints:
    """When each trace starts."""
    duration = np.empty(len(keys), dtype=np.int64)
    middle = np.zeros(len(keys), dtype=np.int64)
    change = np.array([t.change or (0, 0) for t in book.templates])
    for at in range(0, len(keys), _BLOCK):
        part = slice(at, at + _BLOCK)
        offset, begins = ticks(book, keys[part], template[part])
        duration[part] = offset[begins + book.tick_counts[template[part]] - 1] + SECOND
        between = change[template[part]]
        middle[part] = (offset[begins + between[:, 0]] + offset[begins + between[:, 1]]) // 2
    faulty = np.array([s.faulty for s in book.owner])[template]
    shift = draw(keys, 0, _SHIFT)
    c = calendar
    start = _working_hours(c, keys)

    # Some short, sound runs at the very end: they carry the decisions' watermark past all that went before.
    late = (np.arange(len(keys)) % 16 == 5) & ~faulty & (duration < _SHORT)
    start = np.where(late, c.cut - _LATE + below(shift, _LATE - 2 * _SHORT), start)
    limit = c.cut - np.where(faulty, _QUIET, 0)
    start = np.where(start + duration > limit, limit - duration - below(shift, 20 * MINUTE) - 1, start)

    spans = c.revision(start) != c.revision(start + duration)
    after = c.first + (c.revision(start)) * c.period
    start = np.where(spans, after + SECOND + below(shift, 10 * MINUTE), start)

    # An hour must hold a decision for the absence of another one in it to say something.
    whole = _of(book, template, _WITHIN_HOUR)
    over = start % HOUR + duration - HOUR
    start = np.where(whole & (over > 0), start - over - below(shift, SECOND), start)

    changes = max(1, (c.cut - _QUIET - HOUR - c.first) // c.period + 1)
    at_change = c.first + below(shift, changes) * c.period - middle
    start = np.where(_of(book, template, ("stale_policy",)), at_change, start)

    room = np.maximum(c.end - c.cut - 11 * MINUTE - duration, 1)
    unsettled = np.array([not s.settled for s in book.owner])[template]
    return np.where(unsettled, c.cut + MINUTE + (shift % room.astype(np.uint64)).astype(np.int64), start)


def _working_hours(calendar: Calendar, keys: U64) -> Ints:
    hours = np.arange(calendar.start, calendar.cut, HOUR)
    weekend = (hours // (24 * HOUR) + 3) % 7 >= 5
    weight = np.where(weekend, _WEEKEND, 10) * np.array(_BY_HOUR)[hours // HOUR % 24]
    edges = np.cumsum(weight)
    hour = hours[np.searchsorted(edges, below(draw(keys, 0, _HOUR), int(edges[-1])), side="right")]
    return hour + below(draw(keys, 0, _MOMENT), HOUR)


def _of(book: Book, template: Ints, names: tuple[str, ...]) -> np.typing.NDArray[np.bool_]:
    return np.array([s.name in names for s in book.owner])[template]
