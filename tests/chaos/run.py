"""One run: start all of it, let faults happen for a while, end it in order, count every record."""

from __future__ import annotations

import json
import os
import random
import shutil
import time
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import duckdb

from lake.store import open_lake
from tests.broker import start
from tests.chaos.faults import SESSION_SECONDS, Faults, mount, unmount
from tests.chaos.members import Members
from tests.chaos.producers import Producer

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.broker import Broker

STREAMS = ("orchestration", "authorization")
TABLES = ("orchestration_events", "authorization_decisions", "identity_events", "dead_letters")
LAKE_MEGABYTES = 192
# A short run on a slow machine goes on until there were some faults.
LEAST_FAULTS = 3
LATEST_SECONDS = 120


@dataclass
class Report:
    """What a run did and found. `sound` when every record is there once, and nothing else is."""

    seed: int
    seconds: float = 0.0
    injected: dict[str, int] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)
    ends: dict[str, int] = field(default_factory=dict)
    sent: int = 0
    acknowledged: int = 0
    in_topics: int = 0
    rows: dict[str, int] = field(default_factory=dict)
    torn: int = 0
    last_exit: int | None = None
    missing: list[tuple[str, int, int]] = field(default_factory=list)
    repeated: list[tuple[str, int, int]] = field(default_factory=list)
    unknown: list[tuple[str, int, int]] = field(default_factory=list)
    lost_acknowledged: int = 0

    @property
    def sound(self) -> bool:
        """Whether all is well."""
        return (
            self.last_exit == 0
            and self.in_topics > 0
            and not (self.missing or self.repeated or self.unknown or self.lost_acknowledged)
        )

    def lines(self) -> list[str]:
        """The report as it is printed."""
        counted: list[tuple[str, dict[str, int]]] = [
            ("faults injected", self.injected),
            ("members ended by", self.ends),
            ("rows", self.rows),
        ]
        lines = [f"seed {self.seed}, {self.seconds:.0f} s"]
        for title, counts in counted:
            lines.append(f"{title}:")
            lines += [f"  {count:>7,}  {name}" for name, count in sorted(counts.items())]
        lines += [f"  skipped: {name}: {why}" for name, why in self.skipped.items()]
        lines.append(
            f"records: {self.sent:,} sent, {self.acknowledged:,} acknowledged, {self.in_topics:,} in the topics,"
            f" {sum(self.rows.values()):,} in the lake; torn entries moved aside: {self.torn}"
        )
        for title, found in (
            ("missing", self.missing),
            ("repeated", self.repeated),
            ("unknown", self.unknown),
        ):
            lines.append(f"{title}: {len(found)}" + (f", such as {found[:5]}" if found else ""))
        lines.append(f"acknowledged and not in a topic: {self.lost_acknowledged}")
        lines.append(f"the last member ended with {self.last_exit}: {'SOUND' if self.sound else 'NOT SOUND'}")
        return lines


def run(
    home: Path, *, seed: int, seconds: float, members: int = 3, rate: int = 400,
    say: Callable[[str], None] = lambda _: None,
) -> Report:  # fmt: skip
    """Run for about that long, with `rate` records a second to each of two topics. Raises BrokerUnavailable."""
    report, rng = Report(seed), random.Random(seed)
    begun = time.monotonic()
    broker = start(home / "broker", owner=os.getpid(), progress=say, kind="kafka")
    lake = home / "lake"
    lake.mkdir()
    mounted = mount(lake, LAKE_MEGABYTES)
    try:
        topics = {broker.create_topic(stream, partitions=2): 2 for stream in STREAMS}
        producers = [
            Producer(stream, broker.bootstrap, topics, rate, seed, datetime.now(UTC)) for stream in STREAMS
        ]
        group = Members(home, _settings(home, broker, lake), members)
        faults = Faults(rng, broker, topics, group, members, lake)
        try:
            until = time.monotonic() + seconds
            for kind, pause in faults.schedule():
                time.sleep(pause)
                late = time.monotonic() - until
                if late > 0 and (faults.injected.total() >= LEAST_FAULTS or late > LATEST_SECONDS):
                    break
                say(f"{time.monotonic() - begun:6.1f} s  {kind}")
                faults.inject(kind)
        finally:
            for producer in producers:
                producer.close()
            group.set_clock(0)
            group.close()
        say(f"{time.monotonic() - begun:6.1f} s  reading what is left")
        report.last_exit = group.read_to_the_end(300)
        report.ends = dict(group.ends)
        report.injected, report.skipped = dict(faults.injected), faults.skipped
        report.sent = sum(producer.sent for producer in producers)
        report.acknowledged = sum(len(producer.acknowledged) for producer in producers)
        _count(report, broker, lake, producers)
    finally:
        broker.discard()
        if mounted:
            if report.last_exit is not None and not report.sound:
                shutil.copytree(lake, home / "lake-as-it-was")
            unmount(lake)
    report.seconds = time.monotonic() - begun
    return report


def _settings(home: Path, broker: Broker, lake: Path) -> Path:
    sections: dict[str, dict[str, object]] = {
        "lake": {"url": str(lake)},
        "kafka": {
            "bootstrap_servers": [broker.bootstrap],
            "orchestration_topics": ["orchestration"],
            "authorization_topics": ["authorization"],
            "session_timeout": f"{SESSION_SECONDS}s",
            "metadata_refresh": "2s",
        },
        "ingest": {"batch_rows": 2000, "batch_time": "300ms"},
    }
    lines = [
        line
        for section, values in sections.items()
        for line in (f"[{section}]", *(f"{key} = {json.dumps(value)}" for key, value in values.items()))
    ]
    file = home / "counterfoil.toml"
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return file


def _count(report: Report, broker: Broker, lake: Path, producers: list[Producer]) -> None:
    """Compare the topics, record by record, with the lake."""
    produced: set[tuple[str, int, int]] = set()
    for producer, topic in zip(producers, STREAMS, strict=True):
        numbers = set()
        for record in broker.read(topic):
            produced.add((topic, record.partition, record.offset))
            numbers.add(int(record.value.split(b'_id": "', 1)[1].split(b'"')[0][1:]))
        report.lost_acknowledged += len(producer.acknowledged - numbers)
    report.in_topics = len(produced)
    found: Counter[tuple[str, int, int]] = Counter()
    opened = open_lake(lake, read_only=True)
    with duckdb.connect() as connection:
        opened.snapshot().register(connection)
        for table in TABLES:
            rows = connection.sql(
                f"select source_topic, source_partition, source_offset from {table}"
            ).fetchall()
            report.rows[table] = len(rows)
            found.update(rows)
    report.missing = sorted(produced - found.keys())
    report.unknown = sorted(found.keys() - produced)
    report.repeated = sorted(where for where, count in found.items() if count > 1)
    report.torn = sum(1 for _ in lake.glob("*/_delta_log/torn/*.json.*"))
