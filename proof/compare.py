"""Holding the rows of one stream to the segments that were sealed over it."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from proof.chain import DEAD, PREFIX, RECORD_TABLES, Place, moment, unpack_places
from proof.merkle import root
from proof.outcome import Proved
from proof.rows import Rows

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from proof.chain import Segment
    from proof.outcome import Report
    from proof.rows import Walk
    from proof.state import Chains
    from proof.tombstones import Gone, Tombs

_BEFORE = "it stands before the first offset that was sealed"
_BEYOND = "it stands beyond what ingest has read"
_UNKNOWN = "ingest has recorded nothing of this source"


@dataclass
class Matched:
    """How the sealed rows of a segment were found: their leaves (None: not found), and the places of what is wrong."""

    leaves: list[bytes | None] = field(default_factory=list)
    places: dict[str, list[Place]] = field(default_factory=lambda: defaultdict(list))


def match(
    places: list[Place], heads: list[bytes], gone: dict[int, Gone], found: dict[Place, list[bytes]]
) -> Matched:
    """Take from `found` the rows that stand for the sealed ones; what is left in it belongs to no sealed row."""
    result = Matched()
    for n, (place, head) in enumerate(zip(places, heads, strict=True)):
        there = found.get(place, [])
        buried = gone.get(n)
        same = next((leaf for leaf in there if leaf[:PREFIX] == head), None)
        if buried is not None:
            result.leaves.append(buried.leaf)
            if buried.redacted in there:
                there.remove(buried.redacted)
                result.places["erased"].append(place)
            elif same is not None or buried.was in there:
                there.remove(same or buried.was or b"")
                result.places["undeleted"].append(place)
            elif buried.redacted is None:
                result.places["expired"].append(place)
            else:
                result.places["modified" if there else "missing"].append(place)
                del there[:1]
        elif same is not None:
            there.remove(same)
            result.leaves.append(same)
        else:
            result.leaves.append(None)
            result.places["modified" if there else "missing"].append(place)
            del there[:1]
    return result


class Stream:
    """One topic-partition while its rows are verified."""

    def __init__(
        self, chain: str, chains: Chains, tombs: Tombs, report: Report, chosen: Callable[[Segment], bool]
    ) -> None:
        """`chosen` says which segments are to be verified."""
        self._chain, self._chains, self._tombs, self._report, self._chosen = (
            chain,
            chains,
            tombs,
            report,
            chosen,
        )
        self._loose: dict[Place, list[bytes]] = defaultdict(list)
        self._dead: set[int] = set()
        self._sealed: dict[Place, set[bytes]] = defaultdict(set)
        self.proved = Proved(chain)

    def verify(self, walk: Walk | None, number: int, position: int | None) -> Proved:
        """Hold the rows that `walk` has under `number` to the segments; `position` is how far ingest has read."""

        def take(below: int | None) -> Rows:
            return Rows() if walk is None else walk.take(number, below)

        to: int | None = None
        late = []
        for segment in self._chains.segments.get(self._chain, []):
            facts = _facts(segment)
            if facts is None:
                continue
            if facts["kind"] == "late":
                late.append((segment, facts))
                continue
            if to is not None and facts["from"] != to:
                low, high = sorted((to, facts["from"]))
                self._say(
                    "gap", "these offsets are sealed by none, or by two", segment, low, high, count=high - low
                )
            before = take(facts["from"])
            self._extra(before, _BEFORE if to is None else "it stands in a gap of the chain")
            rows, to = take(facts["to"]), facts["to"]
            if self._chosen(segment):
                self._segment(segment, facts, rows)
        for segment, facts in late:
            if self._chosen(segment):
                self._late(segment, facts)
        self._leftover()
        self._above(take(None), position)
        return self.proved

    def _segment(self, segment: Segment, facts: dict[str, Any], rows: Rows) -> None:
        count = sum(facts["rows"].values())
        self._proved(facts, count)
        for low, high in facts["holes"]:
            self._say(
                "hole", "they were gone before they could be read", segment, low, high, count=high - low
            )
        gone, whole = (
            self._tombs.of(self._chain, segment.number),
            (self._chain, segment.number) in self._tombs.whole,
        )
        if whole:
            self._buried(segment, facts, rows, count)
            return
        if not gone and len(rows) == count and root(rows.leaf).hex() == facts["root"]:
            return
        found: dict[Place, list[bytes]] = defaultdict(list)
        for offset, index, table, leaf in zip(rows.offset, rows.index, rows.table, rows.leaf, strict=True):
            found[Place(offset, index, table)].append(leaf)
        self._matched(segment, facts, gone, found)
        for place, leaves in found.items():
            if leaves:
                self._loose[place] += leaves

    def _matched(
        self, segment: Segment, facts: dict[str, Any], gone: dict[int, Gone], found: dict[Place, list[bytes]]
    ) -> None:  # fmt: skip
        try:
            places, heads = unpack_places(self._chains.leaves(self._chain, segment.number))
        except ValueError:
            places, heads = [], []
        self._dead |= {place.offset for place in places if place.table == DEAD}
        for place, head in zip(places, heads, strict=True):
            self._sealed[place].add(head)
        matched = match(places, heads, gone, found)
        for kind, at in matched.places.items():
            self._grouped(kind, _WORDS[kind], segment, at)
        for kind in ("modified", "missing"):
            self.proved.rows -= len(matched.places.get(kind, ()))
        whole = [leaf for leaf in matched.leaves if leaf is not None]
        if len(whole) == len(matched.leaves) and root(whole).hex() != facts["root"]:
            low, high = facts.get("from", facts.get("first")), facts.get("to", facts.get("last"))
            self._say("modified", "its rows do not make up its root", segment, low, high, count=len(whole))

    def _buried(self, segment: Segment, facts: dict[str, Any], rows: Rows, count: int) -> None:
        """A segment of which a tombstone says that no row is left."""
        self._say("expired", _WORDS["expired"], segment, facts["from"], facts["to"], count=count)
        if len(rows):
            places = [Place(*each) for each in zip(rows.offset, rows.index, rows.table, strict=True)]
            self._grouped("undeleted", _WORDS["undeleted"], segment, places)

    def _late(self, segment: Segment, facts: dict[str, Any]) -> None:
        self._proved(facts, sum(facts["rows"].values()))
        if (self._chain, segment.number) in self._tombs.whole:
            self._say("expired", _WORDS["expired"], segment, facts["first"], facts["last"] + 1)
            return
        self._matched(segment, facts, self._tombs.of(self._chain, segment.number), self._loose)

    def _leftover(self) -> None:
        """Rows at sealed offsets that no segment knows: brought by a replay since, or put there."""
        waiting: list[Place] = []
        extra: list[Place] = []
        for place, leaves in sorted(self._loose.items()):
            for leaf in leaves:
                again = leaf[:PREFIX] in self._sealed[place]
                (waiting if place.offset in self._dead and not again else extra).append(place)
        self._grouped("not_sealed", "a replay has brought them since the last sealing", None, waiting)
        self._grouped("extra", "they were sealed without it", None, extra)

    def _above(self, rows: Rows, position: int | None) -> None:
        end = position or 0
        beyond = next((n for n, offset in enumerate(rows.offset) if offset >= end), len(rows))
        if beyond:
            low, high = rows.offset[0], rows.offset[beyond - 1] + 1
            self._say("not_sealed", "they came after the last sealing", None, low, high, count=beyond)
        self._extra(rows.part(beyond, len(rows)), _UNKNOWN if position is None else _BEYOND)

    def _extra(self, rows: Rows, why: str) -> None:
        places = [Place(*each) for each in zip(rows.offset, rows.index, rows.table, strict=True)]
        self._grouped("extra", why, None, places)

    def _proved(self, facts: dict[str, Any], rows: int) -> None:
        proved = self.proved
        proved.segments, proved.rows, proved.sealed_time = (
            proved.segments + 1,
            proved.rows + rows,
            facts["sealed_time"],
        )
        if "to" in facts:
            proved.from_offset = facts["from"] if proved.from_offset is None else proved.from_offset
            proved.to_offset = facts["to"]
            there = facts["records"] + sum(high - low for low, high in facts["holes"])
            proved.empty += facts["to"] - facts["from"] - there

    def _grouped(self, kind: str, detail: str, segment: Segment | None, places: Iterable[Place]) -> None:
        """An outcome for each stretch of offsets in a row in one table."""
        by_table: dict[int, list[int]] = defaultdict(list)
        for place in places:
            by_table[place.table].append(place.offset)
        for table, offsets in sorted(by_table.items()):
            start = 0
            for n in range(1, len(offsets) + 1):
                if n == len(offsets) or offsets[n] > offsets[n - 1] + 1:
                    name = RECORD_TABLES[table]
                    self._say(
                        kind, detail, segment, offsets[start], offsets[n - 1] + 1, count=n - start, table=name
                    )
                    start = n

    def _say(
        self, kind: str, detail: str, segment: Segment | None, low: int | None, high: int | None, **more: Any
    ) -> None:
        number = None if segment is None else segment.number
        self._report.add(
            kind, detail, chain=self._chain, segment=number, from_offset=low, to_offset=high, **more
        )


_WORDS = {
    "modified": "it is not what was sealed",
    "missing": "it was sealed and is not there",
    "expired": "a tombstone tells of it",
    "erased": "a tombstone tells of its redaction",
    "undeleted": "a tombstone says that it is gone, and it is there: counterfoil maintain finishes an expiry",
}


def _facts(segment: Segment) -> dict[str, Any] | None:
    """The header's fields; None for one that is damaged, which the chains' own outcomes name."""
    try:
        facts = segment.facts
        numbers = [*facts["rows"].values(), *(each for hole in facts.get("holes", ()) for each in hole)]
        named = ("first", "last") if facts["kind"] == "late" else ("from", "to", "records")
        numbers += [facts[name] for name in named]
        moment(facts["sealed_time"])
        whole = all(isinstance(each, int) for each in numbers) and isinstance(facts["root"], str)
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
    return facts if whole and ("holes" in facts or facts["kind"] == "late") else None
