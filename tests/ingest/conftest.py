"""What the tests of ingest share: settings, small events, member processes, and a look into the lake."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import pytest

from lake.store import open_lake
from schemas.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.broker import Broker

ROOT = Path(__file__).resolve().parents[2]
PROCESS = Path(__file__).with_name("member_process.py")
TIME = "2026-11-24T10:00:00Z"


class Events:
    """Small records of the native format, each with an id of its own."""

    @staticmethod
    def action(name: str) -> bytes:
        return json.dumps({
            "event_id": name, "event_time": TIME, "event_type": "tool_call", "agent_name": "planner",
            "tool_name": "search", "action": "read", "resource_type": "document", "resource_id": name,
        }).encode()  # fmt: skip

    @staticmethod
    def decision(name: str) -> bytes:
        return json.dumps({
            "decision_id": name, "decision_time": TIME, "decision": "allow", "agent_name": "planner",
            "action": "read", "resource_type": "document", "resource_id": name,
        }).encode()  # fmt: skip

    @staticmethod
    def grant(name: str) -> bytes:
        return json.dumps({
            "event_id": name, "event_time": TIME, "event_type": "grant", "agent_name": "planner",
            "grant_id": name, "scope": "document.read",
        }).encode()  # fmt: skip


@pytest.fixture(scope="session")
def events() -> type[Events]:
    """Make records."""
    return Events


@pytest.fixture
def make_settings(tmp_path: Path) -> Callable[..., Settings]:
    """Make settings over a lake in the test's folder; sections are given as keywords."""

    def make(**sections: Any) -> Settings:
        return Settings(**{"lake": {"url": str(tmp_path / "lake")}, **sections})

    return make


@pytest.fixture
def kafka(broker: Broker, topic: Callable[[str], str]) -> dict[str, Any]:
    """Settings of two new topics, of three partitions each, and a group of their own."""
    for word in ("orchestration", "authorization"):
        broker.create_topic(topic(word), partitions=3)
    return {
        "bootstrap_servers": [broker.bootstrap],
        "group_id": topic("group"),
        "orchestration_topics": [topic("orchestration")],
        "authorization_topics": [topic("authorization")],
        "session_timeout": "3s",
    }


class Look:
    """What is in the lake now."""

    def __init__(self, url: str) -> None:
        self.url = url

    def sql(self, query: str) -> list[tuple[Any, ...]]:
        with duckdb.connect() as connection:
            open_lake(self.url, read_only=True).snapshot().register(connection)
            return connection.sql(query).fetchall()

    def coordinates(self, *tables: str) -> list[tuple[str, int, int]]:
        """(topic, partition, offset) of every row of the tables, sorted, repeated ones included."""
        parts = " union all ".join(
            f"select source_topic, source_partition, source_offset from {table}" for table in tables
        )
        return self.sql(f"select * from ({parts}) order by all")


@pytest.fixture
def look(tmp_path: Path) -> Look:
    """Look into the lake in the test's folder."""
    return Look(str(tmp_path / "lake"))


class Process:
    """A member process: its lines as they come, and its end."""

    def __init__(self, *arguments: str) -> None:
        self.popen = subprocess.Popen(
            [sys.executable, str(PROCESS), *arguments],
            cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, text=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        self.lines: list[str] = []
        self.errors: list[str] = []
        self._news = threading.Condition()
        self._readers = [
            threading.Thread(target=self._read, args=(self.popen.stdout, self.lines), daemon=True),
            threading.Thread(target=self._read, args=(self.popen.stderr, self.errors), daemon=True),
        ]
        for reader in self._readers:
            reader.start()

    def _read(self, stream: Any, lines: list[str]) -> None:
        with stream:
            for line in stream:
                with self._news:
                    lines.append(line.rstrip("\n"))
                    self._news.notify_all()
        with self._news:
            self._news.notify_all()

    def wait_for(self, start: str, count: int = 1, seconds: float = 60) -> None:
        """Wait until it has printed `count` lines with that start; fails when it ends before or takes too long."""

        def there() -> bool:
            return sum(line.startswith(start) for line in self.lines) >= count

        with self._news:
            came = self._news.wait_for(lambda: there() or self.popen.poll() is not None, seconds)
        assert came, f"no {start!r} within {seconds} s: {self.lines} {self.errors}"
        assert there(), f"it ended ({self.popen.returncode}) before {start!r}: {self.lines} {self.errors}"

    def end(self, seconds: float = 60) -> int:
        """Wait for its end and return its exit code (the negative number of the signal that ended it)."""
        try:
            code = self.popen.wait(seconds)
        except subprocess.TimeoutExpired:
            pytest.fail(f"no end within {seconds} s: {self.lines} {self.errors}")
        for reader in self._readers:
            reader.join(10)
        return code

    def counts(self) -> dict[str, Any]:
        """What it counted, when it came to an end of its own."""
        counted: dict[str, Any] = json.loads(self.lines[-1])
        return counted


@pytest.fixture
def start_process() -> Iterator[Callable[..., Process]]:
    """Start member processes; those still alive at the test's end are killed."""
    started: list[Process] = []

    def start(settings: Path, *arguments: str) -> Process:
        started.append(Process(str(settings), *arguments))
        return started[-1]

    yield start
    for process in started:
        with contextlib.suppress(ProcessLookupError):
            process.popen.kill()
        process.end()


@pytest.fixture
def write_settings(tmp_path: Path) -> Callable[..., Path]:
    """Write a settings file for member processes over the same lake; sections are given as keywords."""

    numbers = itertools.count()

    def write(**sections: Any) -> Path:
        lines: list[str] = []
        for section, values in {"lake": {"url": str(tmp_path / "lake")}, **sections}.items():
            lines.append(f"[{section}]")
            lines += [f"{key} = {json.dumps(value)}" for key, value in values.items()]
        file = tmp_path / f"counterfoil-{next(numbers)}.toml"
        file.write_text("\n".join(lines) + "\n", encoding="utf-8")
        return file

    return write
