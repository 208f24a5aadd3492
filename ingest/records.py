"""What flows through ingest: records as read from a source, rows as read from records, dead letters."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol, runtime_checkable

from ingest.stretch import Headers, Pack, Stretch

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    import numpy.typing as npt
    import pyarrow as pa

    from ingest.formats.shape import Shape
    from schemas.table import Table

Stream = Literal["orchestration", "authorization"]
__all__ = ["BytesReader", "DeadLetter", "Decoded", "Headers", "Reader", "Records", "Rows", "Stream"]


@dataclass(slots=True)
class Records(Stretch):
    """Records of one topic-partition (or file): see `Stretch`.

    `source_id` names the topic-partition in the lake's transactions. `next_offset` is where reading goes on, which
    may lie beyond the last offset + 1 (compacted or transactional topics).
    """

    stream: Stream
    topic: str
    partition: int
    offset: list[int]
    value: list[bytes | None]
    key: list[bytes | None]
    headers: list[Headers]
    time_us: list[int | None]
    next_offset: int
    packs: list[Pack] | None = None

    @property
    def source_id(self) -> str:
        """The name of the topic-partition in the lake's transactions."""
        return f"{self.topic}-{self.partition}"

    def at(self, places: Sequence[int]) -> Records:
        """The records at those places, which go up."""
        offset, time_us, key, value, headers = self.lists_at(places)
        return Records(
            self.stream, self.topic, self.partition, offset, value, key, headers, time_us, self.next_offset
        )


@dataclass(slots=True)
class Rows:
    """Rows of one table as columns of equal length.

    `record[r]` is the place of row r's record in the Records it was read from, `index[r]` the row's place
    within that record. Columns that a format cannot fill are left out and become null. Provenance is added
    later, but for a column `raw` that is given here: where `time_estimated` is true and the table's time is null,
    the record's own time is taken, else the time of ingest.
    """

    table: Table
    columns: dict[str, Sequence[Any] | pa.Array]
    record: list[int] | npt.NDArray[np.int64]
    index: list[int] | npt.NDArray[np.int64]
    source_format: str


@dataclass(slots=True)
class DeadLetter:
    """A record, or one event of it, that could not be decoded."""

    record: int
    reason: str
    detail: str
    index: int = 0
    source_format: str | None = None


@dataclass(slots=True)
class Decoded:
    """What a reader made of the records it was given.

    `skipped` counts, by reason, the well-formed records that hold no event, such as a PDP's access log line.
    """

    rows: list[Rows] = field(default_factory=list)
    dead: list[DeadLetter] = field(default_factory=list)
    skipped: Counter[str] = field(default_factory=Counter)


class Reader(Protocol):
    """A format. One file each under `ingest/formats/`, listed in `ingest/formats/registry.py`."""

    name: str

    def claims(self, headers: Headers) -> bool:
        """Whether the record's headers say that it is of this format."""
        ...

    def recognises(self, shape: Shape) -> bool:
        """Whether a record without such headers looks like this format, from the keys at its top."""
        ...

    def read(self, records: Records, chosen: Sequence[int]) -> Decoded:
        """Decode the records at the places in `chosen`: each ends as rows, as dead letters or as skipped.

        `chosen` names no tombstone.
        """
        ...


@runtime_checkable
class BytesReader(Reader, Protocol):
    """A format that is no JSON, and is told by its bytes."""

    def recognises_bytes(self, value: bytes) -> bool:
        """Whether a record that is no JSON looks like this format. It must be quick and sure."""
        ...
