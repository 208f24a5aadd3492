"""What a commit that was cut off has left: rows in some tables, of records that are now read again.

The records are decoded as of the time of the earlier try, so that they yield the same. Where they do not all the same,
because the settings or the program have changed in between, what is there is not written again, and what is not there
is written: nothing is lost by it, and an event that was a dead letter stays one.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa

from schemas.events import DEAD_LETTERS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from ingest.records import Records
    from lake.store import Lake

# The tables that records yield rows for.
YIELDED = ("orchestration_events", "authorization_decisions", "identity_events", "dead_letters")
_QUERY = Path(__file__).parent / "sql" / "earlier.sql"


@dataclass(frozen=True)
class Earlier:
    """The rows of one partition that are there, by table as (offset, index), all below the offset `below`."""

    below: int
    ingest_time: datetime | None = None
    rows: dict[str, set[tuple[int, int]]] = field(default_factory=dict)

    def portions(self, records: Records, now: datetime) -> Iterator[tuple[Records, datetime]]:
        """The records in two portions, each with its time of ingest: those of the earlier try, and the others."""
        count = sum(offset < self.below for offset in records.offset)
        if count:
            yield _slice(records, 0, count), self.ingest_time or now
        if count < len(records):
            yield _slice(records, count, len(records)), now

    def without(self, name: str, rows: pa.Table) -> pa.Table:
        """The rows for a table that are not there: not in it, and not as dead letters."""
        there = self.rows.get(name, set()) | self.rows.get(DEAD_LETTERS.name, set())
        places = zip(rows["source_offset"].to_pylist(), rows["source_index"].to_pylist(), strict=True)
        return rows.filter(pa.array([place not in there for place in places], pa.bool_()))


def find(lake: Lake, records: Records, below: int) -> Earlier:
    """Look up what is there of a partition, from the first of the records on."""
    import duckdb  # hardly ever needed, and long to load

    from lake.duck import register

    rows: dict[str, set[tuple[int, int]]] = {}
    latest: datetime | None = None
    place = {"topic": records.topic, "partition": records.partition, "first": records.first}
    with duckdb.connect(":memory:", config={"autoinstall_known_extensions": False}) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        register(lake.snapshot(), connection, YIELDED)
        found = connection.execute(_QUERY.read_text(encoding="utf-8"), place).fetchall()
    for name, offset, index, moment in found:
        rows.setdefault(name, set()).add((offset, index))
        latest = moment if latest is None else max(latest, moment)
    return Earlier(below, latest, rows)


def _slice(records: Records, first: int, end: int) -> Records:
    return replace(
        records,
        offset=records.offset[first:end],
        value=records.value[first:end],
        key=records.key[first:end],
        headers=records.headers[first:end],
        time_us=records.time_us[first:end],
    )
