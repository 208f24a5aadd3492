"""The same correlation and the same rules by DuckDB and by Apache Spark, over the same lake, one after the other.

    python -m benchmarks.spark [--actions 4348000] [--memory 6g] [--cores 2] [--cluster]

Each engine has a process of its own. The time is that of the verdicts on all actions, then that of all rules; starting
Spark is not counted. CPU is that of the process and all below it, so also of Spark's Java. With `--cluster` Spark is a
standalone cluster of two workers on this machine, of one core and at most 2 GB each. It needs the extra spark.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shutil
import tempfile
import time
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks._measure import in_child, machine, tell

if TYPE_CHECKING:
    from collections.abc import Iterator

    from analytics.engine import Engine
    from schemas.settings import Settings

_CACHE = Path(__file__).parents[1] / ".cache" / "bench"
_ENGINES = ("duckdb", "spark")
_PHASES = ("correlation", "rules")


def main() -> None:
    """Make the lake, measure both engines, compare what they found, print the ratio."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--actions", type=int, default=4_348_000)
    parser.add_argument("--memory", default="6g")
    parser.add_argument("--cores", type=int, default=2)
    parser.add_argument("--cluster", action="store_true")
    parser.add_argument("--engine", choices=_ENGINES, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.engine:
        print(json.dumps(_measure(options)))
        return
    _make_lake(options.actions)
    results = {}
    for engine in _ENGINES:
        tell(f"measuring {engine}")
        results[engine] = in_child(
            "benchmarks.spark", "--engine", engine, "--actions", str(options.actions),
            "--memory", options.memory, "--cores", str(options.cores), *["--cluster"] * options.cluster,
        )  # fmt: skip
    _print(results, options)


def _lake(actions: int) -> Path:
    return _CACHE / f"spark-{actions}" / "lake"


def _make_lake(actions: int) -> None:
    from lake.store import open_lake
    from sample_data.bulk import bulk_tables
    from schemas.catalogue import TABLES

    folder = _lake(actions)
    done = folder.parent / "complete"
    if done.exists():
        return
    shutil.rmtree(folder, ignore_errors=True)
    lake = open_lake(folder, create=True)
    for name, table in bulk_tables(7, actions):
        lake.append(TABLES[name], table)
        tell(f"making the lake: {name} {table.num_rows:,} rows")
    done.touch()


def _print(results: dict[str, dict[str, Any]], options: argparse.Namespace) -> None:
    duckdb, spark = (results[engine] for engine in _ENGINES)
    where = "a cluster of two workers" if options.cluster else f"local[{options.cores}]"
    print(f"machine: {machine()}, pyspark {version('pyspark')}, {where}")
    print(
        f"{options.actions:,} actions with as many decisions, {duckdb['rows']:,} rows; memory {options.memory}"
    )
    for phase in _PHASES:
        for name, one in results.items():
            print(f"{phase:12} {name:7} {one[phase]['seconds']:9.1f} s {one[phase]['cpu']:9.1f} s of CPU")
        seconds, cpu = (spark[phase][unit] / duckdb[phase][unit] for unit in ("seconds", "cpu"))
        print(f"{phase:12} ratio   {seconds:9.1f} × {cpu:9.1f} × of CPU")
    for name, one in results.items():
        print(
            f"peak         {name:7} {one['peak_gib']:9.1f} GiB, {one['findings']:,} findings, {one['verdicts']}"
        )
    same = all(duckdb[what] == spark[what] for what in ("findings", "digest", "verdicts"))
    print(f"findings byte for byte the same: {'yes' if same else 'NO'}")


def _measure(options: argparse.Namespace) -> dict[str, Any]:
    if not options.cluster or options.engine == "duckdb":
        return _measure_on(f"local[{options.cores}]", options)
    from tests.spark.cluster import cluster

    with tempfile.TemporaryDirectory(prefix="counterfoil-cluster-") as logs, cluster(Path(logs)) as master:
        return _measure_on(master, options)


def _measure_on(master: str, options: argparse.Namespace) -> dict[str, Any]:
    from analytics.evaluate import evaluate_rule
    from analytics.rule import rules
    from schemas.settings import load_settings

    settings = load_settings(
        lake={"url": str(_lake(options.actions))},
        correlate={"memory_limit": f"{options.memory[:-1]}GB", "threads": options.cores},
        spark={"master": master, "memory": options.memory},
    )
    figures: dict[str, Any] = {}
    with _opened(options.engine, settings) as (engine, rows):
        with _timed(figures, "correlation"):
            engine.need("action_backing")
            counts = engine.fetch(
                "SELECT verdict, count(*) AS n FROM action_backing GROUP BY verdict"
            ).to_pylist()
        found: dict[str, Any] = {}
        with _timed(figures, "rules"):
            for rule in rules().values():
                tell(f"{options.engine}: rule {rule.id}")
                found |= evaluate_rule(rule, engine, settings)
        figures["peak_gib"] = round(sum(_peaks()) / 2**20, 2)
    written = json.dumps(found, sort_keys=True, default=str, ensure_ascii=False)
    return {
        **figures,
        "rows": rows,
        "verdicts": {row["verdict"]: row["n"] for row in sorted(counts, key=lambda row: row["verdict"])},
        "findings": len(found),
        "digest": hashlib.sha256(written.encode("utf-8", "surrogatepass")).hexdigest(),
    }


@contextmanager
def _opened(name: str, settings: Settings) -> Iterator[tuple[Engine, int]]:
    """The engine, warm, and how many rows there are."""
    from analytics.engine import open_engine
    from analytics.rule import load_rules
    from analytics.session import open_session

    with open_session(settings, closed=True) as session:
        rows = sum(session.snapshot.rows(table) or 0 for table in session.snapshot.tables)
        known = load_rules(settings.rules_folder)
        with open_engine(name, session, settings, closed=True, known=known) as engine:
            yield engine, rows


@contextmanager
def _timed(figures: dict[str, Any], phase: str) -> Iterator[None]:
    wall, cpu = time.perf_counter(), _cpu_seconds()
    yield
    figures[phase] = {
        "seconds": round(time.perf_counter() - wall, 1),
        "cpu": round(_cpu_seconds() - cpu, 1),
    }
    tell(f"{phase}: {figures[phase]}")


def _cpu_seconds() -> float:
    """Of this process and of all that are, or were, below it."""
    ticks = 0
    for process in _below():
        # The name in brackets may hold spaces; the times stand at fixed places after it.
        fields = _told(process, "stat").rpartition(")")[2].split()
        ticks += sum(int(field) for field in fields[11:15])
    return ticks / os.sysconf("SC_CLK_TCK")


def _peaks() -> Iterator[int]:
    for process in _below():
        # One that has ended has none.
        _, _, peak = _told(process, "status").partition("VmHWM:")
        yield int(peak.split()[0]) if peak else 0


def _told(process: int, what: str) -> str:
    try:
        return Path(f"/proc/{process}/{what}").read_text()
    except OSError:  # it has ended meanwhile
        return ""


def _below() -> list[int]:
    """This process and all below it."""
    parents = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdecimal() and (stat := _told(int(folder.name), "stat")):
            parents[int(folder.name)] = int(stat.rpartition(")")[2].split()[1])
    found = [os.getpid()]
    for process in found:
        found += [child for child, parent in parents.items() if parent == process]
    return found


if __name__ == "__main__":
    main()
