"""A command starts without what it does not use."""

from __future__ import annotations

import subprocess
import sys

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
