"""What a rate of events asks for: commits measured here, a simulation of many writers, and a plan computed from both.

    python -m benchmarks.scaling [--lake URL] [--seconds 10] [--commits 2000] [--events 300000]

Measured: commits per second of 1, 2, 4 and 8 writers of one table, each a process that commits small batches as fast as
it can; how a commit and the opening of the table grow with the number of versions; bytes per event in the lake, and
what compaction costs. The simulation is held against the measured writers, and then given the writers of each rate.
What other benchmarks measure (events per core-second, seconds per million actions, runs on Spark) is given by options,
whose defaults are the figures of docs/performance.md. Prices are assumptions, for options too.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import statistics
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest import mock

from benchmarks._commit_load import Load, simulate
from benchmarks._executors import executors, fit
from benchmarks._measure import in_child, machine, measured, tell

if TYPE_CHECKING:
    from collections.abc import Sequence

RATES = (1_000, 10_000, 100_000, 1_000_000)
WRITERS = (1, 2, 4, 8)
_DAY = 86_400
_BUSY = 0.6  # of a core is what a member of ingest, and an executor, is planned to be busy
_BATCH_ROWS, _BATCH_SECONDS = 50_000, 2.0
# A run on Spark is to end within so many seconds, on executors of so many cores.
_WITHIN, _EXECUTOR_CORES = 3600.0, 4


def main() -> None:
    """Measure, simulate, and print the tables of docs/scaling.md."""
    options = _options()
    if options.part:
        print(json.dumps(_part(options)))
        return
    with tempfile.TemporaryDirectory(prefix="counterfoil-scaling-") as home:
        place = options.lake or home
        print(f"machine: {machine()}; {'object store' if options.lake else 'disk'}")
        alone = _writers(place, options.seconds, queued=options.lake is None)
        _growth(place, options.commits)
        per_event = _bytes(f"{home}/bytes", options.events)
    _commits(alone, options.batch_seconds)
    _plan(options, per_event)
    _spark(options)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "--lake", help="prefix on an object store for the commits; without it, a temporary folder"
    )
    parser.add_argument(
        "--seconds", type=float, default=10, help="for which each number of writers is measured"
    )
    parser.add_argument("--commits", type=int, default=2000, help="versions to grow a table by")
    parser.add_argument("--events", type=int, default=300_000, help="from which bytes per event are taken")
    parser.add_argument(
        "--batch-seconds", type=float, nargs="+", default=[2, 10, 60], help="ingest.batch_time"
    )
    parser.add_argument("--per-core", type=float, default=_PER_CORE, help="events a core-second of ingest")
    parser.add_argument(
        "--detect", type=float, default=_DETECT, help="CPU seconds per million events, by schedule"
    )
    parser.add_argument(
        "--whole", type=float, default=_WHOLE, help="CPU seconds per million events, all in one run"
    )
    parser.add_argument(
        "--spark",
        type=float,
        nargs=4,
        default=_SPARK,
        help="rows and CPU seconds of a small run and a large one",
    )
    parser.add_argument(
        "--spark-busy", type=float, default=_BUSY, help="share of its cores that Spark keeps busy"
    )
    parser.add_argument("--core-hour", type=float, default=0.05, help="price of a core for an hour")
    parser.add_argument("--gb-month", type=float, default=0.023, help="price of a GB kept for a month")
    parser.add_argument(
        "--thousand-writes", type=float, default=0.005, help="price of a thousand writes to the store"
    )
    parser.add_argument("--part", choices=["writer", "growth", "bytes"], help=argparse.SUPPRESS)
    parser.add_argument("--place", help=argparse.SUPPRESS)
    parser.add_argument("--at", type=float, default=0, help=argparse.SUPPRESS)
    parser.add_argument("--name", default="0", help=argparse.SUPPRESS)
    parser.add_argument("--rows", type=int, default=200, help=argparse.SUPPRESS)
    parser.add_argument("--in-turn", type=int, default=1, help=argparse.SUPPRESS)
    return parser.parse_args()


# benchmarks.ingest; benchmarks.day (9,361 s of CPU for 10 million events); benchmarks.day, one run over all (268 s).
_PER_CORE, _DETECT, _WHOLE = 82_576, 936.0, 26.8
# benchmarks.spark, correlation and rules together, over 500,000 actions and over 4,348,000.
_SPARK = (1_150_000, 330.5, 10_000_400, 1_612.7)


@dataclass(frozen=True)
class Alone:
    """What a writer takes: the seconds of each commit after its files, and where the version before is another's.

    And those of writing the files. Nobody else runs meanwhile.
    """

    commit: list[float]
    after_another: list[float]
    files: float

    def load(self, writers: int, every: float, *, queued: bool) -> Load:
        """So many of these writers, for the simulation."""
        return Load(writers, every, self.commit, queued, self.files, self.after_another)


def _writers(place: str, seconds: float, *, queued: bool) -> Alone:
    """Measure and simulate writers that never rest; return what one alone takes."""
    print("| writers | commits/s | simulated | commit p50 | simulated | p95 | simulated |")
    print("|---|---|---|---|---|---|---|")
    in_turn = in_child(
        "benchmarks.scaling", "--part", "writer", "--place", f"{place}/in-turn", "--seconds", str(seconds),
        "--in-turn", "2",
    )  # fmt: skip
    alone = Alone([], [], 0.0)
    for writers in WRITERS:
        lake = f"{place}/writers-{writers}"
        at = time.time() + 4 + writers / 2
        with ThreadPoolExecutor(writers) as pool:
            runs = list(
                pool.map(
                    lambda name, lake=lake, at=at: in_child(
                        "benchmarks.scaling", "--part", "writer", "--place", lake, "--seconds", str(seconds),
                        "--at", str(at), "--name", str(name),
                    ),
                    range(writers),
                )
            )  # fmt: skip
        took = sorted(each for run in runs for each in run["took"])
        if not alone.commit:
            commits = runs[0]["commits"]
            files = max(0.0, statistics.mean(took) - statistics.mean(commits))
            alone = Alone(commits, in_turn["commits"], files)
        made = simulate(alone.load(writers, 0, queued=queued), 200)
        print(
            f"| {writers} | {len(took) / seconds:.1f} | {made.rate:.1f} | {_ms(statistics.median(took))} "
            f"| {_ms(made.p50)} | {_ms(took[int(len(took) * 0.95)])} | {_ms(made.p95)} |"
        )
        tell(f"{writers} writers: {len(took)} commits")
    return alone


def _growth(place: str, commits: int) -> None:
    grown = in_child(
        "benchmarks.scaling", "--part", "growth", "--place", f"{place}/growth", "--commits", str(commits)
    )
    print("| versions | commit p50 | opening a snapshot | files |")
    print("|---|---|---|---|")
    for row in grown["rows"]:
        print(f"| {row['versions']:,} | {_ms(row['commit'])} | {_ms(row['open'])} | {row['files']:,} |")
    print(f"compacting {grown['files']:,} small files: {grown['compact']:.1f} s; then {grown['left']} files")


def _bytes(place: str, events: int) -> float:
    figures = in_child("benchmarks.scaling", "--part", "bytes", "--place", place, "--events", str(events))
    per_event: float = figures["after"] / events
    print(
        f"{events:,} events of {figures['source'] / events:.0f} bytes: {figures['before'] / events:.0f} bytes each as "
        f"written, {per_event:.0f} compacted, raw records included; compaction {figures['compact_cpu']:.1f} s of CPU, "
        f"{1e6 * figures['compact_cpu'] / events:.2f} s per million"
    )
    return per_event


def _commits(alone: Alone, batch_seconds: Sequence[float]) -> None:
    """How many members one table bears, by how often each commits, at a lock and without."""
    print("| each commits every | members at a lock (p95 wait) | members on an object store (p95, tries) |")
    print("|---|---|---|")
    for every in batch_seconds:
        cells = []
        for queued in (True, False):
            most, outcome = _most(alone, every, queued=queued)
            tries = "" if queued else f", {outcome.tries:.1f}"
            cells.append(f"{most} ({_ms(outcome.p95)}{tries})")
        print(f"| {every:g} s | {' | '.join(cells)} |")


def _most(alone: Alone, every: float, *, queued: bool) -> tuple[int, Any]:
    """The most members of the powers of two and their halves that keep up over half an hour."""
    most, found = 0, simulate(alone.load(1, every, queued=queued), 1800)
    for members in (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1024):
        outcome = simulate(alone.load(members, every, queued=queued), 1800)
        if not outcome.keeps_up:
            break
        most, found = members, outcome
    return most, found


def _plan(options: argparse.Namespace, per_event: float) -> None:
    """What each rate asks for, kept for a year."""
    print(
        "| events/s | ingest cores | partitions | commits/s per table | TB a year | files a year, compacted "
        "| detection cores, by schedule | one run over a day, cores for an hour | a month |"
    )
    print("|---|---|---|---|---|---|---|---|---|")
    for rate in RATES:
        ingest = rate / options.per_core / _BUSY
        members = max(1, round(ingest + 0.5))
        every = max(options.batch_seconds[0], _BATCH_ROWS * members / rate)
        kept = rate * _DAY * 365 * per_event
        detect = rate * _DAY / 1e6 * options.detect / _DAY
        whole = rate * _DAY / 1e6 * options.whole / 3600
        # Of each commit: its files and the version, to two or three tables; read again and written by compaction.
        writes = members / every * 3 * 3 * _DAY * 30
        month = (
            (ingest + detect + whole / 24) * 730 * options.core_hour
            + kept / 1e9 * options.gb_month / 2  # on average over the first year, half of it is there
            + writes / 1000 * options.thousand_writes
        )
        print(
            f"| {rate:,} | {ingest:.1f} | {max(4, 2 * members)} | {members / every:.2f} | {kept / 1e12:,.1f} "
            f"| {kept / (256 << 20):,.0f} | {detect:.1f} | {whole:.1f} | {month:,.0f} |"
        )


def _spark(options: argparse.Namespace) -> None:
    """What a run on Spark over one day of each rate asks for, done within an hour."""
    small, large = options.spark[:2], options.spark[2:]
    cost = fit(small, large)
    print(f"on Spark: {cost.planning:.0f} s of CPU, and {cost.per_million:.0f} s for a million rows")
    print("| events/s | million rows a day | executors of 4 cores | minutes | core-hours | a month |")
    print("|---|---|---|---|---|---|")
    for rate in RATES:
        run = executors(cost, rate * _DAY, within=_WITHIN, cores=_EXECUTOR_CORES, busy=options.spark_busy)
        print(
            f"| {rate:,} | {rate * _DAY / 1e6:,.0f} | {run.executors:,} | {run.hours * 60:.0f} "
            f"| {run.core_hours:,.1f} | {run.core_hours * 30 * options.core_hour:,.0f} |"
        )


def _part(options: argparse.Namespace) -> dict[str, Any]:
    parts = {"writer": _write, "growth": _grow, "bytes": _weigh}
    return measured(lambda: parts[options.part](options))


def _rows(count: int) -> Any:
    """So many events of one day, so that a commit writes one file, as those of a stream mostly do."""
    import pyarrow.compute as pc

    from sample_data.bulk import bulk_tables

    _, table = next(iter(bulk_tables(7, 100_000)))
    days = pc.floor_temporal(table["event_time"], unit="day")
    return table.filter(pc.equal(days, days[0])).slice(0, count)


def _write(options: argparse.Namespace) -> dict[str, Any]:
    """Commit small batches from a moment on, as fast as it goes; the seconds of each, and those after its files.

    With `--in-turn` so many writers of this process do so one after the other, and none takes time from another.
    """
    from lake.commit import Committer
    from lake.store import open_lake
    from schemas.events import ORCHESTRATION_EVENTS

    lakes, rows = [open_lake(options.place, create=True) for _ in range(options.in_turn)], _rows(options.rows)
    took, commits = [], []
    for name, lake in enumerate(lakes):
        lake.append(ORCHESTRATION_EVENTS, rows, positions={f"topic-{options.name}-{name}": (None, 0)})
    commit = Committer.commit

    def timed(*arguments: Any) -> int | None:
        began = time.perf_counter()
        version = commit(*arguments)
        commits.append(round(time.perf_counter() - began, 5))
        return version

    with mock.patch.object(Committer, "commit", timed):
        time.sleep(max(0.0, options.at - time.time()))
        stop = time.perf_counter() + options.seconds
        for number in itertools.count():
            if (began := time.perf_counter()) >= stop:
                break
            end, name = divmod(number, len(lakes))
            positions = {f"topic-{options.name}-{name}": (end, end + 1)}
            lakes[name].append(ORCHESTRATION_EVENTS, rows, positions=positions)
            took.append(round(time.perf_counter() - began, 5))
    return {"took": took, "commits": commits}


def _grow(options: argparse.Namespace) -> dict[str, Any]:
    from lake.store import open_lake
    from schemas.events import ORCHESTRATION_EVENTS

    lake, rows, told, took = open_lake(options.place, create=True), _rows(options.rows), [], []
    marks = {options.commits // 20, options.commits // 4, options.commits // 2, options.commits}
    for number in range(1, options.commits + 1):
        began = time.perf_counter()
        lake.append(ORCHESTRATION_EVENTS, rows, positions={"topic-0": (None, number)})
        took.append(time.perf_counter() - began)
        if number in marks:
            began = time.perf_counter()
            files = len(lake.snapshot(only=["orchestration_events"]).files("orchestration_events"))
            opened = time.perf_counter() - began
            told.append(
                {"versions": number, "commit": statistics.median(took[-100:]), "open": opened, "files": files}
            )
            tell(f"{number} versions")
    began = time.perf_counter()
    lake.compact(ORCHESTRATION_EVENTS)
    compacted = time.perf_counter() - began
    left = len(lake.snapshot(only=["orchestration_events"]).files("orchestration_events"))
    return {"rows": told, "compact": compacted, "left": left, "files": told[-1]["files"]}


def _weigh(options: argparse.Namespace) -> dict[str, Any]:
    """Ingest events from files, compact the tables, and weigh the lake before and after."""
    from ingest.run import run_files
    from lake.store import open_lake
    from sample_data.bulk import bulk_records
    from schemas.catalogue import TABLES
    from schemas.settings import load_settings

    folder = Path(options.place)
    folder.mkdir(parents=True)
    written = 0
    names = {"agent.orchestration": "orchestration.jsonl", "agent.authorization": "authorization.jsonl"}
    with (
        (folder / "orchestration.jsonl").open("wb") as one,
        (folder / "authorization.jsonl").open("wb") as other,
    ):
        files = dict(zip(names, (one, other), strict=True))
        for topic, _, value in bulk_records(7, options.events):
            written += files[topic].write(value + b"\n")
    settings = load_settings(lake={"url": str(folder / "lake")})
    run_files(settings, [folder / name for name in names.values()])
    lake = open_lake(folder / "lake")
    before = _size(lake)
    began = time.process_time()
    for name in lake.snapshot().versions:
        lake.compact(TABLES[name])
    cpu = time.process_time() - began
    return {"source": written, "before": before, "after": _size(lake), "compact_cpu": cpu}


def _size(lake: Any) -> int:
    snapshot = lake.snapshot()
    return sum(os.stat(file).st_size for name in snapshot.versions for file in snapshot.files(name))  # noqa: PTH116


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:,.0f} ms"


if __name__ == "__main__":
    main()
