"""Correlation beside other engines: one plain task over the same files, and Counterfoil's whole one.

    python -m benchmarks.peers_correlate [--actions 1000000] [--rounds 3] [--memory 3] [--install]

The task of all: for each action the newest decision of its trace, agent, action and resource up to the action's end, by
an as-of join; which use of the decision that is; the verdict on it; all written to a Parquet file. It is a small part
of what Counterfoil does, and the part that engines have a join for: matching by ids and spans, decisions without a
trace, patterns, what comes twice, tenants, clocks that differ, and the nearest decision where there is none are in
Counterfoil's row alone. Each is a process of its own with two threads, in turn, round after round; CPU is that of the
whole process, start and end included. An engine lives in an environment of its own, FOLDER/NAME (--venvs, by default
.cache/bench), which --install makes; one that is not there is named and left out. Where the verdicts of two engines
differ the run says so.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import venv
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks._measure import machine, tell
from benchmarks.correlate import lake_of, make_lake

OURS = "counterfoil"


@dataclass(frozen=True)
class Peer:
    """A program under benchmarks/peers, what it needs beside our own environment, and how it goes about it."""

    program: str
    packages: tuple[str, ...]
    does: str


PEERS = {
    "duckdb": Peer("correlate_duckdb.py", (), "ASOF LEFT JOIN, within the limit of memory"),
    "polars": Peer(
        "correlate_polars.py", ("polars==2.1.0",), "join_asof after a sort of both sides; no limit of memory to set"
    ),
    "chdb": Peer("correlate_chdb.py", ("chdb==4.4.0",), "ASOF LEFT JOIN of ClickHouse, within the limit of memory"),
    "spark-sql": Peer(
        "correlate_spark.py", ("pyspark==4.3.0",),
        "no as-of join: a window over both sides; the limit is Java's heap; its start is a good part of the time",
    ),
}  # fmt: skip


def main() -> None:
    """Make the lake, run all in turn, print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--actions", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--memory", default="3", help="In GB.")
    parser.add_argument("--venvs", type=Path, default=Path(".cache/bench"))
    parser.add_argument("--install", action="store_true", help="Make the environments that are missing.")
    parser.add_argument("--only", nargs="+", choices=[OURS, *PEERS], default=[OURS, *PEERS])
    parser.add_argument("--part", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.part:
        print(json.dumps(_ours(*options.part)))
        return
    if options.install:
        for name, peer in PEERS.items():
            _install(options.venvs / name, peer)
    make_lake(options.actions)
    there = [name for name in options.only if name == OURS or _python(options.venvs, name).exists()]
    runs: dict[str, list[dict[str, Any]]] = {name: [] for name in there}
    with tempfile.TemporaryDirectory(prefix="counterfoil-bench-") as folder:
        files = Path(folder) / "files.json"
        files.write_text(json.dumps(_files(options.actions)))
        for number in range(options.rounds):
            for name, done in runs.items():
                done.append(_measure(name, options, files, Path(folder) / f"{number}-{name}.parquet"))
                tell(f"round {number + 1}, {name}: {done[-1]}")
    print(f"machine: {machine()}")
    print(f"{options.actions:,} actions, as many decisions, {options.memory} GB, {options.rounds} rounds")
    _print(runs)
    for name in sorted(set(options.only) - set(there)):
        print(f"{name}: not there (--install makes {options.venvs / name})")


def _python(environments: Path, name: str) -> Path:
    # What needs nothing of its own runs in the environment of this script.
    return environments / name / "bin" / "python" if PEERS[name].packages else Path(sys.executable)


def _install(environment: Path, peer: Peer) -> None:
    python = environment / "bin" / "python"
    if not peer.packages or python.exists():
        return
    tell(f"installing {', '.join(peer.packages)} into {environment}")
    venv.create(environment, with_pip=True)
    pip = [str(python), "-m", "pip", "--disable-pip-version-check", "install", "--quiet", *peer.packages]
    if subprocess.run(pip, check=False).returncode:
        python.unlink()  # so that it counts as not there


def _files(actions: int) -> dict[str, list[str]]:
    from lake.store import open_lake

    snapshot = open_lake(lake_of(actions)).snapshot()
    tables = {"events": "orchestration_events", "decisions": "authorization_decisions"}
    return {name: sorted(snapshot.files(table)) for name, table in tables.items()}


def _ours(lake: str, out: str, memory: str) -> dict[str, Any]:
    """All that `action_backing` does, with the same three columns written."""
    from importlib.metadata import version

    from analytics.session import open_session
    from schemas.settings import load_settings

    settings = load_settings(lake={"url": lake}, correlate={"memory_limit": f"{memory}GB", "threads": 2})
    with open_session(settings, closed=True) as session:
        session.need("action_backing")
        session.run(
            f"COPY (SELECT event_id, decision_id, verdict FROM action_backing) TO '{out}' (FORMAT parquet)"
        )
        counts = session.fetch(f"SELECT verdict, count(*) AS n FROM '{out}' GROUP BY verdict").to_pylist()
    return {"verdicts": {row["verdict"]: row["n"] for row in counts}, "version": version("counterfoil")}


def _measure(name: str, options: argparse.Namespace, files: Path, out: Path) -> dict[str, Any]:
    """Run it once. CPU and memory are what the system says of the child when it has ended."""
    if name == OURS:
        lake = str(lake_of(options.actions))
        command = [
            sys.executable, "-m", "benchmarks.peers_correlate", "--part", lake, str(out), options.memory
        ]  # fmt: skip
    else:
        program = Path(__file__).parent / "peers" / PEERS[name].program
        command = [str(_python(options.venvs, name)), str(program), str(files), str(out), options.memory]
    began = time.perf_counter()
    with tempfile.TemporaryFile("w+") as said_there, tempfile.TemporaryFile("w+") as wrong:
        child = subprocess.Popen(command, stdout=said_there, stderr=wrong)
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        for each in (said_there, wrong):
            each.seek(0)
        lines, failure = said_there.read().splitlines(), wrong.read()
    figures = {
        "seconds": round(time.perf_counter() - began, 2),
        "cpu_seconds": round(usage.ru_utime + usage.ru_stime, 2),
        "peak_gib": round(usage.ru_maxrss / 2**20, 2),
    }
    if child.returncode or not lines:
        return {**figures, "failed": (failure.strip().splitlines() or ["it said nothing"])[-1][:200]}
    return {**figures, **json.loads(lines[-1])}


def _print(runs: dict[str, list[dict[str, Any]]]) -> None:
    first: tuple[str, Any] | None = None
    ours = [run for run in runs.get(OURS, []) if "failed" not in run]
    for name, done in runs.items():
        does = (
            PEERS[name].does
            if name in PEERS
            else "the whole ladder, all verdicts and reasons, as on `action_backing`"
        )
        good = [run for run in done if "failed" not in run]
        if not good:
            print(f"{name}: failed: {done[0]['failed']}")
            continue
        cpu, seconds = (statistics.median(run[what] for run in good) for what in ("cpu_seconds", "seconds"))
        spread = f"{min(run['cpu_seconds'] for run in good)} to {max(run['cpu_seconds'] for run in good)}"
        peak = max(run["peak_gib"] for run in good)
        title = f"{name} {good[0]['version']}"
        print(f"{title}: {cpu:.1f} s of CPU ({spread}), {seconds:.1f} s, {peak:.2f} GiB at peak: {does}")
        print(f"    {dict(sorted(good[0]['verdicts'].items()))}")
        if name == OURS:
            continue
        if ours:
            of_cpu, of_time = (
                statistics.median(run[what] for run in ours) / own
                for what, own in (("cpu_seconds", cpu), ("seconds", seconds))
            )
            print(f"    counterfoil takes {of_cpu:.1f} times its CPU and {of_time:.1f} times its time")
        first = first or (name, good[0]["verdicts"])
        if good[0]["verdicts"] != first[1]:
            print(f"    its verdicts are not those of {first[0]}")


if __name__ == "__main__":
    main()
