"""Rows of `stream_progress`: how far each source was read, and when. Watermarks, lag and coverage rest on them.

They follow the commit that they tell of and carry no position: losing one loses no record, and the next says more.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pyarrow as pa

from schemas.errors import LakeError
from schemas.events import STREAM_PROGRESS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ingest.batch import Part
    from ingest.records import Stream
    from lake.store import Lake

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Observation:
    """One source at one moment. `end` is None when it could not be asked for; `hole` is [first gone, first there)."""

    stream: Stream
    part: Part
    next_offset: int
    end: int | None
    hole: tuple[int, int] | None = None

    @property
    def caught_up(self) -> bool:
        """Whether everything up to the end had been read."""
        return self.end is not None and self.next_offset >= self.end


def append(lake: Lake, observations: Sequence[Observation]) -> None:
    """Append one row for each observation. What cannot be written is logged and left: the next one says more."""
    if not observations:
        return
    now = datetime.now(UTC)
    rows = [
        {
            "progress_id": f"{seen.part.topic}:{seen.part.partition}:{seen.next_offset}:{now.isoformat()}",
            "observed_time": now,
            "stream": seen.stream,
            "source_topic": seen.part.topic,
            "source_partition": seen.part.partition,
            "next_offset": seen.next_offset,
            "end_offset": seen.end,
            "caught_up": seen.caught_up,
            "hole_from": seen.hole[0] if seen.hole else None,
            "hole_to": seen.hole[1] if seen.hole else None,
            "event_date": now.date(),
        }
        for seen in observations
    ]
    try:
        lake.append(STREAM_PROGRESS, pa.Table.from_pylist(rows, schema=STREAM_PROGRESS.schema))
    except LakeError as error:
        log.warning("the progress of %d sources could not be noted: %s", len(rows), error)
