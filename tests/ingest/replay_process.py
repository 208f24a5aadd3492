"""A process that replays dead letters and can be made to die around one of its commits.

python replay_process.py SETTINGS.toml [--die "before N" | --die "after N"] [--chunk RECORDS] [--pace SECONDS]

It prints `append TABLE ROWS` after each commit and at its end what it counted, as JSON.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

import ingest.replay
from lake.store import Lake
from schemas.settings import load_settings


def instrument(die: str, pace: float) -> None:
    real = Lake.append
    when, number = die.split() if die else ("never", "0")
    seen = 0

    def append(self: Lake, table: Any, rows: Any, **options: Any) -> int | None:
        nonlocal seen
        seen += 1
        if (when, seen) == ("before", int(number)):
            os.kill(os.getpid(), signal.SIGKILL)
        version = real(self, table, rows, **options)
        if (when, seen) == ("after", int(number)):
            os.kill(os.getpid(), signal.SIGKILL)
        print("append", table.name, rows.num_rows, flush=True)
        time.sleep(pace)
        return version

    Lake.append = append  # type: ignore[method-assign]


def main() -> int:
    options = argparse.ArgumentParser()
    options.add_argument("settings", type=Path)
    options.add_argument("--die", default="")
    options.add_argument("--chunk", type=int, default=5_000)
    options.add_argument("--pace", type=float, default=0.0)
    given = options.parse_args()
    instrument(given.die, given.pace)
    ingest.replay.CHUNK_RECORDS = given.chunk
    done = ingest.replay.replay(load_settings(given.settings))
    print(json.dumps({"records": done.records, "rows": done.rows, "conflicts": done.conflicts}), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
