"""Reading the digest chains of a lake, and whether they hold together by themselves."""

from __future__ import annotations

from collections import defaultdict
from functools import cached_property
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from lake.duck import view_sql
from proof.chain import ZERO, Segment, columns
from proof.outcome import Outcome
from proof.reader import Unreadable
from schemas.digests import DIGESTS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from lake.snapshot import Snapshot
    from proof.reader import Reader

BATCH = 256


class Chains:
    """The segments of every chain, in order and without their leaves, and what is wrong with them in themselves."""

    def __init__(
        self, snapshot: Snapshot, reader: Reader, *, leaves: bool = False, newest: int | None = None
    ) -> None:
        """Read them all, or of each chain the `newest`. What is unreadable or does not hold together is in `outcomes`.

        `leaves` has them held to their headers too, which reads by far the most.
        """
        self._reader, self._held, self._newest = reader, leaves, newest
        self._files = snapshot.files(DIGESTS.name)
        self.segments: dict[str, list[Segment]] = {}
        self.outcomes: list[Outcome] = []
        found: dict[str, list[Segment]] = defaultdict(list)
        for row in self._readable():
            if None in (row["chain"], row["number"], row["header"], row["digest"]):
                self._say("modified", "a segment lacks what every one has", table=DIGESTS.name)
            else:
                found[row["chain"]].append(self._checked(row))
        for chain, segments in found.items():
            self.segments[chain] = sorted(segments, key=lambda segment: segment.number)
            self._linked(chain)

    def head(self, chain: str) -> tuple[int, str]:
        """The number of the next segment, and the digest that it names."""
        segments = self.segments.get(chain)
        return (segments[-1].number + 1, segments[-1].digest.hex()) if segments else (0, ZERO)

    @cached_property
    def digests(self) -> dict[tuple[str, int], set[str]]:
        """The digest of each segment, by chain and number; several where two have the same number."""
        found: dict[tuple[str, int], set[str]] = defaultdict(set)
        for chain, segments in self.segments.items():
            for segment in segments:
                found[chain, segment.number].add(segment.digest.hex())
        return found

    def heads(self) -> dict[str, dict[str, Any]]:
        """The heads of all chains, as a checkpoint has them."""
        found = {}
        for chain in sorted(self.segments):
            count, digest = self.head(chain)
            found[chain] = {"segments": count, "digest": digest}
        return found

    def leaves(self, chain: str, number: int) -> bytes:
        """The packed leaves of a segment; empty where there are none."""
        query = f"SELECT leaves FROM ({view_sql(DIGESTS, self._files)}) WHERE chain = ? AND number = ?"
        try:
            rows = self._reader.rows(query, [chain, number])
        except Unreadable:
            return b""
        return bytes(rows[0][0]) if rows and rows[0][0] is not None else b""

    def _readable(self) -> list[dict[str, Any]]:
        """All rows; where a file cannot be read, those of the others, and the file is told."""
        try:
            return list(self._rows(self._files))
        except Unreadable:
            rows: list[dict[str, Any]] = []
            files, self._files = self._files, []
            for file in files:
                try:
                    rows += list(self._rows([file]))
                    self._files.append(file)
                except Unreadable as error:
                    name = "/".join(file.split("/")[-2:])
                    detail = f"the file {name} cannot be read: {error}"
                    self._say("modified", detail, table=DIGESTS.name)
            return rows

    def _rows(self, files: list[str]) -> Iterator[dict[str, Any]]:
        if not files:
            return
        columns = "*" if self._held else "* EXCLUDE (leaves)"
        query = f"SELECT {columns} FROM ({view_sql(DIGESTS, files)})"
        if self._newest is not None:
            query += f" QUALIFY row_number() OVER (PARTITION BY chain ORDER BY number DESC) <= {self._newest}"
        for batch in self._reader.batches(query, BATCH):
            yield from batch.to_pylist()

    def _checked(self, row: Mapping[str, Any]) -> Segment:
        """The segment of a row, whose header, columns and leaves must agree."""
        segment = Segment(row["chain"], row["number"], row["header"], row["digest"])
        if sha256(row["header"].encode()).digest() != row["digest"]:
            self._say("modified", "its header is not what its digest is over", segment)
            return segment
        try:
            facts = segment.facts
            told = columns(segment, facts)
        except (ValueError, KeyError, TypeError, AttributeError):
            self._say("modified", "its header is not one of ours", segment)
            return segment
        if any(row[name] != value for name, value in told.items()) or facts["chain"] != segment.chain:
            self._say("modified", "its columns do not say what its header does", segment)
        if self._held and (None if row["leaves"] is None else sha256(row["leaves"]).hexdigest()) != facts.get(
            "leaves"
        ):
            self._say("modified", "its leaves are not those that its header names", segment)
        return segment

    def _linked(self, chain: str) -> None:
        """Whether the segments of a chain follow one another, each once."""
        previous, expected = ZERO, 0
        for n, segment in enumerate(self.segments[chain]):
            if not n and self._newest is not None and segment.number:
                previous, expected = segment.digest.hex(), segment.number + 1
                continue
            if segment.number < expected:
                self._say("extra", "there are two segments of this number", segment)
            elif segment.number > expected:
                missing = f"segments {expected} to {segment.number - 1} are not there"
                self._say("gap", missing, segment, count=segment.number - expected)
            elif _named(segment) != previous:
                self._say("replaced", "it does not follow the segment before it", segment)
            previous, expected = segment.digest.hex(), segment.number + 1

    def _say(self, kind: str, detail: str, segment: Segment | None = None, **more: Any) -> None:
        if segment is not None:
            more |= {"chain": segment.chain, "segment": segment.number}
        self.outcomes.append(Outcome(kind, detail, **more))


def _named(segment: Segment) -> str | None:
    return _field(segment, lambda facts: str(facts["previous"]))


def _field(segment: Segment, get: Callable[[dict[str, Any]], str]) -> str | None:
    try:
        return get(segment.facts)
    except (ValueError, KeyError, TypeError):
        return None
