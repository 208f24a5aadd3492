"""What records became, counted by their format."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from schemas.events import DEAD_LETTERS

if TYPE_CHECKING:
    from collections.abc import Mapping

# Of records that became dead letters before anything told what they are.
UNKNOWN = "unknown"


@dataclass(slots=True)
class Tally:
    """The records of one format: rows by table, dead letters by reason, skipped ones by reason.

    A record of several formats, which only a batch of CloudEvents or a log file of CloudTrail can be, counts as
    one of each.
    """

    records: int = 0
    rows: Counter[str] = field(default_factory=Counter)
    dead: Counter[str] = field(default_factory=Counter)
    skipped: Counter[str] = field(default_factory=Counter)

    def add(self, other: Tally) -> None:
        """Add the counts of other records."""
        self.records += other.records
        self.rows += other.rows
        self.dead += other.dead
        self.skipped += other.skipped


def tally(tables: Mapping[str, pa.Table], skipped: Mapping[str, Counter[str]]) -> dict[str, Tally]:
    """Count by format what was read of one topic-partition: tables by name, and skipped records by format."""
    found: dict[str, Tally] = {}
    offsets: dict[str, list[pa.ChunkedArray]] = {}
    for name, rows in tables.items():
        formats = pc.fill_null(rows["source_format"], UNKNOWN)
        listed = formats.unique().to_pylist()
        for each in listed:
            part = rows if len(listed) == 1 else rows.filter(pc.equal(formats, each))
            offsets.setdefault(each, []).append(part["source_offset"])
            counts = found.setdefault(each, Tally())
            if name == DEAD_LETTERS.name:
                counts.dead.update(part["reason"].to_pylist())
            else:
                counts.rows[name] += part.num_rows
    for each, columns in offsets.items():
        chunks = [chunk for column in columns for chunk in column.chunks]
        found[each].records = pc.count_distinct(pa.chunked_array(chunks)).as_py()
    for each, reasons in skipped.items():
        counts = found.setdefault(each, Tally())
        counts.skipped.update(reasons)
        counts.records += reasons.total()
    return found
