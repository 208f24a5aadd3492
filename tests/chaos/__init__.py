"""A fault run: producers write while everything under the ingest fails, and at the end every record is counted.

`python -m tests.chaos --seed 1 --seconds 180` (or `make chaos`). The faults, their order, times and targets follow
from the seed; how they meet with what the processes do at that moment does not.
"""

from __future__ import annotations

from tests.chaos.run import Report, run

__all__ = ["Report", "run"]
