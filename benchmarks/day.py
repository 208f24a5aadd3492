"""A day of events judged every five minutes, beside one run over the whole day.

    python -m benchmarks.day [--events 10000000] [--samples 12] [--memory 8GB]

The day arrives in slots of five minutes. At evenly spaced slots the rules of each schedule are run over what is new
since the slot before, and are measured; what lies between is caught up with and not measured. The cost of the day is
the mean of each schedule times how often it is due: an estimate from the samples, as all 288 slots would take hours.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import time
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks._measure import machine, measured, tell

if TYPE_CHECKING:
    from lake.store import Lake
    from schemas.settings import Settings

_CACHE = Path(__file__).parents[1] / ".cache" / "bench"
_START = datetime(2026, 6, 1, tzinfo=UTC)
_SLOT = timedelta(minutes=5)
_SLOTS = 288
# A row of two and a third is an action in the bulk tables.
_ROWS_PER_ACTION = 2.3


def main() -> None:
    """Let the day arrive, measure at the samples, print the ratio."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--events", type=int, default=10_000_000)
    parser.add_argument("--samples", type=int, default=12)
    parser.add_argument("--memory", default="8GB")
    options = parser.parse_args()

    from lake.store import open_lake
    from schemas.settings import load_settings

    folder = _CACHE / "day"
    shutil.rmtree(folder, ignore_errors=True)
    lake = open_lake(folder / "lake", create=True)
    settings = load_settings(lake={"url": str(folder / "lake")}, correlate={"memory_limit": options.memory})
    groups = _by_schedule()
    sampled = {_SLOTS * (number + 1) // options.samples - 1 for number in range(options.samples)}
    costs: dict[timedelta, list[float]] = defaultdict(list)
    slots = _slots(options.events)
    for slot in range(_SLOTS):
        if slot in sampled:
            _run(settings, [rule for rules in groups.values() for rule in rules])
        _arrive(lake, slot, next(slots))
        if slot not in sampled:
            continue
        for every, rules in groups.items():
            # What is due once a day looks at the whole of it, and is measured at its end.
            if every >= timedelta(days=1) and slot < _SLOTS - 1:
                continue
            clock = time.process_time()
            rows = _run(settings, rules)
            costs[every].append(time.process_time() - clock)
            tell(
                f"slot {slot + 1} of {_SLOTS}: every {every}, {rows:,} rows, {costs[every][-1]:.1f} s of CPU"
            )
    whole = measured(lambda: {"rows": _run(settings, [], whole=True)})

    print(f"machine: {machine()}")
    print(f"a day of {whole['rows']:,} rows in {_SLOTS} slots, {options.samples} of them measured")
    total = 0.0
    for every, seconds in costs.items():
        due = max(1, int(timedelta(days=1) / every))
        total += due * statistics.mean(seconds)
        mean, least, most = statistics.mean(seconds), min(seconds), max(seconds)
        print(
            f"  every {every!s:>15}: {len(groups[every]):2} rules, {due:3} runs a day,"
            f" each {mean:6.1f} s of CPU ({least:.1f} to {most:.1f})"
        )
    print(f"  by schedule, all day:  {total:8.0f} s of CPU")
    print(
        f"  one run over the day:  {whole['cpu_seconds']:8.0f} s of CPU, {whole['peak_gib']:.1f} GiB at peak"
    )
    print(f"  ratio:                 {total / whole['cpu_seconds']:8.1f} ×")


def _by_schedule() -> dict[timedelta, list[str]]:
    from analytics.rule import rules

    groups: dict[timedelta, list[str]] = defaultdict(list)
    for rule in sorted(rules().values(), key=lambda rule: rule.schedule.every):
        groups[rule.schedule.every].append(rule.id)
    return dict(groups)


def _slots(events: int) -> Any:
    """The tables of each slot, in order."""
    from sample_data.bulk import ACTIONS_PER_TRACE, bulk_tables

    per_slot = max(1, round(events / _ROWS_PER_ACTION / ACTIONS_PER_TRACE / _SLOTS))
    tables = bulk_tables(
        7, per_slot * _SLOTS * ACTIONS_PER_TRACE, start=_START, days=1, traces_per_table=per_slot
    )
    while True:
        yield [next(tables), next(tables)]


def _arrive(lake: Lake, slot: int, tables: list[tuple[str, Any]]) -> None:
    """What the slot brings, and a note that both streams were read to their end."""
    import pyarrow as pa

    from schemas.catalogue import TABLES

    for name, table in tables:
        lake.append(TABLES[name], table)
    seen = _START + (slot + 1) * _SLOT
    progress = TABLES["stream_progress"]
    notes = [
        {"progress_id": f"{stream}-{slot}", "observed_time": seen, "stream": stream, "source_topic": f"agent.{stream}",
         "source_partition": partition, "next_offset": slot + 1, "end_offset": slot + 1, "caught_up": True,
         "event_date": seen.date()}
        for stream in ("orchestration", "authorization") for partition in range(6)
    ]  # fmt: skip
    lake.append(progress, pa.Table.from_pylist(notes, schema=progress.schema))


def _run(settings: Settings, only: list[str], *, whole: bool = False) -> int:
    from analytics.detect import detect

    return max(detect(settings, only=only, whole=whole, changes_only=True).rows.values(), default=0)


if __name__ == "__main__":
    main()
