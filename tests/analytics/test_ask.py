"""Questions to the lake: what is answered, and that nothing but reading gets through."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from analytics.ask import Limits, ask, stream, tables
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
        ("SELECT * FROM no_such_table", "there is no table or view 'no_such_table'"),
        (
            "SELECT * FROM action_baking",
            "there is no table or view 'action_baking'; did you mean action_backing?",
        ),
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


def test_who_asked_is_told_when_a_query_does_not_stop(
    reading: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("analytics.ask.GRACE", -0.5)  # at once, and not after the query was stopped
    told: list[bool] = []
    limits = Limits(seconds=0.5, overdue=lambda: told.append(True))
    with pytest.raises(QueryError, match=r"stopped after 0\.5 seconds"):
        ask(reading, "SELECT count(*) FROM range(100000000) AS a, range(100000000) AS b", limits=limits)
    assert told == [True]
    assert ask(reading, "SELECT 1 AS n", limits=limits)["n"].to_pylist() == [1]


def test_an_answer_comes_in_batches_and_is_counted_on_the_way(reading: Session) -> None:
    with stream(reading, "SELECT range AS n FROM range(25000)", limits=Limits(rows=25000)) as answer:
        assert answer.schema.names == ["n"]
        assert sum(batch.num_rows for batch in answer.batches) == 25000
    with stream(reading, "FROM range(1000000000000)", limits=Limits(rows=25000)) as answer:
        assert next(answer.batches).num_rows > 0
        with pytest.raises(QueryError, match="more than 25,000 rows"):
            list(answer.batches)
