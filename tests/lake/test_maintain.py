"""Compaction changes files and nothing else; expiry takes only what nobody can need."""

from __future__ import annotations

import json
import os
import threading
import time
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from pyarrow import parquet

from lake import maintain
from lake.log import LOG, entry_name
from lake.store import NEVER, Retention, open_lake
from schemas.errors import LakeError
from schemas.events import ORCHESTRATION_EVENTS as EVENTS

if TYPE_CHECKING:
    from lake.store import Lake

LONG_AGO = time.time() - 40 * 86400


def offsets(lake: Lake) -> list[int]:
    found: list[int] = []
    for file in lake.snapshot().files(EVENTS.name):
        found += parquet.ParquetFile(file).read(["source_offset"])["source_offset"].to_pylist()
    return found


def fill(lake: Lake, events: Any, batches: int = 6) -> None:
    for n in range(batches):
        lake.append(EVENTS, events(10, n * 10), positions={"agents-0": (n * 10 or NEVER, n * 10 + 10)})


def test_small_files_become_one_per_date_and_rows_keep_their_order(lake: Lake, events: Any) -> None:
    fill(lake, events, 12)  # one minute before midnight, then one after
    result = lake.compact(EVENTS)
    assert (result.files_removed, result.files_added, result.version) == (
        12,
        2,
        lake.snapshot().versions[EVENTS.name],
    )
    assert len(lake.snapshot().files(EVENTS.name)) == 2
    assert offsets(lake) == list(range(120))
    assert lake.position(EVENTS, "agents-0") == 120
    lake.append(EVENTS, events(10, 120), positions={"agents-0": (120, 130)})


def test_compacting_again_does_nothing(lake: Lake, events: Any) -> None:
    assert lake.compact(EVENTS).version is None
    fill(lake, events)
    lake.compact(EVENTS)
    version = lake.snapshot().versions
    assert lake.compact(EVENTS) == maintain.CompactResult(0, 0, 0, None)
    assert lake.snapshot().versions == version


def test_files_grow_to_the_target_and_no_further(lake: Lake, events: Any) -> None:
    fill(lake, events)
    size = max(Path(f).stat().st_size for f in lake.snapshot().files(EVENTS.name))
    lake.compact(EVENTS, target_bytes=size * 2 + 100)
    assert len(lake.snapshot().files(EVENTS.name)) == 3
    assert sorted(offsets(lake)) == list(range(60))


def test_the_log_says_what_is_in_the_new_file(lake: Lake, events: Any) -> None:
    fill(lake, events)
    version = lake.compact(EVENTS).version
    assert version is not None
    entry = (Path(lake.url) / EVENTS.name / LOG / entry_name(version)).read_text().splitlines()
    (added,) = [json.loads(line)["add"] for line in entry if '"add"' in line]
    statistics = json.loads(added["stats"])
    assert added["dataChange"] is False
    assert statistics["numRecords"] == 60
    assert (statistics["minValues"]["source_offset"], statistics["maxValues"]["source_offset"]) == (0, 59)
    assert statistics["minValues"]["event_time"] == "2026-03-01T23:59:00.000000Z"
    assert set(statistics["nullCount"]) == set(EVENTS.statistics)


def test_two_compactions_and_a_writer_at_once_lose_and_repeat_nothing(lake: Lake, events: Any) -> None:
    fill(lake, events)
    start = threading.Barrier(3)

    def compact() -> None:
        start.wait()
        open_lake(lake.url).compact(EVENTS)

    threads = [threading.Thread(target=compact) for _ in range(2)]
    for thread in threads:
        thread.start()
    start.wait()
    for n in range(6, 12):
        lake.append(EVENTS, events(10, n * 10), positions={"agents-0": (n * 10, n * 10 + 10)})
    for thread in threads:
        thread.join()
    assert sorted(offsets(lake)) == list(range(120))
    assert lake.position(EVENTS, "agents-0") == 120


def test_expiry_refuses_to_go_below_the_retention(lake: Lake, events: Any, tmp_path: Path) -> None:
    lake.append(EVENTS, events(1))
    for days in (0, 7, 29):
        with pytest.raises(LakeError, match="keeps files for 30 days"):
            lake.expire(EVENTS, older_than=timedelta(days=days))
    short = open_lake(tmp_path / "short", create=True, retention=Retention(files=timedelta(days=7)))
    short.append(EVENTS, events(1))
    with pytest.raises(LakeError, match="7 days"):
        short.expire(EVENTS, older_than=timedelta(days=6, hours=23))
    assert short.expire(EVENTS, older_than=timedelta(days=7)).files_removed == 0


@pytest.mark.parametrize(
    "values",
    [{"files": timedelta(days=6)}, {"log": timedelta(days=20)}, {"checkpoint_interval": 0}],
)
def test_a_retention_that_endangers_readers_is_refused(values: dict[str, Any]) -> None:
    with pytest.raises(LakeError):
        Retention(**values)


def test_expiry_takes_leftovers_that_are_old_and_nothing_else(
    lake: Lake, events: Any, tmp_path: Path
) -> None:
    fill(lake, events)
    held = lake.snapshot()
    lake.compact(EVENTS)
    table = tmp_path / "lake" / EVENTS.name
    day = table / "event_date=2026-03-01"
    old, young = day / "part-old.zstd.parquet", day / "part-young.zstd.parquet"
    torn_old, torn_young = table / LOG / f"{entry_name(99)}#1", table / LOG / f"{entry_name(99)}#2"
    for path in (old, young, torn_old, torn_young):
        path.write_bytes(b"PAR1")
    for path in (
        old,
        torn_old,
        *(Path(f) for f in lake.snapshot().files(EVENTS.name)),
        *map(Path, held.files(EVENTS.name)),
    ):
        os.utime(path, (LONG_AGO, LONG_AGO))
    result = lake.expire(EVENTS, older_than=timedelta(days=30))
    assert result.files_removed == 1
    assert not old.exists()
    assert not torn_old.exists()
    assert young.exists()
    assert torn_young.exists()
    assert all(Path(file).exists() for file in held.files(EVENTS.name)), (
        "replaced a moment ago, so still kept"
    )
    assert offsets(lake) == list(range(60))
    assert lake.position(EVENTS, "agents-0") == 60
    assert lake.history(EVENTS)[0].message == "expire 1 files"


def test_expiry_takes_log_entries_past_the_retention_and_positions_stay(
    lake: Lake, events: Any, tmp_path: Path
) -> None:
    fill(lake, events)
    log = tmp_path / "lake" / EVENTS.name / LOG
    before = time.time() - 500 * 86400
    for version in range(4):
        os.utime(log / entry_name(version), (before, before))
    lake.expire(EVENTS, older_than=timedelta(days=30))
    assert open_lake(lake.url).position(EVENTS, "agents-0") == 60
    assert sorted(offsets(lake)) == list(range(60))
    assert (log / entry_name(6)).exists()
    lake.append(EVENTS, events(10, 60), positions={"agents-0": (60, 70)})
    assert open_lake(lake.url, read_only=True).snapshot().rows(EVENTS.name) == 70


def test_tables_that_do_not_exist_have_nothing_to_keep(lake: Lake) -> None:
    assert lake.expire(EVENTS, older_than=timedelta(days=30)).files_removed == 0
    assert lake.history(EVENTS) == []


def test_positions_and_history_survive_checkpoints(tmp_path: Path, events: Any) -> None:
    lake = open_lake(tmp_path / "lake", create=True, retention=Retention(checkpoint_interval=2))
    fill(lake, events, 7)
    assert list((tmp_path / "lake" / EVENTS.name / LOG).glob("*.checkpoint.parquet"))
    assert open_lake(lake.url).position(EVENTS, "agents-0") == 70
    assert [v.version for v in lake.history(EVENTS, 3)] == [7, 6, 5]
