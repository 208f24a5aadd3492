"""How much memory ingest takes at most: for a long backlog, and for a partition that carries records of 20 MB.

    python -m benchmarks.memory [--events 5000000] [--large 100] [--partitions 4] [--compression lz4]

The backlog is native JSON of about 740 bytes. The large records are over `ingest.max_record_bytes`, so each becomes a
dead letter with all its bytes; small ones lie between them. Each is read by `counterfoil ingest --until-end` with the
default settings, in a process of its own, whose highest resident size is told (the broker's is not counted).
"""

from __future__ import annotations

import argparse
import json
import random
import tempfile
from pathlib import Path
from typing import Any

from benchmarks._measure import in_child, machine, measured, tell

TOPICS = ("agent.orchestration", "agent.authorization")
PORTION = 250_000
LARGE_BYTES = 20_000_000


def main() -> None:
    """Start a broker, fill it, read it, print the peaks."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--events", type=int, default=5_000_000)
    parser.add_argument("--large", type=int, default=100)
    parser.add_argument("--partitions", type=int, default=4)
    parser.add_argument("--compression", default="lz4", choices=["lz4", "zstd", "gzip", "none"])
    parser.add_argument("--part", help=argparse.SUPPRESS)
    parser.add_argument("--bootstrap", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.part:
        print(json.dumps(measured(lambda: ingest(options.bootstrap, options.part))))
        return
    from tests.broker.choice import start

    with tempfile.TemporaryDirectory(prefix="counterfoil-bench-") as home:
        import os

        broker = start(Path(home), owner=os.getpid(), progress=tell, kind="kafka")
        compression = None if options.compression == "none" else options.compression
        try:
            fill_backlog(broker, options.events, options.partitions, compression)
            fill_large(broker, options.large)
            print(f"machine: {machine()}, {broker.name}")
            for part, records in (("backlog", options.events), ("large", 2 * options.large)):
                figures = in_child("benchmarks.memory", "--part", part, "--bootstrap", broker.bootstrap)
                print(
                    f"{part:8} {records:>10,} records: {figures['peak_gib']:.2f} GiB at peak,"
                    f" {figures['records'] / figures['seconds']:,.0f} records/s; {figures}"
                )
        finally:
            broker.discard()


def fill_backlog(broker: Any, events: int, partitions: int, compression: str | None) -> None:
    """Produce native events to both topics, a portion again and again."""
    from sample_data.bulk import bulk_records
    from tests.broker import Message

    batches: dict[str, list[Any]] = {
        broker.create_topic(f"backlog.{topic}", partitions=partitions): [] for topic in TOPICS
    }
    for topic, key, value in bulk_records(7, min(events, PORTION)):
        batches[f"backlog.{topic}"].append(Message(value=value, key=key))
    for done in range(0, events, PORTION):
        for topic, batch in batches.items():
            broker.produce(topic, batch, compression=compression)
        tell(f"produced {min(done + PORTION, events):,} of {events:,}")


def fill_large(broker: Any, count: int) -> None:
    """Produce records of 20 MB that cannot be shrunk, each after a small one, to one partition of one topic."""
    from tests.broker import Message

    for topic in TOPICS:
        broker.create_topic(f"large.{topic}")
    small = json.dumps({
        "event_id": "small", "event_time": "2026-11-24T10:00:00Z", "event_type": "tool_call", "agent_name": "planner",
    }).encode()  # fmt: skip
    rng = random.Random(7)
    for _ in range(count):
        text = rng.randbytes(LARGE_BYTES // 2).hex().encode()
        broker.produce(f"large.{TOPICS[0]}", [Message(small), Message(b'{"event_id": "' + text + b'"}')])


def ingest(bootstrap: str, part: str) -> dict[str, Any]:
    """Read one of the two to its end; returns what was counted."""
    from ingest.run import run_kafka
    from schemas.settings import load_settings

    with tempfile.TemporaryDirectory(prefix="counterfoil-bench-lake-") as lake:
        settings = load_settings(
            lake={"url": lake},
            kafka={
                "bootstrap_servers": [bootstrap],
                "group_id": Path(lake).name,
                "orchestration_topics": [f"{part}.{TOPICS[0]}"],
                "authorization_topics": [f"{part}.{TOPICS[1]}"],
            },
        )
        summary = run_kafka(settings, until_end=True)
    return {"records": summary.records, "dead": dict(summary.dead), "commits": summary.commits}


if __name__ == "__main__":
    main()
