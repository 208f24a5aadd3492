"""Read-only SQL over a session, for people and machines.

One SELECT (or EXPLAIN) is let through. It sees the lake's tables and the correlation views, and nothing else: files
other than the snapshot's, the network, extensions and settings are out of its reach.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import duckdb

from analytics.views import views
from schemas.catalogue import TABLES
from schemas.errors import QueryError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pyarrow as pa

    from analytics.session import Session

_EXPLAINED = re.compile(
    r"\s*explain\s+(?:analyze\s+)?((?:select|with|from|values)\b.*)", re.IGNORECASE | re.DOTALL
)


def ask(session: Session, query: str, values: Sequence[Any] | Mapping[str, Any] | None = None) -> pa.Table:
    """Run one query and return its rows. The session is locked down for good: it serves further queries only.

    Raises QueryError for anything but one reading statement, and for whatever DuckDB says is wrong with it.
    """
    with session.cursor() as cursor:
        _check(cursor, query)
        # A word that is a view's name asks for it; one in a string or comment only costs time.
        session.need(*(set(re.findall(r"\w+", query.lower())) & views().keys()))
        _lock_down(cursor, session)
        try:
            # A SELECT can hold an INSERT or DELETE in its WITH; in this transaction those are refused.
            cursor.execute("BEGIN TRANSACTION READ ONLY").fetchall()
            return cursor.sql(query, params=values).to_arrow_table()
        except duckdb.Error as error:
            raise QueryError(_first_line(error)) from error
        except AttributeError as error:  # a statement without a result
            raise QueryError("the query returns no rows; give one SELECT") from error


def tables() -> list[tuple[str, str, str]]:
    """What a query may name: (name; view, table or step; what it holds)."""
    rows = [(table.name, "table", table.description) for table in TABLES.values()]
    rows += [(view.name, view.kind, view.about) for view in views().values()]
    return sorted(rows, key=lambda row: (("view", "table", "step").index(row[1]), row[0]))


def _check(cursor: duckdb.DuckDBPyConnection, query: str) -> None:
    try:
        statements = cursor.extract_statements(query)
    except duckdb.Error as error:
        raise QueryError(_first_line(error)) from error
    if len(statements) != 1:
        raise QueryError(f"give one statement, not {len(statements)}")
    if statements[0].type == duckdb.StatementType.EXPLAIN:
        # EXPLAIN ANALYZE runs what it explains, so that must be a query itself.
        asked = _EXPLAINED.fullmatch(query)
        if asked is None:
            raise QueryError("EXPLAIN goes with one SELECT right after it")
        _check(cursor, asked[1])
        return
    if statements[0].type != duckdb.StatementType.SELECT:
        kind = statements[0].type.name.replace("_", " ")
        raise QueryError(f"{kind} is refused: this is for reading; give one SELECT")


def _lock_down(cursor: duckdb.DuckDBPyConnection, session: Session) -> None:
    locked = cursor.sql("SELECT current_setting('lock_configuration')").fetchall()[0][0]
    if locked:
        return
    files = [file for name in session.snapshot.versions for file in session.snapshot.files(name)]
    cursor.execute("SET allowed_paths = ?", [files]).fetchall()
    cursor.execute("SET enable_external_access = false").fetchall()
    cursor.execute("SET lock_configuration = true").fetchall()


def _first_line(error: duckdb.Error) -> str:
    return str(error).strip().splitlines()[0]
