"""The memory of an ingest has a bound, whatever waits for it in the topics."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.broker.backlog import fill_backlog, fill_large

if TYPE_CHECKING:
    from tests.broker.fixtures import StartBroker

pytestmark = [
    pytest.mark.broker,
    pytest.mark.skipif(
        not Path("/proc/self/status").exists(), reason="the peak is read from /proc: it takes Linux"
    ),
]

ROOT = Path(__file__).parents[2]
# Two batches' worth of records, as they came and as columns, beside the libraries themselves; `make bench` says more.
BOUND_GIB = 1.5


def peak(bootstrap: str, part: str) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.memory", "--part", part, "--bootstrap", bootstrap],
        cwd=ROOT, capture_output=True, text=True, check=True, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    figures: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return figures


def test_a_backlog_is_read_within_it(private_broker: StartBroker) -> None:
    broker = private_broker(kind="kafka")
    fill_backlog(broker, 80_000, partitions=4, compression="lz4")
    figures = peak(broker.bootstrap, "backlog")
    assert figures["records"] == 80_000
    assert figures["peak_gib"] < BOUND_GIB


@pytest.mark.long
def test_records_of_20_mb_are_dead_letters_within_it(private_broker: StartBroker) -> None:
    broker = private_broker(kind="kafka")
    fill_large(broker, 4)
    figures = peak(broker.bootstrap, "large")
    assert (figures["records"], figures["dead"]) == (8, {"too_large": 4})
    assert figures["peak_gib"] < BOUND_GIB
