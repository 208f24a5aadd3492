"""`python -m tests.chaos`: a fault run, and its report. Exits with 1 when a record is missing or repeated."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path

from tests.broker import BrokerUnavailable
from tests.chaos.run import run

NO_BROKER = 3


def main() -> int:
    options = argparse.ArgumentParser(prog="python -m tests.chaos")
    options.add_argument(
        "--seed", type=int, default=int(time.time()) % 100_000, help="repeats a run's faults"
    )
    options.add_argument("--seconds", type=float, default=240)
    options.add_argument("--members", type=int, default=3)
    options.add_argument("--rate", type=int, default=400, help="records a second to each of two topics")
    options.add_argument("--home", type=Path, help="an empty folder for data and logs, which then stay")
    options.add_argument("--report", type=Path, help="write the report there too, as JSON")
    given = options.parse_args()
    _part_from_others()
    print(f"a fault run of {given.seconds:.0f} s, seed {given.seed}")
    home = given.home or Path(tempfile.mkdtemp(prefix="counterfoil-chaos-"))
    try:
        report = run(
            home, seed=given.seed, seconds=given.seconds, members=given.members, rate=given.rate,
            say=lambda line: print(line, flush=True),
        )  # fmt: skip
    except BrokerUnavailable as lacking:
        print(lacking, file=sys.stderr)
        return NO_BROKER
    print("\n".join(report.lines()))
    if given.report:
        given.report.write_text(json.dumps(asdict(report)), encoding="utf-8")
    if not report.sound:
        print(f"the logs and the lake are in {home}")
    elif not given.home:
        shutil.rmtree(home)
    return 0 if report.sound else 1


def _part_from_others() -> None:
    """Begin anew where what is mounted is seen by this run only, and is gone with it even if it is killed."""
    if os.geteuid() != 0 or "COUNTERFOIL_TEST_PARTED" in os.environ or shutil.which("unshare") is None:
        return
    if subprocess.run(["unshare", "--mount", "true"], capture_output=True, check=False).returncode == 0:
        os.environ["COUNTERFOIL_TEST_PARTED"] = "1"
        command = ["unshare", "--mount", "--", sys.executable, "-m", "tests.chaos", *sys.argv[1:]]
        os.execvp(command[0], command)  # noqa: S606


if __name__ == "__main__":
    sys.exit(main())
