"""DuckDB starts within the memory that the settings allow, or says why it does not."""

from __future__ import annotations

import pytest

from analytics.session import connect
from schemas.errors import QueryError
from schemas.settings import load_settings


@pytest.mark.parametrize(("limit", "kept"), [("512MiB", "512.0 MiB"), ("100TB", "0 bytes")])
def test_blocks_are_kept_up_to_the_limit_where_the_machine_has_as_much(limit: str, kept: str) -> None:
    with connect(load_settings(correlate={"memory_limit": limit})) as connection:
        assert connection.sql("SELECT current_setting('block_allocator_memory')").fetchall() == [(kept,)]
        assert connection.sql("SELECT count(*) FROM range(1000000)").fetchall() == [(1_000_000,)]


def test_a_limit_that_is_no_size_is_named() -> None:
    with pytest.raises(QueryError, match=r"correlate\.memory_limit = 'much'"):
        connect(load_settings(correlate={"memory_limit": "much"}))
