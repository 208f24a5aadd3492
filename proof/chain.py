"""The digest chains: segments, each with a header that its digest is over, and that names the digest before it.

A header is JSON in canonical form: keys sorted, no spaces, ASCII. Its fields are `v`, `chain`, `number`, `kind`,
`previous` (hexadecimal; of the first segment 64 zeros), `sealed_time` and what the kind adds:

- records: topic, partition, from, to, records, rows by table, root, holes, leaves (SHA-256 of the packed places)
- late: topic, partition, first, last, rows by table, root, leaves
- entries: table, rows by table, root, leaves
- seal: versions, looked
- expired, erased: see `proof.tombstones`
"""

from __future__ import annotations

import json
import zlib
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pyarrow as pa

from schemas.digests import DIGESTS
from schemas.events import AUTHORIZATION_DECISIONS, DEAD_LETTERS, IDENTITY_EVENTS, ORCHESTRATION_EVENTS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

FORM = 1
ZERO = "0" * 64
SEALS = "seals"
TOMBSTONES = "tombstones"
# The tables that hold records, in the order in which the rows of one event stand in a tree.
RECORD_TABLES = tuple(
    table.name for table in (ORCHESTRATION_EVENTS, AUTHORIZATION_DECISIONS, IDENTITY_EVENTS, DEAD_LETTERS)
)
DEAD = RECORD_TABLES.index(DEAD_LETTERS.name)
# The tables that only grow, each a chain of its own, with what names an entry.
ENTRY_KEYS = {
    "findings": ("finding_id", "revision"),
    "triage": ("triage_id",),
    "runs": ("run_id",),
    "replays": ("dead_letter_id",),
    "deliveries": ("delivery_id", "entry"),
    "holds": ("hold_id", "entry"),
}
PREFIX = 8


class Place(NamedTuple):
    """Where a row of a record stands: its offset, the place of the event in the record, its table by number."""

    offset: int
    event: int
    table: int


@dataclass(frozen=True)
class Segment:
    """One segment as it is stored. `header` is the text that the digest is over."""

    chain: str
    number: int
    header: str
    digest: bytes
    leaves: bytes | None = None

    @property
    def facts(self) -> dict[str, Any]:
        """The header's fields."""
        found: dict[str, Any] = json.loads(self.header)
        return found


def canonical(facts: Mapping[str, Any]) -> str:
    """JSON in canonical form."""
    return json.dumps(facts, sort_keys=True, separators=(",", ":"), ensure_ascii=True)


def clock(moment: datetime) -> str:
    """A time as headers have it."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def moment(text: str) -> datetime:
    """The time that a header has. ValueError for another text."""
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=UTC)


def make(
    chain: str, head: tuple[int, str], kind: str, sealed: datetime, leaves: bytes | None, **facts: Any
) -> Segment:
    """The segment after `head`, which is the next number and the digest before it in hexadecimal."""
    number, previous = head
    told: dict[str, Any] = {
        "v": FORM, "chain": chain, "number": number, "kind": kind, "previous": previous, "sealed_time": clock(sealed),
        **facts,
    }  # fmt: skip
    if leaves is not None:
        told["leaves"] = sha256(leaves).hexdigest()
    header = canonical(told)
    return Segment(chain, number, header, sha256(header.encode()).digest(), leaves)


def to_rows(segments: Sequence[Segment]) -> pa.Table:
    """Segments as rows of `digests`."""
    rows = []
    for segment in segments:
        facts = segment.facts
        rows.append({**columns(segment, facts), "header": segment.header, "digest": segment.digest,
                     "leaves": segment.leaves})  # fmt: skip
    schema = DIGESTS.schema.remove(DIGESTS.schema.get_field_index("event_date"))
    return pa.Table.from_pylist(rows, schema=schema)


def columns(segment: Segment, facts: Mapping[str, Any]) -> dict[str, Any]:
    """What the columns say that repeat a header, for those who ask in SQL."""
    rows = facts.get("rows", 0)
    return {
        "segment_id": f"{segment.chain}#{segment.number}",
        "chain": segment.chain,
        "number": segment.number,
        "kind": facts["kind"],
        "from_offset": facts.get("from"),
        "to_offset": facts.get("to"),
        "rows": sum(rows.values()) if isinstance(rows, dict) else rows,
        "sealed_time": moment(facts["sealed_time"]),
    }


def records_chain(topic: str, partition: int) -> str:
    """The chain of a topic's partition."""
    return f"records:{topic}-{partition}"


def table_chain(table: str) -> str:
    """The chain of a table that only grows."""
    return f"table:{table}"


def pack_places(places: Sequence[Place], leaves: Sequence[bytes]) -> bytes:
    """Where rows stand and the first bytes of their leaves: steps of offsets, indexes, tables, bytes; deflated."""
    offsets = np.array([place.offset for place in places], "<i8")
    steps = np.diff(offsets, prepend=np.array([0], "<i8")).astype("<i8")
    indexes = np.array([place.event for place in places], "<i8")
    tables = np.array([place.table for place in places], "u1")
    heads = b"".join(leaf[:PREFIX] for leaf in leaves)
    return zlib.compress(steps.tobytes() + indexes.tobytes() + tables.tobytes() + heads, 1)


def unpack_places(packed: bytes) -> tuple[list[Place], list[bytes]]:
    """The places and the first bytes of the leaves. ValueError where it is damaged."""
    try:
        flat = zlib.decompress(packed)
    except zlib.error as error:
        raise ValueError(str(error)) from error
    count, rest = divmod(len(flat), 17 + PREFIX)
    if rest:
        raise ValueError("the packed places have no whole number of rows")
    offsets = np.cumsum(np.frombuffer(flat, "<i8", count)).tolist()
    indexes = np.frombuffer(flat, "<i8", count, 8 * count).tolist()
    tables = np.frombuffer(flat, "u1", count, 16 * count).tolist()
    heads = flat[17 * count :]
    return (
        [Place(*each) for each in zip(offsets, indexes, tables, strict=True)],
        [heads[n : n + PREFIX] for n in range(0, len(heads), PREFIX)],
    )


def pack_entries(entries: Sequence[tuple[str, bytes]]) -> bytes:
    """Entries of a table, each a key and its leaf."""
    return pack_json([[key, leaf.hex()] for key, leaf in entries])


def unpack_entries(packed: bytes) -> list[tuple[str, bytes]]:
    """The entries of a segment. ValueError where it is damaged."""
    return [(key, bytes.fromhex(leaf)) for key, leaf in unpack_json(packed)]


def pack_json(value: Any) -> bytes:
    """A value as JSON, deflated."""
    return zlib.compress(json.dumps(value, separators=(",", ":")).encode(), 6)


def unpack_json(packed: bytes) -> Any:
    """The value again. ValueError where it is damaged."""
    try:
        return json.loads(zlib.decompress(packed))
    except zlib.error as error:
        raise ValueError(str(error)) from error
