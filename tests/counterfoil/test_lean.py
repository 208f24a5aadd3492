"""A command starts without what it does not use."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ARRAY_WITHOUT_PANDAS = """
import sys
from counterfoil.lean import leave_pandas_out, let_pandas_in
leave_pandas_out()
import pyarrow
pyarrow.array([1])
print("pandas" in sys.modules)
let_pandas_in()
import pandas
print(pyarrow.array([1]).to_pylist(), pandas.__name__)
"""


def test_arrow_does_not_load_pandas_and_others_still_can() -> None:
    run = subprocess.run(
        [sys.executable, "-c", ARRAY_WITHOUT_PANDAS], capture_output=True, text=True, check=True
    )
    assert run.stdout.splitlines() == ["False", "[1] pandas"]


THREADS = """
import os
from counterfoil.lean import start_lean
start_lean()
import numpy
print(os.environ["OPENBLAS_NUM_THREADS"], len(os.listdir("/proc/self/task")))
"""


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="threads are counted in /proc")
@pytest.mark.parametrize(("told", "expected"), [({}, ["1", "1"]), ({"OPENBLAS_NUM_THREADS": "2"}, ["2"])])
def test_numpy_starts_threads_only_for_who_asks(told: dict[str, str], expected: list[str]) -> None:
    silent = {name: value for name, value in os.environ.items() if name != "OPENBLAS_NUM_THREADS"}
    run = subprocess.run(
        [sys.executable, "-c", THREADS], env=silent | told, capture_output=True, text=True, check=True
    )
    assert run.stdout.split()[: len(expected)] == expected
