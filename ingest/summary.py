"""What an ingest has done so far, and where it stands."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ingest.tally import Tally

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ingest.batch import Part
    from ingest.commit import Committed


@dataclass(slots=True)
class Summary:
    """The counts of one run: rows by table, dead letters by reason, and how the run went.

    `records` were read and committed, `skipped` of them are well formed and hold no event, `formats` has the same
    by format, `conflicts` are commits that were refused because another member had been first (their records were
    read again), `holes` are stretches that were gone from Kafka before they could be read.
    """

    records: int = 0
    skipped: int = 0
    commits: int = 0
    conflicts: int = 0
    holes: int = 0
    rows: Counter[str] = field(default_factory=Counter)
    dead: Counter[str] = field(default_factory=Counter)
    formats: dict[str, Tally] = field(default_factory=dict)
    seconds: float = 0.0
    _began: float = field(default_factory=time.monotonic)

    def count(self, done: Committed) -> None:
        """Add one commit."""
        self.commits += 1
        self.records += done.records
        self.skipped += done.skipped
        self.rows.update(done.rows)
        self.dead.update(done.dead)
        for name, counts in done.formats.items():
            self.formats.setdefault(name, Tally()).add(counts)
        self.seconds = time.monotonic() - self._began

    def merge(self, other: Summary) -> None:
        """Add the counts of another run; `seconds` stay this one's."""
        for name in ("records", "skipped", "commits", "conflicts", "holes"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.rows.update(other.rows)
        self.dead.update(other.dead)
        for name, counts in other.formats.items():
            self.formats.setdefault(name, Tally()).add(counts)

    def close(self) -> Summary:
        """Set the seconds to those since the start."""
        self.seconds = time.monotonic() - self._began
        return self


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a run stands, for whoever shows it: the counts, what is being read, and how far behind it is.

    `reading` names the file, or the number of partitions. `lag` is in records (Kafka; None when not known), `lags`
    by partition; `silent_seconds` is for how long no broker has answered. `read_bytes` of `total_bytes` of the
    present file on disk were read (files).
    """

    summary: Summary
    reading: str
    lag: int | None = None
    read_bytes: int | None = None
    total_bytes: int | None = None
    lags: Mapping[Part, int] = field(default_factory=dict)
    silent_seconds: float = 0.0
