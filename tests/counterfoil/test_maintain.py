"""`counterfoil maintain`: upkeep beside a live writer, a live reader and itself; nothing lost, nothing twice."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest

from counterfoil.upkeep import upkeep
from lake.duck import view_sql
from lake.store import NEVER, open_lake
from schemas.events import STREAM_PROGRESS
from schemas.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable

    from lake.store import Lake

LONG_AGO = time.time() - 40 * 86400


def note(number: int) -> pa.Table:
    """One row of stream_progress, which tells its number."""
    now = datetime.now(UTC)
    row = {
        "progress_id": str(number), "observed_time": now, "stream": "orchestration", "source_topic": "t",
        "source_partition": 0, "next_offset": number, "caught_up": True, "event_date": now.date(),
    }  # fmt: skip
    return pa.Table.from_pylist([row], schema=STREAM_PROGRESS.schema)


def append(lake: Lake, number: int) -> None:
    lake.append(STREAM_PROGRESS, note(number), positions={"t-0": (number - 1 if number else NEVER, number)})


def numbers(lake: Lake) -> list[int]:
    import duckdb

    with duckdb.connect() as connection:
        files = lake.snapshot().files(STREAM_PROGRESS.name)
        query = f"SELECT next_offset FROM ({view_sql(STREAM_PROGRESS, files)}) ORDER BY 1"
        return [row[0] for row in connection.sql(query).fetchall()]


@pytest.fixture
def filled(tmp_path: Path) -> Lake:
    """A lake of one table with twenty files of one day."""
    lake = open_lake(tmp_path / "lake-data", create=True)
    for number in range(20):
        append(lake, number)
    return lake


def rows(done: Any) -> dict[str, dict[str, Any]]:
    return {row["table"]: row for row in map(json.loads, done.out.splitlines())}


def test_small_files_become_one_and_the_figures_say_so(counterfoil: Callable[..., Any], filled: Lake) -> None:
    before = rows(counterfoil("maintain", "--dry-run", "--format", "json"))
    files = len(filled.snapshot().files(STREAM_PROGRESS.name))
    done = rows(counterfoil("maintain", "--format", "json"))
    again = rows(counterfoil("maintain", "--format", "json"))

    assert files == 20
    for each, dry_run in ((before, True), (done, False)):
        figures = each["stream_progress"]
        assert (figures["files_before"], figures["merged"], figures["written"], figures["files_after"]) == (
            20,
            20,
            1,
            1,
        )
        assert figures["dry_run"] is dry_run
        assert figures["merged_bytes"] > 0
    assert (again["stream_progress"]["merged"], again["stream_progress"]["files_after"]) == (0, 1)
    assert numbers(filled) == list(range(20))


def test_what_is_past_keeping_is_deleted_and_no_more(counterfoil: Callable[..., Any], filled: Lake) -> None:
    folder = Path(filled.url) / "stream_progress"
    counterfoil("maintain")
    replaced = {str(path) for path in folder.rglob("*.parquet") if "_delta_log" not in str(path)} - set(
        filled.snapshot().files(STREAM_PROGRESS.name)
    )
    stray = folder / f"event_date={datetime.now(UTC).date()}" / "part-stray.zstd.parquet"
    stray.write_bytes(b"of a writer that was killed")
    os.utime(stray, (LONG_AGO, LONG_AGO))
    before = rows(counterfoil("maintain", "--dry-run", "--format", "json"))["stream_progress"]
    assert (before["deleted"], stray.exists()) == (1, True)
    assert rows(counterfoil("maintain", "--no-expire", "--format", "json"))["stream_progress"]["deleted"] == 0
    done = rows(counterfoil("maintain", "--format", "json"))["stream_progress"]

    assert (done["deleted"], stray.exists()) == (1, False)
    assert len(replaced) == 20
    assert all(Path(file).exists() for file in replaced)
    assert numbers(filled) == list(range(20))


def test_only_what_was_asked_for_is_done(counterfoil: Callable[..., Any], filled: Lake) -> None:
    assert counterfoil("maintain", "--table", "runs", "--format", "json").out == ""
    kept = rows(counterfoil("maintain", "--no-compact", "--format", "json"))["stream_progress"]
    assert (kept["merged"], kept["files_after"]) == (0, 20)
    checkpoints = list((Path(filled.url) / "stream_progress" / "_delta_log").glob("*.checkpoint.parquet"))
    assert len(checkpoints) == 1


def test_keeping_less_than_readers_rely_on_is_refused(counterfoil: Callable[..., Any], filled: Lake) -> None:
    ended = counterfoil("maintain", "--older-than", "1d")

    assert ended.code == 4
    assert "expire nothing younger" in ended.err
    assert numbers(filled) == list(range(20))


def test_settings_that_keep_less_than_the_table_says_give_way_to_it(
    counterfoil: Callable[..., Any], filled: Lake
) -> None:
    assert counterfoil("maintain", COUNTERFOIL_LAKE__FILE_RETENTION="8d").code == 0
    assert len(numbers(filled)) == 20


def test_an_unknown_table_is_wrong_usage(counterfoil: Callable[..., Any], filled: Lake) -> None:
    ended = counterfoil("maintain", "--lake", filled.url, "--table", "nosuch")

    assert (ended.code, "stream_progress" in ended.err) == (2, True)


def test_a_missing_lake_is_4(counterfoil: Callable[..., Any]) -> None:
    assert "there is no lake at" in counterfoil("maintain", "--lake", "nowhere").fails_with(4)


def test_it_runs_beside_a_writer_a_reader_and_itself(
    filled: Lake, tmp_path: Path, plain_environment: dict[str, str]
) -> None:
    stop = threading.Event()
    written = 20
    seen: list[list[int]] = []
    failures: list[BaseException] = []

    def write() -> None:
        nonlocal written
        try:
            while not stop.is_set():
                append(filled, written)
                written += 1
        except BaseException as error:  # noqa: BLE001 - shown by the test's own thread
            failures.append(error)

    def read() -> None:
        try:
            while not stop.is_set():
                seen.append(numbers(open_lake(filled.url, read_only=True)))
        except BaseException as error:  # noqa: BLE001 - shown by the test's own thread
            failures.append(error)

    workers = [threading.Thread(target=each) for each in (write, read)]
    for worker in workers:
        worker.start()
    merged = 0
    other = subprocess.Popen(
        [sys.executable, "-m", "counterfoil", "maintain", "--lake", filled.url],
        cwd=tmp_path, env=plain_environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    runs = 0
    while runs < 4 or (merged == 0 and runs < 50):
        [kept] = upkeep(Settings(lake={"url": filled.url}))
        assert kept.error is None
        merged += kept.merged
        runs += 1
    _, complaint = other.communicate(timeout=120)
    stop.set()
    for worker in workers:
        worker.join()

    assert (failures, other.returncode) == ([], 0), complaint
    assert merged > 0
    assert written > 20
    assert len(seen) > 1
    # Each reader saw whole commits: all numbers up to some, each once.
    assert all(found == list(range(len(found))) and len(found) >= 20 for found in seen)
    assert numbers(filled) == list(range(written))
    assert filled.position(STREAM_PROGRESS, "t-0") == written - 1
