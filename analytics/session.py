"""A session: DuckDB in memory over one snapshot of the lake, with the correlation views made as they are asked for."""

from __future__ import annotations

import shutil
import tempfile
import threading
import weakref
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import duckdb

from analytics import views
from analytics.rule import parameters
from analytics.tool_catalogue import STRUCT, read_catalogue
from lake.duck import register
from lake.store import open_configured
from schemas.errors import QueryError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    import pyarrow as pa

    from analytics.rule import RuleSet
    from lake.snapshot import Snapshot
    from schemas.settings import Settings


# The last moment that every engine can hold; what is complete until then is complete.
_FOREVER = datetime(9999, 12, 31, tzinfo=UTC)


class Session:
    """One connection over one snapshot. Threads share it through `cursor()`, never by the connection itself."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, snapshot: Snapshot) -> None:
        """Take a connection on which the lake's tables and `params` stand; `open_session` makes one."""
        self.snapshot = snapshot
        self._connection = connection
        # What is asked on a cursor does not wait for a view that is being made.
        self._beside = connection.cursor()
        self._beside_lock = threading.Lock()
        self._built: set[str] = set()
        self._asked: set[str] = set()
        self._depth = 0
        self._lock = threading.RLock()

    def need(self, *names: str) -> None:
        """Make the named views, and what they need, unless they are there. Names of tables are passed over.

        What was named once stays: another thread may be reading it.
        """
        if not views.order(names, self._built) and views.freed().isdisjoint(names):
            return
        with self._lock:
            self._asked.update(names)
            views.build(self._connection, names, self._built, self._asked)

    @contextmanager
    def with_parameters(self, values: Mapping[str, Any]) -> Iterator[None]:
        """Within the block `params` has these values for the columns named; views that read them are made anew."""
        with self._lock:
            if not values:
                yield
                return
            columns = ", ".join(f'? AS "{name}"' for name in values)
            self._depth += 1
            kept = f"kept_params_{self._depth}"
            self._connection.execute(f"CREATE OR REPLACE TABLE {kept} AS FROM params")
            try:
                self._connection.execute(
                    f"CREATE OR REPLACE TABLE params AS SELECT * REPLACE ({columns}) FROM params",
                    list(values.values()),
                )
                self._make_anew(values)
                yield
            finally:
                self._connection.execute(f"CREATE OR REPLACE TABLE params AS FROM {kept}")
                self._depth -= 1
                self._make_anew(values)

    def _make_anew(self, names: Iterable[str]) -> None:
        stale = views.reading(names, self._built)
        self._built -= stale
        views.build(self._connection, stale, self._built, self._asked)

    def cursor(self) -> duckdb.DuckDBPyConnection:
        """A connection of its own to the same database, for one thread."""
        with self._beside_lock:
            return self._beside.cursor()

    def fetch(self, sql: str, values: Sequence[Any] | Mapping[str, Any] | None = None) -> pa.Table:
        """Run one of our own queries and return its rows; the views it reads must have been asked for."""
        with self.cursor() as cursor:
            return cursor.sql(sql, params=values).to_arrow_table()

    def run(self, sql: str, values: Sequence[Any] | None = None) -> None:
        """Run statements of our own that make tables or views."""
        with self._lock:
            self._connection.execute(sql, values)

    def given(self, *names: str) -> None:
        """Take the named views for made: their tables were made from what is known."""
        with self._lock:
            self._built |= set(names)

    def forget(self, *, but: Iterable[str]) -> None:
        """Take the views for not made, except for those named: what they were made from has changed."""
        with self._lock:
            self._built &= set(but)

    def release(self, *, but: Iterable[str]) -> None:
        """Drop the views that were made, and their tables, except for those named and what they are made from."""
        with self._lock:
            kept = {view.name for view in views.order(but)}
            for name in self._built - kept:
                views.drop(self._connection, name)
            self._built &= kept

    def interrupt(self) -> None:
        """Stop what runs on its own connection, such as the making of a view; not what runs on a cursor."""
        self._connection.interrupt()

    def close(self) -> None:
        """Drop the database, and the folder that it may have spilt into."""
        spilt = self._connection.sql("SELECT current_setting('temp_directory')").fetchall()[0][0]
        self._connection.close()
        shutil.rmtree(spilt, ignore_errors=True)


def connect(settings: Settings) -> duckdb.DuckDBPyConnection:
    """DuckDB in memory, in UTC, within the memory that the settings allow; it spills to a folder of its own."""
    spilt = tempfile.mkdtemp(prefix="counterfoil-")
    config: dict[str, Any] = {
        "memory_limit": settings.correlate.memory_limit,
        "temp_directory": spilt,
        "preserve_insertion_order": False,
        "autoinstall_known_extensions": False,
    }
    if settings.correlate.threads:
        config["threads"] = settings.correlate.threads
    try:
        connection = duckdb.connect(":memory:", config=config)
    except (duckdb.Error, ValueError) as error:
        shutil.rmtree(spilt, ignore_errors=True)
        raise QueryError(f"DuckDB does not start with correlate.memory_limit = "
                         f"{settings.correlate.memory_limit!r}: {error}") from error  # fmt: skip
    # Also of a session that nobody closes: when nothing refers to it any more, and at the end of the process.
    weakref.finalize(connection, shutil.rmtree, spilt, ignore_errors=True)
    connection.execute("SET TimeZone = 'UTC'")
    # What one step is done with goes to the next as it is, and not to the system and back page by page. DuckDB refuses
    # where the limit is more than four fifths of the machine's memory, and then works as it would without.
    with suppress(duckdb.Error):
        connection.execute("SET block_allocator_memory = '100%'")
    return connection


def set_parameters(
    connection: duckdb.DuckDBPyConnection, settings: Settings, *, closed: bool, known: RuleSet | None = None
) -> None:
    """Make the one-row table `params` that views and rules read their figures from.

    `known` are the rules, by default those that the settings name.
    `closed` says that no more will come on either stream, so that absence can be judged at once.
    """
    correlate = settings.correlate
    values = {
        "skew": correlate.skew,
        "settle": correlate.settle,
        "max_age": correlate.max_age,
        "hops": correlate.hops,
        "lookback": correlate.lookback,
        "complete_until": _FOREVER if closed else correlate.complete_until,
        "catalogue": read_catalogue(settings.catalogue).values(),
        **parameters(settings, known),
    }
    types = {"complete_until": "::TIMESTAMPTZ", "catalogue": f"::{STRUCT}"}
    columns = ", ".join(f'?{types.get(name, "")} AS "{name}"' for name in values)
    connection.execute(f"CREATE OR REPLACE TABLE params AS SELECT {columns}", list(values.values()))


@contextmanager
def open_session(
    settings: Settings, *, as_of: datetime | Mapping[str, int] | None = None, closed: bool = False
) -> Iterator[Session]:
    """A session over the lake of the settings, as it is now or was at `as_of`; closed at the end of the block.

    Raises LakeError when there is no lake, QueryError when DuckDB does not start.
    """
    session = start_session(settings, as_of=as_of, closed=closed)
    try:
        yield session
    finally:
        session.close()


def start_session(
    settings: Settings,
    *,
    as_of: datetime | Mapping[str, int] | None = None,
    closed: bool = False,
    known: RuleSet | None = None,
    snapshot: Snapshot | None = None,
) -> Session:
    """As `open_session`, for a caller that keeps the session, such as the dashboard, and closes it itself.

    `known` are the rules whose parameters it has, by default those that the settings name; `snapshot` is what it stands
    over where the caller has pinned one.
    """
    snapshot = snapshot or open_configured(settings.lake, read_only=True).snapshot(as_of)
    connection = connect(settings)
    register(snapshot, connection)
    set_parameters(connection, settings, closed=closed, known=known)
    return Session(connection, snapshot)
