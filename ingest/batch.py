"""Micro-batches: records that are read and not yet in the lake, by stream and by source."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from ingest.records import Records
from ingest.stretch import Stretch

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from ingest.records import Stream
    from ingest.stretch import Headers, Pack
    from schemas.settings import IngestSettings


class Part(NamedTuple):
    """One partition of a topic; a file is partition 0 of a topic named after it."""

    topic: str
    partition: int

    def __str__(self) -> str:
        """Return the name that the lake's transactions know it by."""
        return f"{self.topic}-{self.partition}"

    def at(self, offset: int) -> dict[str, str | int]:
        """The coordinates of an offset in it, for a structured log."""
        return {"topic": self.topic, "partition": self.partition, "offset": offset}


@dataclass(slots=True)
class Chunk(Stretch):
    """Records of one part as read from its source: see `Stretch`. `next_offset` is where reading goes on.

    `size` is about how many bytes it holds: values, keys and headers, so that none of them can fill the memory.
    """

    next_offset: int
    offset: list[int] = field(default_factory=list)
    value: list[bytes | None] = field(default_factory=list)
    key: list[bytes | None] = field(default_factory=list)
    headers: list[Headers] = field(default_factory=list)
    time_us: list[int | None] = field(default_factory=list)
    size: int = 0
    packs: list[Pack] | None = None

    def extend(self, other: Chunk) -> None:
        """Add what was read after it."""
        self.append(other)
        self.size += other.size
        self.next_offset = other.next_offset


@dataclass(slots=True)
class Pending:
    """What has been read of one part since its last commit.

    `recorded` is the position that the lake holds for it (None: the lake does not know the part yet): the commit
    is accepted only while that is so. With `note` the lake is to know the position even if it is the very beginning.
    """

    records: Records
    recorded: int | None
    note: bool = False
    size: int = 0

    @property
    def part(self) -> Part:
        """The part it was read from."""
        return Part(self.records.topic, self.records.partition)

    @property
    def moved(self) -> bool:
        """Whether a commit would change the lake: rows, or a position past markers and compacted records."""
        return bool(len(self.records)) or self.note or self.records.next_offset != (self.recorded or 0)


class Batch:
    """The pending records of the parts that are being read, to be committed together."""

    def __init__(self, settings: IngestSettings) -> None:
        """Start empty; `settings` says at how many rows, bytes or seconds the batch is due."""
        self._max_rows = settings.batch_rows
        self._max_bytes = int(settings.batch_bytes)
        self._max_seconds = settings.batch_time.total_seconds()
        self._parts: dict[Part, Pending] = {}
        self._since: float | None = None
        self.rows = 0
        self.size = 0

    def __contains__(self, part: Part) -> bool:
        """Whether the part is being read."""
        return part in self._parts

    def __iter__(self) -> Iterator[Part]:
        """Go over the parts being read, whether or not they have pending records."""
        return iter(self._parts)

    def open(
        self, part: Part, stream: Stream, recorded: int | None, start: int, *, note: bool = False
    ) -> None:
        """Begin to collect a part from offset `start`; whatever was pending of it is forgotten."""
        self.drop([part])
        self._parts[part] = _fresh(part, stream, recorded, start)
        self._parts[part].note = note
        self._touch(self._parts[part])

    def add(self, part: Part, chunk: Chunk) -> None:
        """Take in what was read. Offsets below what is already held are left out."""
        pending = self._parts[part]
        held = pending.records
        size = chunk.size
        if len(chunk) and chunk.first < held.next_offset:
            count = len(chunk)
            chunk.drop_before(held.next_offset)
            size = size * len(chunk) // count
        held.append(chunk)
        held.next_offset = max(held.next_offset, chunk.next_offset)
        pending.size += size
        self.rows += len(chunk)
        self.size += size
        self._touch(pending)

    def drop(self, parts: Iterable[Part]) -> None:
        """Forget parts and what is pending of them: they belong to someone else, or are read again."""
        for part in parts:
            pending = self._parts.pop(part, None)
            if pending is not None:
                self.rows -= len(pending.records)
                self.size -= pending.size
        if not any(pending.moved for pending in self._parts.values()):
            self._since = None

    def pending(self) -> list[Pending]:
        """Return the parts that have something to commit."""
        return [pending for pending in self._parts.values() if pending.moved]

    def committed(self, done: Iterable[Pending]) -> None:
        """Start afresh after `done`, which is now in the lake."""
        for pending in done:
            part, end = pending.part, pending.records.next_offset
            self._parts[part] = _fresh(part, pending.records.stream, end, end)
        self.rows = sum(len(pending.records) for pending in self._parts.values())
        self.size = sum(pending.size for pending in self._parts.values())
        self._since = None

    def next_offset(self, part: Part) -> int:
        """Where reading the part goes on."""
        return self._parts[part].records.next_offset

    def recorded(self, part: Part) -> int | None:
        """What the lake holds as the part's position."""
        return self._parts[part].recorded

    def wait(self) -> float:
        """Seconds until the batch is due: 0 when it is, infinity while nothing is pending."""
        if self._since is None:
            return float("inf")
        if self.rows >= self._max_rows or self.size >= self._max_bytes:
            return 0.0
        return max(0.0, self._since + self._max_seconds - time.monotonic())

    def room(self) -> tuple[int, int]:
        """How many rows and bytes may still come in, each at least 1."""
        return max(1, self._max_rows - self.rows), max(1, self._max_bytes - self.size)

    def _touch(self, pending: Pending) -> None:
        if self._since is None and pending.moved:
            self._since = time.monotonic()


def _fresh(part: Part, stream: Stream, recorded: int | None, start: int) -> Pending:
    records = Records(
        stream=stream,
        topic=part.topic,
        partition=part.partition,
        offset=[],
        value=[],
        key=[],
        headers=[],
        time_us=[],
        next_offset=start,
    )
    return Pending(records, recorded)
