"""Commit a micro-batch so that each record is in the lake exactly once, over several tables.

Each stream has a primary table, whose recorded position says where reading goes on. A record may yield rows for
any table. The other tables are written first, each with its own position; one that is ahead of the primary's was
written by an earlier try that did not reach the primary, and what it has left is not written again
(`ingest.earlier`). The primary comes last, always, even with no rows. So wherever the process dies, what is missing
is read again and what is there is not written again; and a member that has lost its partition is refused, since the
position is no longer the one it started from.
"""

from __future__ import annotations

import logging
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pyarrow as pa

from ingest.earlier import YIELDED, find
from ingest.tally import Tally, tally
from lake.store import NEVER
from schemas.catalogue import TABLES
from schemas.errors import CommitConflict
from schemas.events import AUTHORIZATION_DECISIONS, ORCHESTRATION_EVENTS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ingest.batch import Pending
    from ingest.decode import Decoder
    from ingest.earlier import Earlier
    from ingest.records import Records, Stream
    from lake.store import Lake
    from schemas.table import Table

log = logging.getLogger(__name__)

PRIMARY: dict[Stream, Table] = {
    "orchestration": ORCHESTRATION_EVENTS,
    "authorization": AUTHORIZATION_DECISIONS,
}


@dataclass(slots=True)
class Committed:
    """What one commit put into the lake: rows by table, dead letters by reason, records without an event skipped.

    `formats` has the same by format.
    """

    records: int = 0
    skipped: int = 0
    rows: Counter[str] = field(default_factory=Counter)
    dead: Counter[str] = field(default_factory=Counter)
    formats: dict[str, Tally] = field(default_factory=dict)


class Committer:
    """Decodes pending records and commits them. One per process: it remembers the positions that it wrote."""

    def __init__(self, lake: Lake, decoder: Decoder) -> None:
        """Commit to `lake` what `decoder` makes of the records."""
        self._lake = lake
        self._decoder = decoder
        self._secondary: dict[tuple[str, str], int | None] = {}
        self._new_topics: dict[str, int] = {}

    def position(self, primary: Table, source_id: str) -> int | None:
        """Where reading a source goes on; None when the lake does not know it. Forgets what was remembered."""
        for known in [known for known in self._secondary if known[1] == source_id]:
            del self._secondary[known]
        return self._lake.position(primary, source_id)

    def identity(self, primary: Table, topic: str) -> int | None:
        """The number by which the lake knows a topic, if it does: a topic that is made anew has another."""
        return self._lake.position(primary, _identity_of(topic))

    def identify(self, topic: str, number: int) -> None:
        """Keep the number of a topic that the lake does not know with the next commit of its records."""
        self._new_topics[topic] = number

    def commit(self, primary: Table, batch: Sequence[Pending]) -> Committed:
        """Commit the pending records of any number of sources that have the same primary table.

        Raises CommitConflict when a source's position is not the one it was read from. Then nothing of the batch
        is in the primary table: drop it, ask for the positions and read again from there.
        """
        done = Committed(records=sum(len(pending.records) for pending in batch))
        tables: dict[str, list[tuple[Pending, pa.Table]]] = {primary.name: []}
        now = datetime.now(UTC)
        for pending in batch:
            if not len(pending.records):
                continue
            self._decode(primary, pending, now, done, tables)
        for name, parts in tables.items():
            if name != primary.name:
                done.rows[name] += self._append(name, parts)
        new_topics = self._new_topics.keys() & {pending.part.topic for pending in batch}
        rows = [rows for _, rows in tables[primary.name]]
        self._lake.append(
            primary,
            pa.concat_tables(rows) if rows else primary.schema.empty_table(),
            positions={
                pending.records.source_id: (_expected(pending.recorded), pending.records.next_offset)
                for pending in batch
            }
            | {_identity_of(topic): (None, self._new_topics[topic]) for topic in new_topics},
        )
        for topic in new_topics:
            del self._new_topics[topic]
        done.rows[primary.name] += sum(part.num_rows for part in rows)
        done.rows = +done.rows
        return done

    def _decode(
        self, primary: Table, pending: Pending, now: datetime, done: Committed,
        tables: dict[str, list[tuple[Pending, pa.Table]]],
    ) -> None:  # fmt: skip
        """Decode what is pending of one source, and add it to the rows by table, but for those that are there."""
        records = pending.records
        earlier = self._earlier(primary, records)
        for portion, moment in [(records, now)] if earlier is None else earlier.portions(records, now):
            decoding = self._decoder.decode(portion, ingest_time=moment)
            done.skipped += decoding.skipped.total()
            new: dict[str, pa.Table] = {}
            for name, decoded in decoding.tables.items():
                rows = decoded if earlier is None else earlier.without(name, decoded)
                if rows.num_rows < decoded.num_rows:
                    log.info(
                        "%d rows for %s of %s from offset %d are there from an earlier try",
                        decoded.num_rows - rows.num_rows, name, pending.part, portion.first,
                        extra=pending.part.at(portion.first),
                    )  # fmt: skip
                if rows.num_rows:
                    new[name] = rows
                    tables.setdefault(name, []).append((pending, rows))
            for name, counts in tally(new, decoding.skipped_of).items():
                done.formats.setdefault(name, Tally()).add(counts)
            if decoding.reasons:
                done.dead.update(decoding.reasons)
                log.warning(
                    "%d of %d records of %s from offset %d are dead letters: %s",
                    sum(decoding.reasons.values()), len(portion), pending.part, portion.first,
                    ", ".join(f"{reason} {n}" for reason, n in decoding.reasons.most_common()),
                    extra=pending.part.at(portion.first),
                )  # fmt: skip

    def _earlier(self, primary: Table, records: Records) -> Earlier | None:
        """What an earlier try has left of these records, if one was cut off: then a table's position is ahead."""
        ahead = [self._recorded(name, records.source_id) or 0 for name in YIELDED if name != primary.name]
        below = max(ahead)
        return find(self._lake, records, below) if below > records.first else None

    def _recorded(self, name: str, source: str) -> int | None:
        """The position of a source in a table that is not its primary."""
        if (name, source) not in self._secondary:
            self._secondary[name, source] = self._lake.position(TABLES[name], source)
        return self._secondary[name, source]

    def _append(self, name: str, parts: Sequence[tuple[Pending, pa.Table]]) -> int:
        """Append to a table other than the primary; return the number of rows."""
        kept: list[pa.Table] = []
        positions: dict[str, tuple[int | None, int]] = {}
        for pending, rows in parts:
            source = pending.records.source_id
            recorded = self._recorded(name, source)
            kept.append(rows)
            positions[source] = (_expected(recorded), max(pending.records.next_offset, recorded or 0))
        try:
            self._lake.append(TABLES[name], pa.concat_tables(kept), positions=positions)
        except CommitConflict:
            self._secondary.clear()
            raise
        for source, (_, end) in positions.items():
            self._secondary[name, source] = end
        return sum(rows.num_rows for rows in kept)


def _identity_of(topic: str) -> str:
    return f"{topic}@topic"  # no topic's name holds an @


def _expected(recorded: int | None) -> int:
    return NEVER if recorded is None else recorded
