"""Views over a snapshot: the contract's columns, order and types, whatever the files hold."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import pyarrow as pa
import pytest

from lake.duck import duck_type, register, view_sql
from lake.store import open_lake
from schemas.catalogue import TABLES
from schemas.errors import LakeError
from schemas.events import ORCHESTRATION_EVENTS as EVENTS
from schemas.table import STRING, STRINGS, Column

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lake.store import Lake


@pytest.fixture
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as opened:
        yield opened


def columns(connection: duckdb.DuckDBPyConnection, name: str) -> list[tuple[str, str]]:
    return [(row[0], row[1]) for row in connection.execute(f'DESCRIBE "{name}"').fetchall()]


@pytest.mark.parametrize("filled", [False, True], ids=["empty", "filled"])
def test_every_view_has_the_contract_columns_order_and_types(
    lake: Lake, events: Any, connection: duckdb.DuckDBPyConnection, filled: bool
) -> None:
    if filled:
        lake.append(EVENTS, events(120))
    lake.snapshot().register(connection)
    for name, table in TABLES.items():
        assert columns(connection, name) == [(c.name, duck_type(c.type)) for c in table.columns]
    counts = connection.execute(
        "SELECT count(*), count(agent_name), min(event_date) FROM orchestration_events"
    )
    assert counts.fetchone() == ((120, 0, date(2026, 3, 1)) if filled else (0, 0, None))


def test_values_come_back_as_they_went_in(
    lake: Lake, events: Any, connection: duckdb.DuckDBPyConnection
) -> None:
    rows = events(2)
    rows = rows.append_column("act_chain", pa.array([["a", "b"], None], STRINGS))
    lake.append(EVENTS, rows)
    lake.snapshot().register(connection, [EVENTS.name])
    read = connection.sql("FROM orchestration_events ORDER BY source_offset").to_arrow_table()
    for name in rows.column_names:
        assert read[name].to_pylist() == rows[name].to_pylist()
    assert str(read.schema.field("event_time").type).startswith("timestamp[us, tz=")


def test_a_date_reads_its_own_files_only(
    lake: Lake, events: Any, connection: duckdb.DuckDBPyConnection
) -> None:
    lake.append(EVENTS, events(120))
    lake.snapshot().register(connection, [EVENTS.name])
    query = "SELECT count(trace_id) FROM orchestration_events WHERE event_date = DATE '2026-03-02'"
    (_, plan) = connection.execute(f"EXPLAIN ANALYZE {query}").fetchall()[0]
    assert "Total Files Read: 1" in plan
    assert connection.execute(query).fetchone() == (60,)


@pytest.mark.parametrize("folder", ["it's", 'say "no"', "größe 中文", "a[1]*?b", "50% off", "a#b;c&d", "x=1"])
def test_any_folder_name_works(
    tmp_path: Path, events: Any, connection: duckdb.DuckDBPyConnection, folder: str
) -> None:
    lake = open_lake(tmp_path / folder, create=True)
    lake.append(EVENTS, events(70))
    lake.append(EVENTS, events(5, 70))
    lake.compact(EVENTS)
    assert open_lake(tmp_path / folder).snapshot() == lake.snapshot()
    lake.snapshot().register(connection, [EVENTS.name])
    assert connection.execute("SELECT count(*) FROM orchestration_events").fetchone() == (75,)


def test_views_are_seen_by_cursors_and_replaced_by_the_next_snapshot(
    lake: Lake, events: Any, connection: duckdb.DuckDBPyConnection
) -> None:
    lake.snapshot().register(connection)
    cursor = connection.cursor()
    assert cursor.execute("SELECT count(*) FROM orchestration_events").fetchone() == (0,)
    lake.append(EVENTS, events(3))
    assert cursor.execute("SELECT count(*) FROM orchestration_events").fetchone() == (0,)
    lake.snapshot().register(connection)
    assert cursor.execute("SELECT count(*) FROM orchestration_events").fetchone() == (3,)


def test_temporary_views_need_no_writable_database(tmp_path: Path, lake: Lake, events: Any) -> None:
    lake.append(EVENTS, events(3))
    duckdb.connect(str(tmp_path / "other.duckdb")).close()
    with duckdb.connect(str(tmp_path / "other.duckdb"), read_only=True) as connection:
        register(lake.snapshot(), connection, [EVENTS.name], temporary=True)
        assert connection.execute("SELECT count(*) FROM orchestration_events").fetchone() == (3,)


def test_unknown_names_are_refused(lake: Lake, connection: duckdb.DuckDBPyConnection) -> None:
    with pytest.raises(LakeError, match="no table 'colours'"):
        lake.snapshot().register(connection, ["colours"])


def test_a_column_newer_than_the_files_is_null(
    lake: Lake, events: Any, connection: duckdb.DuckDBPyConnection
) -> None:
    newer = replace(
        EVENTS, columns=(*EVENTS.columns, Column("mood", STRING, "New."), Column("moods", STRINGS, "New."))
    )
    lake.append(EVENTS, events(3))
    register(lake.snapshot(), connection, [newer.name], tables={newer.name: newer})
    assert columns(connection, newer.name)[-2:] == [("mood", "VARCHAR"), ("moods", "VARCHAR[]")]
    assert connection.execute(
        "SELECT count(*), count(mood), count(moods) FROM orchestration_events"
    ).fetchone() == (3, 0, 0)


def test_a_column_that_only_the_lake_has_is_left_out(
    lake: Lake, events: Any, connection: duckdb.DuckDBPyConnection
) -> None:
    older = replace(EVENTS, columns=tuple(c for c in EVENTS.columns if c.name != "trace_id"))
    lake.append(EVENTS, events(3))
    register(lake.snapshot(), connection, [older.name], tables={older.name: older})
    assert columns(connection, older.name) == [(c.name, duck_type(c.type)) for c in older.columns]
    assert connection.execute("SELECT count(event_id) FROM orchestration_events").fetchone() == (3,)


def test_the_files_of_the_log_are_read_and_never_the_folder(
    lake: Lake, events: Any, connection: duckdb.DuckDBPyConnection
) -> None:
    for n in range(3):
        lake.append(EVENTS, events(5, n * 5))
    lake.compact(EVENTS)
    lake.snapshot().register(connection)
    assert connection.execute(
        "SELECT count(*), count(DISTINCT event_id) FROM orchestration_events"
    ).fetchone() == (15, 15)
    assert "*" not in view_sql(EVENTS, lake.snapshot().files(EVENTS.name)).replace(lake.url, "")


def test_a_file_that_is_gone_is_one_line_that_says_what_to_do(
    lake: Lake, events: Any, connection: duckdb.DuckDBPyConnection
) -> None:
    for first in (0, 10):
        lake.append(EVENTS, events(10, first))
    snapshot = lake.snapshot()
    Path(snapshot.files(EVENTS.name)[0]).unlink()
    with pytest.raises(
        LakeError, match=r"a file of orchestration_events cannot be read \(.*No files found.*backup"
    ):
        snapshot.register(connection)


def test_many_rows_are_read_in_parts_in_the_order_of_their_writing(
    lake: Lake, events: Any, connection: duckdb.DuckDBPyConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    for first in range(0, 50, 10):
        lake.append(EVENTS, events(10, first))
    rows = "SELECT source_offset FROM orchestration_events"
    snapshot = lake.snapshot()
    connection.execute("SET threads = 1")
    for most, parts in ((100, 0), (20, 1), (1, 4)):  # as UNION ALL joins them
        monkeypatch.setattr("lake.duck._PART_ROWS", most)
        snapshot.register(connection)
        ((view,),) = connection.execute(
            "SELECT sql FROM duckdb_views() WHERE view_name = 'orchestration_events'"
        ).fetchall()
        assert view.count("UNION ALL") == parts
        assert connection.execute(rows).fetchall() == [(n,) for n in range(50)]
