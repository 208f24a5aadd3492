"""Many actions are correlated as few are: by slices, and by numbers of words or by the words."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import TYPE_CHECKING

import duckdb
import pytest

from analytics import views as module
from analytics.cases import Case
from analytics.crowd import crowd_of, fits
from analytics.rule_syntax import given_by_action_backing
from analytics.views import views
from sample_data.adversarial import adversarial_cases
from schemas.errors import RuleError

if TYPE_CHECKING:
    from pathlib import Path

    import pyarrow as pa

    from analytics.bench import Bench

SHOWN = ("action_backing", "decision_uses", "handoff_backing")


@pytest.fixture(scope="module")
def crowd() -> dict[str, pa.Table]:
    cases = [Case(**scene.as_case()) for scene in adversarial_cases(seed=23, count=150)]
    return crowd_of([case for case in cases if fits(case)])


def shown(bench: Bench, tables: dict[str, pa.Table]) -> dict[str, list[str]]:
    session = bench.session(tables)
    session.need(*SHOWN)
    return {name: sorted(map(str, session.fetch(f"FROM {name}").to_pylist())) for name in SHOWN}


def test_slices_and_words_change_nothing_in_any_column(
    bench: Bench, crowd: dict[str, pa.Table], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = shown(bench, crowd)
    assert len(whole["action_backing"]) > 300
    monkeypatch.setattr(module, "_SLICE_ROWS", random.Random(5).randint(20, 90))
    monkeypatch.setattr(module, "_MOST_WORDS", 5)
    assert shown(bench, crowd) == whole
    assert kinds_of_words(bench, crowd) == ["VARCHAR", "VARCHAR"]


def kinds_of_words(bench: Bench, tables: dict[str, pa.Table]) -> list[str]:
    session = bench.session(tables)
    session.need("words", "identities")
    kinds = session.fetch(
        "SELECT typeof(NULL::word) AS word, typeof(NULL::identity) AS identity"
    ).to_pylist()[0]
    return [kind.partition("(")[0] for kind in kinds.values()]


def test_few_words_are_a_type_and_many_or_long_ones_are_not(
    bench: Bench, crowd: dict[str, pa.Table], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert kinds_of_words(bench, crowd) == ["ENUM", "ENUM"]
    monkeypatch.setattr(module, "_MOST_BYTES", 300)  # those of identities are fewer
    assert kinds_of_words(bench, crowd) == ["VARCHAR", "ENUM"]


def test_the_words_of_verdicts_are_words_without_any_row(bench: Bench, crowd: dict[str, pa.Table]) -> None:
    session = bench.session({name: table.slice(0, 0) for name, table in crowd.items()})
    session.need("words")
    given = given_by_action_backing()
    assert len(given) == 7
    assert set(session.fetch("FROM words")["word"].to_pylist()) == {"", *given}.union(*given.values())


def test_a_slice_that_fails_leaves_all_actions_in_sight(
    bench: Bench, crowd: dict[str, pa.Table], monkeypatch: pytest.MonkeyPatch
) -> None:
    session = bench.session(crowd)
    session.need("cited_pairs")
    ((actions,),) = session.cursor().sql("SELECT count(*) FROM actions").fetchall()
    monkeypatch.setattr(module, "_SLICE_ROWS", 50)
    pairs = session.fetch("SELECT count(*) AS n FROM cited_pairs").to_pylist()
    broken = replace(views()["cited"], sql="CREATE OR REPLACE TABLE cited AS SELECT x FROM actions")
    with monkeypatch.context() as patch:
        patch.setattr(module, "views", lambda: {**views(), "cited": broken})
        with pytest.raises(duckdb.Error, match='"x" not found'):
            session.need("cited")
    assert session.fetch("SELECT count(*) AS n FROM actions").to_pylist() == [{"n": actions}]
    assert session.fetch("SELECT count(*) AS n FROM cited_pairs").to_pylist() == pairs
    session.run("CREATE OR REPLACE TABLE counted AS SELECT count(*) AS n FROM actions")
    assert session.fetch("FROM counted").to_pylist() == [{"n": actions}]


def test_rows_are_made_in_order_where_that_is_asked_for_and_may_be_set() -> None:
    setting = "SELECT current_setting('preserve_insertion_order') AS kept"
    view = module.View("x", "step", (), "", f"CREATE OR REPLACE TABLE x AS {setting}", ordered=True)
    with duckdb.connect(":memory:", config={"preserve_insertion_order": False}) as connection:
        module._make_in_order(connection, view)
        assert connection.sql("FROM x").fetchall() == [(True,)]
        assert connection.sql(setting).fetchall() == [(False,)]
        connection.execute("SET lock_configuration = true")
        module._make_in_order(connection, view)
        assert connection.sql("FROM x").fetchall() == [(False,)]


def test_of_the_order_can_be_said_that_it_is_kept(tmp_path: Path) -> None:
    (tmp_path / "x.sql").write_text("-- step: x\n-- needs: events\n-- order: any\n-- about: y\nSELECT 1")
    with pytest.raises(RuleError, match=r"x\.sql: of the order can be said that it is 'kept'"):
        module._read(tmp_path / "x.sql")


@pytest.mark.parametrize(
    ("needs", "slices"),
    [
        ("events", "numbered_actions"),
        ("actions", "numbered_actions, cited_pairs"),
        ("actions, cited_pairs", "cited_pairs"),
    ],
)
def test_what_is_made_by_slices_is_one_table_of_actions(tmp_path: Path, needs: str, slices: str) -> None:
    (tmp_path / "x.sql").write_text(
        f"-- step: x\n-- needs: {needs}\n-- slices: {slices}\n-- about: y\nCREATE OR REPLACE TABLE x AS SELECT 1"
    )
    with pytest.raises(RuleError, match=r"x\.sql: what is made by slices is one table that needs actions"):
        module._read(tmp_path / "x.sql")
