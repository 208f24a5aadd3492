"""The rows that an evidence bundle is about, whole, each with its proof.

A record is an object of three keys: `record`, what it is called; `table`; and `columns`, those that are not null, in
which text, lists, numbers and booleans are as in JSON, and other types name themselves: `{"time": …}` in UTC with
microseconds, `{"date": …}`, `{"base64": …}`. Its leaf can be computed from it, as the standalone verifier does.
"""

from __future__ import annotations

from base64 import b64encode
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from lake.duck import quote_name, view_sql
from proof.chain import RECORD_TABLES, Place, clock
from proof.inclusion import EVIDENCE, FINDINGS, Proof, Prover, Row
from proof.leaf import stored
from proof.reader import Unreadable
from proof.rows import key_sql
from proof.standalone.verify import leaf_of, name_of
from schemas.catalogue import TABLES
from schemas.errors import LakeError
from schemas.table import BYTES, DATE, TIME

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from proof.checkpoint import Checkpoint
    from schemas.settings import LakeSettings
    from schemas.table import Column

    Record = dict[str, Any]

TRIAGE, RUNS = "triage", "runs"
_SOURCE = "source_topic || '-' || source_partition"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Period:
    """Findings of which something was seen from `since` on and before `until`; of one tenant, where it is given."""

    since: datetime
    until: datetime
    tenant: str | None = None


@dataclass
class Evidence:
    """The records of findings with their proofs, side by side; the names of those that the lake does not hold.

    `checkpoint` speaks for all that is proved, `handovers` lead to its key, `headers` has of each chain those of the
    segments from the first that is needed up to the one that the checkpoint names. `versions` are those of the lake.
    """

    records: list[Record]
    proofs: list[Proof]
    lost: list[str]
    versions: dict[str, int]
    checkpoint: Checkpoint | None = None
    handovers: list[Checkpoint] = field(default_factory=list)
    headers: dict[str, list[str]] = field(default_factory=dict)

    def of(self, table: str) -> list[Record]:
        """The columns of the records of a table."""
        return [record["columns"] for record in self.records if record["table"] == table]

    @property
    def unproved(self) -> int:
        """How many records are not proved, or not there."""
        return sum(proof.outcome != "valid" for proof in self.proofs) + len(self.lost)


def gather(settings: LakeSettings, about: str | Period, trusted: Sequence[bytes] = ()) -> Evidence:
    """The evidence of one finding, by its id, or of those of a period.

    LakeError when there is no such finding, none in the period, or when the chains do not hold together.
    """
    with Prover(settings, trusted) as prover:
        if FINDINGS not in prover.pinned.tables:
            raise LakeError("there are no findings in the lake: run counterfoil detect")
        findings = [about] if isinstance(about, str) else _of_period(prover, about)
        try:
            rows, lost = _rows(prover, findings)
            records = _read(prover, rows)
        except Unreadable as error:
            raise LakeError(f"rows cannot be read ({error}): counterfoil verify has all of it") from error
        if not any(row.table == FINDINGS for row in rows):
            raise LakeError(f"there is no finding {about!r} in the lake: give the whole id")
        found = Evidence([], [], lost, prover.pinned.versions)
        for row, proof in zip(rows, prover.prove(rows), strict=True):
            for record in records[row]:
                if proof.outcome == "valid" and leaf_of(record) != proof.leaf:
                    proof.outcome = "erased"  # a tombstone keeps the leaf of what it was
                found.records.append(record)
                found.proofs.append(proof)
        _anchor(prover, found)
    return found


def _of_period(prover: Prover, period: Period) -> list[str]:
    query = (
        f"SELECT finding_id FROM (SELECT * FROM {prover.source(FINDINGS)} "
        "QUALIFY row_number() OVER (PARTITION BY finding_id ORDER BY revision DESC, recorded_time DESC) = 1) "
        "WHERE last_seen_time >= ?::TIMESTAMPTZ AND first_seen_time < ?::TIMESTAMPTZ "
        "AND (?::VARCHAR IS NULL OR tenant_id = ?) ORDER BY finding_id"
    )
    given = [clock(period.since), clock(period.until), period.tenant, period.tenant]
    found = [name for (name,) in prover.ask(query, given)]
    if not found:
        raise LakeError("there is no finding in this period: give another --since, --until or --tenant")
    return found


def _rows(prover: Prover, findings: list[str]) -> tuple[list[Row], list[str]]:
    """The rows that make up the evidence, in order, and the names for which there is none."""
    findings_of = f"FROM {prover.source(FINDINGS)} WHERE list_contains(?, finding_id)"
    chosen = {
        FINDINGS: "list_contains(?, finding_id) ORDER BY finding_id, revision",
        TRIAGE: "list_contains(?, finding_id) ORDER BY finding_id, version, triage_id",
        RUNS: f"run_id IN (SELECT run_id {findings_of}) ORDER BY run_id",
    }
    rows = [
        Row(table, key)
        for table, which in chosen.items()
        if table in prover.pinned.tables
        for (key,) in prover.ask(f"SELECT {key_sql(table)} FROM {prover.source(table)} WHERE {which}", [findings])
    ]  # fmt: skip
    lost = set()
    for column in ("anchor_event_ids", "decision_ids"):
        lost |= {
            each[0] for each in prover.ask(f"SELECT DISTINCT unnest({column}) {findings_of}", [findings])
        }
    for table, (_, column) in EVIDENCE.items():
        named = f"SELECT DISTINCT tenant_id, unnest({column}) AS name {findings_of}"
        told = prover.ask(_records(prover, table, named), [findings])
        rows += [_placed(table, *each) for each in told]
        lost -= {name for _, name, *_ in told}
    query = f"SELECT DISTINCT coalesce(tenant_id, '') {findings_of} ORDER BY 1"
    tenants = [tenant for (tenant,) in prover.ask(query, [findings])]
    return list(dict.fromkeys(rows + _carriers(prover, rows, tenants))), sorted(lost)


def _records(prover: Prover, table: str, named: str) -> str:
    """A query for the rows of a table that a query names, within the tenant of who names them."""
    return (
        f"SELECT DISTINCT r.source_topic || '-' || r.source_partition, r.{EVIDENCE[table][0]}, r.source_offset, "
        f"r.source_index FROM {prover.source(table)} AS r JOIN ({named}) AS n ON r.{EVIDENCE[table][0]} = n.name "
        "AND (r.tenant_id IS NULL OR n.tenant_id IS NULL OR r.tenant_id = n.tenant_id) ORDER BY 1, 3, 4, 2"
    )


def _placed(table: str, source: str, name: str, offset: int, event: int) -> Row:
    return Row(table, name, source, Place(offset, event, RECORD_TABLES.index(table)))


def _carriers(prover: Prover, rows: Iterable[Row], tenants: list[str]) -> list[Row]:
    """The first events of records of which a later one is among the rows: the raw record stands with them.

    Only those of the tenants; `''` is for a finding without one.
    """
    places = [f"{row.source} {row.place.offset}" for row in rows if row.place is not None and row.place.event]
    found = []
    for table, (key, _) in EVIDENCE.items() if places else ():
        query = (
            f"SELECT {_SOURCE}, {key}, source_offset, source_index FROM {prover.source(table)} "
            f"WHERE raw IS NOT NULL AND list_contains(?, concat_ws(' ', {_SOURCE}, source_offset)) "
            "AND (tenant_id IS NULL OR list_contains(?, tenant_id) OR list_contains(?, '')) ORDER BY ALL"
        )
        found += [_placed(table, *each) for each in prover.ask(query, [places, tenants, tenants])]
    return found


def _read(prover: Prover, rows: Iterable[Row]) -> dict[Row, list[Record]]:
    """The records of the rows; more than one where the lake holds a row twice."""
    wanted: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        wanted[row.table].append(row)
    found: dict[Row, list[Record]] = defaultdict(list)
    for table, these in wanted.items():
        keys = [
            row.key if row.place is None else f"{row.source} {row.place.offset} {row.place.event}"
            for row in these
        ]
        by_name = dict(zip(keys, these, strict=True))
        for key, record in _whole(prover, table, keys, of_entries=these[0].place is None):
            found[by_name[key]].append(record)
    return found


def _whole(prover: Prover, table: str, keys: list[str], *, of_entries: bool) -> list[tuple[str, Record]]:
    """Whole rows of a table by their keys, in the order of the keys."""
    schema = prover.pinned.schema(table)
    if schema is None:
        return []
    form = stored(TABLES[table], schema)
    key = key_sql(table) if of_entries else f"concat_ws(' ', {_SOURCE}, source_offset, source_index)"
    # Times as microseconds: DuckDB's own Python values need a library for time zones.
    columns = ", ".join(
        f"epoch_us({quote_name(c.name)})" if c.type == TIME else quote_name(c.name) for c in form.columns
    )
    source = view_sql(form, prover.pinned.files(table))
    query = f"SELECT {key} AS key, {columns} FROM ({source}) WHERE list_contains(?, key)"
    read = [(key, _record(table, form.columns, values)) for key, *values in prover.ask(query, [keys])]
    place = {key: n for n, key in enumerate(keys)}
    return sorted(read, key=lambda each: (place[each[0]], str(each[1])))


def _record(table: str, columns: Sequence[Column], values: Sequence[Any]) -> Record:
    pairs = zip(columns, values, strict=True)
    told = {column.name: _value(column.type, value) for column, value in pairs if value is not None}
    record = {"table": table, "columns": told}
    return {"record": name_of(record), **record}


def _value(kind: Any, value: Any) -> Any:
    if kind == TIME:
        return {"time": clock(_EPOCH + timedelta(microseconds=value))}
    if kind == DATE:
        return {"date": value.isoformat()}
    return {"base64": b64encode(value).decode()} if kind == BYTES else value


def _anchor(prover: Prover, found: Evidence) -> None:
    """Choose the checkpoint: the first that speaks for all that is proved, of those with the newest key."""
    first: dict[str, int] = {}
    last: dict[str, int] = {}
    for proof in found.proofs:
        if proof.outcome == "valid" and proof.chain is not None and proof.segment is not None:
            first[proof.chain] = min(first.get(proof.chain, proof.segment), proof.segment)
            last[proof.chain] = max(last.get(proof.chain, proof.segment), proof.segment)
    if not first:
        return
    key = prover.made[-1].facts["public_key"]
    for checkpoint in prover.made:
        heads = {chain: head["segments"] for chain, head in checkpoint.facts["heads"].items()}
        speaks = all(heads.get(chain, 0) > number for chain, number in last.items())
        if speaks and checkpoint.facts["public_key"] == key:
            found.checkpoint = checkpoint
            found.headers = {
                chain: prover.headers(chain, start, heads[chain]) for chain, start in first.items()
            }
            before = [made for made in prover.made if made.number < checkpoint.number]
            found.handovers = [made for made in before if "next_key" in made.facts]
            return
