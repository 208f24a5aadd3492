"""Read-only SQL over a session, for people and machines.

One SELECT (or EXPLAIN) is let through. It sees the lake's tables and the correlation views, and nothing else: files,
the network, extensions and settings are out of its reach. That is kept twice: by what the query may name, which
`query_tree` judges before it runs, and by a connection that is locked down for good.
"""

from __future__ import annotations

import threading
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import duckdb
import pyarrow as pa

from analytics import query_tree
from analytics.views import views
from lake.duck import told
from schemas.catalogue import TABLES
from schemas.errors import QueryError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from analytics.session import Session

    Values = Sequence[Any] | Mapping[str, Any]

_BATCH = 10_000
# How long a query that was told to stop may go on, in seconds.
GRACE = 30.0


class Stop:
    """Stops a question from another thread than the one that asks it: call it."""

    def __init__(self) -> None:
        """Nothing to stop yet; a question that is asked with it says what."""
        self._ways: list[Callable[[], None]] = []

    def __call__(self) -> None:
        """Stop what is being asked, the views that are made for it included."""
        for way in list(self._ways):
            way()

    def over(self, *ways: Callable[[], None]) -> None:
        """These are the ways to stop what is asked now."""
        self._ways = [*ways]


@dataclass(frozen=True)
class Limits:
    """How many rows an answer may have, and how many seconds it may take. None: no limit.

    Making the views that it reads does not count. Memory is the session's: `bound` sets it. Not all of DuckDB stops
    when it is told to: `overdue` is called where a query is still at work half a minute after its time. `stop` is given
    what to stop it by.
    """

    rows: int | None = None
    seconds: float | None = None
    overdue: Callable[[], None] | None = None
    stop: Stop | None = None


@dataclass(frozen=True)
class Answer:
    """The rows of a query as they come. `batches` raises QueryError for what goes wrong on the way."""

    schema: pa.Schema
    batches: Iterator[pa.RecordBatch]


_NO_LIMITS = Limits()


def ask(
    session: Session, query: str, values: Values | None = None, *, limits: Limits = _NO_LIMITS
) -> pa.Table:
    """Run one query and return its rows. The session is locked down for good: it serves further queries only.

    Raises QueryError for anything but one reading statement, for whatever DuckDB says is wrong with it, and where it
    goes beyond a limit.
    """
    with stream(session, query, values, limits=limits) as answer:
        return pa.Table.from_batches(list(answer.batches), schema=answer.schema)


@contextmanager
def stream(
    session: Session, query: str, values: Values | None = None, *, limits: Limits = _NO_LIMITS
) -> Iterator[Answer]:
    """As `ask`, a batch at a time, so that an answer need not fit into memory. It is good within the block."""
    with session.cursor() as cursor, _told(limits):
        if limits.stop is not None:
            limits.stop.over(cursor.interrupt, session.interrupt)
        named = query_tree.read(cursor, query, _known(cursor))
        session.need(*(named & views().keys()))
        _lock_down(cursor, session)
        with _in_time(cursor, limits):
            # A SELECT can hold an INSERT or DELETE in its WITH; in this transaction those are refused.
            cursor.execute("BEGIN TRANSACTION READ ONLY").fetchall()
            try:
                reader = cursor.sql(query, params=values).to_arrow_reader(_BATCH)
            except AttributeError as error:  # a statement without a result
                raise QueryError("the query returns no rows; give one SELECT") from error
            yield Answer(reader.schema, _counted(reader, limits))


def bound(session: Session, *, memory: str | None = None, spill: str | None = None) -> None:
    """Set how much memory, and how much disk beyond it, a query may take. Before the first query, which locks both."""
    for name, value in (("memory_limit", memory), ("max_temp_directory_size", spill)):
        if value is not None:
            try:
                session.run(f"SET {name} = ?", [value])
            except duckdb.Error as error:
                raise QueryError(f"{value!r} is no size for {name}: {said(error)}") from error


def tables() -> list[tuple[str, str, str]]:
    """What a query may name: (name; view, table or step; what it holds)."""
    rows = [(table.name, "table", table.description) for table in TABLES.values()]
    rows += [(view.name, view.kind, view.about) for view in views().values()]
    return sorted(rows, key=lambda row: (("view", "table", "step").index(row[1]), row[0]))


def _known(cursor: duckdb.DuckDBPyConnection) -> list[str]:
    """What stands in the session, and the views that are made when they are asked for."""
    there = cursor.sql(
        "SELECT table_name FROM duckdb_tables() UNION SELECT view_name FROM duckdb_views() WHERE NOT internal"
    ).fetchall()
    return sorted({name for (name,) in there} | views().keys())


def _counted(reader: pa.RecordBatchReader, limits: Limits) -> Iterator[pa.RecordBatch]:
    rows = 0
    for batch in reader:
        rows += batch.num_rows
        if limits.rows is not None and rows > limits.rows:
            raise QueryError(
                f"the answer has more than {limits.rows:,} rows, and half an answer is none: aggregate, narrow it,"
                " give a LIMIT, or raise the limit on rows"
            )
        yield batch


@contextmanager
def _in_time(cursor: duckdb.DuckDBPyConnection, limits: Limits) -> Iterator[None]:
    """Within the block DuckDB is stopped when the time is over."""
    watches = []
    if limits.seconds is not None:
        watches.append(threading.Timer(limits.seconds, cursor.interrupt))
        if limits.overdue is not None:
            watches.append(threading.Timer(limits.seconds + GRACE, limits.overdue))
    for watch in watches:
        watch.daemon = True
        watch.start()
    try:
        yield
    finally:
        for watch in watches:
            watch.cancel()


@contextmanager
def _told(limits: Limits) -> Iterator[None]:
    """Within the block the errors of DuckDB and Arrow become ours."""
    try:
        yield
    except duckdb.InterruptException as error:
        raise QueryError(
            f"the query was stopped after {limits.seconds or 0:g} seconds: narrow it, by time for one, or raise the"
            " limit on time"
        ) from error
    except (duckdb.OutOfMemoryException, MemoryError) as error:
        what = said(error).removeprefix("Out of Memory Error: ")
        raise QueryError(
            f"the query needs more memory than it may have ({what}): aggregate, narrow it, or raise the limit on memory"
        ) from error
    except (duckdb.Error, pa.ArrowException) as error:
        raise QueryError(said(error)) from error


def _lock_down(cursor: duckdb.DuckDBPyConnection, session: Session) -> None:
    locked = cursor.sql("SELECT current_setting('lock_configuration')").fetchall()[0][0]
    if locked:
        return
    files = [file for name in session.snapshot.versions for file in session.snapshot.files(name)]
    cursor.execute("SET allowed_paths = ?", [files]).fetchall()
    # A name that leads nowhere else would be looked for among the variables of this program.
    cursor.execute("SET python_enable_replacements = false").fetchall()
    cursor.execute("SET enable_external_access = false").fetchall()
    cursor.execute("SET lock_configuration = true").fetchall()


def said(error: Exception) -> str:
    """What DuckDB or Arrow said, in one line."""
    return told(error)
