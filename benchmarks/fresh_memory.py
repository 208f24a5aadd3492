"""What the machine takes to hand out memory, gigabyte after gigabyte, in the pages of 4 KiB that DuckDB works in.

    python -m benchmarks.fresh_memory [--gigabytes N] [--rounds 2]

A virtual machine may have handed its free pages back to its host, and then the first touch of each costs several times
what it costs otherwise. So a run that goes through more memory than the ones before it pays more for a gigabyte, which
no other figure shows. By default it takes four fifths of the memory that is free.
"""

from __future__ import annotations

import argparse
import mmap
import os
import time

from benchmarks._measure import machine, tell

_GIB, _PAGE = 2**30, 4096


def main() -> None:
    """Touch every page of each gigabyte once, and print how long that took."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--gigabytes", type=int, default=_free() * 4 // 5 // _GIB)
    parser.add_argument("--rounds", type=int, default=2)
    options = parser.parse_args()
    print(f"machine: {machine()}")
    for number in range(options.rounds):
        tell(f"round {number + 1} of {options.rounds}: {options.gigabytes} GiB")
        took = _touch(options.gigabytes)
        print("seconds for each GiB: " + " ".join(f"{seconds:.2f}" for seconds in took), flush=True)


def _free() -> int:
    return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def _touch(gigabytes: int) -> list[float]:
    ones = b"\1" * (_GIB // _PAGE)
    took = []
    with mmap.mmap(-1, gigabytes * _GIB, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS) as memory:
        if hasattr(mmap, "MADV_NOHUGEPAGE"):
            memory.madvise(mmap.MADV_NOHUGEPAGE)
        for each in range(gigabytes):
            start = time.perf_counter()
            memory[each * _GIB : (each + 1) * _GIB : _PAGE] = ones
            took.append(time.perf_counter() - start)
    return took


if __name__ == "__main__":
    main()
