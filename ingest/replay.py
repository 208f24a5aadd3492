"""Replay: decode dead letters again, with the readers and settings of today, and append what is missing, once.

A record is decoded whole. Rows that a table has already, by their place and index, are left out; the others are
appended with the coordinates that the record had. What still fails stays the dead letter that it is; an event of
the record that fails and had no dead letter yet gets one. At last each dead letter whose event is in the tables
now, or holds nothing to keep, is noted in `replays`: from then on it counts no longer.

So that two replays at once, or one that was killed, add nothing twice: each table has a position of its own for
replays, which every commit of one raises by 1. It is read before the snapshot in which the rows are looked up, so a
commit is refused if another replay has written to that table since; then everything is looked up anew. Ingest is no
such rival, since only records below its own position are taken. The note comes last, so whatever a killed replay
left undone is found and done by the next.
"""

from __future__ import annotations

import logging
import random
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pyarrow as pa

from ingest.commit import PRIMARY
from ingest.decode import Decoder
from ingest.formats.collect import MOST_EVENTS
from ingest.letters import Chosen, Letters, Place, chunks, reading, to_records
from lake.store import NEVER, open_configured
from schemas.errors import CommitConflict, LakeError
from schemas.events import (
    AUTHORIZATION_DECISIONS,
    DEAD_LETTERS,
    IDENTITY_EVENTS,
    ORCHESTRATION_EVENTS,
)
from schemas.replays import REPLAYS
from schemas.table import BYTES, DATE, TIME

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from ingest.records import Stream
    from lake.store import Lake
    from schemas.settings import Settings
    from schemas.table import Table

__all__ = ["Chosen", "Replayed", "replay"]

log = logging.getLogger(__name__)

SOURCE = "replay"  # no topic-partition is called so: those end in a number
EVENTS = (ORCHESTRATION_EVENTS, AUTHORIZATION_DECISIONS, IDENTITY_EVENTS)
WRITTEN = (*EVENTS, DEAD_LETTERS, REPLAYS)
CHUNK_RECORDS = 5_000
CHUNK_BYTES = 64 * 1024 * 1024
ATTEMPTS = 50


@dataclass(slots=True)
class Replayed:
    """What a replay did. Counts are of records, but for `rows` by table and `failing` by today's reason.

    `resolved` and `failing` count dead letters; `added` those that events got which had none. `waiting` records are
    not committed by ingest yet, and of `cut` ones not all bytes were kept: neither is tried.
    """

    records: int = 0
    resolved: Counter[str] = field(default_factory=Counter)
    rows: Counter[str] = field(default_factory=Counter)
    failing: Counter[str] = field(default_factory=Counter)
    added: int = 0
    waiting: int = 0
    cut: int = 0
    conflicts: int = 0

    def add(self, other: Replayed) -> None:
        """Add what was done of further records."""
        self.records += other.records
        self.resolved += other.resolved
        self.rows += other.rows
        self.failing += other.failing
        self.added += other.added
        self.waiting += other.waiting
        self.cut += other.cut
        self.conflicts += other.conflicts


@dataclass(slots=True)
class _Decoded:
    """What records yield today: tables by name, rows and dead letters by record."""

    tables: dict[str, list[pa.Table]] = field(default_factory=dict)
    rows: dict[Place, list[int]] = field(default_factory=dict)
    dead: dict[Place, dict[int, str]] = field(default_factory=dict)


def _silent(_done: int, _of: int) -> None:
    """Report to nobody."""


def replay(
    settings: Settings,
    chosen: Chosen = Chosen(),  # noqa: B008 - it is frozen
    *,
    dry_run: bool = False,
    stop: threading.Event | None = None,
    report: Callable[[int, int], None] = _silent,
) -> Replayed:
    """Decode the records of the chosen dead letters again and append what now decodes to its tables, exactly once.

    `dry_run` writes nothing and counts what would be. `stop` ends it between two commits. `report` is called with
    how many records are done of how many. Raises LakeError, SettingsError and SourceError.
    """
    stop = stop or threading.Event()
    lake = open_configured(settings.lake, read_only=dry_run)
    decoder = Decoder(settings)
    with reading(lake.snapshot()) as tables:
        todo = tables.records(chosen)
    result, done = Replayed(), 0
    for places in chunks(todo, CHUNK_RECORDS, CHUNK_BYTES):
        if stop.is_set():
            break
        result.add(_chunk(lake, decoder, places, dry_run=dry_run))
        done += len(places)
        report(done, len(todo))
    return result


def _chunk(lake: Lake, decoder: Decoder, places: Sequence[Place], *, dry_run: bool) -> Replayed:
    """Replay some records; begin again as long as another replay comes first."""
    written: Counter[str] = Counter()
    for attempt in range(ATTEMPTS):
        try:
            result = _attempt(lake, decoder, places, written, dry_run=dry_run)
        except CommitConflict as conflict:
            log.info("another replay was first, so this one looks again: %s", conflict)
            time.sleep(random.uniform(0, 0.05 * (attempt + 1)))  # noqa: S311 - spreads writers, guards nothing
            continue
        result.conflicts = attempt
        result.rows = written
        return result
    raise LakeError(f"other replays came first {ATTEMPTS} times; run one at a time, then try again")


def _attempt(
    lake: Lake, decoder: Decoder, places: Sequence[Place], written: Counter[str], *, dry_run: bool
) -> Replayed:
    # Positions first, then the snapshot: what is committed between the two shows in both, or refuses us.
    fences = {table.name: lake.position(table, SOURCE) for table in WRITTEN}
    ends = _ends(lake, places)
    result = Replayed()
    with reading(lake.snapshot()) as tables:
        letters = []
        for each in tables.letters(places):
            if not each.open:
                continue
            if not _is_committed(each, ends):
                result.waiting += 1
            elif not each.whole:
                result.cut += 1
            else:
                letters.append(each)
        landed = tables.landed([each.place for each in letters]) if letters else set()
    result.records = len(letters)
    decoded = _decode(decoder, letters)
    now = datetime.now(UTC)

    def append(table: Table, rows: pa.Table) -> None:
        if rows.num_rows and not dry_run:
            fence = fences[table.name]
            start, end = (NEVER, 0) if fence is None else (fence, fence + 1)
            lake.append(table, rows, positions={SOURCE: (start, end)}, message="replay of dead letters")

    for table in EVENTS:
        rows = _missing(table, decoded, landed, now)
        append(table, rows)
        written[table.name] += rows.num_rows
    new = _new_letters(letters, decoded, landed, now)
    append(DEAD_LETTERS, new)
    result.added = new.num_rows
    append(REPLAYS, _notes(letters, decoded, now, result))
    return result


def _ends(lake: Lake, places: Sequence[Place]) -> dict[str, dict[str, int | None]]:
    """How far ingest has committed each source, by the stream's own table."""
    sources = {place.source_id for place in places}
    return {table.name: lake.positions(table, sources) for table in PRIMARY.values()}


def _is_committed(letters: Letters, ends: dict[str, dict[str, int | None]]) -> bool:
    """Whether ingest is past the record: until then it may still append rows of it."""
    stream: Stream = "orchestration" if letters.stream == "orchestration" else "authorization"
    # Positions of files are in one table, whatever is in them.
    primary = ORCHESTRATION_EVENTS if letters.place.topic.startswith("file:") else PRIMARY[stream]
    return (ends[primary.name][letters.place.source_id] or 0) > letters.place.offset


def _decode(decoder: Decoder, letters: Sequence[Letters]) -> _Decoded:
    """Decode as of the time of reading, on which estimated times and the bound on future ones rest."""
    decoded = _Decoded()
    for records, ingest_time in to_records(letters):
        for name, rows in decoder.decode(records, ingest_time=ingest_time).tables.items():
            decoded.tables.setdefault(name, []).append(rows)
            for n, (place, index) in enumerate(_places(rows)):
                if name == DEAD_LETTERS.name:
                    decoded.dead.setdefault(place, {})[index] = rows["reason"][n].as_py()
                else:
                    decoded.rows.setdefault(place, []).append(index)
    return decoded


def _places(rows: pa.Table) -> Iterator[tuple[Place, int]]:
    names = ("source_topic", "source_partition", "source_offset", "source_index")
    for topic, partition, offset, index in zip(*(rows[name].to_pylist() for name in names), strict=True):
        yield Place(topic, partition, offset), index


def _missing(table: Table, decoded: _Decoded, landed: set[tuple[str, Place, int]], now: datetime) -> pa.Table:
    """The rows that the table has not."""
    kept = [
        rows.filter(pa.array([(table.name, *where) not in landed for where in _places(rows)], pa.bool_()))
        for rows in decoded.tables.get(table.name, ())
    ]
    rows = pa.concat_tables(kept) if kept else table.schema.empty_table()
    return _with(rows, table, "ingest_time", pa.repeat(pa.scalar(now, TIME), rows.num_rows))


def _new_letters(
    letters: Sequence[Letters], decoded: _Decoded, landed: set[tuple[str, Place, int]], now: datetime
) -> pa.Table:
    """Dead letters of events that had none and have no row; the bytes stand on the record's first."""
    known = {each.place: each.each for each in letters}
    there = {(place, index) for _, place, index in landed}
    kept = [
        rows.filter(
            pa.array(
                [i not in known[place] and (place, i) not in there for place, i in _places(rows)], pa.bool_()
            )
        )
        for rows in decoded.tables.get(DEAD_LETTERS.name, ())
    ]
    rows = pa.concat_tables(kept) if kept else DEAD_LETTERS.schema.empty_table()
    count = rows.num_rows
    rows = _with(rows, DEAD_LETTERS, "ingest_time", pa.repeat(pa.scalar(now, TIME), count))
    rows = _with(rows, DEAD_LETTERS, "event_date", pa.repeat(pa.scalar(now.date(), DATE), count))
    return _with(rows, DEAD_LETTERS, "raw", pa.nulls(count, BYTES))


def _with(rows: pa.Table, table: Table, name: str, values: pa.Array) -> pa.Table:
    place = rows.schema.get_field_index(name)
    return rows.set_column(place, table.schema.field(name), values)


def _notes(letters: Sequence[Letters], decoded: _Decoded, now: datetime, result: Replayed) -> pa.Table:
    """The rows of `replays`, and the counts of what is resolved and what still fails."""
    notes = []
    for each in letters:
        rows, dead = decoded.rows.get(each.place, []), decoded.dead.get(each.place, {})
        for index in sorted(each.open):
            if not _is_resolved(index, rows, dead):
                result.failing[dead.get(index) or each.each[index].reason] += 1
                continue
            result.resolved[each.each[index].reason] += 1
            notes.append({
                "dead_letter_id": f"{each.place}:{index}", "replay_time": now,
                "outcome": "rows" if index in rows or (rows and not dead) else "no_event",
                "record_rows": len(rows), "event_date": now.date(),
            })  # fmt: skip
        if dead:
            log.info(
                "%s still fails: %s",
                each.place,
                ", ".join(sorted(set(dead.values()))),
                extra=each.place._asdict(),
            )
    return pa.Table.from_pylist(notes, schema=REPLAYS.schema)


def _is_resolved(index: int, rows: Sequence[int], dead: dict[int, str]) -> bool:
    """Whether the event at `index`, for which a dead letter stands, needs it no more.

    Where the whole record fails, or the whole of an event of a batch of CloudEvents, the dead letter stands at its
    first index, and none of the others says anything: so other indexes are judged only where there are rows beside
    them.
    """
    if index in dead:
        return False
    return not dead or any(row // MOST_EVENTS == index // MOST_EVENTS for row in rows)
