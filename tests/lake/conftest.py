"""Rows and lakes for the tests of the lake."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from lake.store import open_lake
from tests.lake.rows import make_events

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import pyarrow as pa

    from lake.store import Lake


@pytest.fixture
def events() -> Callable[..., pa.Table]:
    return make_events


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return open_lake(tmp_path / "lake", create=True)
