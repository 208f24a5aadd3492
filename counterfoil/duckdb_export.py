"""A snapshot of the lake as one DuckDB file: tables, and views worked out, with a comment on each and on every column.

The views are worked out over the whole lake and then cut to the period, so that a verdict in the file is the verdict in
the lake. What is in the file stands in its table `counterfoil_export`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import duckdb

from analytics.described import about, columns_of
from analytics.views import views
from counterfoil.answer_files import replacing
from counterfoil.output import to_json
from lake.duck import duck_type, quote, quote_name, told, view_sql
from lake.files import PARTITION
from schemas.catalogue import TABLES
from schemas.errors import QueryError
from schemas.version import CONTRACT_VERSION

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from analytics.session import Session
    from lake.snapshot import Snapshot
    from schemas.table import Table

# The oldest form of file that has all types in it, so that clients of the last years open it.
_STORAGE = "v1.2.0"
# By which column a view is cut to the period: the first of these that it has. A view with none is taken whole.
_TIMES = (
    "event_time",
    "decision_time",
    "handoff_time",
    "hour",
    "recorded_time",
    "triage_time",
    "ingest_time",
)
_ABOUT_FILE = {
    "written_time": "When the file was written.",
    "contract_version": "Version of the contract of tables and columns.",
    "as_of": "The moment of the lake that was asked for, as JSON; empty for the newest.",
    "since_time": "Rows from this moment on; empty for all.",
    "until_time": "Rows before this moment; empty for all.",
    "versions": "The version of each table of the lake, as a JSON object.",
}


@dataclass(frozen=True)
class Extent:
    """What goes into the file: which tables and views, of which period, as of which moment."""

    names: Sequence[str] = ()
    since: datetime | None = None
    until: datetime | None = None
    as_of: Any = None


def exportable() -> list[str]:
    """The tables, and the views that tell a reader something by themselves."""
    return [*TABLES, *(view.name for view in views().values() if view.kind == "view")]


def export(
    session: Session,
    file: Path,
    extent: Extent,
    *,
    force: bool = False,
    report: Callable[[str], None] = lambda _: None,
) -> dict[str, int]:
    """Write the file, at once, and return how many rows each table in it has.

    Raises QueryError where it is there already, unless `force` is given, for a name that is none, and where it cannot
    be written.
    """
    known = exportable()
    for name in extent.names:
        if name not in known:
            raise QueryError(f"there is no table or view {name!r} to export; there are {', '.join(known)}")
    rows = {}
    with replacing(file, force=force) as part:
        try:
            session.run(f"ATTACH {quote(str(part))} AS exported (STORAGE_VERSION {quote(_STORAGE)})")
        except duckdb.Error as error:
            raise QueryError(f"cannot write {file}: {told(error)}") from error
        try:
            for name in extent.names or known:
                report(name)
                rows[name] = _copy(session, name, extent)
            _describe_file(session, extent)
        except duckdb.Error as error:
            raise QueryError(f"cannot write {file}: {told(error)}") from error
        finally:
            session.run("DETACH exported")
            part.with_name(f"{part.name}.wal").unlink(missing_ok=True)
    return rows


def _copy(session: Session, name: str, extent: Extent) -> int:
    columns = columns_of(session, name)
    target = f"exported.{quote_name(name)}"
    where, values = _period(name, [column.name for column in columns], extent)
    session.run(f"CREATE TABLE {target} AS SELECT * FROM {quote_name(name)}{where}", values)
    session.run(f"COMMENT ON TABLE {target} IS {quote(about(name))}")
    for column in columns:
        session.run(f"COMMENT ON COLUMN {target}.{quote_name(column.name)} IS {quote(column.about)}")
    (count,) = session.fetch(f"SELECT count(*) AS n FROM {target}")["n"].to_pylist()
    return int(count)


def _period(name: str, columns: list[str], extent: Extent) -> tuple[str, list[datetime]]:
    own = (TABLES[name].time_column,) if name in TABLES else _TIMES
    time = next((each for each in own if each in columns), None)
    if time is None:
        return "", []
    bounds = [(f"{quote_name(time)} >= ?", extent.since), (f"{quote_name(time)} < ?", extent.until)]
    if name in TABLES and "event_date" in columns:
        # The same once more by the column that the files are laid out by, which spares reading the others.
        day = "?::TIMESTAMPTZ::DATE"
        bounds += [(f"event_date >= {day}", extent.since), (f"event_date <= {day}", extent.until)]
    given = [(sql, value) for sql, value in bounds if value is not None]
    if not given:
        return "", []
    return f" WHERE {' AND '.join(sql for sql, _ in given)}", [value for _, value in given]


def _describe_file(session: Session, extent: Extent) -> None:
    session.run(
        "CREATE TABLE exported.counterfoil_export AS SELECT ?::TIMESTAMPTZ AS written_time, ? AS contract_version,"
        " ?::VARCHAR AS as_of, ?::TIMESTAMPTZ AS since_time, ?::TIMESTAMPTZ AS until_time, ? AS versions",
        [
            datetime.now(UTC),
            CONTRACT_VERSION,
            None if extent.as_of is None else to_json(extent.as_of),
            extent.since,
            extent.until,
            to_json(session.snapshot.versions),
        ],
    )
    session.run("COMMENT ON TABLE exported.counterfoil_export IS 'What this file holds: one row.'")
    for name, words in _ABOUT_FILE.items():
        session.run(f"COMMENT ON COLUMN exported.counterfoil_export.{name} IS {quote(words)}")


def opening_script(snapshot: Snapshot) -> str:
    """SQL that makes a view of each table over its files where they are, with comments, for a DuckDB shell."""
    parts = ["-- The tables of a Counterfoil lake, read where they are, at these versions:\n"]
    parts += [f"-- {name}: {version}\n" for name, version in sorted(snapshot.versions.items())]
    parts.append("SET TimeZone = 'UTC';\n")
    for table in TABLES.values():
        name = quote_name(table.name)
        parts.append(f"CREATE OR REPLACE VIEW {name} AS {_reading(table, snapshot)};\n")
        parts.append(f"COMMENT ON VIEW {name} IS {quote(table.description)};\n")
        parts += [
            f"COMMENT ON COLUMN {name}.{quote_name(column.name)} IS {quote(column.description)};\n"
            for column in table.columns
        ]
    return "".join(parts)


def _reading(table: Table, snapshot: Snapshot) -> str:
    """As `lake.duck.view_sql`, in words that older DuckDB knows: it opens every file to see which columns it has."""
    files = snapshot.files(table.name)
    if not files:
        return view_sql(table, [])
    stored = set((snapshot.schema(table.name) or table.schema).names)
    columns = ", ".join(
        quote_name(column.name)
        if column.name in stored
        else f"NULL::{duck_type(column.type)} AS {quote_name(column.name)}"
        for column in table.columns
    )
    listed = ", ".join(quote(file) for file in files)
    return (
        f"SELECT {columns} FROM read_parquet([{listed}], hive_partitioning = true,"
        f" hive_types = {{{PARTITION}: DATE}}, union_by_name = true)"
    )
