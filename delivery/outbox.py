"""The outbox of one sink, in the lake: what is to be sent, what was, and how far the findings have been read.

Two positions of the table `deliveries` belong to a sink: how far it has read the history of findings, and whose turn
it is (see `delivery.turn`). New states are queued in the commit that moves the first, so a killed process loses none
and queues none twice. Every commit moves the second, so a deliverer whose turn is over records nothing more.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from delivery.message import Delivery, delivery_id
from delivery.reading import FileGone, Reader, Row
from delivery.routes import route_to
from delivery.turn import is_busy, next_turn
from lake.store import NEVER
from schemas.deliveries import DELIVERIES
from schemas.errors import CommitConflict
from schemas.findings import FINDINGS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime

    from lake.store import Lake
    from schemas.delivery_settings import DeliverySettings

log = logging.getLogger(__name__)

MINUTE = timedelta(minutes=1)
# The columns of `findings` that come back with a delivery; those of the outbox are named out_….
_OUT = "out_"


@dataclass(frozen=True, slots=True)
class Work:
    """What may be sent to a sink now: the oldest states, of each finding one only; in how many messages (None: in any
    number), by the rate limit and by what the receiver asked for; and how many states are open in all."""

    due: list[Delivery]
    allowance: int | None
    open: int


@dataclass(slots=True)
class Outbox:
    """What is to be sent to one sink, for one thread. `begin` takes the turn, `end` gives it back. `open` is how many
    states were open when it last looked."""

    lake: Lake
    sink: str
    settings: DeliverySettings
    now: Callable[[], datetime]
    open: int = field(default=0, init=False)
    _turn: int | None = field(default=None, init=False)
    _empty_at: int | None = field(
        default=None, init=False
    )  # the version of `deliveries` at which nothing was open
    _tables: Reader = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Make what reads the tables; `close` drops it."""
        self._tables = Reader(self.lake)

    def close(self) -> None:
        """Let go of what reads the tables."""
        self._tables.close()

    def begin(self) -> bool | None:
        """Queue what is new and take the turn: True when there may be something to send, False when there is not.

        None when another deliverer is at work at this sink. Raises LakeError.
        """
        # Positions first, then the tables: what is committed between the two shows in both, or refuses us.
        positions = self.lake.positions(DELIVERIES, [self._turn_source, self._read_source])
        turn, seen = positions[self._turn_source], positions[self._read_source]
        if is_busy(turn, self.now()):
            return None
        newest, states = self._new_states(seen)
        rows = self._to_queue(states)
        moved = {} if newest is None or newest == seen else {self._read_source: (_start(seen), newest)}
        busy = bool(rows)
        if not busy:
            if not moved and self._is_quiet():
                return False
            work = self.work(1)
            self.open, busy = work.open, bool(work.due)
        if not busy and not moved:
            return False
        self._turn = turn
        try:
            self._commit(rows, moved, busy=busy)
        except CommitConflict:
            return None
        return busy

    def preview(self) -> list[Row]:
        """What `begin` would queue, and nothing is written: rows with delivery_id, route and what routes look at."""
        seen = self.lake.position(DELIVERIES, self._read_source)
        return [
            {"delivery_id": delivery_id(self.sink, s["finding_id"], s["revision"]), "route": route, **s}
            for s in self._new_states(seen)[1]
            if (route := route_to(self.sink, s, self.settings)) is not None
        ]

    def waiting(self) -> list[Row]:
        """What is open, with its newest outcome, how often it was tried, and when it is tried again."""
        self._tables.refresh()
        return self._tables.ask("waiting", {"sink": self.sink})

    def work(self, most: int) -> Work:
        """What is to be done now: at most so many states."""
        now = self.now()
        version = self._tables.refresh()
        (standing,) = self._tables.ask("standing", {"sink": self.sink, "minute_ago": now - MINUTE})
        limit: int | None = getattr(self.settings.sinks[self.sink], "per_minute", None)
        self._empty_at = None if standing["open"] else version
        allowance = None if limit is None else max(0, limit - standing["recent"])
        if standing["wait_until"] is not None and standing["wait_until"] > now:
            allowance = 0
        due = []
        if standing["open"] and allowance != 0:
            due = self._tables.ask("due", {"sink": self.sink, "now": now, "most": most})
        return Work([self._delivery(row) for row in due], allowance, standing["open"])

    def record(self, entries: Sequence[Row]) -> None:
        """Append what came of deliveries. CommitConflict when the turn has gone to another deliverer."""
        self._commit(list(entries), {}, busy=True)

    def end(self) -> None:
        """Give the turn back."""
        try:
            self._commit([], {}, busy=False)
        except CommitConflict:
            log.info("the turn at %s had gone to another deliverer", self.sink)

    def _commit(self, rows: list[Row], moved: Mapping[str, tuple[int, int]], *, busy: bool) -> None:
        turn = next_turn(self._turn, self.now(), busy=busy)
        self.lake.append(
            DELIVERIES,
            pa.Table.from_pylist(rows, schema=DELIVERIES.schema),
            positions={self._turn_source: (_start(self._turn), turn), **moved},
            message=f"deliver to {self.sink}",
        )
        self._turn = turn

    def _is_quiet(self) -> bool:
        """Whether nothing was open when it last looked, and nothing was written to the outbox since."""
        if self._empty_at is None:
            return False
        return self.lake.added_since(DELIVERIES, self._empty_at)[0] == self._empty_at

    def _new_states(self, seen: int | None) -> tuple[int | None, list[Row]]:
        """The version of `findings` up to which it was read now, and the states that came since `seen`."""
        if seen is None and self.settings.sinks[self.sink].start == "latest":
            # Where there are no findings yet, all that come are later than this.
            return self.lake.snapshot().versions.get(FINDINGS.name, 0), []
        if seen is not None:
            newest, files = self.lake.added_since(FINDINGS, seen)
            if newest == seen or newest is None:
                return newest, []
            kept = self.lake.history(FINDINGS, limit=newest - seen)
            if kept and kept[-1].version == seen + 1:
                try:
                    return newest, self._states(files)
                except FileGone as error:
                    log.info("looking through all findings for %s: %s", self.sink, error)
        snapshot = self.lake.snapshot()
        known = self._known() if seen is not None else set()
        states = self._states(snapshot.files(FINDINGS.name))
        return snapshot.versions.get(FINDINGS.name), [
            s for s in states if delivery_id(self.sink, s["finding_id"], s["revision"]) not in known
        ]

    def _states(self, files: list[str]) -> list[Row]:
        if not files:
            return []
        return self._tables.states(files)

    def _known(self) -> set[str]:
        self._tables.refresh()
        return {row["delivery_id"] for row in self._tables.ask("known", {"sink": self.sink})}

    def _to_queue(self, states: list[Row]) -> list[Row]:
        now = self.now()
        return [
            {
                "delivery_id": delivery_id(self.sink, state["finding_id"], state["revision"]),
                "entry": 1,
                "sink": self.sink,
                "route": route,
                "finding_id": state["finding_id"],
                "revision": state["revision"],
                "attempt": 0,
                "outcome": "queued",
                "delivery_time": now,
                "event_date": now.date(),
            }
            for state in states
            if (route := route_to(self.sink, state, self.settings)) is not None
        ]

    def _delivery(self, row: dict[str, Any]) -> Delivery:
        own = {name.removeprefix(_OUT): row.pop(name) for name in list(row) if name.startswith(_OUT)}
        return Delivery(sink=self.sink, state=row, **own)

    @property
    def _turn_source(self) -> str:
        return f"turn-{self.sink}"

    @property
    def _read_source(self) -> str:
        return f"findings-{self.sink}"


def _start(position: int | None) -> int:
    return NEVER if position is None else position
