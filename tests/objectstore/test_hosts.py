"""Writers on two hosts, with no lock between them, killed at random: nothing is lost and nothing comes twice."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb
import pytest

from lake.store import open_lake
from schemas.events import ORCHESTRATION_EVENTS as EVENTS
from tests.objectstore.gateway import BUCKET, running
from tests.objectstore.hosts import hosts, why_not
from tests.objectstore.writer import PARTITIONS

if TYPE_CHECKING:
    from tests.objectstore.hosts import Hosts

pytestmark = pytest.mark.objectstore
ROOT = Path(__file__).parents[2]
COUNTED = f"""
    SELECT source_partition, count(*) AS rows, count(DISTINCT source_offset) AS offsets,
           min(source_offset) AS first, max(source_offset) AS last
    FROM {EVENTS.name} GROUP BY ALL ORDER BY ALL
"""


@pytest.mark.parametrize("kills", [3, pytest.param(80, marks=pytest.mark.long)])
def test_every_offset_is_there_once_after_writers_on_two_hosts_were_killed(
    kills: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if reason := why_not():
        pytest.skip(f"no two hosts: {reason}")
    url = f"s3://{BUCKET}/lake"
    with hosts() as both, running(tmp_path / "gateway", both.store) as gateway:
        for name, value in gateway.environment.items():
            monkeypatch.setenv(name, value)
        _kill_at_random(both, url, kills)
        lake = open_lake(url)
        positions = lake.positions(EVENTS, [f"agents-{n}" for n in range(PARTITIONS)])
        with duckdb.connect() as connection:
            lake.snapshot().register(connection)
            found = connection.sql(COUNTED).fetchall()
            wrote = connection.sql(f"SELECT DISTINCT agent_name FROM {EVENTS.name}").fetchall()
    assert {host for (host,) in wrote} == set(both.names)
    assert found == [
        (n, end, end, 0, (end or 0) - 1) for n in range(PARTITIONS) if (end := positions[f"agents-{n}"])
    ]
    assert len(found) == PARTITIONS


def _kill_at_random(both: Hosts, url: str, kills: int) -> None:
    """Let a writer on each host run, one of them killed and begun anew at a random moment, so many times."""
    chance = random.Random(7)
    writers = {name: _start(both, name, url, 0) for name in both.names}
    try:
        for turn in range(1, kills + 1):
            name = both.names[turn % 2]
            assert writers[name].stdout.readline(), f"the writer on {name} has ended by itself"  # type: ignore[union-attr]
            time.sleep(chance.uniform(0, 0.6))
            _end(writers[name])
            writers[name] = _start(both, name, url, turn)
    finally:
        for writer in writers.values():
            _end(writer)


def _start(both: Hosts, name: str, url: str, seed: int) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "tests.objectstore.writer", url, name, str(seed)]
    return subprocess.Popen(
        both.command(name, *command),
        cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, stdout=subprocess.PIPE,
    )  # fmt: skip


def _end(writer: subprocess.Popen[bytes]) -> None:
    with writer:
        writer.kill()
