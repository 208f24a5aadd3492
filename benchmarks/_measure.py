"""What the benchmarks share: a child process per measurement, its time and memory, and the machine's name tag."""

from __future__ import annotations

import json
import os
import platform
import resource
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable


def machine() -> str:
    """Cores, memory, processor and the versions that matter, on one line."""
    pages = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    parts = ", ".join(
        f"{name} {version(name)}" for name in ("duckdb", "deltalake", "pyarrow", "kafka-python")
    )
    return (
        f"{os.cpu_count()} cores, {pages / 2**30:.0f} GiB, {platform.machine()}, {platform.system()} "
        f"{platform.release().split('-')[0]}, Python {platform.python_version()}, {parts}"
    )


def in_child(module: str, *arguments: str) -> dict[str, Any]:
    """Run `python -m module arguments…` and return the JSON object on its last line, with its peak memory."""
    done = subprocess.run(
        [sys.executable, "-m", module, *arguments], stdout=subprocess.PIPE, text=True, check=True
    )
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


def measured(work: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Do the work once; its own figures with `seconds`, `cpu_seconds` and `peak_gib` of this process so far."""
    wall, cpu = time.perf_counter(), time.process_time()
    figures = work()
    return {
        **figures,
        "seconds": round(time.perf_counter() - wall, 2),
        "cpu_seconds": round(time.process_time() - cpu, 2),
        "peak_gib": round(_peak_kib() / 2**20, 2),
    }


def _peak_kib() -> int:
    # Not getrusage: its maximum is handed down from the parent through exec.
    status = Path("/proc/self/status")
    if status.exists():
        return int(status.read_text().split("VmHWM:")[1].split()[0])
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def tell(line: str) -> None:
    """Say how far it is, on stderr."""
    print(line, file=sys.stderr, flush=True)
