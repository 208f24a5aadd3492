"""A process that ingests, as the command line would, and that can be made to die at a chosen moment.

python member_process.py SETTINGS.toml [--until-end] [--pace SECONDS] [--die HOW] [--log] [--files PATH...]

HOW is `before KIND N` or `after KIND N`: it kills itself (-9) around its n-th append to a table of that kind,
`primary` (the stream's own table) or `secondary` (dead letters, identity events). Or it is `within SEED`: at a random
moment of the first second after its first append began. With a pace it rests after each append to a primary table.
It prints a line for each append, `ready` when it reads, and
at its end what it counted, as JSON.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import random
import signal
import sys
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

from ingest.run import Progress, run_files, run_kafka, stop_on_signals
from lake.store import Lake
from schemas.errors import CounterfoilError
from schemas.settings import load_settings


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def instrument(how: str, pace: float) -> None:
    """Put the death and the pace around the real append."""
    real = Lake.append
    seen: Counter[str] = Counter()
    when, *rest = how.split()
    kinds = dict.fromkeys(("orchestration_events", "authorization_decisions"), "primary")
    kinds |= dict.fromkeys(("dead_letters", "identity_events"), "secondary")

    def append(self: Lake, table: Any, rows: Any, **options: Any) -> int | None:
        kind = kinds.get(table.name, "other")
        seen[kind] += 1
        if when == "within" and seen.total() == 1:
            threading.Timer(random.Random(rest[0]).uniform(0, 1), die).start()
        here = rest == [kind, str(seen[kind])]
        if when == "before" and here:
            die()
        version = real(self, table, rows, **options)
        if when == "after" and here:
            die()
        print("append", table.name, rows.num_rows, flush=True)
        if kind == "primary":
            time.sleep(pace)
        return version

    Lake.append = append  # type: ignore[method-assign]


def main() -> int:
    options = argparse.ArgumentParser()
    options.add_argument("settings", type=Path)
    options.add_argument("--until-end", action="store_true")
    options.add_argument("--pace", type=float, default=0.0)
    options.add_argument("--die", default="never")
    options.add_argument("--log", action="store_true", help="write the log to the error output")
    options.add_argument("--files", nargs="+", type=Path)
    given = options.parse_args()
    if given.log:
        logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s %(message)s")
    instrument(given.die, given.pace)
    settings = load_settings(given.settings)

    def report(progress: Progress) -> None:
        print("progress", progress.reading, progress.lag, flush=True)

    try:
        with stop_on_signals() as stop:
            print("ready", flush=True)
            if given.files:
                done = run_files(settings, given.files, stop=stop, report=report)
            else:
                done = run_kafka(settings, until_end=given.until_end, stop=stop, report=report)
    except CounterfoilError as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return error.exit_code
    counts = {
        "records": done.records,
        "commits": done.commits,
        "conflicts": done.conflicts,
        "rows": done.rows,
    }
    print(json.dumps(counts), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
