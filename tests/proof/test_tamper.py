"""Whatever is done to a sealed lake is named by `verify`, at its place.

What does not touch the same rows is done to one copy of the lake, so that it need not be verified for each.
"""

from __future__ import annotations

import re
import shutil
from typing import TYPE_CHECKING, Any

import duckdb
import pyarrow as pa
import pytest
from deltalake import DeltaTable, Schema
from pyarrow import parquet

from lake.store import open_lake
from proof.keys import load_key, new_key
from proof.seal import seal
from schemas.catalogue import TABLES
from schemas.errors import LakeError
from tests.proof import small_lake
from tests.proof.conftest import examine
from tests.proof.small_lake import DECISIONS, EVENTS, SEALED, finding
from tests.proof.tampering import Row, at, drop_commit, drop_table, files, flip, hide, inside, rewrite

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from proof.outcome import Report

O, A, I, D = "orchestration_events", "authorization_decisions", "identity_events", "dead_letters"  # noqa: E741


def named(report: Report, kind: str, **facts: Any) -> bool:
    """Whether the report has such an outcome with these facts; an `offset` lies within its stretch."""
    offset = facts.pop("offset", None)
    for outcome in report.outcomes:
        told = outcome.facts
        within = offset is None or told.get("from_offset", offset + 1) <= offset < told.get("to_offset", 0)
        if (
            told["outcome"] == kind
            and within
            and all(told.get(name) == value for name, value in facts.items())
        ):
            return True
    return False


def kinds(report: Report) -> set[str]:
    """The kinds of what is broken."""
    return {outcome.kind for outcome in report.broken}


# Each changes rows of one table, and is named so.
Change = tuple[str, "Callable[[Row], list[Row] | Row | None]", str, dict[str, Any]]


def on(partition: int, offset: int, change: Callable[[Row], Any]) -> Callable[[Row], Any]:
    """Apply a change to the rows of one record."""
    return lambda row: change(row) if at(row, partition, offset) else row


def put(**values: Any) -> Callable[[Row], Row]:
    """Set columns."""
    return lambda row: {**row, **values}


def _swapped(row: Row) -> Row:
    """Two records in each other's place."""
    if row["source_partition"] != 1 or row["source_offset"] not in (12, 13):
        return row
    other = small_lake.event(EVENTS, 1, 25 - row["source_offset"], 1, row["source_index"])
    return {**row, "event_id": other["event_id"], "raw": other["raw"], "raw_sha256": other["raw_sha256"]}


ROWS: dict[str, Change] = {
    "a byte of raw": (O, on(0, 4, lambda r: {**r, "raw": r["raw"] and b"?" + r["raw"][1:]}), "modified",
                      {"topic": EVENTS, "partition": 0, "offset": 4}),
    "a decoded column": (O, on(0, 6, put(tenant_id="globeX")), "modified",
                         {"topic": EVENTS, "partition": 0, "offset": 6}),
    "the digest of raw": (O, on(0, 8, put(raw_sha256=b"\1" * 32)), "modified", {"partition": 0, "offset": 8}),
    "a null filled in": (O, on(1, 2, put(decision_id="d-0-1")), "modified",
                         {"topic": EVENTS, "partition": 1, "offset": 2}),
    "a value taken out": (O, on(1, 4, put(trace_id=None)), "modified",
                          {"topic": EVENTS, "partition": 1, "offset": 4}),
    "the order of a list": (O, on(1, 8, put(labels=["public_sink", "private_data"])), "modified",
                            {"topic": EVENTS, "partition": 1, "offset": 8}),
    "two records swapped": (O, _swapped, "modified", {"topic": EVENTS, "partition": 1, "offset": 12}),
    "a row put at an empty offset": (O, on(0, 2, lambda r: [r, {**r, "source_offset": 3}]), "extra",
                                     {"topic": EVENTS, "partition": 0, "offset": 3}),
    "a row put beyond what was read": (O, on(1, 0, lambda r: [r, {**r, "source_offset": 99}]), "extra",
                                       {"topic": EVENTS, "partition": 1, "offset": 99}),
    "a row of a source that was never read": (A, on(0, 0, lambda r: [r, {**r, "source_topic": "made.up"}]), "extra",
                                              {"topic": "made.up", "partition": 0, "offset": 0}),
    "a row dropped": (A, on(0, 8, lambda _: None), "missing", {"topic": DECISIONS, "partition": 0, "offset": 8}),
    "one event of a record dropped": (O, on(0, 12, lambda r: None if r["source_index"] else r), "missing",
                                      {"topic": EVENTS, "partition": 0, "offset": 12}),
    "a row twice": (A, on(1, 11, lambda r: [r, r]), "extra", {"topic": DECISIONS, "partition": 1, "offset": 11}),
    "a float by its last bit": (A, on(1, 2, put(latency_ms=2 / 7 + 5.6e-17)), "modified",
                                {"topic": DECISIONS, "partition": 1, "offset": 2}),
    "a time by a microsecond": (A, on(0, 2, lambda r: {**r, "decision_time": r["ingest_time"]}), "modified",
                                {"topic": DECISIONS, "partition": 0, "offset": 2}),
    "a deny made an allow": (A, on(1, 4, put(decision="deny")), "modified", {"topic": DECISIONS, "offset": 4}),
    "a record moved to another partition": (A, on(0, 14, put(source_partition=1)), "missing",
                                            {"topic": DECISIONS, "partition": 0, "offset": 14}),
    "a record moved to another offset": (I, on(1, 15, put(source_offset=16)), "missing",
                                         {"topic": DECISIONS, "partition": 1, "offset": 15}),
    "a dead letter dropped": (D, on(0, 17, lambda _: None), "missing", {"topic": EVENTS, "partition": 0, "offset": 17}),
    "the reason of a dead letter": (D, on(0, 7, put(reason="other")), "modified", {"topic": EVENTS, "offset": 7}),
}  # fmt: skip


@pytest.fixture(scope="module")
def rows_report(copies: Callable[[], Path]) -> Report:
    """All of ROWS done to one lake."""
    folder = copies()
    for table in (O, A, I, D):
        changes = [change for of, change, _, _ in ROWS.values() if of == table]

        def change(row: Row, changes: list[Callable[[Row], Any]] = changes) -> Any:
            for each in changes:
                made = each(dict(row))
                if made != row:
                    return made
            return row

        assert rewrite(folder, table, change) >= len(changes)
    return examine(folder)


@pytest.mark.parametrize("case", ROWS)
def test_a_changed_row_is_named(rows_report: Report, case: str) -> None:
    table, _, kind, facts = ROWS[case]
    assert named(rows_report, kind, table=table, **facts)


def test_nothing_else_is_named(rows_report: Report) -> None:
    # Two events a record change where a record does, and a record that moved is extra where it went.
    expected = sum(2 if kind == "modified" and table == O else 1 for table, _, kind, _ in ROWS.values())
    found = [outcome for outcome in rows_report.broken if outcome.kind == "modified"]
    assert {outcome.table for outcome in rows_report.broken} == {O, A, I, D}
    assert sum(outcome.count or 0 for outcome in found) <= expected
    assert kinds(rows_report) == {"modified", "missing", "extra"}


ENTRIES: dict[str, Change] = {
    "a finding edited": ("findings", lambda r: {**r, "level": "low"} if r["finding_id"] == "f-0" else r, "modified",
                         {"key": "f-0:1"}),
    "a finding dropped": ("findings", lambda r: None if r["finding_id"] == "f-2" else r, "missing", {"key": "f-2:1"}),
    "a later state of a finding dropped": ("findings", lambda r: None if r["revision"] == 2 else r, "missing",
                                           {"key": "f-1:2"}),
    "a finding twice": ("findings", lambda r: [r, r] if r["finding_id"] == "f-3" else r, "extra", {"key": "f-3:1"}),
    "a finding put back in time": ("findings", lambda r: [r, finding(77)] if r["finding_id"] == "f-9" else r, "extra",
                                   {"key": "f-77:1"}),
    "a triage entry edited": ("triage", lambda r: {**r, "actor": "bo"} if r["triage_id"] == "t-0" else r, "modified",
                              {"key": "t-0"}),
    "a triage entry dropped": ("triage", lambda r: None if r["triage_id"] == "t-1" else r, "missing", {"key": "t-1"}),
    "a run edited": ("runs", lambda r: {**r, "findings": 0} if r["run_id"] == "r-1" else r, "modified", {"key": "r-1"}),
    "a run dropped": ("runs", lambda r: None if r["run_id"] == "r-2" else r, "missing", {"key": "r-2"}),
}  # fmt: skip


@pytest.fixture(scope="module")
def entries_report(copies: Callable[[], Path]) -> Report:
    """All of ENTRIES done to one lake."""
    folder = copies()
    for case, (table, change, _, _) in ENTRIES.items():
        assert rewrite(folder, table, change), case
    return examine(folder)


@pytest.mark.parametrize("case", ENTRIES)
def test_a_changed_entry_is_named(entries_report: Report, case: str) -> None:
    table, _, kind, facts = ENTRIES[case]
    assert named(entries_report, kind, table=table, **facts)


def test_no_other_entry_is_named(entries_report: Report) -> None:
    assert len(entries_report.broken) == len(ENTRIES)


def holding(folder: Path, table: str, topic: str, partition: int, offset: int) -> Path:
    """The file that has a record's row."""
    for file in files(folder, table):
        rows = parquet.ParquetFile(file).read().to_pylist()
        if any(at(row, partition, offset, topic) for row in rows):
            return file
    raise AssertionError(table)


FILES: dict[str, dict[str, Any]] = {
    "a file lost": {"kind": "missing", "table": I, "topic": DECISIONS, "partition": 0, "offset": 15},
    "a file cut": {"kind": "missing", "table": I, "topic": DECISIONS, "partition": 1, "offset": 5},
    "the newest commit dropped": {
        "kind": "missing", "table": O, "topic": EVENTS, "partition": 0, "offset": 25, "count": 6,
    },
    "a day deleted": {"kind": "missing", "table": O, "topic": EVENTS, "partition": 1, "offset": 10},
    "a commit dropped from the middle": {
        "kind": "missing", "table": A, "topic": DECISIONS, "partition": 0, "offset": 0,
    },
    "the log of that": {"kind": "modified", "table": A},
}  # fmt: skip


@pytest.fixture(scope="module")
def files_report(copies: Callable[[], Path]) -> Report:
    """All of FILES done to one lake, and a byte of a Parquet page changed."""
    folder = copies()
    holding(folder, I, DECISIONS, 0, 15).unlink()
    cut = holding(folder, I, DECISIONS, 1, 5)
    cut.write_bytes(cut.read_bytes()[:-8])
    bad = holding(folder, O, EVENTS, 0, 6)
    flip(bad, inside(bad, "raw"))
    drop_commit(folder, O)
    DeltaTable(str(folder / "lake" / O)).delete("event_date = '2026-03-03'")
    drop_commit(folder, A, back=2)
    return examine(folder)


@pytest.mark.parametrize("case", FILES)
def test_what_is_done_to_files_and_commits_is_named(files_report: Report, case: str) -> None:
    facts = dict(FILES[case])
    assert named(files_report, facts.pop("kind"), **facts)


def test_a_byte_of_a_page_and_the_files_at_fault_are_named(files_report: Report) -> None:
    assert any(o.table == O and (o.from_offset or 99) < 10 for o in files_report.broken)
    assert not named(files_report, "missing", table=O, topic=EVENTS, partition=1, offset=9)
    told = [o.detail for o in files_report.broken if o.table == I and o.chain is None]
    assert [re.sub(r"[-\w=]+/part-\w+\.zstd\.parquet", "X", words)[:26] for words in sorted(told)] == [
        "the file X cannot be read:", "the file X is gone",
    ]  # fmt: skip


def test_a_footer_that_hides_rows_from_readers_is_named(folder: Path) -> None:
    file = holding(folder, O, EVENTS, 0, 6)
    assert not examine(folder, kept=True).broken
    hide(file, "event_id")
    (told,) = examine(folder, kept=True).broken
    assert (told.kind, told.table) == ("modified", O)
    assert f"{file.name} says of its column event_id what its rows do not bear out" in told.detail
    rows = parquet.ParquetFile(file).read(["event_id"])["event_id"].to_pylist()
    found = duckdb.read_parquet(str(file)).filter(f"event_id = '{max(rows)}'").fetchall()
    assert found == []  # what DuckDB makes of it


def test_what_is_appended_is_not_sealed_yet_and_no_damage(folder: Path) -> None:
    lake = open_lake(folder / "lake")
    small_lake.add(lake, O, [small_lake.event(EVENTS, 1, n, 4) for n in (20, 21)], p1=(20, 22))
    small_lake.add(lake, "triage", [small_lake.triage(8, SEALED + 2 * small_lake.DAY)])
    report = examine(folder, kept=True)
    assert not report.broken
    assert named(report, "not_sealed", topic=EVENTS, partition=1, offset=21, count=2)
    assert named(report, "not_sealed", table="triage", count=1)


@pytest.mark.long
def test_an_entry_appended_with_a_time_from_before_is_extra(folder: Path) -> None:
    small_lake.add(open_lake(folder / "lake"), "findings", [finding(50)])
    assert named(examine(folder), "extra", table="findings", key="f-50:1")


def fresh_chain(folder: Path) -> None:
    """Change a decision and seal everything anew with the key in the folder."""
    rewrite(folder, A, on(0, 4, put(decision="deny")))
    drop_table(folder, "digests", "checkpoints")
    settings = small_lake.settings_of(folder)
    seal(settings, now=SEALED)
    small_lake.add(open_lake(folder / "lake"), "runs", [small_lake.run(3, SEALED)])
    seal(settings, now=SEALED + small_lake.DAY)


def test_history_rewritten_with_a_stolen_key_shows_against_a_kept_checkpoint(folder: Path) -> None:
    fresh_chain(folder)
    assert not examine(folder).broken
    report = examine(folder, kept=True)
    assert named(report, "replaced", chain=f"records:{DECISIONS}-0", segment=1) or named(
        report, "rolled_back", chain=f"records:{DECISIONS}-0"
    )
    assert named(report, "replaced", table="checkpoints", key="1")


@pytest.mark.long
def test_history_rewritten_with_another_key_is_forged(folder: Path, tmp_path: Path) -> None:
    shutil.move(folder / "key.pem", tmp_path / "key.pem")
    new_key(folder / "key2.pem")
    shutil.move(folder / "key2.pem", folder / "key.pem")
    fresh_chain(folder)
    shutil.copy(tmp_path / "key.pem", folder / "key.pem")
    assert named(examine(folder), "forged", table="checkpoints", key="0")


def test_a_rolled_back_lake_shows_against_a_kept_checkpoint(folder: Path) -> None:
    for table in (O, A, "findings", "triage", "runs", "digests", "checkpoints"):
        drop_commit(folder, table)
    assert not examine(folder).broken  # it is whole as of then, and says nothing of what came after
    report = examine(folder, kept=True)
    assert kinds(report) == {"rolled_back"}
    assert named(report, "rolled_back", chain=f"records:{EVENTS}-0", segment=1)
    assert named(report, "rolled_back", table="checkpoints", key="1")


def test_the_newest_segments_dropped_show_against_the_lakes_own_checkpoint(folder: Path) -> None:
    drop_commit(folder, "digests")
    report = examine(folder)
    assert named(report, "rolled_back", chain=f"records:{EVENTS}-0", segment=1, count=1)
    assert named(report, "not_sealed", topic=EVENTS, partition=0, offset=25)
    with pytest.raises(LakeError, match="the newest checkpoint has 2 segments, and the lake has 1"):
        seal(small_lake.settings_of(folder))  # nothing is signed over chains that were cut


@pytest.mark.long
def test_the_newest_segments_and_checkpoint_dropped_show_against_a_kept_one(folder: Path) -> None:
    drop_commit(folder, "digests")
    drop_commit(folder, "checkpoints")
    assert not [o for o in examine(folder).broken if o.kind != "extra"]
    assert named(examine(folder, kept=True), "rolled_back", chain=f"records:{EVENTS}-0", segment=1)


@pytest.mark.parametrize(
    "tables",
    [("digests", "checkpoints"), pytest.param(("digests",), marks=pytest.mark.long)],
    ids=["all proof", "chains"],
)
def test_a_lake_without_its_proof_is_not_whole(folder: Path, tables: tuple[str, ...]) -> None:
    drop_table(folder, *tables)
    assert named(examine(folder), "missing", table="digests")
    assert named(examine(folder, kept=True), "rolled_back", table="digests")


def _header(row: Row) -> Row:
    return (
        {**row, "header": row["header"].replace('"records":10', '"records":11')}
        if row["chain"].endswith("on-1")
        else row
    )


def _whole(row: Row) -> Row:
    from hashlib import sha256

    if row["chain"] != f"records:{EVENTS}-0" or row["number"] != 0:
        return row
    header = row["header"].replace('"from":0', '"from":1')
    return {**row, "header": header, "digest": sha256(header.encode()).digest(), "from_offset": 1}


PROOF: dict[str, Change] = {
    "a header": ("digests", lambda r: {**r, "header": r["header"].replace('"v":1', '"v":2')}
                 if r["segment_id"] == "table:runs#0" else r, "modified", {"chain": "table:runs", "segment": 0}),
    "a column beside the header": ("digests", lambda r: {**r, "rows": 1} if r["segment_id"] == "table:triage#0" else r,
                                   "modified", {"chain": "table:triage", "segment": 0}),
    "the leaves": ("digests", lambda r: {**r, "leaves": r["leaves"][:-1] + b"?"}
                   if r["segment_id"] == f"records:{EVENTS}-1#0" else r, "modified",
                   {"chain": f"records:{EVENTS}-1", "segment": 0}),
    "a header with its digest": ("digests", _whole, "replaced", {"chain": f"records:{EVENTS}-0", "segment": 1}),
    "a segment dropped": ("digests", lambda r: None if r["segment_id"] == f"records:{DECISIONS}-0#0" else r, "gap",
                          {"chain": f"records:{DECISIONS}-0", "segment": 1}),
    "a segment twice": ("digests", lambda r: [r, r] if r["segment_id"] == f"records:{DECISIONS}-1#0" else r, "extra",
                        {"chain": f"records:{DECISIONS}-1", "segment": 0}),
    "a segment moved to another chain": ("digests", lambda r: {**r, "chain": "table:other"}
                                         if r["segment_id"] == "table:findings#1" else r, "modified",
                                         {"chain": "table:other", "segment": 1}),
}  # fmt: skip


@pytest.fixture(scope="module")
def proof_report(copies: Callable[[], Path]) -> Report:
    """All of PROOF done to one lake."""
    folder = copies()
    for case, (table, change, _, _) in PROOF.items():
        assert rewrite(folder, table, change), case
    return examine(folder)


@pytest.mark.parametrize("case", PROOF)
def test_a_changed_chain_is_named(proof_report: Report, case: str) -> None:
    _, _, kind, facts = PROOF[case]
    assert named(proof_report, kind, **facts)


def test_a_changed_checkpoint_is_forged(folder: Path) -> None:
    def change(row: Row) -> Row:
        if row["number"] == 0:
            return row
        return {**row, "statement": row["statement"].replace('"time":"2026-03-07', '"time":"2026-03-08')}

    rewrite(folder, "checkpoints", change)
    # Also for who has no key: it is not signed by the key that it names.
    assert named(examine(folder, key=False), "forged", table="checkpoints", key="1")


@pytest.mark.long
def test_checkpoints_signed_by_another_key_are_forged(folder: Path, tmp_path: Path) -> None:
    new_key(tmp_path / "other.pem")
    other = load_key(tmp_path / "other.pem")
    rewrite(folder, "checkpoints", lambda row: {**row, "signature": other.sign(row["statement"].encode())})
    report = examine(folder)
    assert named(report, "forged", table="checkpoints", key="0")
    assert named(report, "forged", table="checkpoints", key="1")


@pytest.mark.long
def test_a_column_that_hides_others_behind_its_name_is_named(folder: Path) -> None:
    hiding = "tenant_id=4:acme\nticket"
    hide = pa.schema([pa.field(hiding, pa.string())])
    DeltaTable(str(folder / "lake" / O)).alter.add_columns(Schema.from_arrow(hide).fields)
    report = examine(folder)
    assert named(report, "modified", table=O)
    assert any("schema" in outcome.detail for outcome in report.broken)


@pytest.mark.long
def test_a_kept_checkpoint_that_was_changed_is_forged(folder: Path) -> None:
    kept = (folder / "kept.json").read_text()
    (folder / "kept.json").write_text(kept.replace('"segments":2', '"segments":1'))
    assert named(examine(folder, kept=True), "forged", table="checkpoints", key="1")


def test_every_table_of_the_record_is_covered() -> None:
    from proof.chain import ENTRY_KEYS, RECORD_TABLES

    assert {O, A, I, D} == set(RECORD_TABLES)
    assert {"findings", "triage", "runs", "replays", "deliveries", "holds"} == set(ENTRY_KEYS)
    assert set(ENTRY_KEYS) | set(RECORD_TABLES) <= set(TABLES)
