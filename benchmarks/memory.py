"""How much memory ingest takes at most: for a long backlog, and for a partition that carries records of 20 MB.

    python -m benchmarks.memory [--events 5000000] [--large 100] [--partitions 4] [--compression lz4]

The backlog is native JSON of about 740 bytes. The large records are over `ingest.max_record_bytes`, so each becomes a
dead letter with all its bytes; small ones lie between them. Each is read by `counterfoil ingest --until-end` with the
default settings, in a process of its own, whose highest resident size is told (the broker's is not counted).
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path
from typing import Any

from benchmarks._measure import in_child, machine, measured, tell


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
    from tests.broker.backlog import fill_backlog, fill_large
    from tests.broker.choice import start

    with tempfile.TemporaryDirectory(prefix="counterfoil-bench-") as home:
        import os

        broker = start(Path(home), owner=os.getpid(), progress=tell, kind="kafka")
        compression = None if options.compression == "none" else options.compression
        try:
            fill_backlog(broker, options.events, options.partitions, compression, tell)
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
                "orchestration_topics": [f"{part}.agent.orchestration"],
                "authorization_topics": [f"{part}.agent.authorization"],
            },
        )
        summary = run_kafka(settings, until_end=True)
    return {"records": summary.records, "dead": dict(summary.dead), "commits": summary.commits}


if __name__ == "__main__":
    main()
