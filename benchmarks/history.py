"""What a detection run costs over new events, as the history behind them grows, beside a run over everything.

    python -m benchmarks.history [--per-day 100000] [--days 1,10,100] [--rounds 5] [--memory 8GB]

For each length a lake is made under .cache/bench and judged whole, once. Then, round after round and in each lake in
turn, five minutes of new events arrive and are judged by the rules that go on from where they were; medians are told.
At the end the rules that look at the whole lake do so, one by one. Each measurement is a process of its own.
"""

from __future__ import annotations

import argparse
import json
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from typing import Any

import pyarrow as pa

from benchmarks._measure import in_child, machine, measured, tell

_CACHE = Path(__file__).parents[1] / ".cache" / "bench"
_START = datetime(2026, 6, 1, tzinfo=UTC)
_MINUTES = 5


def main() -> None:
    """Make the lakes, measure, print a table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--per-day", type=int, default=100_000, help="actions a day")
    parser.add_argument("--days", default="1,10,100")
    parser.add_argument("--rounds", type=int, default=5, help="how often five minutes arrive")
    parser.add_argument("--memory", default="8GB")
    parser.add_argument("--part", help=argparse.SUPPRESS)
    parser.add_argument("--round", type=int, default=0, help=argparse.SUPPRESS)
    options = parser.parse_args()
    lengths = [int(days) for days in options.days.split(",")]
    if options.part:
        print(json.dumps(_part(options.part, lengths[0], options)))
        return
    print(f"machine: {machine()}")
    print(f"{options.per_day:,} actions a day with as many decisions; new: {_MINUTES} minutes of them")

    def measure(part: str, days: int, number: int = 0) -> dict[str, Any]:
        told = {
            "part": part,
            "days": days,
            "round": number,
            "per-day": options.per_day,
            "memory": options.memory,
        }
        figures = in_child(
            "benchmarks.history",
            *(text for name, value in told.items() for text in (f"--{name}", str(value))),
        )
        tell(
            f"{days} days, {part}, round {number + 1}: {figures['seconds']} s, {figures['cpu_seconds']} s of CPU"
        )
        return figures

    before = {}
    for days in lengths:
        before[days] = measure("make", days)["rows"], measure("whole", days)
    new: dict[int, list[dict[str, Any]]] = {days: [] for days in lengths}
    for number in range(options.rounds):
        for days in lengths:
            measure("arrive", days, number)
            new[days].append(measure("new", days, number))
    for days in lengths:
        rows, whole = before[days]
        print(f"{days:4} days, {rows:12,} rows before")
        _print("all rules, everything", [whole])
        _print("rules that go on", new[days])
        for rule in _of_the_whole():
            _print(f"rule {rule}, everything", [measure(rule, days)])


def _print(name: str, runs: list[dict[str, Any]]) -> None:
    seconds, cpu = ([run[unit] for run in runs] for unit in ("seconds", "cpu_seconds"))
    spread = f" ({min(cpu):.1f} to {max(cpu):.1f})" if len(cpu) > 1 else ""
    peak, rows, written = (max(run[what] for run in runs) for what in ("peak_gib", "rows", "written"))
    print(
        f"  {name:24} {median(seconds):7.1f} s {median(cpu):7.1f} s of CPU{spread} {peak:5.1f} GiB"
        f" {rows:12,} rows read {written:7,} states written"
    )


def _folder(days: int, per_day: int) -> Path:
    return _CACHE / f"history-{days}-{per_day}"


def _part(part: str, days: int, options: argparse.Namespace) -> dict[str, Any]:
    from schemas.settings import load_settings

    per_day = options.per_day
    url = str(_folder(days, per_day) / "lake")
    settings = load_settings(lake={"url": url}, correlate={"memory_limit": options.memory})
    if part == "make":
        shutil.rmtree(_folder(days, per_day), ignore_errors=True)
        return measured(lambda: _append(url, 7, per_day * days, _START, days))
    if part == "arrive":
        actions = per_day * _MINUTES // (24 * 60)
        start = _START + timedelta(days=days, minutes=_MINUTES * options.round)
        return measured(lambda: _append(url, 8 + options.round, actions, start, _MINUTES / (24 * 60)))
    return measured(lambda: _detect(settings, part))


def _of_the_whole() -> list[str]:
    from analytics.rule import rules

    return [rule.id for rule in rules().values() if rule.reach == "whole"]


def _append(url: str, seed: int, actions: int, start: datetime, days: float) -> dict[str, Any]:
    """Append that many actions with their decisions, and note that both streams were read to their end."""
    from lake.store import open_lake
    from sample_data.bulk import bulk_tables
    from schemas.catalogue import TABLES

    lake = open_lake(url, create=True)
    rows = 0
    for name, table in bulk_tables(seed, actions, start=start, days=days):
        lake.append(TABLES[name], table)
        rows += table.num_rows
    seen = start + timedelta(days=days)
    progress = TABLES["stream_progress"]
    notes = [
        {"progress_id": f"{stream}-{seed}", "observed_time": seen, "stream": stream, "source_topic": f"agent.{stream}",
         "source_partition": partition, "next_offset": rows, "end_offset": rows, "caught_up": True,
         "event_date": seen.date()}
        for stream in ("orchestration", "authorization") for partition in range(6)
    ]  # fmt: skip
    lake.append(progress, pa.Table.from_pylist(notes, schema=progress.schema))
    return {"rows": rows}


def _detect(settings: Any, part: str) -> dict[str, Any]:
    from analytics.detect import detect
    from analytics.rule import rules

    chosen = {
        "whole": list(rules()),
        "new": [rule.id for rule in rules().values() if rule.reach != "whole"],
    }.get(part, [part])
    found = detect(settings, only=chosen, whole=part == "whole", changes_only=part != "whole", report=tell)
    return {
        "rows": max(found.rows.values(), default=0),
        "written": found.written,
        "findings": len(found.findings),
        "reach": found.reach,
        "failed": found.failed,
    }


if __name__ == "__main__":
    main()
