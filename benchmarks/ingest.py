"""From a broker to committed rows, beside the client's bare consumption of the same topics in the same run.

    python -m benchmarks.ingest [--events 500000] [--partitions 4] [--compression lz4] [--rounds 3]

Events are native JSON of about 740 bytes. `bare` is kafka-python's poll() loop that counts records and looks at none.
`ingest` is `counterfoil ingest --until-end`: strict decoding, raw bytes and their SHA-256 kept, exactly once, synced.
Each measurement is a process of its own; the rounds alternate, and medians are told. Events per core-second are events
divided by the process's own CPU time; the broker's is not counted.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
from pathlib import Path
from typing import Any

from benchmarks._measure import in_child, machine, measured, tell

TOPICS = ("agent.orchestration", "agent.authorization")


def main() -> None:
    """Start a broker, fill it, measure both in turn, print the ratio."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--events", type=int, default=500_000)
    parser.add_argument("--partitions", type=int, default=4)
    parser.add_argument("--compression", default="lz4", choices=["lz4", "zstd", "gzip", "none"])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--part", choices=["bare", "ingest"], help=argparse.SUPPRESS)
    parser.add_argument("--bootstrap", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.part:
        work = _bare if options.part == "bare" else _ingest
        print(json.dumps(measured(lambda: work(options.bootstrap))))
        return
    with tempfile.TemporaryDirectory(prefix="counterfoil-bench-") as home:
        broker = _start(Path(home))
        results: dict[str, list[dict[str, Any]]] = {"bare": [], "ingest": []}
        try:
            _fill(broker, options)
            for number in range(options.rounds):
                for part, runs in results.items():
                    runs.append(
                        in_child("benchmarks.ingest", "--part", part, "--bootstrap", broker.bootstrap)
                    )
                    tell(f"round {number + 1}, {part}: {runs[-1]}")
        finally:
            broker.discard()
    _print(results, broker.name, options)


def _start(home: Path) -> Any:
    import os

    from tests.broker import start

    return start(home, owner=os.getpid(), progress=tell)


def _fill(broker: Any, options: argparse.Namespace) -> None:
    from sample_data.bulk import bulk_records
    from tests.broker import Message

    for topic in TOPICS:
        broker.create_topic(topic, partitions=options.partitions)
    batches: dict[str, list[Any]] = {topic: [] for topic in TOPICS}
    size = 0
    for topic, key, value in bulk_records(7, options.events):
        batches[topic].append(Message(value=value, key=key))
        size += len(value)
    tell(f"producing {options.events:,} records of {size // options.events} bytes")
    for topic, batch in batches.items():
        broker.produce(
            topic, batch, compression=None if options.compression == "none" else options.compression
        )


def _bare(bootstrap: str) -> dict[str, Any]:
    from kafka import KafkaConsumer, TopicPartition

    consumer = KafkaConsumer(
        bootstrap_servers=bootstrap, enable_auto_commit=False, max_partition_fetch_bytes=8 << 20
    )
    parts = [TopicPartition(topic, p) for topic in TOPICS for p in consumer.partitions_for_topic(topic)]
    consumer.assign(parts)
    consumer.seek_to_beginning()
    ends = consumer.end_offsets(parts)
    events = 0
    while any(consumer.position(part) < ends[part] for part in parts):
        for records in consumer.poll(timeout_ms=1000, max_records=10_000).values():
            events += len(records)
    consumer.close()
    return {"events": events}


def _ingest(bootstrap: str) -> dict[str, Any]:
    from ingest.run import run_kafka
    from schemas.settings import load_settings

    with tempfile.TemporaryDirectory(prefix="counterfoil-bench-lake-") as lake:
        settings = load_settings(
            lake={"url": lake}, kafka={"bootstrap_servers": [bootstrap], "group_id": Path(lake).name}
        )
        summary = run_kafka(settings, until_end=True)
    return {"events": summary.records, "dead": sum(summary.dead.values()), "commits": summary.commits}


def _print(results: dict[str, list[dict[str, Any]]], broker: str, options: argparse.Namespace) -> None:
    print(f"machine: {machine()}, {broker}")
    partitions = 2 * options.partitions
    print(
        f"{options.events:,} events, {partitions} partitions, {options.compression}, {options.rounds} rounds"
    )
    rates = {}
    for part, runs in results.items():
        per_second = statistics.median(run["events"] / run["seconds"] for run in runs)
        per_core = [run["events"] / run["cpu_seconds"] for run in runs]
        rates[part] = statistics.median(per_core)
        spread = f"{min(per_core):,.0f} to {max(per_core):,.0f}"
        peak = max(run["peak_gib"] for run in runs)
        print(
            f"{part:7} {per_second:10,.0f} events/s  {rates[part]:10,.0f} per core-second ({spread}), "
            f"{peak:.2f} GiB at peak"
        )
    print(f"ingest does {rates['ingest'] / rates['bare']:.2f} of the bare client's events per core-second")


if __name__ == "__main__":
    main()
