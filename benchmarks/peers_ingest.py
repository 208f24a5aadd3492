"""Ingest beside other ways from Kafka to files: the same records, the same broker, one run.

    python -m benchmarks.peers_ingest [--events 1000000] [--rounds 3] [--venvs .cache/bench] [--install] [--peers NAME…]

Each way is a process of its own, in turn, round after round, and its CPU time is that of the whole process with all its
threads and children, start and end included; the broker's is not counted. Its peak of memory is told as no less than
this process's own, which made the records. A peer lives in an environment of its own, FOLDER/NAME, which --install
makes; one that is not there is named and left out. What each of them does is in PEERS below, and what was not measured,
and why, in ABSENT. --peers names the ones to measure, beside ours.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import shutil
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
from benchmarks.ingest import TOPICS, fill, start_broker


@dataclass(frozen=True)
class Peer:
    """A program under benchmarks/peers, what it needs, and what it does and does not do."""

    program: str
    packages: tuple[str, ...]
    does: str
    jars: tuple[str, ...] = ()
    pom: str = ""  # a file beside the program: the jars with all that they need
    module: str = ""  # a Go module, of which the .go file beside the program is built


PEERS = {
    "librdkafka": Peer(
        "librdkafka.py", ("confluent-kafka==2.16.0",),
        "confluent-kafka's consume(), counting; the C client's own threads unpack and split",
    ),
    "quixstreams": Peer(
        "quix.py", ("quixstreams==3.28.1", "pyarrow==26.0.1"),
        "Parquet, zstd; at least once; not synced; no types checked, no raw bytes, no hash",
    ),
    "mq-bridge": Peer(
        "mqbridge.py", ("mq-bridge==1.2.0", "pyarrow==26.0.1"),
        "Parquet, zstd; at least once; synced; no types checked, no raw bytes, no hash",
    ),
    "pathway": Peer(
        "pathway_lines.py", ("pathway==0.33.0",),
        "JSON Lines, not packed; one pass without a position; not synced; types by a schema, times as text; no raw"
        " bytes, no hash",
    ),
    "spark": Peer(
        "spark.py", ("pyspark==4.2.0",),
        "Structured Streaming into Parquet, zstd; each batch once; not synced; types by a schema; raw bytes, SHA-256",
        (
            "org.apache.spark:spark-sql-kafka-0-10_2.13:4.2.0",
            "org.apache.spark:spark-token-provider-kafka-0-10_2.13:4.2.0",
            "org.apache.kafka:kafka-clients:3.9.2",
            "org.apache.commons:commons-pool2:2.13.1",
        ),
    ),
    "benthos": Peer(
        "benthos.py", ("pyarrow==26.0.1",),
        "Parquet, zstd; at least once; not synced; types by a schema, times as text; no raw bytes, no hash",
        module="github.com/benthosdev/benthos/v4@v4.27.0",
    ),
    "kafka-connect": Peer(
        "connect.py", ("kafka-python==3.0.12",),
        "Iceberg's sink: a table of Parquet, zstd; exactly once; a commit every 5 s; not synced; types by a schema; no"
        " raw bytes, no hash",
        pom="connect.xml",
    ),
}  # fmt: skip
ABSENT = {
    "Redpanda Connect": "a part of github.com/redpanda-data/connect/v4 is under a licence that is not open, so it was"
    " not tried; it came from benthos",
    "Bento": "Go's proxy refuses github.com/warpstreamlabs/bento (v1.14.0: not available); it came from benthos"
    " too",
    "kafka-delta-ingest": "no crate of that name is published, so cargo cannot get it by name",
    "Kafka Connect's own file sink": "it writes lines of text, without columns, so it was not tried",
}
# Go since 1.23 lets no library link to a name inside its runtime; the Parquet library of Benthos does.
GO_LINKER = "-ldflags=-checklinkname=0"
OURS = {
    "bare": "kafka-python's poll(), counting",
    "fetch": "ingest's own reading, counting: whole batches, and where the records lie in them",
    "ingest": "Delta, zstd; exactly once; synced; strict types, raw bytes and SHA-256 kept",
}


def main() -> None:
    """Fill a broker, run all in turn, print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--days", type=float, default=1.0)
    parser.add_argument("--partitions", type=int, default=4)
    parser.add_argument("--compression", default="lz4", choices=["lz4", "zstd", "gzip", "none"])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--venvs", type=Path, default=Path(".cache/bench"))
    parser.add_argument("--install", action="store_true", help="Make the environments that are missing.")
    parser.add_argument("--peers", nargs="+", choices=list(PEERS), default=list(PEERS), metavar="NAME")
    options = parser.parse_args()
    if options.install:
        for name in options.peers:
            _install((options.venvs / name).absolute(), PEERS[name])
    there = [name for name in options.peers if _python(options.venvs / name).exists()]
    runs: dict[str, list[dict[str, Any]]] = {name: [] for name in (*OURS, *there)}
    with tempfile.TemporaryDirectory(prefix="counterfoil-bench-") as home:
        broker = start_broker(Path(home))
        try:
            # In a process of its own: what it holds would count as the peak of those that are started from here.
            filling = multiprocessing.get_context("fork").Process(target=fill, args=(broker, options))
            filling.start()
            filling.join()
            if filling.exitcode:
                raise SystemExit("the topics could not be filled")
            for number in range(options.rounds):
                for name, done in runs.items():
                    done.append(_measure(name, options, broker.bootstrap))
                    tell(f"round {number + 1}, {name}: {done[-1]}")
        finally:
            broker.discard()
        print(f"machine: {machine()}, {broker.name}")
    print(
        f"{options.events:,} events, {2 * options.partitions} partitions, {options.compression},"
        f" {options.rounds} rounds"
    )
    _print(runs)
    for name in options.peers:
        if name not in there:
            print(f"{name}: not there (--install makes {options.venvs / name})")
    for name, why in ABSENT.items():
        print(f"{name}: not measured: {why}")


def _python(environment: Path) -> Path:
    return environment / "bin" / "python"


def _install(environment: Path, peer: Peer) -> None:
    if _python(environment).exists():
        return
    tell(f"installing {', '.join(peer.packages)} and what {peer.program} needs beside into {environment}")
    venv.create(environment, with_pip=True, clear=True)
    beside = Path(__file__).parent / "peers"
    pip = [str(_python(environment)), "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
    commands = [[*pip, *peer.packages]]
    copy = ["mvn", "-q", "-B", "dependency:copy", f"-DoutputDirectory={environment}/jars"]
    commands += [[*copy, f"-Dartifact={jar}"] for jar in peer.jars]
    if peer.pom:
        whole = ["mvn", "-q", "-B", "-f", str(beside / peer.pom), "dependency:copy-dependencies"]
        commands.append([*whole, "-DincludeScope=runtime", f"-DoutputDirectory={environment}/jars"])
    source = environment / "go"
    source.mkdir()
    if peer.module:
        shutil.copy((beside / peer.program).with_suffix(".go"), source / "main.go")
        build = ["go", "build", "-mod=mod", "-buildvcs=false", GO_LINKER, "-o", f"{environment}/bin/"]
        name = Path(peer.program).stem
        commands += [["go", "mod", "init", name], ["go", "get", peer.module], build]
    if not all(_done(command, source) for command in commands):
        _python(environment).unlink()  # so that it counts as not there


def _done(command: list[str], folder: Path) -> bool:
    try:
        return subprocess.run(command, cwd=folder, check=False).returncode == 0
    except FileNotFoundError:
        tell(f"there is no {command[0]}: install it")
        return False


def _measure(name: str, options: argparse.Namespace, bootstrap: str) -> dict[str, Any]:
    """Run it once. The CPU time is what the system says of the child when it has ended."""
    # Its name is the group's too. Quix Streams takes no hyphen in a folder.
    with tempfile.TemporaryDirectory(prefix="counterfoil_bench_") as out:
        if name in OURS:
            command = [sys.executable, "-m", "benchmarks.ingest", "--part", name, "--bootstrap", bootstrap]
        else:
            program = Path(__file__).parent / "peers" / PEERS[name].program
            python = _python(options.venvs.absolute() / name)
            command = [
                str(python),
                str(program),
                bootstrap,
                f"{out}/{Path(out).name}",
                str(options.events),
                *TOPICS,
            ]
        began = time.perf_counter()
        with tempfile.TemporaryFile("w+") as said_there:
            # Others leave what they like where they are started.
            started = None if name in OURS else out
            child = subprocess.Popen(command, cwd=started, stdout=said_there, stderr=subprocess.DEVNULL)
            _, status, usage = os.wait4(child.pid, 0)
            child.returncode = os.waitstatus_to_exitcode(status)
            said_there.seek(0)
            lines = said_there.read().splitlines()
        seconds = time.perf_counter() - began
    if child.returncode:
        raise SystemExit(f"{name} failed: run it alone to see why: {' '.join(command)}")
    said = json.loads(lines[-1])
    if said["events"] != options.events:
        raise SystemExit(f"{name} wrote {said['events']:,} of {options.events:,} events")
    return {
        "version": said.get("version", ""),
        "seconds": round(seconds, 2),
        "cpu_seconds": round(usage.ru_utime + usage.ru_stime, 2),
        "peak_gib": round(usage.ru_maxrss / 2**20, 2),
        "per_core_second": round(options.events / (usage.ru_utime + usage.ru_stime)),
    }


def _print(runs: dict[str, list[dict[str, Any]]]) -> None:
    ours = statistics.median(run["per_core_second"] for run in runs["ingest"])
    for name, done in runs.items():
        rates = [run["per_core_second"] for run in done]
        rate = statistics.median(rates)
        does = OURS.get(name) or PEERS[name].does
        title = f"{name} {done[0]['version']}".strip()
        spread = f"{min(rates):,} to {max(rates):,}"
        peak = max(run["peak_gib"] for run in done)
        print(f"{title:20} {rate:9,.0f} per core-second ({spread}), {peak:.2f} GiB at peak: {does}")
        print(f"{'':20} ingest does {ours / rate:.2f} times that")


if __name__ == "__main__":
    main()
