"""Verification: that a lake is what was sealed, without trusting whoever keeps it.

The chains are pinned first, then the tables, then the tombstones, so that sealing, ingest, compaction and expiry may go
on meanwhile. Each row of the lake is hashed once; the rest is held in memory by stretches of a chain.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

from lake.place import locate
from lake.remote import size_of
from lake.retention import Retention
from lake.store import Lake, open_configured
from proof.chain import ENTRY_KEYS, RECORD_TABLES, SEALS, moment, records_chain
from proof.checkpoint import check, check_kept, read_checkpoints
from proof.compare import Stream
from proof.entries import verify_entries
from proof.footers import misleading
from proof.leaf import text_sql
from proof.outcome import Report
from proof.reader import Reader, Unreadable
from proof.rows import Leaves, entries
from proof.state import Chains
from proof.tombstones import read_tombs
from schemas.catalogue import TABLES
from schemas.digests import CHECKPOINTS, DIGESTS
from schemas.errors import LakeError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from datetime import datetime

    import pyarrow as pa

    from lake.snapshot import Snapshot
    from proof.chain import Segment
    from proof.checkpoint import Checkpoint
    from proof.rows import Entry
    from proof.tombstones import Tombs
    from schemas.settings import LakeSettings

PROOF = (DIGESTS.name, CHECKPOINTS.name)


def verify(
    settings: LakeSettings,
    *,
    trusted: Sequence[bytes] = (),
    kept: Checkpoint | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    report: Callable[[int], None] = lambda _: None,
) -> Report:
    """Verify the lake and change nothing. `trusted` are public keys; `kept` is a checkpoint from elsewhere.

    `since` and `until` leave out the rows of segments that were sealed before and after; the chains are verified
    whole. `report` is called with numbers of rows as they are read. LakeError when there is no lake.
    """
    began, result = time.perf_counter(), Report()
    with Reader() as reader:
        _Verification(_open(settings, result), reader, result, trusted, kept, since, until, report).run()
    result.seconds = time.perf_counter() - began
    return result


def _open(settings: LakeSettings, result: Report) -> Lake:
    """The lake; where a log of it is damaged, that is told, and each table is opened by itself."""
    try:
        return open_configured(settings, read_only=True)
    except LakeError as error:
        place = locate(settings.url, settings.storage_options or None)
        if place.root is None or not any(place.root.glob("*/_delta_log")):
            raise
        result.add("modified", str(error))
        return Lake(place, read_only=True, retention=Retention())


class _Verification:
    """One verification, step by step."""

    def __init__(
        self, lake: Lake, reader: Reader, result: Report, trusted: Sequence[bytes], kept: Checkpoint | None,
        since: datetime | None, until: datetime | None, report: Callable[[int], None],
    ) -> None:  # fmt: skip
        self._lake, self._reader, self._result = lake, reader, result
        self._trusted, self._kept = trusted, kept
        self._since, self._until, self._report = since, until, report
        self._unreadable: set[str] = set()

    def run(self) -> None:
        proof = self._pin(PROOF)
        chains = Chains(proof[DIGESTS.name], self._reader, leaves=True) if DIGESTS.name in proof else None
        made = self._checkpoints(proof)
        if chains is None or not chains.segments:
            self._nothing(chains, made)
            return
        self._result.outcomes += chains.outcomes
        self._signed(chains, made)
        tables = self._pin((*RECORD_TABLES, *ENTRY_KEYS))
        newer = self._pin([DIGESTS.name]).get(DIGESTS.name)
        tombs = read_tombs(
            chains
            if newer is None or newer.versions == proof[DIGESTS.name].versions
            else Chains(newer, self._reader)
        )
        self._records(chains, tombs, tables)
        self._entries(chains, tombs, tables)
        self._mark(chains, made)

    def _nothing(self, chains: Chains | None, made: Sequence[Checkpoint]) -> None:
        detail = "nothing is sealed: run counterfoil seal" if not made else "the chains are gone"
        if chains is not None:
            self._result.outcomes += chains.outcomes
        self._result.add("missing", detail, table=DIGESTS.name)
        if self._kept is not None:
            detail = f"the kept checkpoint {self._kept.number} has {len(self._kept.facts['heads'])} chains"
            self._result.add("rolled_back", detail, table=DIGESTS.name)

    def _pin(self, names: Iterable[str]) -> dict[str, Snapshot]:
        """Each table by itself, so that one that cannot be opened hides no other."""
        found = {}
        for name in names:
            try:
                pinned = self._lake.snapshot(only=[name])
            except LakeError as error:
                self._result.add("modified", f"its log cannot be read: {error}", table=name)
                continue
            if name in pinned.tables:
                found[name] = pinned
        return found

    def _checkpoints(self, proof: dict[str, Snapshot]) -> list[Checkpoint]:
        if CHECKPOINTS.name not in proof:
            return []
        try:
            made = read_checkpoints(proof[CHECKPOINTS.name], self._reader)
        except LakeError as error:
            self._result.add("modified", str(error), table=CHECKPOINTS.name)
            return []
        self._files(CHECKPOINTS.name, proof[CHECKPOINTS.name])
        return made

    def _signed(self, chains: Chains, made: Sequence[Checkpoint]) -> None:
        """The signatures, and what the checkpoints say of the chains."""
        checked = check(made, self._trusted, chains)
        found = checked.outcomes
        if self._kept is not None:
            found += check_kept(self._kept, made, checked, chains)
        seen = set()
        for outcome in found:
            where = (outcome.kind, outcome.chain, outcome.segment, outcome.key)
            if where not in seen:
                seen.add(where)
                self._result.outcomes.append(outcome)
        if not self._trusted:
            self._result.add("not_checked", "no public key was given, so no signature says who signed")

    def _files(self, name: str, pinned: Snapshot) -> list[str]:
        """The files that are there; those that are not are told."""
        files = []
        for file in pinned.files(name):
            try:
                self._result.size += size_of(file) if "://" in file else Path(file).stat().st_size
            except OSError:
                self._result.add("missing", f"the file {_short(file)} is gone", table=name)
            else:
                files.append(file)
                self._footer(name, file)
        return files

    def _footer(self, name: str, file: str) -> None:
        try:
            column = misleading(self._reader, file)
        except Unreadable as error:
            self._cannot_read(name, file, error)
            return
        if column is not None:
            self._result.add(
                "modified",
                f"the file {_short(file)} says of its column {column} what its rows do not bear out, so that "
                "readers pass over some",
                table=name,
            )

    def _cannot_read(self, name: str, file: str, error: object) -> None:
        """Tell it, once of a file."""
        if file not in self._unreadable:
            self._unreadable.add(file)
            self._result.add("modified", f"the file {_short(file)} cannot be read: {error}", table=name)

    def _records(self, chains: Chains, tombs: Tombs, tables: dict[str, Snapshot]) -> None:
        with Leaves(self._reader) as leaves:
            for name in RECORD_TABLES:
                schema = self._schema(name, tables)
                if schema is None:
                    continue
                files = dict.fromkeys(self._files(name, tables[name]), 0)
                for file, error in leaves.add(name, schema, files, report=self._count).items():
                    self._cannot_read(name, file, error)
            positions = self._positions(list(leaves.chains), tables)
            walk = leaves.walk()
            done = set()
            for source, number in leaves.chains.items():
                topic, _, partition = source.rpartition("-")
                chain = records_chain(topic, int(partition))
                done.add(chain)
                stream = Stream(chain, chains, tombs, self._result, self._chosen)
                self._result.proved.append(stream.verify(walk, number, positions.get(source)))
        for chain in chains.segments:
            if chain.startswith("records:") and chain not in done:
                stream = Stream(chain, chains, tombs, self._result, self._chosen)
                self._result.proved.append(stream.verify(None, 0, None))

    def _positions(self, sources: Sequence[str], tables: dict[str, Snapshot]) -> dict[str, int]:
        """How far ingest has read each source, by whichever table says most."""
        found: dict[str, int] = {}
        for name in tables:
            if name in RECORD_TABLES:
                for source, position in self._lake.positions(TABLES[name], sources).items():
                    if position is not None:
                        found[source] = max(position, found.get(source, 0))
        return found

    def _entries(self, chains: Chains, tombs: Tombs, tables: dict[str, Snapshot]) -> None:
        seals = chains.segments.get(SEALS, [])
        last = moment(seals[-1].facts["sealed_time"]) if seals and not chains.outcomes else None
        for name in ENTRY_KEYS:
            schema = self._schema(name, tables)
            there = [] if schema is None else self._read(name, tables[name], schema)
            self._count(len(there))
            proved = verify_entries(name, there, chains, tombs, self._result, last, self._chosen)
            if proved.segments or there:
                self._result.proved.append(proved)

    def _schema(self, name: str, tables: dict[str, Snapshot]) -> pa.Schema | None:
        """The stored schema of a table; None where there is none, or where it is not one of ours, which is told."""
        schema = tables[name].schema(name) if name in tables else None
        if schema is not None:
            try:
                text_sql(name, schema)
            except LakeError as error:
                self._result.add("modified", str(error), table=name)
                return None
        return schema

    def _read(self, name: str, pinned: Snapshot, schema: pa.Schema) -> list[Entry]:
        files = self._files(name, pinned)
        try:
            return entries(self._reader, name, schema, files)
        except Unreadable:
            found = []
            for file in files:
                try:
                    found += entries(self._reader, name, schema, [file])
                except Unreadable as error:
                    self._cannot_read(name, file, error)
            return found

    def _mark(self, chains: Chains, made: Sequence[Checkpoint]) -> None:
        """How much of each chain the newest checkpoint speaks for."""
        newest = next((each for each in reversed(made) if each.sound), None)
        self._result.checkpoint = None if newest is None else newest.number
        heads = {} if newest is None else newest.facts["heads"]
        for proved in self._result.proved:
            proved.signed_segments = min(
                heads.get(proved.chain, {}).get("segments", 0), chains.head(proved.chain)[0]
            )
        unsigned = sum(
            chains.head(chain)[0] > heads.get(chain, {}).get("segments", 0) for chain in chains.segments
        )
        if unsigned:
            detail = "no checkpoint speaks for the newest segments of these chains: run counterfoil seal with a key"
            self._result.add("not_signed", detail, count=unsigned)

    def _chosen(self, segment: Segment) -> bool:
        if self._since is None and self._until is None:
            return True
        sealed = moment(segment.facts["sealed_time"])
        return (self._since is None or sealed >= self._since) and (
            self._until is None or sealed < self._until
        )

    def _count(self, rows: int) -> None:
        self._result.rows += rows
        self._report(rows)


def _short(file: str) -> str:
    """A file by its folder and name."""
    return "/".join(file.split("/")[-2:])
