"""Questions to the lake: what is answered, and that nothing but reading gets through."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import pytest

from analytics.ask import ask, tables
from analytics.cases import make_tables
from analytics.session import open_session
from analytics.views import views
from lake.store import open_lake
from schemas.catalogue import TABLES
from schemas.errors import QueryError
from schemas.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from analytics.session import Session
    from lake.store import Lake

PAY = {"agent": "clerk", "action": "pay", "resource": "payment/p-1"}


ROWS = {"orchestration": [{"id": "i1", "at": 10, **PAY}], "decisions": [{"id": "d1", "at": 9, **PAY}]}


@pytest.fixture
def session(put: Callable[..., None], settings: Settings) -> Iterator[Session]:
    """A session over a lake of its own, for what may harm it."""
    put(**ROWS)
    with open_session(settings, closed=True) as opened:
        yield opened


@pytest.fixture(scope="module")
def reading(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    """A session for questions that change nothing."""
    url = tmp_path_factory.mktemp("lake")
    for name, table in make_tables(**ROWS).items():
        if table.num_rows:
            open_lake(url).append(TABLES[name], table)
    with open_session(Settings.model_validate({"lake": {"url": str(url)}}), closed=True) as opened:
        yield opened


def contents(root: Path) -> dict[str, str]:
    files = sorted(path for path in root.rglob("*") if path.is_file())
    return {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


# What is answered.


def test_a_query_may_name_the_tables_and_the_views(reading: Session) -> None:
    query = """
        SELECT b.event_id, b.verdict, d.decision_time = b.decision_time AS same
        FROM action_backing AS b JOIN authorization_decisions AS d USING (decision_id)
    """
    assert ask(reading, query).to_pylist() == [{"event_id": "i1", "verdict": "backed", "same": True}]


@pytest.mark.parametrize("name", [*TABLES, *views()])
def test_everything_that_is_listed_can_be_asked_for(reading: Session, name: str) -> None:
    assert name in {listed for listed, _, _ in tables()}
    assert ask(reading, f"SELECT count(*) AS n FROM {name}").column_names == ["n"]


def test_the_list_says_what_each_holds_and_shows_views_first() -> None:
    rows = tables()
    kinds = [kind for _, kind, _ in rows]
    assert kinds == sorted(kinds, key=("view", "table", "step").index)
    assert [name for name, _, about in rows if len(about) < 20] == []


def test_values_are_given_apart_from_the_query(reading: Session) -> None:
    hostile = "x'; DROP TABLE params; --"
    assert ask(reading, "SELECT ? AS a, ? AS b", [hostile, 7]).to_pylist() == [{"a": hostile, "b": 7}]
    named = ask(reading, "SELECT event_id FROM actions WHERE agent = $agent", {"agent": "clerk"})
    assert named["event_id"].to_pylist() == ["i1"]
    assert ask(reading, "SELECT event_id FROM actions WHERE agent = ?", [hostile]).num_rows == 0


@pytest.mark.parametrize(
    ("word", "key"), [("EXPLAIN", "physical_plan"), ("EXPLAIN ANALYZE", "analyzed_plan")]
)
def test_a_query_can_be_explained(reading: Session, word: str, key: str) -> None:
    (row,) = ask(reading, f"{word} SELECT count(*) FROM action_backing").to_pylist()
    assert row["explain_key"] == key
    assert "AGGREGATE" in row["explain_value"].upper()


@pytest.mark.parametrize(
    "query",
    [
        "FROM actions",
        "WITH a AS (SELECT 1 AS n) SELECT n FROM a",
        "VALUES (1)",
        "DESCRIBE actions",
        "SELECT 1;",
        "-- why\nSELECT 1",
    ],
)
def test_other_ways_to_read_are_answered(reading: Session, query: str) -> None:
    assert ask(reading, query).num_rows >= 1


def test_times_are_told_in_utc(reading: Session) -> None:
    (row,) = ask(reading, "SELECT event_time::VARCHAR AS at FROM actions").to_pylist()
    assert row["at"] == "2026-03-02 09:00:10+00"


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("SELEC 1", "Parser Error"),
        ("SELECT nothing FROM actions", "Binder Error"),
        ("SELECT * FROM no_such_table", "Catalog Error"),
        ("SELECT 1; SELECT 2", "give one statement, not 2"),
        ("", "give one statement, not 0"),
        ("SELECT ?", "Invalid Input Error"),
    ],
)
def test_what_is_wrong_with_a_query_is_said_in_one_line(reading: Session, query: str, message: str) -> None:
    with pytest.raises(QueryError) as caught:
        ask(reading, query)
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


# What is refused.

NOT_READING = [
    "INSERT INTO params SELECT * FROM params",
    "UPDATE params SET hops = 99",
    "DELETE FROM params",
    "TRUNCATE params",
    "DROP TABLE params",
    "DROP VIEW events",
    "CREATE TABLE mine AS SELECT 1",
    "CREATE OR REPLACE TABLE params AS SELECT 1",
    "CREATE TEMP TABLE mine AS SELECT 1",
    "CREATE MACRO mine() AS 1",
    "ALTER TABLE params RENAME TO gone",
    "ATTACH '{other}' AS other",
    "DETACH memory",
    "COPY (SELECT 1) TO '{other}'",
    "COPY (SELECT 1) TO '{lake_file}' (FORMAT parquet, USE_TMP_FILE false)",
    "COPY params FROM '{other}'",
    "EXPORT DATABASE '{other}'",
    "INSTALL httpfs",
    "LOAD httpfs",
    "SET threads = 1",
    "RESET lock_configuration",
    "PRAGMA disable_optimizer",
    "PRAGMA database_list",
    "CALL pragma_version()",
    "CHECKPOINT",
    "VACUUM",
    "BEGIN TRANSACTION",
    "PREPARE mine AS SELECT 1",
    "USE memory",
    "SELECT 1; DROP TABLE params",
    "PIVOT params ON hops",
]
OUT_OF_REACH = [
    "SELECT * FROM read_text('{other}')",
    "SELECT * FROM read_blob('{other}')",
    "SELECT * FROM read_csv('{other}')",
    "SELECT * FROM read_json('{other}')",
    "SELECT * FROM read_parquet('{other}')",
    "SELECT * FROM '{other}'",
    "SELECT * FROM glob('{folder}/*')",
    "SELECT * FROM read_text('{lake_file}/../../_delta_log/00000000000000000000.json')",
    "SELECT * FROM read_csv('http://127.0.0.1:9/x.csv')",
    "SELECT * FROM parquet_metadata('{other}')",
    "SELECT * FROM sniff_csv('{other}')",
    "SELECT getenv('HOME')",
    "SELECT set_config('threads', '1')",
    "SELECT * FROM query('DELETE FROM params')",
    "EXPLAIN ANALYZE COPY (SELECT 1) TO '{other}'",
]
BEHIND_A_WORD = [
    "EXPLAIN ANALYZE DELETE FROM params",
    "EXPLAIN (ANALYZE) UPDATE params SET hops = 99",
    "EXPLAIN ANALYZE CREATE TABLE mine AS SELECT 1",
    "EXPLAIN ANALYZE CREATE OR REPLACE TABLE params AS SELECT 1",
    "explain /* read */ analyze insert into params select * from params",
    "EXPLAIN ANALYZE COPY (SELECT 1 AS a) TO '{lake_file}' (FORMAT parquet, USE_TMP_FILE false)",
    "WITH gone AS (DELETE FROM params RETURNING 1) SELECT * FROM gone",
    "WITH more AS (INSERT INTO params SELECT * FROM params RETURNING 1) SELECT * FROM more",
]


@pytest.mark.parametrize(
    "query",
    [*NOT_READING, *OUT_OF_REACH, *BEHIND_A_WORD],
)
def test_nothing_but_reading_gets_through(session: Session, lake: Lake, tmp_path: Path, query: str) -> None:
    other = tmp_path / "other.csv"
    other.write_text("secret\n1\n", encoding="utf-8")
    lake_file = session.snapshot.files("orchestration_events")[0]
    figures = ask(session, "SELECT * FROM params").to_pylist()
    before = contents(tmp_path)

    with pytest.raises(QueryError) as caught:
        ask(session, query.format(other=other, lake_file=lake_file, folder=tmp_path))

    assert "secret" not in str(caught.value)
    assert contents(tmp_path) == before
    assert ask(session, "SELECT * FROM params").to_pylist() == figures
    assert lake.snapshot().rows("orchestration_events") == 1


def test_a_session_that_was_asked_once_stays_locked(session: Session, tmp_path: Path) -> None:
    """Also for our own cursors: what a question may not do, a later slip of ours may not do for it."""
    other = tmp_path / "other.csv"
    other.write_text("a\n1\n", encoding="utf-8")
    ask(session, "SELECT 1")
    for query in (f"SELECT * FROM read_csv('{other}')", "SET enable_external_access = true"):
        with pytest.raises(Exception, match=r"disabled|locked|Cannot change"):
            session.fetch(query)


def test_views_that_were_not_made_yet_are_still_made_after_the_lock(session: Session) -> None:
    ask(session, "SELECT 1")
    rows: list[dict[str, Any]] = ask(session, "SELECT verdict FROM action_backing").to_pylist()
    assert rows == [{"verdict": "backed"}]
