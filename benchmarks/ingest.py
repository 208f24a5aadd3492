"""From a broker to committed rows, beside the client's bare consumption of the same topics in the same run.

    python -m benchmarks.ingest [--events 1000000] [--days 1] [--partitions 4] [--compression lz4] [--rounds 3]
        [--parts bare fetch ingest workers one two]

Events are native JSON of about 770 bytes, of as many days as told: each day's rows go to files of their own.
`bare` is kafka-python's poll() loop that counts records and looks at none; `fetch` is what ingest does in its place:
whole batches, in which the records are found. `ingest` is `counterfoil ingest --until-end`: strict decoding, raw bytes
and their SHA-256 kept, exactly once, synced. `workers` is the same with `--workers 2`, on the cores that the broker,
which runs here too, leaves. `one` and `two` are one and two workers that run in turn, each half of the time, so that
the broker leaves each of them a core (see _turns.py). `reading` is the rate between the commits at a quarter and at
nine tenths of the events, so without the start, in which workers share out the partitions, and the end. Each
measurement is a process of its own; the rounds alternate, and medians are told. Events per core-second are events
divided by the CPU time of the process and those that it started; the broker's is not counted.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import tempfile
import time
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks._measure import in_child, machine, measured, tell

if TYPE_CHECKING:
    from collections.abc import Callable

TOPICS = ("agent.orchestration", "agent.authorization")


def main() -> None:
    """Start a broker, fill it, measure both in turn, print the ratio."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--days", type=float, default=1.0)
    parser.add_argument("--partitions", type=int, default=4)
    parser.add_argument("--compression", default="lz4", choices=["lz4", "zstd", "gzip", "none"])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--parts", nargs="+", choices=list(_PARTS), default=list(_PARTS))
    parser.add_argument("--part", choices=list(_PARTS), help=argparse.SUPPRESS)
    parser.add_argument("--bootstrap", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.part:
        print(json.dumps(_with_children(measured(lambda: _PARTS[options.part](options.bootstrap)))))
        return
    with tempfile.TemporaryDirectory(prefix="counterfoil-bench-") as home:
        broker = start_broker(Path(home))
        results: dict[str, list[dict[str, Any]]] = {part: [] for part in options.parts}
        try:
            fill(broker, options)
            for number in range(options.rounds):
                for part, runs in results.items():
                    runs.append(
                        in_child("benchmarks.ingest", "--part", part, "--bootstrap", broker.bootstrap)
                    )
                    tell(f"round {number + 1}, {part}: {runs[-1]}")
        finally:
            broker.discard()
    _print(results, broker.name, options)


def start_broker(home: Path) -> Any:
    """A broker in that folder, with Java's own compiler for long runs in place of the quick one of tests."""
    import os

    from tests.broker import start

    return start(home, owner=os.getpid(), progress=tell, jvm=("-Xmx1g", "-XX:TieredStopAtLevel=4"))


def fill(broker: Any, options: argparse.Namespace) -> None:
    """Make the topics and produce so many events into them."""
    from sample_data.bulk import bulk_records
    from tests.broker import Message

    for topic in TOPICS:
        broker.create_topic(topic, partitions=options.partitions)
    batches: dict[str, list[Any]] = {topic: [] for topic in TOPICS}
    size = 0
    for topic, key, value in bulk_records(7, options.events, days=options.days):
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


def _fetch(bootstrap: str) -> dict[str, Any]:
    from ingest.kafka import KafkaSource
    from schemas.settings import load_settings

    settings = load_settings(kafka={"bootstrap_servers": [bootstrap], "group_id": f"fetch-{time.time_ns()}"})
    events = 0
    with KafkaSource(settings.kafka, int(settings.ingest.batch_bytes)) as source:
        source.join()
        wanted = sum(source.ends(source.parts).values())
        while events < wanted:
            polled = source.poll(1.0, 5000, int(settings.ingest.batch_bytes))
            for part, start in source.starts(polled.gained).items():
                source.place(part, start)
            events += sum(len(chunk) for chunk in polled.chunks.values())
    return {"events": events}


def _with_children(figures: dict[str, Any]) -> dict[str, Any]:
    """The figures with the CPU time of processes that it started, as far as those have ended."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    figures["cpu_seconds"] = round(figures["cpu_seconds"] + children.ru_utime + children.ru_stime, 2)
    return figures


def _ingest(bootstrap: str, workers: int | None = None, turns: int = 1) -> dict[str, Any]:
    from benchmarks._turns import in_turn
    from counterfoil.lean import start_lean

    start_lean()  # as the command does
    from ingest.run import Progress, run_kafka, run_kafka_workers
    from schemas.settings import load_settings

    with tempfile.TemporaryDirectory(prefix="counterfoil-bench-lake-") as lake:
        settings = load_settings(
            lake={"url": lake}, kafka={"bootstrap_servers": [bootstrap], "group_id": Path(lake).name}
        )
        told: list[tuple[float, int]] = []

        def report(progress: Progress) -> None:
            if progress.summary.records and (not told or told[-1][1] < progress.summary.records):
                told.append((time.monotonic(), progress.summary.records))

        if workers is None:
            summary = run_kafka(settings, until_end=True, report=report)
        else:
            with in_turn(turns) if turns > 1 else nullcontext():
                summary = run_kafka_workers(settings, workers, until_end=True, report=report)
    (began, first), (ended, last) = _middle(told)
    return {
        "events": summary.records,
        "dead": sum(summary.dead.values()),
        "commits": summary.commits,
        "reading": round((last - first) / max(ended - began, 0.001)),
    }


def _middle(told: list[tuple[float, int]]) -> tuple[tuple[float, int], tuple[float, int]]:
    """When a quarter of the records, and nine tenths of them, were committed, with how many these were by then."""
    records = told[-1][1]
    within = [each for each in told if records / 4 <= each[1] <= records * 0.9]
    return (within or told)[0], (within or told)[-1]


_PARTS: dict[str, Callable[[str], dict[str, Any]]] = {
    "bare": _bare,
    "fetch": _fetch,
    "ingest": _ingest,
    "workers": partial(_ingest, workers=2),
    "one": partial(_ingest, workers=1, turns=2),
    "two": partial(_ingest, workers=2, turns=2),
}


def _print(results: dict[str, list[dict[str, Any]]], broker: str, options: argparse.Namespace) -> None:
    print(f"machine: {machine()}, {broker}")
    partitions = 2 * options.partitions
    print(
        f"{options.events:,} events of {options.days:g} days, {partitions} partitions, {options.compression},"
        f" {options.rounds} rounds"
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
    if {"ingest", "bare"} <= rates.keys():
        print(
            f"ingest does {rates['ingest'] / rates['bare']:.2f} of the bare client's events per core-second"
        )
    for one, two in (("ingest", "workers"), ("one", "two")):
        if not {one, two} <= rates.keys():
            continue
        rate, rates_of_two = (
            statistics.median(run["reading"] for run in results[part]) for part in (one, two)
        )
        print(
            f"reading: {rate:,.0f} events/s by {one}, {rates_of_two:,.0f} by {two},"
            f" {rates_of_two / rate:.2f} times that"
        )


if __name__ == "__main__":
    main()
