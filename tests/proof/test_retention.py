"""Rows expire by rule, with a tombstone, and the chains stay whole; a hold keeps what it names."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from lake.store import open_lake
from proof.expiry import Expired, expire_rows
from proof.holds import Scope, place, read_holds, release
from proof.reader import Reader
from schemas.errors import LakeError, SettingsError
from tests.proof.conftest import examine
from tests.proof.small_lake import DAY, DECISIONS, EVENTS, FIRST, SEALED, settings_of
from tests.proof.tampering import rewrite
from tests.proof.test_tamper import A, O, named

if TYPE_CHECKING:
    from pathlib import Path

    from schemas.settings import Settings

NOW = SEALED + 10 * DAY


def ruled(folder: Path, **rules: Any) -> Settings:
    return settings_of(folder, retention={"rules": rules})


def expired(settings: Settings, **more: Any) -> dict[str, int]:
    return {each.table: each.rows for each in expire_rows(settings, now=NOW, **more) if each.rows}


def keep(days: float) -> str:
    """Keep what came less than so many days after the first event."""
    return f"{(NOW - FIRST).total_seconds() - days * 86400:.0f}s"


def test_a_day_expires_and_is_no_damage(folder: Path) -> None:
    settings = ruled(folder, old={"keep": keep(0.5), "tables": [O, A]})
    assert expired(settings, dry_run=True) == {O: 34, A: 18}
    assert expired(settings) == {O: 34, A: 18}
    report = examine(folder, kept=True)
    assert not report.broken
    assert named(report, "expired", table=O, topic=EVENTS, partition=0, offset=9)
    assert named(report, "expired", table=A, topic=DECISIONS, partition=1, offset=0)
    assert not named(report, "expired", table=A, offset=10)
    assert {outcome.kind for outcome in report.outcomes} == {"expired"}


@pytest.mark.long
def test_a_whole_segment_expires_without_a_list_of_its_rows(folder: Path) -> None:
    settings = ruled(folder, all={"keep": keep(1.5)})
    assert expired(settings)
    report = examine(folder, kept=True)
    assert not report.broken
    assert named(report, "expired", topic=EVENTS, partition=1, offset=19, count=38)
    assert named(report, "expired", table="findings", key="f-2:1")
    assert not named(report, "expired", table="findings", key="f-9:1")


@pytest.mark.long
def test_rows_that_go_beyond_what_the_tombstone_says_are_missing(folder: Path) -> None:
    assert expired(ruled(folder, old={"keep": keep(0.5), "tables": [A]}))
    rewrite(folder, A, lambda row: None if row["source_offset"] == 12 else row)
    report = examine(folder)
    assert named(report, "missing", table=A, topic=DECISIONS, partition=0, offset=12)
    assert named(report, "expired", table=A, topic=DECISIONS, partition=0, offset=9)


@pytest.mark.long
def test_a_tombstone_that_is_widened_is_modified(folder: Path) -> None:
    assert expired(ruled(folder, old={"keep": keep(0.5), "tables": [A]}))

    def widen(row: dict[str, Any]) -> dict[str, Any]:
        return {**row, "leaves": row["leaves"][:-2] + b"!!"} if row["chain"] == "tombstones" else row

    assert rewrite(folder, "digests", widen)
    report = examine(folder)
    assert named(report, "modified", chain="tombstones")
    assert named(report, "missing", table=A, topic=DECISIONS, partition=0, offset=0)


@pytest.mark.long
def test_a_crash_before_the_deletion_is_finished_by_the_next(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = ruled(folder, old={"keep": keep(0.5), "tables": [A]})
    with monkeypatch.context() as patched:
        patched.setattr("proof.expiry.write_anew", _killed)
        with pytest.raises(KeyboardInterrupt):
            expired(settings)
    report = examine(folder)
    assert not report.broken
    assert named(report, "undeleted", table=A, topic=DECISIONS, partition=0, offset=0)
    assert expired(settings) == {A: 18}
    assert {outcome.kind for outcome in examine(folder, kept=True).outcomes} == {"expired"}


def _killed(*_: object) -> None:
    raise KeyboardInterrupt


@pytest.mark.long
def test_the_longest_rule_counts_and_tenants_have_their_own(folder: Path) -> None:
    rules = {
        "all": {"keep": keep(1.5), "tables": [O]},
        "acme": {"keep": keep(0.5), "tenants": ["acme"], "tables": [O]},
    }
    assert expired(ruled(folder, **rules), dry_run=True) == {O: 46}  # of acme only what is older still
    short = {"acme": {"keep": "1d", "tenants": ["acme"], "tables": [O]}}
    assert expired(ruled(folder, **short), dry_run=True) == {O: 52}
    assert expired(ruled(folder, other={"keep": "1d", "tenants": ["other"]}), dry_run=True) == {}


@pytest.mark.long
def test_a_hold_keeps_its_rows_until_it_is_released(folder: Path) -> None:
    settings = ruled(folder, old={"keep": keep(0.5), "tables": [O, A]})
    lake = open_lake(folder / "lake")
    place(lake, Scope(tenant_id="globex"), owner="legal", reason="matter 7", actor="ann", now=NOW)
    trace = Scope(trace_id=f"{1:032x}", from_time=FIRST)
    hold_id = place(lake, trace, owner="legal", reason="matter 8", actor="ann", now=NOW)
    everything = {each.table: each for each in expire_rows(settings, now=NOW)}
    held = everything[O].held
    assert (everything[O].rows + held, everything[A]) == (
        34,
        Expired(A, rows=0, held=18),
    )  # decisions name no trace
    assert held == sum(2 for partition in (0, 1) for n in range(10)
                       if (n % 3 == 0 or n // 4 == 1) and n != 3 and (partition, n) != (0, 7))  # fmt: skip
    assert not examine(folder, kept=True).broken
    with Reader() as reader:
        one = next(hold for hold in read_holds(lake.snapshot(), reader) if hold.hold_id == hold_id)
        release(lake, one, reason="settled", actor="ann", now=NOW + timedelta(hours=1))
        again = next(hold for hold in read_holds(lake.snapshot(), reader) if hold.hold_id == hold_id)
    with pytest.raises(LakeError, match="released already"):
        release(lake, again, reason="settled", actor="ann", now=NOW)
    assert expired(settings)[A] == 18
    assert not examine(folder, kept=True).broken


def test_what_cannot_be_meant_is_refused(folder: Path) -> None:
    with pytest.raises(LakeError, match="names nothing"):
        place(open_lake(folder / "lake"), Scope(), owner="o", reason="r", actor="a", now=NOW)
    with pytest.raises(SettingsError, match="do not expire"):
        expire_rows(ruled(folder, old={"keep": "1d", "tables": ["runs"]}))
    with pytest.raises(SettingsError, match="key_file"):
        expire_rows(
            settings_of(folder, integrity={"key_file": None}, retention={"rules": {"a": {"keep": "1d"}}})
        )
