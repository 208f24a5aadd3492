"""Sealing one stream: its new rows, in order, as segments of bounded size; late rows as a segment of their own."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter
from typing import TYPE_CHECKING, Any

from proof.chain import (
    DEAD,
    PREFIX,
    RECORD_TABLES,
    Place,
    Segment,
    make,
    pack_places,
    records_chain,
    unpack_places,
)
from proof.merkle import root
from proof.rows import Rows

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from proof.rows import Walk
    from proof.state import Chains

SEGMENT_ROWS = 65_536


class Stream:
    """One topic-partition while its new rows are sealed.

    Afterwards `waiting` has how many rows stand above what is committed, `again` the version of each table from before
    the first of them, and `left` how many rows cannot be taken in, by reason.
    """

    def __init__(self, chains: Chains, source: str, now: datetime, holes: Sequence[tuple[int, int]]) -> None:
        """Go on after the newest segment in `chains`. `holes` are stretches that were gone before they were read."""
        self.waiting = 0
        self.left: Counter[str] = Counter()
        self.again: dict[str, int] = {}
        topic, _, partition = source.rpartition("-")
        self._chains, self._now, self._holes = chains, now, holes
        self._named: dict[str, Any] = {"topic": topic, "partition": int(partition)}
        self._chain = records_chain(topic, int(partition))
        self._head = chains.head(self._chain)
        told = [(segment.number, segment.facts) for segment in chains.segments.get(self._chain, [])]
        self._ranges = [(facts["from"], facts["to"], n) for n, facts in told if facts["kind"] == "records"]
        self._late = [number for number, facts in told if facts["kind"] == "late"]
        self._to: int | None = self._ranges[-1][1] if self._ranges else None

    def seal(self, walk: Walk, number: int, end: int | None) -> list[Segment]:
        """The segments of the rows that `walk` has of the stream under `number`, below `end`."""
        if end is None:
            self.left["their source has not been recorded by ingest"] += len(walk.take(number))
            return []
        early = walk.take(number, self._to) if self._to is not None else Rows()
        new = list(self._in_order(walk, number, end))
        late = self._late_rows(early)
        if late:
            new.append(self._segment("late", late, first=late.offset[0], last=late.offset[-1]))
        waiting = walk.take(number)
        for table, version in zip(waiting.table, waiting.version, strict=True):
            name = RECORD_TABLES[table]
            self.again[name] = min(self.again.get(name, version - 1), version - 1)
        self.waiting += len(waiting)
        return new

    def _in_order(self, walk: Walk, number: int, end: int) -> Iterator[Segment]:
        """Segments of about SEGMENT_ROWS rows, divided between records; the last one goes up to `end`."""
        pending, first = Rows(), self._to
        while True:
            block = walk.take(number, end, SEGMENT_ROWS)
            pending.extend(block)
            if first is None and pending:
                first = min([pending.offset[0], *(low for low, _ in self._holes)])
            while len(pending) > SEGMENT_ROWS:
                cut = bisect_left(pending.offset, pending.offset[SEGMENT_ROWS])
                cut = cut or bisect_right(pending.offset, pending.offset[0])
                if cut == len(pending):
                    break
                to = pending.offset[cut]
                yield self._records(pending.part(0, cut), first or 0, to)
                pending, first = pending.part(cut, len(pending)), to
            if not block:
                break
        if pending:
            yield self._records(pending, first or 0, end)

    def _records(self, rows: Rows, first: int, to: int) -> Segment:
        holes = [[max(low, first), min(high, to)] for low, high in self._holes if low < to and high > first]
        more = {"from": first, "to": to, "records": len(set(rows.offset)), "holes": holes}
        return self._segment("records", rows, **more)

    def _segment(self, kind: str, rows: Rows, **facts: Any) -> Segment:
        places = [Place(*each) for each in zip(rows.offset, rows.index, rows.table, strict=True)]
        counts = Counter(RECORD_TABLES[table] for table in rows.table)
        segment = make(
            self._chain, self._head, kind, self._now, pack_places(places, rows.leaf),
            rows=dict(counts), root=root(rows.leaf).hex(), **self._named, **facts,
        )  # fmt: skip
        self._head = (segment.number + 1, segment.digest.hex())
        return segment

    def _late_rows(self, rows: Rows) -> Rows:
        """Of rows at sealed offsets those that a replay has brought and that are not sealed yet."""
        known: set[tuple[Place, bytes]] = set()
        for number in self._late:
            known |= self._sealed(number)
        found, explained = Rows(), 0
        for low, high, number in self._ranges:
            start, end = bisect_left(rows.offset, low), bisect_left(rows.offset, high)
            if start == end:
                continue
            there = self._sealed(number)
            dead = {place.offset for place, _ in there if place.table == DEAD}
            for n in range(start, end):
                place = Place(rows.offset[n], rows.index[n], rows.table[n])
                one = (place, rows.leaf[n][:PREFIX])
                is_new = one not in there and one not in known
                if is_new and place.offset in dead:
                    found.extend(rows.part(n, n + 1))
                explained += not is_new or place.offset in dead
        if explained < len(rows):
            self.left["they stand at offsets that were sealed without them"] += len(rows) - explained
        return found

    def _sealed(self, number: int) -> set[tuple[Place, bytes]]:
        places, heads = unpack_places(self._chains.leaves(self._chain, number))
        return set(zip(places, heads, strict=True))
