"""Run one command for as long as its owner lives: `guard.py OWNER_PID HOME COMMAND...`.

A broker outlives the test process that started it (other workers use it too), so nobody is its parent. The
guard goes to the background, runs the command in HOME, and ends it when the owner is gone, even by `kill -9`.
HOME/running.lock is held for as long as the guard or the command lives; HOME/pid is the command's process id.
The guard returns to its caller only once the lock is held, so "is it running?" has an answer from then on.
"""

from __future__ import annotations

import fcntl
import os
import select
import signal
import subprocess
import sys
from pathlib import Path

POLL_SECONDS = 0.5
GRACE_SECONDS = 10.0


def main(owner: int, home: Path, command: list[str]) -> None:
    """Hold the lock, go to the background, run the command, and end it with its owner."""
    lock = os.open(home / "running.lock", os.O_RDWR | os.O_CREAT, 0o600)
    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    (home / "pid").unlink(missing_ok=True)
    if os.fork():
        return
    os.setsid()
    # Ctrl-C is for pytest, which stops the broker in its own time.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # The command inherits the lock: should the guard itself be killed, the broker still counts as running.
    child = subprocess.Popen(command, cwd=home, stdin=subprocess.DEVNULL, pass_fds=(lock,))
    (home / "pid").write_text(str(child.pid), encoding="ascii")
    watch = _watch(owner)
    while child.poll() is None:
        if _gone(owner, watch):
            child.terminate()
            try:
                child.wait(GRACE_SECONDS)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()


def _watch(owner: int) -> int | None:
    """Return a descriptor that turns readable when the owner ends (a zombie has), where there is such."""
    if not hasattr(os, "pidfd_open"):
        return None
    try:
        return os.pidfd_open(owner)
    except ProcessLookupError:
        return None


def _gone(owner: int, watch: int | None) -> bool:
    """Wait one poll interval and say whether the owner has ended."""
    if watch is not None:
        return bool(select.select([watch], [], [], POLL_SECONDS)[0])
    select.select([], [], [], POLL_SECONDS)
    try:
        os.kill(owner, 0)
    except ProcessLookupError:
        return True
    return False


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:])
