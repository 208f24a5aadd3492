"""Sealing: the rows that came since the last time become segments of the chains, and the heads are signed.

A stream is sealed up to where ingest has committed it in all tables: its position in the table that is written last,
read before the tables are pinned. What lies above waits. All segments of a sealing, and how far it has looked, are in
one commit, which a second sealer at the same time loses; the checkpoint follows, and a crash between the two only
leaves the signing to the next. Rows that come to sealed offsets are sealed as late where a dead letter stands there
(a replay has brought them), else they are left: verification names them as extra.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from lake.duck import view_sql
from lake.store import NEVER, open_configured
from proof.chain import (
    ENTRY_KEYS,
    RECORD_TABLES,
    SEALS,
    Segment,
    make,
    moment,
    pack_entries,
    table_chain,
    to_rows,
    unpack_entries,
)
from proof.checkpoint import held_to, read_checkpoints, sign
from proof.export import export
from proof.keys import load_key
from proof.merkle import root
from proof.outcome import Outcome
from proof.reader import Reader
from proof.rows import Leaves, entries
from proof.sealing import Stream
from proof.state import Chains
from schemas.catalogue import TABLES
from schemas.digests import CHECKPOINTS, DIGESTS
from schemas.errors import CommitConflict, LakeError
from schemas.events import AUTHORIZATION_DECISIONS, ORCHESTRATION_EVENTS, STREAM_PROGRESS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    from lake.snapshot import Snapshot
    from lake.store import Lake
    from proof.checkpoint import Checkpoint
    from schemas.settings import Settings

ATTEMPTS = 5
# An entry whose own time is by more than this before the last sealing is not taken in: it claims to have been there.
BACKDATED = timedelta(days=1)
PRIMARY = {"orchestration": ORCHESTRATION_EVENTS, "authorization": AUTHORIZATION_DECISIONS}


@dataclass
class Sealed:
    """What a sealing did. `waiting` rows are above what is committed; `left` ones cannot be taken in, with reasons."""

    segments: int = 0
    rows: int = 0
    waiting: int = 0
    left: Counter[str] = field(default_factory=Counter)
    checkpoint: Checkpoint | None = None
    exported: str | None = None


def seal(
    settings: Settings, *, now: datetime | None = None, report: Callable[[int], None] = lambda _: None
) -> Sealed:
    """Seal what is new in the lake and sign the heads, where a key is set; export the checkpoint, where that is set.

    `report` is called with the numbers of rows that are read. LakeError when the chains in the lake do not hold
    together, SettingsError for a key that cannot be used.
    """
    key = None if settings.integrity.key_file is None else load_key(settings.integrity.key_file)
    lake = open_configured(settings.lake)
    for attempt in range(ATTEMPTS):
        try:
            with Reader() as reader:
                sealed = _seal(lake, settings, reader, now or datetime.now(UTC), report)
                if key is not None:
                    sealed.checkpoint = sign_heads(lake, reader, key, now or datetime.now(UTC))
            break
        except CommitConflict:
            if attempt == ATTEMPTS - 1:
                raise
    if sealed.checkpoint is not None:
        sealed.exported = export(settings.integrity, sealed.checkpoint)
    return sealed


def standing(lake: Lake, reader: Reader) -> tuple[Chains, list[Checkpoint]]:
    """The chains of a lake and its newest checkpoint, if any.

    LakeError when the chains do not hold together, or are not what the checkpoint says: nothing is built, and nothing
    signed, on chains that were cut or replaced.
    """
    pinned = lake.snapshot(only=[DIGESTS.name, CHECKPOINTS.name])
    chains = Chains(pinned, reader)
    made = read_checkpoints(pinned, reader, newest=1)
    wrongs = list(chains.outcomes)
    if made and made[0].sound:
        wrongs += held_to("the newest checkpoint", made[0].facts["heads"], chains)
    elif made:
        wrongs.append(
            Outcome("forged", "the newest checkpoint is no statement of ours", table=CHECKPOINTS.name)
        )
    if wrongs:
        wrong = wrongs[0]
        raise LakeError(
            f"{wrong.chain or wrong.table or DIGESTS.name}: {wrong.detail}: counterfoil verify has all of it"
        )
    return chains, made


def sign_heads(lake: Lake, reader: Reader, key: Ed25519PrivateKey, now: datetime) -> Checkpoint | None:
    """Sign the heads of all chains; None where the newest checkpoint says the same. CommitConflict after many tries."""
    for attempt in range(ATTEMPTS):
        chains, made = standing(lake, reader)
        try:
            return sign(lake, key, chains, made, now)
        except CommitConflict:
            if attempt == ATTEMPTS - 1:
                raise
    return None


def _seal(
    lake: Lake, settings: Settings, reader: Reader, now: datetime, report: Callable[[int], None]
) -> Sealed:
    sealed, chains = Sealed(), standing(lake, reader)[0]
    last = chains.segments.get(SEALS, [])
    looked: dict[str, int] = last[-1].facts["looked"] if last else {}
    # Positions first, then the tables: what lies below a position is in the tables by then.
    firsts = {table.name: table for table in PRIMARY.values()}
    before = lake.snapshot(only=firsts).versions
    pinned = lake.snapshot(only=[*RECORD_TABLES, *ENTRY_KEYS, STREAM_PROGRESS.name])
    new: list[Segment] = []
    again: dict[str, int] = {}
    with Leaves(reader) as leaves:
        files = {name: _files(lake, pinned, name, looked.get(name)) for name in RECORD_TABLES}
        for name, numbered in files.items():
            schema = pinned.schema(name)
            if schema is None or not numbered:
                continue
            if bad := leaves.add(name, schema, numbered, report=report):
                file, error = next(iter(bad.items()))
                raise LakeError(f"{file} cannot be read, so nothing is sealed: {error}")
        if leaves.chains:
            ends = _ends(lake, settings, reader, pinned, before, list(leaves.chains))
            holes = _holes(reader, pinned)
            walk = leaves.walk()
            for source, number in leaves.chains.items():
                stream = Stream(chains, source, now, holes.get(source, []))
                new += stream.seal(walk, number, ends[source])
                sealed.waiting += stream.waiting
                sealed.left += stream.left
                for name, version in stream.again.items():
                    again[name] = min(version, again.get(name, version))
    for name in ENTRY_KEYS:
        new += _entries(lake, reader, pinned, chains, name, looked.get(name), now, sealed)
    versions = {
        name: pinned.versions[name] for name in (*RECORD_TABLES, *ENTRY_KEYS) if name in pinned.versions
    }
    if not new:
        return sealed
    looked = {name: min(version, again.get(name, version)) for name, version in versions.items()}
    new.append(make(SEALS, chains.head(SEALS), "seal", now, None, rows=0, versions=versions, looked=looked))
    keep(lake, new)
    sealed.segments = len(new) - 1
    sealed.rows = sum(_count(segment) for segment in new)
    return sealed


def keep(lake: Lake, segments: Sequence[Segment]) -> None:
    """Append segments, which follow the heads of their chains. CommitConflict when others did so first."""
    moved: dict[str, tuple[int | None, int]] = {}
    for segment in segments:
        start = moved[segment.chain][0] if segment.chain in moved else segment.number or NEVER
        moved[segment.chain] = (start, segment.number + 1)
    lake.append(DIGESTS, to_rows(segments), positions=moved, message="seal")


def _count(segment: Segment) -> int:
    rows = segment.facts["rows"]
    return sum(rows.values()) if isinstance(rows, dict) else 0


def _files(lake: Lake, pinned: Snapshot, name: str, looked: int | None) -> dict[str, int]:
    """The files to look at, each with the version that brought it: those since `looked`, or all that are active."""
    if name not in pinned.versions:
        return {}
    added = lake.added_by_version(TABLES[name], looked, pinned.versions[name])
    if added is None or any("://" not in file and not Path(file).exists() for _, file in added):
        return dict.fromkeys(pinned.files(name), 0)
    return {file: version for version, file in added}


def _ends(
    lake: Lake,
    settings: Settings,
    reader: Reader,
    pinned: Snapshot,
    before: Mapping[str, int],
    sources: Sequence[str],
) -> dict[str, int | None]:
    """Up to where each source is committed in all tables; None where ingest has not recorded it."""
    streams: dict[str, set[str]] = defaultdict(set)
    if STREAM_PROGRESS.name in pinned.tables:
        query = (
            "SELECT DISTINCT source_topic || '-' || source_partition, stream "
            f"FROM ({view_sql(STREAM_PROGRESS, pinned.files(STREAM_PROGRESS.name))})"
        )
        for source, stream in reader.rows(query):
            streams[source].add(stream)
    recorded = {
        stream: lake.positions(table, sources, before[table.name]) if table.name in before else {}
        for stream, table in PRIMARY.items()
    }
    ends: dict[str, int | None] = {}
    for source in sources:
        named = streams.get(source) or _by_settings(settings, source) or set(PRIMARY)
        if source.startswith("file:"):  # positions of files are in one table, whatever is in them
            named = {"orchestration"}
        known = [at for stream in named if (at := recorded[stream].get(source)) is not None]
        ends[source] = min(known, default=None)
    return ends


def _by_settings(settings: Settings, source: str) -> set[str]:
    topic = source.rpartition("-")[0]
    given = {
        "orchestration": settings.kafka.orchestration_topics,
        "authorization": settings.kafka.authorization_topics,
    }
    return {
        stream
        for stream, names in given.items()
        if any(re.match(name, topic) if name.startswith("^") else name == topic for name in names)
    }


def _holes(reader: Reader, pinned: Snapshot) -> dict[str, list[tuple[int, int]]]:
    """The stretches of each source that were gone before they could be read."""
    found: dict[str, list[tuple[int, int]]] = defaultdict(list)
    if STREAM_PROGRESS.name in pinned.tables:
        query = (
            "SELECT DISTINCT source_topic || '-' || source_partition, hole_from, hole_to "
            f"FROM ({view_sql(STREAM_PROGRESS, pinned.files(STREAM_PROGRESS.name))}) "
            "WHERE hole_from IS NOT NULL ORDER BY ALL"
        )
        for source, low, high in reader.rows(query):
            found[source].append((low, high))
    return found


def _entries(
    lake: Lake, reader: Reader, pinned: Snapshot, chains: Chains, name: str, looked: int | None, now: datetime,
    sealed: Sealed,
) -> list[Segment]:  # fmt: skip
    """The segment of the new entries of a table that only grows; none where there are none."""
    schema = pinned.schema(name)
    if schema is None:
        return []
    added = lake.added_between(TABLES[name], looked, pinned.versions[name])
    chain, known = table_chain(name), Counter[bytes]()
    if added is None or any("://" not in file and not Path(file).exists() for file in added):
        added = pinned.files(name)
        for segment in chains.segments.get(chain, []):
            known.update(leaf for _, leaf in unpack_entries(chains.leaves(chain, segment.number)))
    seals = chains.segments.get(SEALS, [])
    oldest = moment(seals[-1].facts["sealed_time"]) - BACKDATED if seals else None
    fresh = []
    for entry in entries(reader, name, schema, added):
        if known[entry.leaf]:
            known[entry.leaf] -= 1
        elif oldest is not None and entry.time_us < oldest.timestamp() * 1e6:
            sealed.left[f"{name}: they claim to be older than the last sealing, which did not see them"] += 1
        else:
            fresh.append((entry.key, entry.leaf))
    if not fresh:
        return []
    head, tree = chains.head(chain), root([leaf for _, leaf in fresh]).hex()
    packed = pack_entries(fresh)
    return [make(chain, head, "entries", now, packed, table=name, rows={name: len(fresh)}, root=tree)]
