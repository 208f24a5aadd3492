"""The short form: what must hold on any store, on one that every run can have. The rest is `make test-s3`."""

from __future__ import annotations

import subprocess
import sys
import threading
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb
import pyarrow as pa
import pytest

from analytics.detect import detect
from lake.store import NEVER, open_lake
from schemas.errors import CommitConflict, LakeError
from schemas.events import ORCHESTRATION_EVENTS as EVENTS
from schemas.settings import load_settings
from tests.lake.rows import make_events
from tests.objectstore.gateway import SECRET
from tests.objectstore.seaweed import reachable
from tests.objectstore.writer import PARTITIONS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lake.store import Lake

ROOT = Path(__file__).parents[2]
# Another than the gateway's: connections are kept by their URL.
BUCKET = "short"
COUNTED = f"""
    SELECT source_partition, count(*), count(DISTINCT source_offset), max(source_offset) + 1
    FROM {EVENTS.name} GROUP BY ALL ORDER BY ALL
"""


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A bucket of a store that is reached with what stands in the environment."""
    with reachable(tmp_path_factory.mktemp("seaweed"), BUCKET) as url:
        yield url


@pytest.fixture
def url(store: str) -> str:
    """Where a lake can be made."""
    return f"{store}/{uuid.uuid4().hex}"


def test_a_small_lake_is_written_detected_and_read(url: str) -> None:
    lake = open_lake(url, create=True)
    lake.append(EVENTS, make_events(20), positions={"agents-0": (NEVER, 20)})
    settings = load_settings(lake={"url": url})
    found = detect(settings, closed=True)
    assert [f["rule_name"] for f in found.findings] == ["unauthorised-action"] * 20
    assert detect(settings, closed=True).written == 0


def test_writers_that_race_and_one_that_is_killed_lose_nothing_and_repeat_nothing(url: str) -> None:
    command = [sys.executable, "-m", "tests.objectstore.writer", url, "killed", "1"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE) as other:
        try:
            assert other.stdout is not None
            assert other.stdout.readline(), "the writer has ended by itself"
            won = _race(url, rounds=3)
        finally:
            other.kill()
    assert all(winners <= 1 for winners in won)
    lake = open_lake(url)
    sources = [f"agents-{n}" for n in range(PARTITIONS)]
    for number, (source, start) in enumerate(lake.positions(EVENTS, sources).items()):
        _append(lake, source, number, start or 0)
    positions = lake.positions(EVENTS, sources)
    with duckdb.connect() as connection:
        lake.snapshot().register(connection)
        found = connection.sql(COUNTED).fetchall()
    assert found == [
        (n, positions[source], positions[source], positions[source]) for n, source in enumerate(sources)
    ]


def _race(url: str, rounds: int) -> list[int]:
    """Two writers set out from one position, so many times; how many of them recorded what they wrote, each time."""
    together, won = threading.Barrier(2, timeout=60), [0] * rounds

    def write() -> None:
        lake = open_lake(url)
        for turn in range(rounds):
            start = lake.position(EVENTS, "agents-0") or 0
            together.wait()
            try:
                _append(lake, "agents-0", 0, start)
            except CommitConflict:
                continue
            won[turn] += 1

    writers = [threading.Thread(target=write) for _ in range(2)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    return won


def _append(lake: Lake, source: str, partition: int, start: int) -> None:
    rows = make_events(5, start)
    rows = rows.set_column(
        rows.column_names.index("source_partition"), "source_partition", pa.array([partition] * 5, pa.int64())
    )
    lake.append(EVENTS, rows, positions={source: (start or NEVER, start + 5)})


def test_a_wrong_secret_is_one_line_that_says_so_and_shows_none(url: str) -> None:
    with pytest.raises(LakeError) as refused:
        open_lake(url, create=True, storage_options={"AWS_SECRET_ACCESS_KEY": "hunter2"})
    said = str(refused.value)
    assert len(said.splitlines()) == 1
    assert url in said
    assert "403 Forbidden" in said
    assert SECRET not in said
    assert "hunter2" not in said
