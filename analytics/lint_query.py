"""Judging a rule's query: one SELECT that reads what it says, by nothing but the records, and gives findings.

The query is read by DuckDB's own parser and bound over an empty lake, so nothing else is needed and no row is read.
"""

from __future__ import annotations

import json
import string
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import duckdb

from analytics.findings import ROW_COLUMNS, words_of
from analytics.rule import line_of_query
from analytics.views import order, views
from schemas.catalogue import TABLES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from analytics.rule import Rule
    from analytics.session import Session

    Line = tuple[int, str]

# What gives another answer another time: the clock, chance, and the state of the process.
_CLOCK = frozenset(
    {
        *("now", "today", "current_date", "current_time", "current_timestamp", "localtime", "localtimestamp"),
        *("get_current_time", "get_current_timestamp", "transaction_timestamp", "current_localtime"),
        *("current_localtimestamp", "age"),
    }
)
_STATE = frozenset(
    {
        *(
            "current_setting",
            "getenv",
            "getvariable",
            "current_database",
            "current_schema",
            "current_schemas",
        ),
        *("current_user", "session_user", "user", "version", "in_search_path"),
    }
)
# Functions that make rows and read nothing.
_ROWS = frozenset({"unnest", "range", "generate_series"})
_NODES = frozenset({"SELECT_NODE", "SET_OPERATION_NODE", "CTE_NODE", "RECURSIVE_CTE_NODE"})

_TEXT = ("tenant_id", "environment", "agent", "trace_id", "tool_name", "action", "resource_type", "resource_id",
         "verdict", "reason", "level")  # fmt: skip
# The type of each column of a finding; one that is always null may have any.
_TYPES = {
    **dict.fromkeys(_TEXT, ("VARCHAR",)),
    "confidence": ("DOUBLE", "FLOAT", "DECIMAL", "INTEGER"),
    **dict.fromkeys(("entity_keys", "anchor_event_ids", "decision_ids"), ("VARCHAR[]",)),
    **dict.fromkeys(("first_seen_time", "last_seen_time"), ("TIMESTAMP WITH TIME ZONE",)),
    "evidence": ("STRUCT",),
}


@dataclass(frozen=True)
class Query:
    """What was found about a query: problems as (line, text), and the names in the evidence that it gives."""

    problems: list[Line]
    evidence: frozenset[str] = frozenset()
    bound: bool = False


def judge_query(rule: Rule, session: Session) -> Query:
    """What is wrong with the rule's query; the session is over an empty lake and knows the rule's parameters."""
    with duckdb.connect(":memory:") as connection:
        try:
            statements = connection.extract_statements(rule.sql)
        except duckdb.Error as error:
            return Query([(line_of_query(error), _first(error))])
        if [statement.type for statement in statements] != [duckdb.StatementType.SELECT]:
            return Query([(1, "give one SELECT and nothing else: a rule only reads")])
        (written,) = connection.execute("SELECT json_serialize_sql(?::VARCHAR)", [rule.sql]).fetchall()[0]
        volatile = {
            row[0]
            for row in connection.execute(
                "SELECT DISTINCT function_name FROM duckdb_functions() WHERE stability = 'VOLATILE'"
            ).fetchall()
        }
    tree = json.loads(written)
    if tree.get("error"):
        return Query([(1, str(tree.get("error_message", "the query cannot be read")))])
    problems = list(_forbidden(rule, tree, volatile))
    unknown = [name for name in rule.views if name not in views() and name not in TABLES]
    if problems or unknown:
        return Query([*problems, *_reads(rule, tree)])
    try:
        session.need(*rule.views)
    except duckdb.Error as error:
        return Query([*_reads(rule, tree), (1, f"a view that it reads cannot be made: {_first(error)}")])
    try:
        evidence = _bind(rule, session, problems)
    except duckdb.Error as error:
        return Query([*problems, *_reads(rule, tree), (line_of_query(error), _first(error))])
    return Query([*problems, *_reads(rule, tree)], evidence, bound=True)


def words_known(evidence: frozenset[str]) -> set[str]:
    """The words that a title, an explanation or a step of the runbook may name in braces."""
    row = dict.fromkeys(ROW_COLUMNS) | {"decision_ids": []}
    return {*words_of(row, {}), *evidence}


def wrong_words(text: str, known: set[str]) -> list[str]:
    """What stands in braces in the text and cannot be filled in."""
    try:
        parts = list(string.Formatter().parse(text))
    except ValueError as error:
        return [str(error)]
    return [
        name
        for _, name, form, conversion in parts
        if name is not None and (name not in known or form or conversion)
    ]


def _forbidden(rule: Rule, tree: Any, volatile: set[str]) -> Iterator[Line]:
    for node in _nodes(tree):
        kind = node.get("type")
        line = _line(rule.sql, node.get("query_location"))
        if kind == "TABLE_FUNCTION" and (name := node["function"]["function_name"].lower()) not in _ROWS:
            yield line, f"{name}() reads what is not of the lake: name a view"
        elif kind == "FUNCTION" or (kind == "COLUMN_REF" and len(node["column_names"]) == 1):
            name = str(node["function_name"] if kind == "FUNCTION" else node["column_names"][0]).lower()
            if name in _CLOCK and (kind == "FUNCTION" or name != "age"):
                yield (
                    line,
                    f"{name} is the clock: a run must find the same whenever it is made; use event times",
                )
            elif kind == "FUNCTION" and name in volatile:
                yield line, f"{name}() gives another answer every time: a run must find the same again"
            elif kind == "FUNCTION" and name in _STATE:
                yield line, f"{name}() tells of the process and not of the records"
        elif isinstance(kind, str) and kind.endswith("_NODE") and kind not in _NODES:
            yield line, f"{kind.removesuffix('_NODE').lower().replace('_', ' ')}: a rule only reads"
        elif kind == "BASE_TABLE" and (node.get("schema_name") or node.get("catalog_name")):
            yield line, "name a view by its name alone"


def _reads(rule: Rule, tree: Any) -> Iterator[Line]:
    made = {entry["key"].lower() for node in _nodes(tree) for entry in _ctes(node)} | {"params"}
    read: dict[str, int] = {}
    for node in _nodes(tree):
        if node.get("type") == "BASE_TABLE" and (name := node["table_name"].lower()) not in made:
            read.setdefault(name, _line(rule.sql, node.get("query_location")))
    for name, line in read.items():
        if name not in rule.views:
            yield line, f"it reads {name}, which is not among the inputs of rule.toml"
    for name in rule.views:
        if name not in views() and name not in TABLES:
            yield 1, f"there is no view or table {name}; `counterfoil sql` lists them"
        elif name not in read:
            yield 1, f"it does not read {name}, which rule.toml has among its inputs"


def _bind(rule: Rule, session: Session, problems: list[Line]) -> frozenset[str]:
    with session.cursor() as cursor:
        cursor.execute(f"EXPLAIN {rule.sql}")  # which names the line of an error, as a relation does not
        relation = cursor.sql(rule.sql)
        types = dict(zip(relation.columns, relation.types, strict=True))
        relation.fetchall()
    line = rule.sql.count("\n", 0, rule.sql.rstrip().lower().rfind("select")) + 1
    for name, wanted in _TYPES.items():
        if name not in types:
            problems.append((line, f"the query gives no column {name}; a finding needs one of {wanted[0]}"))
        elif not str(types[name]).startswith((*wanted, '"NULL"')):
            problems.append((line, f"the column {name} is {types[name]}; give {wanted[0]}"))
    problems += [
        (line, f"a finding has no column {name}: put it into evidence")
        for name in types
        if name not in _TYPES
    ]
    given = types.get("evidence")
    is_struct = given is not None and str(given).startswith("STRUCT")
    return frozenset(name for name, _ in given.children) if given is not None and is_struct else frozenset()


def parameters_unused(rule: Rule) -> list[str]:
    """The parameters that neither the query nor a view that it reads names."""
    import re

    text = "\n".join([rule.sql, *(view.sql for view in order(rule.views))])
    return [name for name in rule.parameters if not re.search(rf"\b{re.escape(name)}\b", text)]


def _nodes(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        yield value
        for inner in value.values():
            yield from _nodes(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _nodes(inner)


def _ctes(node: dict[str, Any]) -> list[dict[str, Any]]:
    found = node.get("cte_map")
    return found["map"] if isinstance(found, dict) else []


def _line(sql: str, location: Any) -> int:
    """The line of a place that the parser counts in bytes."""
    written = sql.encode()
    return (
        written.count(b"\n", 0, location) + 1 if isinstance(location, int) and location <= len(written) else 1
    )


def _first(error: duckdb.Error) -> str:
    return str(error).strip().splitlines()[0]
