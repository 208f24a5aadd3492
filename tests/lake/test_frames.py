"""A snapshot as Polars frames: the contract's columns, the pinned rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl
import pytest

from lake.frames import scan
from schemas.errors import LakeError
from schemas.events import ORCHESTRATION_EVENTS

if TYPE_CHECKING:
    from collections.abc import Callable

    import pyarrow as pa

    from lake.store import Lake


def test_a_frame_has_the_rows_and_columns_of_the_pinned_version(
    lake: Lake, events: Callable[..., pa.Table]
) -> None:
    lake.append(ORCHESTRATION_EVENTS, events(100))
    pinned = lake.snapshot()
    lake.append(ORCHESTRATION_EVENTS, events(50, start=100))

    frame = scan(pinned, "orchestration_events").collect()

    assert frame.columns == list(ORCHESTRATION_EVENTS.names)
    assert frame["event_id"].n_unique() == 100
    assert frame["event_date"].n_unique() == 2
    assert frame.schema["event_time"] == pl.Datetime("us", "UTC")
    assert scan(lake.snapshot(), "orchestration_events").select(pl.len()).collect().item() == 150


def test_a_table_that_does_not_exist_yet_is_a_frame_without_rows(lake: Lake) -> None:
    frame = scan(lake.snapshot(), "findings").collect()

    assert frame.is_empty()
    assert "finding_id" in frame.columns


def test_a_name_that_is_no_table_is_refused(lake: Lake) -> None:
    with pytest.raises(LakeError, match="there is no table 'nonsense'"):
        scan(lake.snapshot(), "nonsense")
