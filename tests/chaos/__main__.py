"""`python -m tests.chaos`: a fault run, and its report. Exits with 1 when a record is missing or repeated."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

from tests.chaos.run import run


def main() -> int:
    options = argparse.ArgumentParser(prog="python -m tests.chaos")
    options.add_argument(
        "--seed", type=int, default=int(time.time()) % 100_000, help="repeats a run's faults"
    )
    options.add_argument("--seconds", type=float, default=240)
    options.add_argument("--members", type=int, default=3)
    options.add_argument("--rate", type=int, default=400, help="records a second to each of two topics")
    given = options.parse_args()
    print(f"a fault run of {given.seconds:.0f} s, seed {given.seed}")
    home = Path(tempfile.mkdtemp(prefix="counterfoil-chaos-"))
    report = run(
        home, seed=given.seed, seconds=given.seconds, members=given.members, rate=given.rate,
        say=lambda line: print(line, flush=True),
    )  # fmt: skip
    print("\n".join(report.lines()))
    if not report.sound:
        print(f"the logs are in {home}")
    return 0 if report.sound else 1


if __name__ == "__main__":
    sys.exit(main())
