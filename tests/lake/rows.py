"""Rows for the tests of the lake, also in processes of their own."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta

import pyarrow as pa

from schemas.table import TIME

FIRST = datetime(2026, 3, 1, 23, 59, 0, tzinfo=UTC)


def make_events(count: int, start: int = 0, step: timedelta = timedelta(seconds=1)) -> pa.Table:
    """Orchestration events `start` to `start + count`; only the columns that must be given, and the trace."""
    numbers = range(start, start + count)
    return pa.table(
        {
            "event_id": [f"event-{n}" for n in numbers],
            "event_time": pa.array([FIRST + n * step for n in numbers], TIME),
            "time_estimated": [False] * count,
            "event_type": ["tool_call"] * count,
            "trace_id": [f"{n // 10:032x}" for n in numbers],
            "source_format": ["native"] * count,
            "source_topic": ["agents"] * count,
            "source_partition": pa.array([0] * count, pa.int64()),
            "source_offset": pa.array(list(numbers), pa.int64()),
            "source_index": pa.array([0] * count, pa.int64()),
            "ingest_time": pa.array([FIRST] * count, TIME),
            "raw": [b"record %d" % n for n in numbers],
            "raw_sha256": [hashlib.sha256(b"record %d" % n).digest() for n in numbers],
        }
    )
