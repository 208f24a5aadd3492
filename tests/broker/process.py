"""Start, look at and end a guarded broker process, from any process that knows its folder."""

from __future__ import annotations

import fcntl
import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

GUARD = Path(__file__).with_name("guard.py")
STOP_SECONDS = 20.0


class BrokerUnavailable(RuntimeError):
    """No broker can be had here; the message says which part is missing and how to get it."""


class BrokerFailed(RuntimeError):
    """A broker was started and ended or never answered; the message holds the end of its log."""


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold an exclusive lock on a file, between processes; it is let go even when its holder is killed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def launch(home: Path, command: Sequence[str], owner: int) -> None:
    """Run a command in `home`, detached, until it ends, is stopped, or the process `owner` is gone."""
    with (home / "console.log").open("ab") as console:
        subprocess.run(
            [sys.executable, str(GUARD), str(owner), str(home), *command],
            check=True, stdin=subprocess.DEVNULL, stdout=console, stderr=console,
        )  # fmt: skip


def is_running(home: Path) -> bool:
    """Say whether the command started in `home` is alive (its lock is held)."""
    with suppress(FileNotFoundError), (home / "running.lock").open("r+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def end(home: Path, *, how: signal.Signals = signal.SIGTERM) -> None:
    """Signal the command and wait until it is gone; one that does not heed in time is killed."""
    patience = time.monotonic() + STOP_SECONDS
    signalled = 0
    while is_running(home):
        overdue = time.monotonic() > patience
        pid = _pid(home)
        if pid and (overdue or pid != signalled):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL if overdue else how)
            signalled = pid
        time.sleep(0.05)


def _pid(home: Path) -> int:
    """Return the command's process id, or 0 while it is not yet written."""
    try:
        return int((home / "pid").read_text(encoding="ascii") or 0)
    except FileNotFoundError:
        return 0


def free_ports(count: int) -> list[int]:
    """Return ports that were free on 127.0.0.1 a moment ago, all different."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    try:
        return [each.getsockname()[1] for each in sockets]
    finally:
        for each in sockets:
            each.close()


def tail(path: Path, lines: int = 12) -> str:
    """Return the last lines of a log, or nothing where there is none."""
    if not path.exists():
        return ""
    return "\n".join(path.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:])
