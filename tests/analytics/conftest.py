"""A bench for rules and views, and real lakes made from a few rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from analytics.bench import Bench
from analytics.cases import make_tables
from lake.store import open_lake
from schemas.catalogue import TABLES
from schemas.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from lake.store import Lake

Row = dict[str, Any]


@pytest.fixture(scope="session")
def bench() -> Iterator[Bench]:
    with Bench() as made:
        yield made


@pytest.fixture
def view(bench: Bench) -> Callable[..., list[Row]]:
    """The rows of one view over the given rows, sorted."""

    def look(name: str, *, closed: bool = True, **rows: list[Row]) -> list[Row]:
        session = bench.session(make_tables(**rows), closed=closed)
        session.need(name)
        found: list[Row] = session.fetch(f"SELECT * FROM {name} ORDER BY ALL").to_pylist()
        return found

    return look


@pytest.fixture
def backing(view: Callable[..., list[Row]]) -> Callable[..., dict[str, Row]]:
    """The rows of `action_backing` over the given rows, by event id."""

    def look(*, closed: bool = True, **rows: list[Row]) -> dict[str, Row]:
        return {row["event_id"]: row for row in view("action_backing", closed=closed, **rows)}

    return look


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return open_lake(tmp_path / "lake", create=True)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """The settings that lead to `lake`."""
    small = {"threads": 1, "memory_limit": "1GB"}
    return Settings.model_validate({"lake": {"url": str(tmp_path / "lake")}, "correlate": small})


@pytest.fixture
def put(lake: Lake) -> Callable[..., None]:
    """Append the given rows to the lake, as a batch that was read."""

    def append(**rows: list[Row]) -> None:
        for name, table in make_tables(**rows).items():
            if table.num_rows:
                lake.append(TABLES[name], table)

    return append
