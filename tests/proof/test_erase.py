"""A person's data is redacted everywhere, a tombstone tells of it, and the chains stay whole."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING

import pytest
from pyarrow import parquet

from lake.store import open_lake
from proof.erase import erase
from proof.holds import Scope, place
from proof.seal import seal
from schemas.catalogue import TABLES
from schemas.errors import LakeError, SettingsError
from tests.proof import small_lake
from tests.proof.conftest import examine
from tests.proof.small_lake import DAY, EVENTS, SEALED, add, settings_of
from tests.proof.tampering import files
from tests.proof.test_tamper import A, D, I, O, named

if TYPE_CHECKING:
    from pathlib import Path

BO = "user:bo@example.com"
NOW = SEALED + 10 * DAY


def erased(folder: Path, value: str = BO, *, dry_run: bool = False) -> dict[str, int]:
    done = erase(settings_of(folder), value, reason="request 12", actor="dpo", now=NOW, dry_run=dry_run)
    return {each.table: each.rows for each in done if each.rows}


def holds_anywhere(folder: Path, value: bytes) -> list[str]:
    """The tables whose active files hold the bytes."""
    found = []
    for name in TABLES:
        for file in files(folder, name):
            rows = parquet.ParquetFile(file).read().to_pylist()
            if any(
                value in (v if isinstance(v, bytes) else str(v).encode())
                for row in rows
                for v in row.values()
            ):
                found.append(name)
    return sorted(set(found))


def test_a_person_is_redacted_in_every_table_and_the_record_stays_provable(folder: Path) -> None:
    assert holds_anywhere(folder, BO.encode()) == sorted([O, A, I, "findings"])
    before = open_lake(folder / "lake").snapshot().versions
    would = erased(folder, dry_run=True)
    assert open_lake(folder / "lake").snapshot().versions == before
    assert erased(folder) == would
    assert would == {O: 10, A: 6, I: 4, "findings": 6}
    assert holds_anywhere(folder, BO.encode()) == []
    report = examine(folder, kept=True)
    assert not report.broken
    assert named(report, "erased", table=O, topic=EVENTS, partition=1, offset=15, count=1)
    assert named(report, "erased", table="findings", key="f-1:2")
    assert {outcome.kind for outcome in report.outcomes} == {"erased"}
    others = [row for file in files(folder, O) for row in parquet.ParquetFile(file).read().to_pylist()]
    assert sum(row["on_behalf_of"] == "user:ann@example.com" for row in others) > 20
    assert all(row["raw"] is None or b"ann" in row["raw"] for row in others)


@pytest.mark.long
def test_a_value_is_found_in_lists_headers_and_as_json_writes_it(folder: Path) -> None:
    lake, name = open_lake(folder / "lake"), 'zoë "q" o\'hara'
    header = json.dumps([["who", base64.b64encode(f"x={name}!".encode()).decode()]])
    letter = small_lake.dead(EVENTS, 0, 26, 4) | {"headers": header, "detail": "it does not parse"}
    add(lake, D, [letter], p0=(20, 27))
    event = small_lake.event(EVENTS, 0, 27, 4) | {
        "labels": ["a", f"of {name}", "b"], "attributes": json.dumps({"who": name}), "raw": json.dumps(name).encode(),
    }  # fmt: skip
    add(lake, O, [event], p0=(26, 28))
    seal(settings_of(folder), now=NOW)
    assert erased(folder, name) == {O: 1, D: 1}
    rows = [row for file in files(folder, O) for row in parquet.ParquetFile(file).read().to_pylist()]
    row = next(row for row in rows if row["source_offset"] == 27)
    assert (row["labels"], row["attributes"], row["raw"]) == (["a", "[erased]", "b"], None, None)
    assert not examine(folder, kept=True).broken


@pytest.mark.long
def test_a_hold_keeps_what_it_names_from_erasure(folder: Path) -> None:
    lake = open_lake(folder / "lake")
    place(lake, Scope(tenant_id="acme"), owner="legal", reason="matter", actor="ann", now=NOW)
    done = erase(settings_of(folder), BO, reason="request", actor="dpo", now=NOW)
    assert {each.table: (each.rows, each.held) for each in done if each.rows or each.held} == {
        O: (4, 6), A: (0, 6), I: (0, 4), "findings": (0, 6),
    }  # fmt: skip
    assert not examine(folder, kept=True).broken


@pytest.mark.long
def test_a_crash_before_the_files_are_written_is_finished_by_the_next(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("proof.erase.write_anew", killed)
        with pytest.raises(KeyboardInterrupt):
            erased(folder)
    report = examine(folder)
    assert not report.broken
    assert named(report, "undeleted", table=O, topic=EVENTS, partition=1, offset=15)
    assert erased(folder)[O] == 10
    assert {outcome.kind for outcome in examine(folder, kept=True).outcomes} == {"erased"}
    assert erased(folder) == {}


def test_what_cannot_be_meant_is_refused(folder: Path) -> None:
    with pytest.raises(LakeError, match="4 characters"):
        erased(folder, "ann")
    with pytest.raises(SettingsError, match="key_file"):
        erase(settings_of(folder, integrity={"key_file": None}), BO, reason="r", actor="a")
