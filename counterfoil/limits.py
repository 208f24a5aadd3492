"""Bounds around a query in a process of its own: DuckDB keeps its own, and the system those that DuckDB cannot.

Some functions of DuckDB take memory that it does not count, and do not look up when they are told to stop. What is set
here ends them: memory beyond the bound is refused by the system, and a process that does not stop is ended.
"""

from __future__ import annotations

import os
import sys
import threading
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# What a query may take beyond the memory that DuckDB counts: its results in Arrow, threads' stacks, the heap's waste.
_BESIDE = 1_000_000_000
# How long a query that was stopped by hand may go on, in seconds.
_PATIENCE = 10.0
_LOOK = 0.1


@contextmanager
def bounded_memory(memory: int) -> Iterator[None]:
    """Within the block this process may take little more than twice `memory` bytes of address space beyond what it has.

    Where the system does not say what it has (it does on Linux), nothing is bounded.
    """
    try:
        import resource

        taken = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0]) * resource.getpagesize()
    except (ImportError, OSError):
        yield
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    most = taken + 2 * memory + _BESIDE
    if soft != resource.RLIM_INFINITY and soft < most:
        most = soft
    resource.setrlimit(resource.RLIMIT_AS, (most, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


def stoppable(stop: Callable[[], None], work: Callable[[], None]) -> None:
    """Do the work in a thread of its own, so that Ctrl-C is heard in this one: it then calls `stop`, and waits.

    DuckDB hears nothing while it works. Raises what the work raised, or KeyboardInterrupt; a process whose work does
    not stop is ended.
    """
    raised: list[BaseException] = []
    done = (
        threading.Event()
    )  # and not the thread's end: a join that is interrupted takes the thread for ended

    def carry_out() -> None:
        try:
            work()
        except BaseException as error:  # noqa: BLE001 - raised again below, in the thread that asked
            raised.append(error)
        finally:
            done.set()

    threading.Thread(target=carry_out, daemon=True).start()
    try:
        while not done.wait(_LOOK):
            pass
    except KeyboardInterrupt:
        # Again and again: what has not begun yet is not stopped by being told so once.
        for _ in range(round(_PATIENCE / _LOOK)):
            stop()
            if done.wait(_LOOK):
                raise
        os._exit(130)
    if raised:
        raise raised[0]


def end(seconds: float) -> None:
    """End this process, with a line on stderr and the exit code of a failed query."""
    sys.stderr.write(
        f"counterfoil: the query did not stop when its {seconds:g} seconds were over, and was ended: narrow it\n"
    )
    sys.stderr.flush()
    os._exit(6)
