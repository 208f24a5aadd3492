"""A lake on an S3-compatible store beside one on a disk: committing, detecting, and reading a few columns of much.

    python -m benchmarks.objectstore [--rows 300000] [--appends 60] [--only commit]

The store is a Versity S3 Gateway on this machine, over the same disk, so no network is in the figures: one elsewhere
adds its latency to each request that waits for another. How many those are is counted. Each measurement is a process
of its own, disk and store in turn.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks._measure import in_child, machine, measured, tell
from tests.objectstore.between import between
from tests.objectstore.gateway import BUCKET, running

if TYPE_CHECKING:
    from schemas.settings import Settings

_CACHE = Path(__file__).parents[1] / ".cache" / "bench" / "objectstore"
_ROWS_PER_ACTION = 2.3
_BATCH = 1_000


def main() -> None:
    """Make both lakes, measure in turn, and print a table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rows", type=int, default=300_000)
    parser.add_argument("--appends", type=int, default=60)
    parser.add_argument("--only", choices=("commit",), help="leave out what needs many rows")
    parser.add_argument("--part", help=argparse.SUPPRESS)
    parser.add_argument("--url", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.part:
        print(json.dumps(_part(options.part, options.url, options.rows, options.appends)))
        return
    print(f"machine: {machine()}")
    shutil.rmtree(_CACHE, ignore_errors=True)
    with ExitStack() as stack:
        gateway = stack.enter_context(running(_CACHE))
        os.environ.update(gateway.environment)
        proxy = stack.enter_context(between(gateway.endpoint))
        lakes = {"disk": str(_CACHE / "disk"), "store": f"s3://{BUCKET}/lake"}
        for part in [options.only] * 2 if options.only else ("make", "commit", "detect", "detect", "scan"):
            for where, url in lakes.items():
                tell(f"{part} {where}")
                done = _child(part, url, options.rows, options.appends)
                figures = " ".join(f"{name}={value}" for name, value in done.items())
                print(f"{part:7} {where:6} {figures}")
        os.environ["AWS_ENDPOINT_URL"] = proxy.endpoint
        counted = []
        for part, appends in (("commit", 1), ("commit", 31), ("scan", 0), ("detect", 0)):
            if options.only not in (None, part):
                continue
            proxy.forget()
            _child(part, lakes["store"], options.rows, appends)
            counted.append(len(proxy.requests))
            print(f"{part:7} store  requests={counted[-1]} megabytes={proxy.answered / 1e6:.1f}")
        print(f"commit  store  requests_each={(counted[1] - counted[0]) / 30:.1f}")


def _child(part: str, url: str, rows: int, appends: int) -> dict[str, Any]:
    return in_child(
        "benchmarks.objectstore", "--part", part, "--url", url, "--rows", str(rows), "--appends", str(appends)
    )


def _part(part: str, url: str, rows: int, appends: int) -> dict[str, Any]:
    from schemas.settings import load_settings

    if part == "make":
        return measured(lambda: _make(url, rows))
    if part == "commit":
        return measured(lambda: _commit(f"{url}-commits", appends))
    settings = load_settings(lake={"url": url})
    return measured(lambda: _detect(settings) if part == "detect" else _scan(settings))


def _make(url: str, rows: int) -> dict[str, Any]:
    from lake.store import open_lake
    from sample_data.bulk import bulk_tables
    from schemas.catalogue import TABLES

    lake, count = open_lake(url, create=True), 0
    for name, table in bulk_tables(7, round(rows / _ROWS_PER_ACTION)):
        lake.append(TABLES[name], table)
        count += table.num_rows
    return {"rows": count}


def _commit(url: str, appends: int) -> dict[str, Any]:
    from lake.store import NEVER, open_lake
    from schemas.events import ORCHESTRATION_EVENTS
    from tests.lake.rows import make_events

    lake = open_lake(url, create=True)
    source = f"benchmark-{time.time_ns()}"
    took = []
    for number in range(appends):
        rows = make_events(_BATCH, number * _BATCH)
        start = number * _BATCH
        began = time.perf_counter()
        lake.append(ORCHESTRATION_EVENTS, rows, positions={source: (start or NEVER, start + _BATCH)})
        took.append((time.perf_counter() - began) * 1000)
    took.sort()
    return {
        "p50_ms": round(statistics.median(took), 1),
        "p95_ms": round(took[min(int(len(took) * 0.95), len(took) - 1)], 1),
    }


def _detect(settings: Settings) -> dict[str, Any]:
    from analytics.detect import detect

    return {"findings": len(detect(settings, closed=True, dry_run=True, whole=True).findings)}


def _scan(settings: Settings) -> dict[str, Any]:
    from analytics.session import open_session
    from lake.store import open_configured
    from schemas.events import ORCHESTRATION_EVENTS

    with open_session(settings) as session:
        session.fetch("SELECT agent_name, count(*) AS n FROM orchestration_events GROUP BY ALL")
    survey = open_configured(settings.lake, read_only=True).survey(ORCHESTRATION_EVENTS)
    return {"megabytes_of_table": round(survey.size / 1e6, 1) if survey else 0}


if __name__ == "__main__":
    main()
