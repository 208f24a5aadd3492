"""A lake on a real object store holds what one on a disk does."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import duckdb
import pytest

from lake.frames import scan
from lake.log import entry_name
from lake.retention import Retention
from lake.store import NEVER, open_lake
from schemas.errors import CommitConflict, LakeError
from schemas.events import ORCHESTRATION_EVENTS as EVENTS
from tests.lake.rows import make_events

if TYPE_CHECKING:
    from lake.store import Lake
    from tests.objectstore.between import Between
    from tests.objectstore.gateway import Gateway

pytestmark = pytest.mark.objectstore


def test_rows_and_positions_are_appended_once_and_read_as_of_any_version(url: str) -> None:
    lake = open_lake(url, create=True, retention=Retention(checkpoint_interval=3))
    start = datetime.now(UTC)
    for n in range(5):
        lake.append(EVENTS, make_events(10, n * 10), positions={"agents-0": (n * 10 or NEVER, n * 10 + 10)})
    with pytest.raises(CommitConflict):
        lake.append(EVENTS, make_events(10), positions={"agents-0": (10, 20)})
    again = open_lake(url, read_only=True)
    assert again.position(EVENTS, "agents-0") == 50
    assert again.snapshot().rows(EVENTS.name) == 50
    assert again.snapshot({EVENTS.name: 2}).rows(EVENTS.name) == 20
    assert again.snapshot(start).versions == {}
    assert len(again.added_between(EVENTS, 3, 5) or []) == 2


def test_compaction_leaves_the_rows_and_expiry_the_versions_that_are_kept(
    lake: Lake, gateway: Gateway
) -> None:
    for n in range(4):
        lake.append(EVENTS, make_events(10, n * 10, timedelta(0)))
    before = lake.snapshot()
    assert lake.compact(EVENTS).files_removed == 4
    assert lake.survey(EVENTS).files == 1  # type: ignore[union-attr]
    assert lake.snapshot().rows(EVENTS.name) == 40
    assert lake.expire(EVENTS, older_than=timedelta(days=30)).files_removed == 0
    with duckdb.connect() as connection:
        before.register(connection)
        assert connection.sql(f"SELECT count(*) FROM {EVENTS.name}").fetchall() == [(40,)]
    gateway.file(before.files(EVENTS.name)[0]).unlink()  # as expiry does, a month later
    with pytest.raises(LakeError, match=r"version 4 of orchestration_events has expired"):
        lake.snapshot(before.versions)


def test_what_is_not_named_by_the_log_is_deleted_when_it_is_old_by_the_clock_of_the_store(
    lake: Lake, gateway: Gateway
) -> None:
    lake.append(EVENTS, make_events(10))
    named = gateway.file(lake.snapshot().files(EVENTS.name)[0])
    for name, age in (("old", 40), ("young", 3)):
        left = named.with_name(f"part-{name}.zstd.parquet")
        left.write_bytes(named.read_bytes())
        then = (datetime.now(UTC) - timedelta(days=age)).timestamp()
        os.utime(left, (then, then))
    assert lake.expire(EVENTS, older_than=timedelta(days=30)).files_removed == 1
    assert {path.name for path in named.parent.iterdir()} == {named.name, "part-young.zstd.parquet"}


def test_duckdb_reads_of_a_file_what_the_query_needs(url: str, proxy: Between) -> None:
    lake = open_lake(url, create=True)
    lake.append(EVENTS, make_events(200_000, step=timedelta(0)))
    size = lake.survey(EVENTS).size  # type: ignore[union-attr]
    with duckdb.connect() as connection:
        lake.snapshot().register(connection)
        cursor = connection.cursor()
        proxy.forget()
        assert cursor.sql(f"SELECT min(source_topic) FROM {EVENTS.name}").fetchall() == [("agents",)]
        assert proxy.answered < size / 10
        assert all(request.startswith("GET") for request in proxy.requests)
        proxy.forget()
        assert cursor.sql(f"SELECT max(source_topic) FROM {EVENTS.name}").fetchall() == [("agents",)]
        assert proxy.requests == []


def test_a_commit_asks_for_what_came_since_the_last_one(url: str, proxy: Between) -> None:
    lake = open_lake(url, create=True)
    for n in range(4):
        proxy.forget()
        lake.append(
            EVENTS, make_events(10, 0, timedelta(0)), positions={"agents-0": (n * 10 or NEVER, n * 10 + 10)}
        )
    assert len(proxy.requests) <= 13
    assert [
        entry_name(n) for n in range(5) if any(entry_name(n) in request for request in proxy.requests)
    ] == [
        entry_name(3),
        entry_name(4),
    ]


def test_polars_reads_it_too(lake: Lake) -> None:
    lake.append(EVENTS, make_events(10))
    assert scan(lake.snapshot(), EVENTS.name).select("event_id").collect().height == 10


def test_a_locked_database_reads_the_files_of_its_snapshot_and_nothing_else_of_the_store(lake: Lake) -> None:
    lake.append(EVENTS, make_events(10))
    files = lake.snapshot().files(EVENTS.name)
    log = f"{lake.url}/{EVENTS.name}/_delta_log/{0:020d}.json"
    with duckdb.connect() as connection:
        lake.snapshot().register(connection)
        with pytest.raises(duckdb.Error, match="can only be read"):
            connection.execute(f"COPY (SELECT 1) TO '{log}'")
        assert connection.sql(f"SELECT length(content) > 0 FROM read_text('{log}')").fetchall() == [(True,)]
        connection.execute("SET allowed_paths = ?", [files])
        connection.execute("SET enable_external_access = false")
        connection.execute("SET lock_configuration = true")
        assert connection.sql(f"SELECT count(*) FROM {EVENTS.name}").fetchall() == [(10,)]
        with pytest.raises(duckdb.PermissionException):
            connection.sql(f"FROM read_text('{log}')").fetchall()
    with duckdb.connect() as connection:
        lake.snapshot().register(connection)
        with pytest.raises(duckdb.Error, match="is in no lake that was opened here"):
            connection.sql("FROM read_text('s3://another/secret.txt')").fetchall()


def test_the_probe_writes_reads_and_removes(lake: Lake, gateway: Gateway) -> None:
    lake.append(EVENTS, make_events(1))
    assert lake.probe() == 0.0
    assert {path.name for path in gateway.file(lake.url).iterdir()} == {EVENTS.name, "_lake"}
