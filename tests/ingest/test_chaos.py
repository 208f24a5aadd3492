"""A short fault run: members killed and stopped, the broker restarted, the disk filled, the power cut, clocks jumping.

`make chaos` runs for minutes. It has a process of its own: what producers leave behind while their broker is gone is
no matter of the suite.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.chaos.__main__ import NO_BROKER

ROOT = Path(__file__).parents[2]


@pytest.mark.broker
def test_every_record_is_there_once_whatever_fails(tmp_path: Path) -> None:
    home, told = tmp_path / "run", tmp_path / "report.json"
    home.mkdir()
    options = ["--seed", "11", "--seconds", "6", "--members", "2", "--rate", "300"]
    done = subprocess.run(
        [sys.executable, "-m", "tests.chaos", *options, "--home", str(home), "--report", str(told)],
        cwd=ROOT, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    if done.returncode == NO_BROKER:
        pytest.skip(done.stderr.strip())
    assert done.returncode == 0, done.stdout + done.stderr
    report = json.loads(told.read_text(encoding="utf-8"))
    assert sum(report["injected"].values()) >= 3, done.stdout
    assert report["in_topics"] == sum(report["rows"].values()) > 1000, done.stdout
