"""Hostile queries: each is refused or bounded, says so in a line, and leaves everything as it was.

One lake, one session and one process for all of them: what one query might break, the next would show.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import pytest

from analytics.ask import Limits, ask, bound
from analytics.cases import make_tables
from analytics.query_tree import LONGEST, REFUSED_FUNCTIONS, ROW_FUNCTIONS
from analytics.session import open_session
from counterfoil.limits import bounded_memory
from lake.store import open_lake
from schemas.catalogue import TABLES
from schemas.errors import QueryError
from schemas.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from analytics.session import Session

PAY = {"agent": "clerk", "action": "pay", "resource": "payment/p-1"}
MEMORY = 300_000_000

NOT_READING = [
    "INSERT INTO params SELECT * FROM params",
    "UPDATE params SET hops = 99",
    "DELETE FROM params",
    "TRUNCATE params",
    "MERGE INTO params USING params AS p ON true WHEN MATCHED THEN DELETE",
    "DROP TABLE params",
    "DROP VIEW events",
    "CREATE TABLE mine AS SELECT 1",
    "CREATE OR REPLACE TABLE params AS SELECT 1",
    "CREATE TEMP TABLE mine AS SELECT 1",
    "CREATE VIEW mine AS SELECT 1",
    "CREATE OR REPLACE VIEW orchestration_events AS SELECT 1",
    "CREATE MACRO mine() AS 1",
    "CREATE MACRO mine() AS TABLE SELECT * FROM '{other}'",
    "CREATE SCHEMA mine",
    "CREATE SEQUENCE mine",
    "CREATE TYPE mine AS ENUM ('a')",
    "CREATE INDEX mine ON params (hops)",
    "CREATE SECRET mine (TYPE s3, KEY_ID 'a', SECRET 'b')",
    "CREATE PERSISTENT SECRET mine (TYPE s3, KEY_ID 'a', SECRET 'b')",
    "DROP SECRET mine",
    "ALTER TABLE params RENAME TO gone",
    "COMMENT ON TABLE params IS 'mine'",
    "ATTACH '{other}' AS other",
    "ATTACH '{folder}/new.duckdb' AS new",
    "DETACH memory",
    "COPY (SELECT 1) TO '{other}'",
    "COPY (SELECT 1) TO '{lake_file}' (FORMAT parquet, USE_TMP_FILE false)",
    "COPY params FROM '{other}'",
    "COPY FROM DATABASE memory TO memory",
    "EXPORT DATABASE '{folder}/out'",
    "IMPORT DATABASE '{folder}'",
    "INSTALL httpfs",
    "INSTALL httpfs FROM community",
    "LOAD httpfs",
    "LOAD '{other}'",
    "UPDATE EXTENSIONS",
    "SET threads = 1",
    "SET GLOBAL memory_limit = '100GB'",
    "SET enable_external_access = true",
    "SET VARIABLE mine = 1",
    "RESET lock_configuration",
    "PRAGMA disable_optimizer",
    "PRAGMA database_list",
    "PRAGMA enable_profiling",
    "PRAGMA import_database('{folder}')",
    "CALL pragma_version()",
    "CALL force_checkpoint()",
    "CALL enable_logging(storage = 'file')",
    "CHECKPOINT",
    "VACUUM",
    "ANALYZE",
    "BEGIN TRANSACTION",
    "COMMIT",
    "PREPARE mine AS SELECT 1",
    "EXECUTE mine",
    "DEALLOCATE mine",
    "USE memory",
    "SHOW TABLES",
    "SHOW DATABASES",
    "PIVOT params ON hops",
    "SELECT 1; DROP TABLE params",
    "SELECT 1 /* ; */; -- \nDROP TABLE params",
    "-- SELECT\nDROP TABLE params",
    "/* SELECT 1 */ COPY (SELECT 1) TO '{other}'",
]
OUT_OF_REACH = [
    "SELECT * FROM read_text('{other}')",
    "SELECT * FROM read_blob('{other}')",
    "SELECT * FROM read_csv('{other}')",
    "SELECT * FROM read_csv_auto(['{other}'])",
    "SELECT * FROM read_json('{other}')",
    "SELECT * FROM read_ndjson_objects('{other}')",
    "SELECT * FROM read_parquet('{other}')",
    "SELECT * FROM read_duckdb('{other}')",
    "SELECT * FROM main.read_text('{other}')",
    "SELECT * FROM system.main.read_text('{other}')",
    "SELECT * FROM \"read_text\"('{other}')",
    "SELECT * FROM READ_TEXT /* it */ ('{other}')",
    "SELECT (SELECT content FROM read_text('{other}'))",
    "SELECT 1 WHERE EXISTS (FROM read_text('{other}'))",
    "SELECT list_transform([1], lambda x: (SELECT max(content) FROM read_text('{other}')))",
    "WITH a AS MATERIALIZED (SELECT * FROM read_text('{other}')) SELECT 1",
    "SELECT * FROM actions ORDER BY (SELECT max(content) FROM read_text('{other}'))",
    "SELECT * FROM actions LIMIT (SELECT count(*) FROM read_text('{other}'))",
    "SELECT * FROM actions, LATERAL (SELECT * FROM read_text(agent))",
    "SELECT 1 UNION ALL SELECT count(*) FROM read_text('{other}')",
    "DESCRIBE SELECT * FROM read_csv('{other}')",
    "SUMMARIZE FROM '{other}'",
    "DESCRIBE '{other}'",
    "DESCRIBE TABLE '{other}'",
    "SHOW ALL TABLES",
    "SELECT * FROM (PIVOT '{other}' ON secret IN (1))",
    "SELECT * FROM histogram('{other}', secret)",
    "SELECT * FROM summary((SELECT 1))",
    "SELECT system.main.getenv('HOME')",
    "SELECT 'HOME'.getenv()",
    "SELECT * FROM read_text($${other}$$)",
    "SELECT * FROM temp.main.params",
    "SELECT * FROM '{other}'",
    'SELECT * FROM "{other}"',
    "TABLE '{other}'",
    "SELECT * FROM '{lake_file}'",
    "SELECT * FROM read_parquet('{lake_file}')",
    "SELECT * FROM read_blob('{lake_file}')",
    "SELECT * FROM parquet_scan('{lake_file}')",
    "WITH \"{other}\" AS (SELECT 1) SELECT * FROM '{other}'",
    'SELECT * FROM \'{other}\', (WITH "{other}" AS (SELECT 1) FROM "{other}")',
    "SELECT * FROM glob('{folder}/*')",
    "SELECT * FROM read_text('{lake_file}/../../_delta_log/00000000000000000000.json')",
    "SELECT * FROM read_csv('http://127.0.0.1:9/x.csv')",
    "SELECT * FROM 'https://127.0.0.1:9/x.parquet'",
    "SELECT * FROM read_parquet('s3://bucket/x.parquet')",
    "SELECT * FROM parquet_metadata('{lake_file}')",
    "SELECT * FROM parquet_schema('{other}')",
    "SELECT * FROM parquet_kv_metadata('{other}')",
    "SELECT * FROM sniff_csv('{other}')",
    "SELECT getenv('HOME')",
    "SELECT GetEnv('HOME')",
    "SELECT list_transform(['HOME'], lambda x: getenv(x))",
    "SELECT current_setting('temp_directory')",
    "SELECT getvariable('mine')",
    "SELECT set_config('threads', '1')",
    "SELECT write_log('mine')",
    "SELECT nextval('mine')",
    "SELECT sleep_ms(1)",
    "SELECT finalize(to_aggregate_state({{'a': 1}}, 'sum', ['BIGINT']))",
    "SELECT variant_bytes_to_variant('abc'::BLOB)",
    "SELECT __internal_decompress_string(1::HUGEINT)",
    "SELECT * FROM query('DELETE FROM params')",
    "SELECT * FROM query('SELECT * FROM read_text(''{other}'')')",
    "SELECT * FROM query_table('{other}')",
    "SELECT json_serialize_plan('SELECT * FROM read_csv(''{other}'')')",
    "SELECT * FROM json_execute_serialized_sql(json_serialize_sql('SELECT 1'))",
    "SELECT * FROM duckdb_secrets()",
    "SELECT * FROM which_secret('s3://a', 's3')",
    "SELECT * FROM duckdb_settings()",
    "SELECT * FROM duckdb_views()",
    "SELECT * FROM duckdb_logs",
    "SELECT * FROM duckdb_temporary_files()",
    "SELECT * FROM pragma_database_size()",
    "SELECT * FROM information_schema.tables",
    "SELECT * FROM pg_catalog.pg_views",
    "SELECT * FROM sqlite_master",
    "SELECT * FROM pandas_scan(1)",
    "SELECT * FROM arrow_scan(1, 2, 3)",
    "SELECT * FROM session",
]
BEHIND_A_WORD = [
    "EXPLAIN ANALYZE DELETE FROM params",
    "EXPLAIN (ANALYZE) UPDATE params SET hops = 99",
    "EXPLAIN ANALYZE CREATE TABLE mine AS SELECT 1",
    "EXPLAIN ANALYZE CREATE OR REPLACE TABLE params AS SELECT 1",
    "EXPLAIN EXPLAIN SELECT 1",
    "EXPLAIN SELECT * FROM read_text('{other}')",
    "explain /* read */ analyze insert into params select * from params",
    "EXPLAIN ANALYZE COPY (SELECT 1 AS a) TO '{lake_file}' (FORMAT parquet, USE_TMP_FILE false)",
    "WITH gone AS (DELETE FROM params RETURNING 1) SELECT * FROM gone",
    "WITH more AS (INSERT INTO params SELECT * FROM params RETURNING 1) SELECT * FROM more",
    "WITH other AS (UPDATE orchestration_events SET raw = NULL RETURNING 1) SELECT * FROM other",
]
# Far too much of something, however it is asked for: memory, disk, time, rows, depth, length.
BOMBS = [
    "SELECT list(range) FROM range(1000000000)",
    "SELECT string_agg(repeat('x', 1000000), '') FROM range(100000)",
    "SELECT repeat('x', 10000000000)",
    "FROM range(1000000000000)",
    "SELECT count(*) FROM range(100000000) AS a, range(100000000) AS b",
    "SELECT a.range FROM range(100000000) AS a, range(10000000) AS b ORDER BY hash(a.range + b.range)",
    "WITH RECURSIVE t AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM t) SELECT max(n) FROM t",
    "WITH RECURSIVE t AS (SELECT 'xxxxxxxxxx' AS s UNION ALL SELECT s || s FROM t) SELECT max(s) FROM t",
    "WITH RECURSIVE t AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM t, range(10)) SELECT count(*) FROM t",
    f"SELECT {'(' * 5000}1{')' * 5000}",
    f"SELECT {'- ' * 5000}1",
    f"SELECT {'[' * 5000}1{']' * 5000}",
    f"SELECT 1 {'UNION ALL SELECT 1 ' * 20_000}",
    f"SELECT '{'x' * LONGEST}'",
]

# What takes memory that DuckDB does not count: only the system's bound ends it, where there is one.
UNCOUNTED = [
    "SELECT generate_series(1, 1000000000)",
    "SELECT json_array(range(300000000))",
    "SELECT printf('%2000000000d', 1)",
]
BOUNDED = pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="this system bounds no process")


class Place:
    """A session to attack, and all that must stay as it is."""

    def __init__(self, session: Session, folder: Path) -> None:
        self.session = session
        self.folder = folder
        self.other = folder / "other.csv"
        self.other.write_text("secret\n1\n", encoding="utf-8")
        self.lake_file = session.snapshot.files("orchestration_events")[0]
        self.figures = ask(session, "SELECT * FROM params").to_pylist()
        self.before = self.contents()

    def contents(self) -> dict[str, str]:
        files = sorted(path for path in self.folder.rglob("*") if path.is_file())
        return {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}

    def refuses(self, query: str, limits: Limits) -> str:
        """Ask it, check that nothing has changed, and return what it was refused with."""
        with pytest.raises(QueryError) as caught:
            ask(self.session, query, limits=limits)
        assert self.contents() == self.before
        assert ask(self.session, "SELECT * FROM params").to_pylist() == self.figures
        assert ask(self.session, "SELECT count(*) AS n FROM orchestration_events")["n"].to_pylist() == [1]
        return str(caught.value)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("escapes")
    lake = open_lake(folder / "lake", create=True)
    for name, rows in make_tables(orchestration=[{"id": "i1", "at": 10, **PAY}]).items():
        if rows.num_rows:
            lake.append(TABLES[name], rows)
    settings = Settings.model_validate({"lake": {"url": str(folder / "lake")}, "correlate": {"threads": 1}})
    with open_session(settings, closed=True) as session:
        bound(session, memory=f"{MEMORY}B", spill="100MB")
        yield Place(session, folder)


@pytest.mark.parametrize("query", [*NOT_READING, *OUT_OF_REACH, *BEHIND_A_WORD])
def test_nothing_but_reading_the_lake_s_tables_gets_through(place: Place, query: str) -> None:
    told = place.refuses(
        query.format(other=place.other, lake_file=place.lake_file, folder=place.folder), Limits(10, 5)
    )

    assert "\n" not in told
    # It is our own check that says no, before DuckDB is asked to do it; what does not even parse is DuckDB's to say.
    assert any(
        word in told for word in ("refused", "there is no table", "statement", "EXPLAIN", "Parser Error")
    )


@pytest.mark.parametrize(
    "query",
    [*BOMBS, *(pytest.param(each, marks=BOUNDED) for each in UNCOUNTED)],
    ids=lambda query: query[:60],
)
def test_what_would_take_too_much_is_bounded(place: Place, query: str) -> None:
    with bounded_memory(MEMORY):
        told = place.refuses(query, Limits(rows=100_000, seconds=0.3))

    assert "\n" not in told
    assert any(
        word in told
        for word in (
            "stopped after",
            "more memory",
            "more than",
            "Out of Range",
            "Max expression depth",
            "characters",
        )
    )


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT * FROM read_csv('{other}')",
        "SET enable_external_access = true",
        "COPY (SELECT 1) TO '{other}'",
    ],
)
def test_the_connection_is_locked_too(place: Place, statement: str) -> None:
    """What the check of a query would miss, the connection refuses, also to our own cursors."""
    with pytest.raises(duckdb.Error, match=r"disabled|locked|Cannot change"):
        place.session.fetch(statement.format(other=place.other))


def test_what_duckdb_can_do_besides_computing_is_known() -> None:
    """A newer DuckDB may have more such functions; then they are to be refused, or named here as harmless."""
    harmless = {
        *("random", "uuid", "uuidv4", "uuidv7", "gen_random_uuid", "error", "vector_type", "txid_current"),
        *("current_connection_id", "current_query_id", "current_transaction_id"),
    }
    with duckdb.connect() as connection:
        rows = connection.sql(
            "SELECT DISTINCT function_name, function_type, has_side_effects OR stability = 'VOLATILE' AS more"
            " FROM duckdb_functions()"
        ).fetchall()
    doing = {name for name, kind, more in rows if kind == "scalar" and more}
    reading: dict[str, Any] = {name: kind for name, kind, _ in rows if "table" in kind}

    assert doing - REFUSED_FUNCTIONS - harmless == set()
    assert reading.keys() >= ROW_FUNCTIONS
    assert {name for name in ROW_FUNCTIONS if "read" in name or "scan" in name or "duckdb" in name} == set()
