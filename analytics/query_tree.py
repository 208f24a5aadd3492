"""What a query may do, judged by DuckDB's own parse of it before it runs.

One SELECT, over the tables and views that are there, with functions that read and change nothing beside them. So files,
the network, settings, secrets and the state of the process are out of a query's reach whatever the connection allows.
"""

from __future__ import annotations

import difflib
import json
import re
from typing import TYPE_CHECKING, Any

import duckdb

from schemas.errors import QueryError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    Node = dict[str, Any]

# Longer than any question; parsing costs more than the square of some lengths.
LONGEST = 200_000

_EXPLAINED = re.compile(
    r"\s*explain\s+(?:analyze\s+)?((?:select|with|from|values)\b.*)", re.IGNORECASE | re.DOTALL
)
_QUERIES = frozenset({"SELECT_NODE", "SET_OPERATION_NODE", "CTE_NODE", "RECURSIVE_CTE_NODE"})
_SOURCES = frozenset(
    {"BASE_TABLE", "SUBQUERY", "JOIN", "TABLE_FUNCTION", "EXPRESSION_LIST", "EMPTY", "PIVOT", "SHOW_REF"}
)
# Functions that give rows out of their arguments. All others read something: files, settings, the catalogue, a text
# that is run as a query.
ROW_FUNCTIONS = frozenset(
    {"unnest", "range", "generate_series", "repeat", "repeat_row", "json_each", "json_tree"}
)
# Functions that tell of the process, change it, or make it wait, and those that take raw memory for their own.
# `tests/analytics/test_escapes.py` holds this list to what DuckDB says of its functions.
REFUSED_FUNCTIONS = frozenset(
    {
        *("getenv", "getvariable", "current_setting", "set_config", "write_log", "sleep_ms", "pg_sleep"),
        *("nextval", "currval", "setval", "setseed", "current_query", "json_serialize_plan"),
        *("pg_get_viewdef", "pg_get_constraintdef", "pg_get_expr", "query", "query_table", "stats"),
        *("to_aggregate_state", "finalize", "combine", "variant_bytes_to_variant"),
    }
)


def read(cursor: duckdb.DuckDBPyConnection, query: str, known: Collection[str]) -> frozenset[str]:
    """The tables and views that a query names, all of them `known`. The cursor parses only; nothing is run.

    Raises QueryError for anything but one reading statement, for a name that is not known, and for a function that
    does more than compute.
    """
    if len(query) > LONGEST:
        raise QueryError(f"the query has {len(query):,} characters; give one of at most {LONGEST:,}")
    tree = _parse(cursor, _one_statement(cursor, query))
    nodes = list(_nodes(tree))
    # A name given by WITH counts everywhere, which is wider than its scope. So it must be a plain word: where it is
    # not in scope, a word leads nowhere, while 'folder/file.csv' would.
    local = {
        entry["key"].lower()
        for node in nodes
        if isinstance(entries := node.get("map"), list)
        for entry in entries
        if isinstance(entry, dict) and "key" in entry
    }
    named = set()
    for node in nodes:
        kind = node.get("type")
        if "class" in node:
            _check_expression(node)
        elif isinstance(kind, str) and kind.endswith("_NODE") and kind not in _QUERIES:
            raise QueryError(
                f"{kind.split('_')[0]} is refused: this is for reading; a WITH may only hold SELECTs"
            )
        elif "sample" in node and "select_list" not in node:
            _check_source(node)
            if kind == "BASE_TABLE":
                named.add(_table(node, known, local))
    return frozenset(named & {name.lower() for name in known})


def _one_statement(cursor: duckdb.DuckDBPyConnection, query: str) -> str:
    """The SELECT, which an EXPLAIN may stand before."""
    try:
        statements = cursor.extract_statements(query)
    except duckdb.Error as error:
        raise QueryError(str(error).strip().splitlines()[0]) from error
    if len(statements) != 1:
        raise QueryError(f"give one statement, not {len(statements)}")
    try:
        kind = statements[0].type
    except ValueError as error:  # a kind that this DuckDB's own binding has no name for
        raise QueryError("this statement is refused: this is for reading; give one SELECT") from error
    if kind == duckdb.StatementType.EXPLAIN:
        # EXPLAIN ANALYZE runs what it explains, so that must be a query itself.
        asked = _EXPLAINED.fullmatch(query)
        if asked is None:
            raise QueryError("EXPLAIN goes with one SELECT right after it")
        return _one_statement(cursor, asked[1])
    if kind != duckdb.StatementType.SELECT:
        word = kind.name.replace("_", " ")
        raise QueryError(f"{word} is refused: this is for reading; give one SELECT")
    return query


def _parse(cursor: duckdb.DuckDBPyConnection, query: str) -> Node:
    try:
        (text,) = cursor.execute("SELECT json_serialize_sql(?::VARCHAR)", [query]).fetchall()[0]
        tree: Node = json.loads(text)
    except (duckdb.Error, RecursionError) as error:
        raise QueryError(
            f"the query cannot be read: {str(error).splitlines()[0]}; write it plainer"
        ) from error
    if tree["error"]:
        raise QueryError(f"the query cannot be read: {tree['error_message']}")
    return tree


def _nodes(tree: Node) -> Iterator[Node]:
    """Every object of the tree; without recursion, for a query may be nested deeper than Python's stack."""
    left: list[Any] = [tree]
    while left:
        node = left.pop()
        if isinstance(node, dict):
            yield node
            left.extend(node.values())
        elif isinstance(node, list):
            left.extend(node)


def _check_expression(node: Node) -> None:
    name = str(node.get("function_name", "")).lower()
    if name in REFUSED_FUNCTIONS or name.startswith("__"):
        raise QueryError(f"the function {name} is refused: a query computes with what the lake holds")


def _check_source(node: Node) -> None:
    kind = node["type"]
    if kind not in _SOURCES:
        raise QueryError(f"{kind.replace('_', ' ')} is refused after FROM; name a table or view")
    if kind == "TABLE_FUNCTION":
        function = node["function"]
        name = str(function.get("function_name", "")).lower()
        if name not in ROW_FUNCTIONS:
            what = "".join(f" of {argument}" for argument in _texts(function)[:1])
            raise QueryError(f"{name}{what} is refused: a query reads the lake's tables and views alone")
    if kind == "SHOW_REF" and node.get("query") is None and node.get("show_type") != "DESCRIBE":
        raise QueryError("SHOW is refused: counterfoil sql alone lists the tables and views; or DESCRIBE one")


def _table(node: Node, known: Collection[str], local: set[str]) -> str:
    name, schema, catalog = (str(node[f"{part}_name"]) for part in ("table", "schema", "catalog"))
    if schema.lower() not in ("", "main") or catalog.lower() not in ("", "memory"):
        raise QueryError(f"{schema}.{name} is refused: a query reads the lake's tables and views alone")
    low = name.lower()
    if low in local and name.isidentifier():
        return low
    if low not in {each.lower() for each in known}:
        near = difflib.get_close_matches(low, known, n=1)
        meant = f"; did you mean {near[0]}?" if near else "; counterfoil sql alone lists them"
        raise QueryError(f"there is no table or view {name!r}{meant}")
    return low


def _texts(function: Node) -> list[str]:
    """The texts among a function's arguments, as they were written, to say what was refused."""
    values = [each.get("expression", {}).get("literal", {}) for each in function.get("arguments", [])]
    return [repr(value["text"]) for value in values if value.get("kind") == "STRING"]
