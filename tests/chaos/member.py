"""A member under faults: ingests as the command line does, with a clock and a power cut that a run can command.

python -m tests.chaos.member SETTINGS.toml [--until-end] [--clock FILE] [--power-cut N PIDS MARKER]

With a clock file, the wall clock that our own code sees is ahead by the seconds in it; that of the libraries (which
stamp files, and decide nothing by it) is not. With a power cut it ends itself and the processes in PIDS, by SIGKILL,
at its n-th log entry of a table: after the entry has its name and before it is on the disk, with the table's lock held.
It writes the entry's path to MARKER first.
"""

from __future__ import annotations

import argparse
import contextlib
import datetime as dt
import logging
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

from ingest.run import run_kafka, stop_on_signals
from lake import commit
from lake.log import LOG, entry_name
from schemas.errors import CounterfoilError
from schemas.settings import load_settings


def follow(clock: Path) -> None:
    """Let `time.time` and `datetime.now` in our own modules be ahead by what the file says."""
    real_time, real_datetime = time.time, dt.datetime

    def ahead() -> float:
        with contextlib.suppress(OSError, ValueError):
            return float(clock.read_text(encoding="ascii"))
        return 0.0

    class Jumping(real_datetime):  # type: ignore[misc, valid-type]
        @classmethod
        def now(cls, tz: Any = None) -> Any:
            return real_datetime.now(tz) + dt.timedelta(seconds=ahead())

    time.time = lambda: real_time() + ahead()
    for name, module in list(sys.modules.items()):
        if name.startswith(("ingest.", "lake.")) and getattr(module, "datetime", None) is real_datetime:
            vars(module)["datetime"] = Jumping


def cut_power(number: int, pids: Path, marker: Path) -> None:
    """Arrange for the power cut."""
    real_write, real_sync = commit.Committer._write, commit.Committer._sync_entry
    writing = False
    seen = 0

    def write(self: commit.Committer, *arguments: Any) -> int | None:
        nonlocal writing
        writing = True
        try:
            return real_write(self, *arguments)
        finally:
            writing = False

    def sync_entry(self: commit.Committer, folder: Path, version: int) -> None:
        nonlocal seen
        seen += writing  # one that another process has written may have been acknowledged
        if writing and seen == number:
            marker.write_text(str(folder / LOG / entry_name(version)), encoding="utf-8")
            for pid in (int(each) for each in pids.read_text(encoding="ascii").split()):
                if pid != os.getpid():
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)
            os.kill(os.getpid(), signal.SIGKILL)
        real_sync(self, folder, version)

    commit.Committer._write = write  # type: ignore[method-assign, assignment]
    commit.Committer._sync_entry = sync_entry  # type: ignore[method-assign]


def main() -> int:
    options = argparse.ArgumentParser()
    options.add_argument("settings", type=Path)
    options.add_argument("--until-end", action="store_true")
    options.add_argument("--clock", type=Path)
    options.add_argument("--power-cut", nargs=3)
    given = options.parse_args()
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s %(process)d %(levelname)s %(name)s %(message)s"
    )
    if given.clock:
        follow(given.clock)
    if given.power_cut:
        cut_power(int(given.power_cut[0]), Path(given.power_cut[1]), Path(given.power_cut[2]))
    try:
        with stop_on_signals() as stop:
            run_kafka(load_settings(given.settings), until_end=given.until_end, stop=stop)
    except CounterfoilError as error:
        logging.error("ends: %s: %s", type(error).__name__, error)  # noqa: TRY400, LOG015
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
