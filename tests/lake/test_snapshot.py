"""A snapshot is pinned: by version, by time, and while the tables move on."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pytest
from deltalake import DeltaTable, TableFeatures

from lake.log import LOG, entry_name
from lake.store import open_lake
from schemas.errors import LakeError
from schemas.events import DEAD_LETTERS
from schemas.events import ORCHESTRATION_EVENTS as EVENTS

if TYPE_CHECKING:
    from lake.store import Lake


def test_an_empty_lake_has_no_versions(lake: Lake) -> None:
    snapshot = lake.snapshot()
    assert snapshot.versions == {}
    assert snapshot.files(EVENTS.name) == []
    assert snapshot.schema(EVENTS.name) is None
    assert snapshot.rows(EVENTS.name) == 0


def test_a_snapshot_does_not_move(lake: Lake, events: Any) -> None:
    lake.append(EVENTS, events(10))
    held = lake.snapshot()
    lake.append(EVENTS, events(5, 10))
    assert (held.rows(EVENTS.name), lake.snapshot().rows(EVENTS.name)) == (10, 15)
    assert set(held.files(EVENTS.name)) < set(lake.snapshot().files(EVENTS.name))


def test_as_of_a_version(lake: Lake, events: Any) -> None:
    for n in range(4):
        lake.append(EVENTS, events(10, n * 10))
    past = lake.snapshot({EVENTS.name: 2})
    assert past.versions == {EVENTS.name: 2}
    assert past.rows(EVENTS.name) == 20
    assert lake.snapshot({}).versions == {}
    assert lake.snapshot(lake.snapshot().versions) == lake.snapshot()


@pytest.mark.parametrize(
    ("versions", "message"),
    [
        ({EVENTS.name: 99}, "no version 99"),
        ({EVENTS.name: -1}, "no version -1"),
        ({"colours": 1}, "no table colours"),
    ],
)
def test_a_version_that_is_not_there_is_refused(
    lake: Lake, events: Any, versions: dict[str, int], message: str
) -> None:
    lake.append(EVENTS, events(1))
    with pytest.raises(LakeError, match=message):
        lake.snapshot(versions)


def test_as_of_a_time_takes_each_table_as_it_was(lake: Lake, events: Any) -> None:
    moments = [datetime.now(UTC)]
    for n in range(5):
        time.sleep(0.01)  # the log's times are in milliseconds
        lake.append(EVENTS, events(10, n * 10))
        time.sleep(0.01)
        moments.append(datetime.now(UTC))
    assert lake.snapshot(moments[0]).versions == {}
    assert [lake.snapshot(m).rows(EVENTS.name) for m in moments[1:]] == [10, 20, 30, 40, 50]
    assert lake.snapshot(moments[-1] + timedelta(days=9)).rows(EVENTS.name) == 50
    eastern = moments[2].astimezone(ZoneInfo("Asia/Tokyo"))
    assert lake.snapshot(eastern).rows(EVENTS.name) == 20


def test_times_of_versions_survive_a_copy(lake: Lake, events: Any) -> None:
    lake.append(EVENTS, events(10))
    time.sleep(0.01)
    moment = datetime.now(UTC)
    time.sleep(0.01)
    lake.append(EVENTS, events(10, 10))
    for entry in (Path(lake.url) / EVENTS.name / LOG).glob("*.json"):
        entry.touch()
    assert lake.snapshot(moment).rows(EVENTS.name) == 10


def test_a_time_without_a_zone_is_refused(lake: Lake) -> None:
    with pytest.raises(LakeError, match="time zone"):
        lake.snapshot(datetime(2026, 1, 1))  # noqa: DTZ001 - what is refused


def test_a_time_before_the_kept_log_is_refused(lake: Lake, events: Any, tmp_path: Path) -> None:
    for n in range(3):
        lake.append(EVENTS, events(1, n))
    DeltaTable(f"{lake.url}/{EVENTS.name}").create_checkpoint()
    for version in range(3):
        (tmp_path / "lake" / EVENTS.name / LOG / entry_name(version)).unlink()
    with pytest.raises(LakeError, match="since 3 only"):
        lake.snapshot(datetime(2020, 1, 1, tzinfo=UTC))


def test_a_version_whose_files_have_expired_is_refused(lake: Lake, events: Any, tmp_path: Path) -> None:
    lake.append(EVENTS, events(1))
    for file in lake.snapshot().files(EVENTS.name):
        (tmp_path / file).unlink()
    with pytest.raises(LakeError, match="expired"):
        lake.snapshot({EVENTS.name: 1})


def test_compaction_keeps_what_a_held_snapshot_reads(lake: Lake, events: Any, tmp_path: Path) -> None:
    for n in range(4):
        lake.append(EVENTS, events(10, n * 10))
    held = lake.snapshot()
    assert lake.compact(EVENTS).files_removed == 4
    assert all((tmp_path / file).exists() for file in held.files(EVENTS.name))
    assert lake.snapshot({EVENTS.name: held.versions[EVENTS.name]}) == held


def test_tables_that_nobody_wrote_are_absent(lake: Lake, events: Any) -> None:
    lake.append(EVENTS, events(1))
    assert DEAD_LETTERS.name not in lake.snapshot().versions


def test_tables_whose_rows_other_tools_mark_as_deleted_are_refused(lake: Lake, events: Any) -> None:
    lake.append(EVENTS, events(1))
    DeltaTable(f"{lake.url}/{EVENTS.name}").alter.add_feature(
        TableFeatures.DeletionVectors, allow_protocol_versions_increase=True
    )
    with pytest.raises(LakeError, match="deletionVectors"):
        open_lake(lake.url).snapshot()
