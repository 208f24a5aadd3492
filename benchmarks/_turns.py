"""Processes that run in turn, so that more of them find free cores than there are.

Of two workers on two cores that a broker has its share of, neither has a core for itself. In turn, each runs half of
the time, and beside it only the broker: a worker of one then has as much of a free core as each worker of two. What
is left out are the memory and the caches that they would share.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

SLICE_SECONDS = 0.05


@contextmanager
def in_turn(turns: int) -> Iterator[None]:
    """Within the block, the n-th process that this one has started runs in each n-th slice of `turns`."""
    ended = threading.Event()

    def take_turns() -> None:
        turn = 0
        while not ended.wait(SLICE_SECONDS):
            turn = (turn + 1) % turns
            for process in multiprocessing.active_children():
                number = int(process.name.rpartition("-")[2])
                _send(process.pid, signal.SIGCONT if number % turns == turn else signal.SIGSTOP)

    thread = threading.Thread(target=take_turns, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
        for process in multiprocessing.active_children():
            _send(process.pid, signal.SIGCONT)


def _send(pid: int | None, number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        if pid is not None:
            os.kill(pid, number)
