"""What verification says: one outcome for a stretch of a chain, with its coordinates."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

# Those that say that the record is not what was sealed.
BROKEN = ("modified", "missing", "extra", "gap", "forged", "rolled_back", "replaced")
# Those that say what is not proved, or no longer there, in order.
TOLD = ("not_sealed", "not_signed", "not_checked", "expired", "erased", "undeleted", "hole")


@dataclass(frozen=True)
class Outcome:
    """One thing that verification found. `kind` is of BROKEN or TOLD; `from_offset` to below `to_offset`.

    `count` is of rows, segments or offsets, as `detail` says; None where it has no number.
    """

    kind: str
    detail: str
    chain: str | None = None
    segment: int | None = None
    table: str | None = None
    from_offset: int | None = None
    to_offset: int | None = None
    key: str | None = None
    count: int | None = None

    @property
    def broken(self) -> bool:
        """Whether it says that the record is not whole."""
        return self.kind in BROKEN

    @property
    def facts(self) -> dict[str, Any]:
        """As a JSON object: what is known of it."""
        topic, partition = None, None
        if self.chain is not None and self.chain.startswith("records:"):
            topic, _, number = self.chain.removeprefix("records:").rpartition("-")
            partition = int(number) if number.isdigit() else None
        told = {
            "outcome": self.kind, "table": self.table, "chain": self.chain, "segment": self.segment, "topic": topic,
            "partition": partition, "from_offset": self.from_offset, "to_offset": self.to_offset, "key": self.key,
            "count": self.count, "detail": self.detail,
        }  # fmt: skip
        return {name: value for name, value in told.items() if value is not None}


@dataclass
class Proved:
    """What is proved of one chain: its segments and rows, from which offset up to below which, and when last sealed.

    `empty` offsets hold nothing: markers, compacted records, records without an event.
    """

    chain: str
    segments: int = 0
    rows: int = 0
    from_offset: int | None = None
    to_offset: int | None = None
    signed_segments: int = 0
    empty: int = 0
    sealed_time: str | None = None


@dataclass
class Report:
    """The answer of a verification."""

    outcomes: list[Outcome] = field(default_factory=list)
    proved: list[Proved] = field(default_factory=list)
    rows: int = 0
    size: int = 0
    seconds: float = 0.0
    checkpoint: int | None = None

    @property
    def broken(self) -> list[Outcome]:
        """What says that the record is not whole."""
        return [outcome for outcome in self.outcomes if outcome.broken]

    def add(self, kind: str, detail: str, **coordinates: Any) -> None:
        """Note an outcome."""
        self.outcomes.append(Outcome(kind, detail, **coordinates))
