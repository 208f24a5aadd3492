"""Real processes on one table: sources go in side by side, one source has one winner, kills lose nothing."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from pyarrow import parquet

from lake.store import open_lake
from schemas.events import ORCHESTRATION_EVENTS as EVENTS

# Appends 20 rows at a time from where the table says, and tells each batch's end once acknowledged.
WRITER = """
import sys, time
from lake.store import NEVER, CommitConflict, open_lake
from schemas.events import ORCHESTRATION_EVENTS as EVENTS
from tests.lake.rows import make_events
url, source = sys.argv[1:3]
end, base, pause = int(sys.argv[3]), int(sys.argv[4]), float(sys.argv[5])
lake = open_lake(url)
print("ready", flush=True)
sys.stdin.readline()
position = lake.position(EVENTS, source)
while (start := position or 0) < end:
    try:
        expected = NEVER if position is None else position
        lake.append(EVENTS, make_events(20, base + start), positions={source: (expected, start + 20)})
        position = start + 20
        print(position, flush=True)
        time.sleep(pause)
    except CommitConflict:
        print("conflict", flush=True)
        position = lake.position(EVENTS, source)
"""


class Writers:
    def __init__(self, url: str) -> None:
        self.url = url
        self.started: list[subprocess.Popen[str]] = []

    def start(self, source: str, end: int, base: int = 0, pause: float = 0.0) -> subprocess.Popen[str]:
        """Start a writer; it begins when told to go, and pauses for so many seconds between batches."""
        process = subprocess.Popen(
            [sys.executable, "-c", WRITER, self.url, source, str(end), str(base), str(pause)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).parents[2],
        )
        self.started.append(process)
        return process

    def close(self) -> None:
        for process in self.started:
            if process.poll() is None:
                process.kill()
            process.communicate()


@pytest.fixture
def writers(tmp_path: Path) -> Any:
    url = str(tmp_path / "lake")
    open_lake(url, create=True)
    group = Writers(url)
    yield group
    group.close()


def go(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    process.stdin.write("\n")
    process.stdin.flush()


def offsets(url: str) -> list[int]:
    found: list[int] = []
    for file in open_lake(url, read_only=True).snapshot().files(EVENTS.name):
        found += parquet.ParquetFile(file).read(["source_offset"])["source_offset"].to_pylist()
    return sorted(found)


def test_writers_of_different_sources_all_succeed_also_in_creating_the_table(writers: Writers) -> None:
    processes = [writers.start(f"agents-{n}", 300, base=n * 1000) for n in range(3)]
    for process in processes:
        go(process)
    said = [process.communicate()[0].split() for process in processes]
    assert all(words[-1] == "300" and "conflict" not in words for words in said)
    assert [process.returncode for process in processes] == [0, 0, 0]
    assert offsets(writers.url) == [n * 1000 + k for n in range(3) for k in range(300)]
    lake = open_lake(writers.url)
    assert lake.positions(EVENTS, ["agents-0", "agents-1", "agents-2"]) == dict.fromkeys(
        ["agents-0", "agents-1", "agents-2"], 300
    )


def test_writers_of_one_source_share_its_batches_without_repeating_one(writers: Writers) -> None:
    processes = [writers.start("agents-0", 400) for _ in range(3)]
    for process in processes:
        go(process)
    said = [process.communicate()[0].split() for process in processes]
    assert [process.returncode for process in processes] == [0, 0, 0]
    won = [int(word) for words in said for word in words if word != "conflict"]
    assert sorted(won) == list(range(20, 401, 20)), "each batch was acknowledged to exactly one of them"
    assert any("conflict" in words for words in said)
    assert offsets(writers.url) == list(range(400))


def test_killed_writers_leave_every_acknowledged_row_exactly_once(writers: Writers) -> None:
    """Four times: a writer is killed in the middle, while another goes on beside it."""
    companion = writers.start("agents-1", 1_000_000, base=1_000_000, pause=0.2)
    go(companion)
    acknowledged = 0
    following = writers.start("agents-0", 1_000_000)
    for kill in range(4):
        process, following = following, writers.start("agents-0", 1_000_000)
        go(process)
        assert process.stdout is not None
        acknowledged = max(acknowledged, int(process.stdout.readline()))
        time.sleep(0.016 * kill)  # a different moment of the next batch each time
        process.send_signal(signal.SIGKILL)
        rest = process.communicate()[0].split()
        acknowledged = max([acknowledged, *map(int, rest)])
        assert process.returncode == -signal.SIGKILL
    companion.kill()
    lines = companion.communicate()[0].split()
    lake = open_lake(writers.url)
    reached = lake.positions(EVENTS, ["agents-0", "agents-1"])
    assert reached["agents-0"] is not None
    assert reached["agents-1"] is not None
    assert reached["agents-0"] >= acknowledged
    assert reached["agents-1"] >= int(lines[-1])
    expected = [*range(reached["agents-0"]), *range(1_000_000, 1_000_000 + reached["agents-1"])]
    assert offsets(writers.url) == expected


def test_a_reader_beside_a_writer_and_compaction_never_sees_half_a_commit(writers: Writers) -> None:
    process = writers.start("agents-0", 600)
    lake = open_lake(writers.url)
    go(process)
    seen: list[int] = []
    while process.poll() is None:
        lake.compact(EVENTS)
        count = lake.snapshot().rows(EVENTS.name)
        assert count is not None
        seen.append(count)
    assert process.returncode == 0
    assert all(count % 20 == 0 for count in seen)
    assert seen == sorted(seen)
    assert offsets(writers.url) == list(range(600))
