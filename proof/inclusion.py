"""Proof of single rows: the path from a row's leaf to the root of its segment, and from there to a signed checkpoint.

A proof has all that a script needs with nothing but SHA-256 and Ed25519 at hand: the leaf, the path, the header of the
segment (which names the root), the headers after it up to the one that the checkpoint names, and the checkpoint.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from lake.duck import quote, view_sql
from lake.store import open_configured
from proof.chain import RECORD_TABLES, Place, records_chain, table_chain, unpack_entries, unpack_places
from proof.checkpoint import check, read_checkpoints
from proof.merkle import climb, path
from proof.reader import Reader
from proof.rows import Leaves, entries
from proof.state import Chains
from proof.tombstones import Tombs, read_tombs
from schemas.catalogue import TABLES
from schemas.digests import CHECKPOINTS, DIGESTS
from schemas.errors import LakeError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from lake.snapshot import Snapshot
    from proof.chain import Segment
    from proof.checkpoint import Checkpoint
    from schemas.settings import LakeSettings

FINDINGS = "findings"
# By which key a finding names its evidence, and in which of its columns.
EVIDENCE = {
    "orchestration_events": ("event_id", "anchor_event_ids"),
    "identity_events": ("event_id", "anchor_event_ids"),
    "authorization_decisions": ("decision_id", "decision_ids"),
}


@dataclass(frozen=True)
class Row:
    """A row to be proved: its table, what names it, and of a record its place."""

    table: str
    key: str
    source: str | None = None
    place: Place | None = None


@dataclass
class Proof:
    """The proof of one row. `outcome` is valid, modified, missing, not_sealed or not_signed; a valid one is whole."""

    table: str
    key: str
    outcome: str
    chain: str | None = None
    segment: int | None = None
    leaf: bytes = b""
    path: list[tuple[str, bytes]] = field(default_factory=list)
    headers: list[str] = field(default_factory=list)
    checkpoint: int | None = None
    signed: Checkpoint | None = None

    @property
    def facts(self) -> dict[str, Any]:
        """As a JSON object; `headers` begins with the segment's own."""
        return {
            "table": self.table,
            "key": self.key,
            "outcome": self.outcome,
            "chain": self.chain,
            "segment": self.segment,
            "leaf": self.leaf.hex(),
            "path": [[side, node.hex()] for side, node in self.path],
            "headers": self.headers,
            "checkpoint": None
            if self.signed is None
            else {"statement": self.signed.statement, "signature": self.signed.signature.hex()},
        }


class ChainsBroken(LakeError):
    """The chains or checkpoints of a lake do not hold together."""

    exit_code = 1


class Prover:
    """Proves rows of one lake, as it is when this is made. A context manager.

    ChainsBroken when the chains do not hold together: then single rows prove nothing.
    """

    def __init__(self, settings: LakeSettings, trusted: Sequence[bytes] = ()) -> None:
        """Pin the lake, and check its chains and checkpoints."""
        self._lake = open_configured(settings, read_only=True)
        self._reader = Reader()
        proof = self._lake.snapshot(only=[DIGESTS.name, CHECKPOINTS.name])
        self.pinned: Snapshot = self._lake.snapshot()
        self._chains = Chains(proof, self._reader)
        self.made = read_checkpoints(proof, self._reader)
        wrong = [*self._chains.outcomes, *check(self.made, trusted, self._chains).outcomes]
        if wrong:
            raise ChainsBroken(
                f"the chains do not hold together ({wrong[0].detail}): counterfoil verify has all of it"
            )
        self._tombs: Tombs = read_tombs(self._chains)

    def __enter__(self) -> Prover:
        """Begin."""
        return self

    def __exit__(self, *error: object) -> None:
        """Close."""
        self._reader.__exit__(*error)

    def ask(self, query: str, values: list[Any] | None = None) -> list[tuple[Any, ...]]:
        """Rows of the pinned lake, for those who look for what to prove."""
        return self._reader.rows(query, values)

    def source(self, table: str) -> str:
        """A table as a query over its pinned files."""
        return f"({view_sql(TABLES[table], self.pinned.files(table))})"

    def headers(self, chain: str, start: int, end: int) -> list[str]:
        """The headers of a chain's segments from `start` to before `end`."""
        return [segment.header for segment in self._chains.segments.get(chain, [])[start:end]]

    def prove(self, rows: Iterable[Row]) -> list[Proof]:
        """A proof of each row, in the order of the rows."""
        given = list(rows)
        found: dict[Row, Proof] = {}
        by_source: dict[str, list[Row]] = defaultdict(list)
        by_table: dict[str, list[Row]] = defaultdict(list)
        for row in given:
            if row.source is not None:
                by_source[row.source].append(row)
            else:
                by_table[row.table].append(row)
        for source, of in by_source.items():
            found |= self._records(source, of)
        for table, of in by_table.items():
            found |= self._entries(table, of)
        return [found[row] for row in given]

    def _records(self, source: str, rows: list[Row]) -> dict[Row, Proof]:
        topic, _, partition = source.rpartition("-")
        chain = records_chain(topic, int(partition))
        waiting, found = set(rows), {}
        for segment in self._chains.segments.get(chain, []):
            facts = segment.facts
            low, high = facts.get("from", facts.get("first", 0)), facts.get("to", facts.get("last", -1) + 1)
            here = [row for row in waiting if row.place is not None and low <= row.place.offset < high]
            if not here:
                continue
            places, heads = unpack_places(self._chains.leaves(chain, segment.number))
            at: dict[Place, list[int]] = defaultdict(list)
            for n, place in enumerate(places):
                at[place].append(n)
            here = [row for row in here if row.place in at]
            if not here:
                continue
            leaves = self._leaves(chain, segment, (topic, int(partition), low, high), places, heads)
            for row in here:
                assert row.place is not None  # noqa: S101 - rows of a source have one
                found[row] = self._proof(row, segment, at[row.place][0], leaves)
                waiting.discard(row)
        return found | {row: Proof(row.table, row.key, "not_sealed", chain) for row in waiting}

    def _leaves(
        self, chain: str, segment: Segment, span: tuple[str, int, int, int], places: list[Place], heads: list[bytes]
    ) -> list[bytes | None]:  # fmt: skip
        """The leaves of a segment's rows as they are in the lake; None for those that are not."""
        from proof.compare import match

        topic, partition, low, high = span
        where = (
            f"source_topic = {quote(topic)} AND source_partition = {partition} "
            f"AND source_offset >= {low} AND source_offset < {high}"
        )
        there: dict[Place, list[bytes]] = defaultdict(list)
        with Leaves(self._reader) as leaves:
            for name in RECORD_TABLES:
                schema = self.pinned.schema(name)
                if schema is not None:
                    leaves.add(name, schema, dict.fromkeys(self.pinned.files(name), 0), where)
            walk = leaves.walk()
            if walk.chain is not None:
                rows = walk.take(walk.chain)
                for offset, event, table, leaf in zip(
                    rows.offset, rows.index, rows.table, rows.leaf, strict=True
                ):
                    there[Place(offset, event, table)].append(leaf)
        return match(places, heads, self._tombs.of(chain, segment.number), there).leaves

    def _entries(self, table: str, rows: list[Row]) -> dict[Row, Proof]:
        chain, schema = table_chain(table), self.pinned.schema(table)
        held = [] if schema is None else entries(self._reader, table, schema, self.pinned.files(table))
        there = {entry.leaf for entry in held}
        found = {}
        for segment in self._chains.segments.get(chain, []):
            told = unpack_entries(self._chains.leaves(chain, segment.number))
            at = {key: n for n, (key, _) in enumerate(told)}
            gone = self._tombs.of(chain, segment.number)
            # The leaves of the others are in the chain, so the path needs no other row; this one must be there.
            for row in rows:
                if row.key in at:
                    n = at[row.key]
                    leaves: list[bytes | None] = [leaf for _, leaf in told]
                    if told[n][1] not in there and n not in gone:
                        leaves[n] = None
                    found[row] = self._proof(row, segment, n, leaves)
        return {row: found.get(row, Proof(row.table, row.key, "not_sealed", chain)) for row in rows}

    def _proof(self, row: Row, segment: Segment, place: int, leaves: Sequence[bytes | None]) -> Proof:
        proof = Proof(row.table, row.key, "valid", segment.chain, segment.number)
        leaf = leaves[place]
        whole = [each for each in leaves if each is not None]
        if leaf is None or len(whole) < len(leaves):
            # Without all leaves there is no path; whether it is this row that is wrong, its own leaf says.
            proof.outcome = "missing" if leaf is None else "modified"
            return proof
        proof.leaf, proof.path = leaf, path(whole, place)
        if climb(leaf, proof.path).hex() != segment.facts["root"]:
            proof.outcome = "modified"
            return proof
        signed = next((c for c in self.made if _speaks_for(c, segment)), None)
        if signed is None:
            proof.outcome = "not_signed"
            return proof
        count = signed.facts["heads"][segment.chain]["segments"]
        proof.headers = [s.header for s in self._chains.segments[segment.chain][segment.number : count]]
        proof.signed, proof.checkpoint = signed, signed.number
        return proof


def prove_finding(settings: LakeSettings, finding: str, trusted: Sequence[bytes] = ()) -> list[Proof]:
    """Proofs of all states of a finding, and of the rows that it rests on. LakeError when there is no such finding."""
    with Prover(settings, trusted) as prover:
        rows, lost = rows_of(prover, finding)
        return prover.prove(rows) + [Proof("", name, "missing") for name in lost]


def rows_of(prover: Prover, finding: str) -> tuple[list[Row], list[str]]:
    """The rows of a finding: its states, and the events and decisions that it names, within its tenant.

    Also the names for which there is no row.
    """
    if FINDINGS not in prover.pinned.tables:
        raise LakeError("there are no findings in the lake: run counterfoil detect")
    states = prover.ask(
        "SELECT finding_id || ':' || revision, anchor_event_ids, decision_ids, tenant_id "
        f"FROM {prover.source(FINDINGS)} WHERE finding_id = ? ORDER BY revision",
        [finding],
    )
    if not states:
        raise LakeError(f"there is no finding {finding!r} in the lake: give the whole id")
    rows = [Row(FINDINGS, state[0]) for state in states]
    lost = {name for state in states for names in state[1:3] for name in names or ()}
    for table, (key, of) in EVIDENCE.items():
        if table not in prover.pinned.tables:
            continue
        named = sorted(
            {each for state in states for each in (state[1 if of == "anchor_event_ids" else 2] or ())}
        )
        query = (
            f"SELECT {key}, source_topic || '-' || source_partition, source_offset, source_index "
            f"FROM {prover.source(table)} WHERE list_contains(?, {key}) "
            "AND (tenant_id IS NULL OR ?::VARCHAR IS NULL OR tenant_id = ?) ORDER BY ALL"
        )
        number = RECORD_TABLES.index(table)
        tenant = states[0][3]
        for name, source, offset, event in prover.ask(query, [named, tenant, tenant]) if named else ():
            rows.append(Row(table, name, source, Place(offset, event, number)))
            lost.discard(name)
    return rows, sorted(lost)


def _speaks_for(checkpoint: Checkpoint, segment: Segment) -> bool:
    head = checkpoint.facts["heads"].get(segment.chain)
    return head is not None and head["segments"] > segment.number
