"""Looking at a lake: what there is to do in it, what has been added to it, and whether it can be written."""

from __future__ import annotations

import os
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from pyarrow import parquet

from lake.store import NEVER, open_lake
from schemas.errors import LakeError
from schemas.events import ORCHESTRATION_EVENTS as EVENTS

if TYPE_CHECKING:
    from lake.store import Lake


def fill(lake: Lake, events: Any, batches: int, start: int = 0) -> None:
    for n in range(start, start + batches):
        lake.append(EVENTS, events(2, n * 2), positions={"agents-0": (n * 2 or NEVER, n * 2 + 2)})


def test_a_survey_foretells_what_compaction_and_expiry_do(lake: Lake, events: Any) -> None:
    assert lake.survey(EVENTS) is None
    fill(lake, events, 5)
    before = lake.survey(EVENTS)
    done = lake.compact(EVENTS)
    after = lake.survey(EVENTS)

    assert before is not None
    assert after is not None
    assert (before.files, before.small_files, before.merged_files) == (
        5,
        done.files_removed,
        done.files_added,
    )
    assert before.size == before.small_bytes == done.bytes_read
    assert (after.files, after.small_files, after.merged_files, after.expired_files) == (1, 0, 0, 0)
    assert before.retention == timedelta(days=30)


def test_a_survey_counts_what_is_past_keeping_and_deletes_nothing(lake: Lake, events: Any) -> None:
    fill(lake, events, 1)
    stray = Path(lake.snapshot().files(EVENTS.name)[0]).with_name("part-stray.zstd.parquet")
    stray.touch()
    os.utime(stray, (time.time() - 40 * 86400,) * 2)
    found = [lake.survey(EVENTS, older_than=timedelta(days=days)) for days in (1, 35, 50)]

    # One day is less than the table keeps, so its own 30 count.
    assert [each and each.expired_files for each in found] == [1, 1, 0]
    assert stray.exists()


def test_followers_see_each_row_once_whatever_compaction_does(lake: Lake, events: Any) -> None:
    assert lake.added_since(EVENTS, None) == (None, [])
    fill(lake, events, 3)
    version, first = lake.added_since(EVENTS, None)
    lake.compact(EVENTS)
    compacted, nothing = lake.added_since(EVENTS, version)
    fill(lake, events, 2, start=3)
    newest, second = lake.added_since(EVENTS, compacted)

    assert (len(first), nothing, len(second)) == (3, [], 2)
    offsets = [
        offset
        for file in (*first, *second)
        for offset in parquet.ParquetFile(file).read(["source_offset"])["source_offset"].to_pylist()
    ]
    assert offsets == list(range(10))
    assert lake.added_since(EVENTS, newest) == (newest, [])


def test_a_checkpoint_sums_up_the_log(lake: Lake, events: Any) -> None:
    lake.checkpoint(EVENTS)
    fill(lake, events, 3)
    lake.checkpoint(EVENTS)
    version = lake.snapshot().versions[EVENTS.name]

    assert (Path(lake.url) / EVENTS.name / "_delta_log" / f"{version:020d}.checkpoint.parquet").exists()
    assert lake.position(EVENTS, "agents-0") == 6


def test_a_probe_leaves_nothing_behind(lake: Lake, events: Any) -> None:
    fill(lake, events, 1)
    before = sorted(Path(lake.url).rglob("*"))

    assert lake.probe() == 0.0
    assert open_lake(lake.url, read_only=True).probe() == 0.0
    assert sorted(Path(lake.url).rglob("*")) == before


def test_a_probe_tells_of_a_storage_with_another_time(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    behind = datetime.now(UTC).timestamp() - 3600
    monkeypatch.setattr("lake.probe.time.time", lambda: behind)

    assert lake.probe() == pytest.approx(3600, abs=120)


def test_a_lake_that_is_gone_cannot_be_probed(lake: Lake) -> None:
    Path(lake.url).rmdir()
    with pytest.raises(LakeError, match="cannot write to"):
        lake.probe()
