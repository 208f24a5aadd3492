"""From the SQL of a view or rule, in DuckDB's dialect, to that of Spark with the same answer. It needs sqlglot.

Nothing is passed on that was not looked at: a construct without a counterpart of the same meaning is a problem, in a
sentence that says what to write in its place. The linter of rules shows these.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

import sqlglot
from sqlglot import exp

from analytics.spark.counterparts import COUNTERPARTS, SAME
from analytics.spark.shared_parts import take_out
from analytics.views import word_types
from schemas.errors import RuleError

# What numbers the rows of a table in DuckDB.
_ROW = "rowid"


@dataclass(frozen=True)
class Statement:
    """A query for Spark, and what DuckDB would keep its rows as: a table, a view, or nothing for a rule's query.

    `numbers_rows` says that its rows carry numbers that another reading need not give again, so they must be kept.
    """

    sql: str
    name: str = ""
    kind: str = ""
    reads: frozenset[str] = frozenset()
    numbers_rows: bool = False


class NotTranslatedError(RuleError):
    """SQL that has no translation; the message says which part and what to write in its place."""


@lru_cache(maxsize=512)
def translate(sql: str) -> tuple[Statement, ...]:
    """The statements of a view or rule for Spark, in their order. NotTranslatedError with the first problem.

    What several parts of a query share comes before it, as a table of its own.
    """
    return tuple(statement for tree in _parsed(sql) for statement in _statements(tree))


def problems(sql: str) -> list[tuple[int, str]]:
    """Why a view or rule cannot be translated, as (line, sentence), each once; empty when it can."""
    try:
        trees = _parsed(sql)
    except NotTranslatedError as error:
        return [(1, str(error))]
    found: dict[tuple[int, str], None] = {}

    def is_wrong(node: exp.Expr) -> bool:
        try:
            _rewritten(node)
        except NotTranslatedError as error:
            found[_line(node), str(error)] = None
            return True
        return False

    for tree in trees:
        # What is below a problem is not looked at: it would be named twice.
        for _ in tree.copy().walk(prune=is_wrong):
            pass
    return sorted(found)


def _parsed(sql: str) -> list[exp.Expr]:
    try:
        trees = [tree for tree in sqlglot.parse(sql, read="duckdb") if tree is not None]
    except sqlglot.errors.SqlglotError as error:
        raise NotTranslatedError(f"sqlglot cannot read it: {str(error).splitlines()[0]}") from error
    # The two are one to the parser, and not to Spark: of lists or of texts.
    if re.search(r"\blength\s*\(", sql, re.IGNORECASE):
        raise NotTranslatedError("length() may count letters or elements: write len(), of lists only")
    return trees


def _statements(tree: exp.Expr) -> list[Statement]:
    name = kind = ""
    query = tree
    if isinstance(tree, exp.Create):
        name, kind, query = tree.this.name, str(tree.args["kind"]), tree.expression
    query = query.copy()
    parts = take_out(query, name or "query")
    return [*(_statement(part, table, "TABLE") for table, part in parts), _statement(query, name, kind)]


def _statement(query: exp.Expr, name: str, kind: str) -> Statement:
    reads = frozenset(table.name for table in query.find_all(exp.Table))
    numbers = any(_numbers_rows(column) for column in query.find_all(exp.Column))
    # Children before parents: what a parent is made of is translated when its own turn comes.
    root = exp.Subquery(this=query)
    for node in reversed(list(root.walk(bfs=False))):
        if node is not root:
            made = _rewritten(node)
            if made is not node:
                node.replace(made)
    # The dialect of Spark that has QUALIFY, which Spark itself has by now.
    sql = root.this.sql(dialect="databricks", identify=True, comments=False)
    return Statement(sql, name, kind, reads, numbers)


def _numbers_rows(column: exp.Expr) -> bool:
    return column.name.lower() == _ROW


def _rewritten(node: exp.Expr) -> exp.Expr:
    """The node for Spark, of which everything below is so already. NotTranslatedError where there is none."""
    if isinstance(node, exp.Column) and _numbers_rows(node):
        return exp.Anonymous(this="MONOTONICALLY_INCREASING_ID", expressions=[])
    # Of a word DuckDB keeps the number, and Spark the word.
    if isinstance(node, exp.Cast) and str(node.to.args.get("kind")) in word_types():
        word: exp.Expr = node.this
        return word
    if isinstance(node, exp.Anonymous):
        key: str | type[exp.Expr] = node.name.lower()
    else:
        key = type(node)
    if counterpart := COUNTERPARTS.get(key):
        try:
            return counterpart(node)
        except ValueError as error:
            raise NotTranslatedError(f"{_shown(node)}: {error}") from error
    if key not in SAME:
        raise NotTranslatedError(f"{_shown(node)} has no counterpart on Spark of which the meaning is known")
    return node


def _line(node: exp.Expr) -> int:
    """The line of the first name in the node that sqlglot remembers the place of."""
    return next((each.meta["line"] for each in node.walk() if "line" in each.meta), 1)


def _shown(node: exp.Expr) -> str:
    """The part of the query in a line, short enough for an error."""
    text = " ".join(node.sql(dialect="duckdb", comments=False).split())
    return text if len(text) <= 80 else f"{text[:79]}…"
