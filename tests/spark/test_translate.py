"""What is passed on to Spark, and what is refused; without Spark."""

from __future__ import annotations

import pytest
import sqlglot

from analytics.rule import Rule, rules
from analytics.spark.translate import NotTranslatedError, problems, translate
from analytics.views import View, views
from tests.spark.constructs import CONSTRUCTS

REFUSED = {
    "SELECT length(x) FROM t": "write len(), of lists only",
    "SELECT a FROM x ASOF JOIN y ON x.t >= y.t": "take the nearest with QUALIFY",
    "SELECT a FROM x POSITIONAL JOIN y": "take the nearest with QUALIFY",
    "SELECT strftime(t, '%Y') FROM x": "has no counterpart on Spark",
    "SELECT j ->> 'a' FROM x": "has no counterpart on Spark",
    "SELECT date_diff('month', a, b) FROM x": "in 'microsecond' or 'second'",
    "SELECT date_trunc('quarter', a) FROM x": "'hour' or 'day'",
    "SELECT a::INTEGER FROM x": "BIGINT",
    "SELECT list(x ORDER BY y DESC) FROM t": "order a list upwards",
    "SELECT list_sort(x, 'desc') FROM t": "sort a list upwards",
    "SELECT list(x) OVER (ORDER BY y) FROM t": "in a part of WITH",
    "SELECT arg_min(x, y) OVER (ORDER BY y) FROM t": "in a part of WITH",
    "SELECT * REPLACE (1 AS a) FROM t": "name the columns",
    "SELECT x LIKE y FROM t": "a pattern that is written out",
    r"SELECT x LIKE '\%' FROM t": "no backslash",
    "SELECT x[-1] FROM t": "from the front",
    "SELECT round(x, y) FROM t": "as a number",
    "SELECT x FROM range(3) AS r(x)": "in the SELECT",
    "SELECT x FROM t LIMIT 3": "has no counterpart on Spark",
    "PIVOT t ON x USING sum(y)": "has no counterpart on Spark",
    "SELECT x FROM": "sqlglot cannot read it",
}


@pytest.mark.parametrize("part", [*views().values(), *rules().values()], ids=lambda part: part.name)
def test_every_view_and_rule_is_translated(part: View | Rule) -> None:
    assert problems(part.sql) == []
    for statement in translate(part.sql):
        assert sqlglot.parse_one(statement.sql, read="databricks")


@pytest.mark.parametrize("sql", REFUSED)
def test_what_has_no_counterpart_is_refused_with_what_to_write(sql: str) -> None:
    (told, *_) = [problem for _, problem in problems(sql)]
    assert REFUSED[sql] in told
    with pytest.raises(NotTranslatedError):
        translate(sql)


def test_a_problem_is_told_once_with_its_line() -> None:
    assert problems("SELECT a,\n    b\nFROM t\nASOF JOIN u ON t.a >= u.a") == [
        (
            4,
            "ASOF JOIN u ON t.a >= u.a: join on what is equal, and take the nearest with QUALIFY row_number()",
        )
    ]


def test_all_problems_are_told() -> None:
    assert len(problems("SELECT length(a) FROM t")) == 1
    assert len(problems("SELECT a::INTEGER, b LIKE c FROM t LIMIT 1")) == 3


def test_a_part_that_is_read_twice_becomes_a_table_before_the_query() -> None:
    sql = "WITH a AS (SELECT x FROM t), b AS (SELECT x FROM a), c AS (SELECT x FROM a) SELECT x FROM b JOIN c USING (x)"
    part, whole = translate(f"CREATE OR REPLACE VIEW v AS {sql}")
    assert (part.name, part.kind) == ("v_0_a", "TABLE")
    assert (whole.name, whole.kind) == ("v", "VIEW")
    assert "v_0_a" in whole.reads
    assert "a" not in whole.reads


def test_a_part_that_is_read_once_stays() -> None:
    (whole,) = translate("WITH a AS (SELECT x FROM t) SELECT x FROM a")
    assert whole.sql == "WITH `a` AS (SELECT `x` FROM `t`) SELECT `x` FROM `a`"


def test_rows_that_are_numbered_must_be_kept() -> None:
    (view,) = translate("CREATE OR REPLACE VIEW v AS SELECT rowid AS no, * FROM t")
    assert view.numbers_rows


@pytest.mark.parametrize(
    ("sql", "function"),
    [
        ("SELECT hash(x) AS tie FROM t", "DUCKDB_HASH"),
        ("SELECT 1 AS a, hash(x) AS tie FROM t UNION ALL SELECT 2, hash(y) FROM t", "DUCKDB_HASH"),
        ("SELECT x FROM t QUALIFY row_number() OVER (ORDER BY hash(x)) = 1", "DUCKDB_HASH"),
        ("SELECT hash(x) AS k FROM t", "XXHASH64"),
        ("SELECT hash(x, y) AS k FROM t", "XXHASH64"),
        ("SELECT x FROM t WHERE hash(x) IN (SELECT hash(y) FROM u)", "XXHASH64"),
    ],
)
def test_ties_are_broken_by_duckdb_and_keys_made_by_spark(sql: str, function: str) -> None:
    (made,) = translate(sql)
    other = {"DUCKDB_HASH": "XXHASH64", "XXHASH64": "DUCKDB_HASH"}[function]
    assert made.sql.count(function) == sql.count("hash(")
    assert other not in made.sql


def test_no_text_of_a_query_gets_out_of_its_quotes() -> None:
    (made,) = translate(r"SELECT 'it''s \' || x AS y FROM t")
    assert made.sql == r"SELECT 'it\'s \\' || `x` AS `y` FROM `t`"


@pytest.mark.parametrize("sql", CONSTRUCTS)
def test_every_construct_that_the_engines_are_compared_by_is_translated(sql: str) -> None:
    assert problems(sql) == []
