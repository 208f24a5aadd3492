"""The tables of a snapshot as DuckDB views: the contract's columns, in its order, with its types."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa

from lake.files import PARTITION
from lake.remote import attach
from schemas.catalogue import TABLES
from schemas.errors import LakeError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import duckdb

    from lake.snapshot import Snapshot
    from schemas.table import Table

# How an exception of `lake.remote` reads when it comes back from DuckDB, below the trace that led to it.
_FROM_STORE = "IOException: "
_PART_ROWS, _MOST_PARTS = 3_000_000, 50
_TYPES = {
    pa.string(): "VARCHAR",
    pa.list_(pa.string()): "VARCHAR[]",
    pa.bool_(): "BOOLEAN",
    pa.int64(): "BIGINT",
    pa.float64(): "DOUBLE",
    pa.binary(): "BLOB",
    pa.date32(): "DATE",
    pa.timestamp("us", tz="UTC"): "TIMESTAMP WITH TIME ZONE",
}


def register(
    snapshot: Snapshot,
    connection: duckdb.DuckDBPyConnection,
    names: Iterable[str] | None = None,
    *,
    tables: Mapping[str, Table] = TABLES,
    temporary: bool = False,
) -> None:
    """Create or replace one view per table (by default of all in the catalogue), named like it.

    A column that a file does not have is null, and a table without files is an empty view. Plain views, so
    that the connection's cursors see them; `temporary` ones where its database is read-only. LakeError for a table
    that there is not, and where a file is gone.
    """
    import duckdb

    attach(connection)
    kind = "TEMP VIEW" if temporary else "VIEW"
    for name in tables if names is None else names:
        if name not in tables:
            raise LakeError(f"there is no table {name!r}; there are {', '.join(tables)}")
        try:
            parts = _in_parts(snapshot.files(name), snapshot.rows(name) or 0)
            query = " UNION ALL ".join(view_sql(tables[name], part) for part in parts)
            connection.execute(f"CREATE OR REPLACE {kind} {quote_name(name)} AS {query}")
        except duckdb.Error as error:
            if not is_unreadable(error):
                raise
            raise LakeError(
                f"a file of {name} cannot be read ({told(error)}): bring it back from a backup; "
                "counterfoil verify tells what else is not as it was"
            ) from error


def _in_parts(files: list[str], rows: int) -> list[list[str]]:
    """The files in order, in parts of about `_PART_ROWS` rows.

    Each thread of DuckDB keeps the rows that it has read until a part is done. In one part, a table made of many rows
    would be a stretch per thread, each of them over all of the time.
    """
    parts = min(_MOST_PARTS, len(files), rows // _PART_ROWS) or 1
    size = -(-len(files) // parts) or 1
    return [files[start : start + size] for start in range(0, len(files), size)] or [[]]


def view_sql(table: Table, files: list[str], *, filename: bool = False) -> str:
    """The query behind a table's view, over exactly these files.

    The schema is given and not read from the files, which spares opening all of them when a query is planned.
    `filename` adds a column with the file that a row is in.
    """
    if not files:
        columns = ", ".join(f"NULL::{duck_type(c.type)} AS {quote_name(c.name)}" for c in table.columns)
        columns += ", NULL::VARCHAR AS filename" if filename else ""
        return f"SELECT {columns} WHERE false"
    columns = ", ".join(quote_name(c.name) for c in table.columns) + (", filename" if filename else "")
    fields = ", ".join(
        f"{quote(c.name)}: {{name: {quote(c.name)}, type: {quote(duck_type(c.type))}, default_value: NULL}}"
        for c in table.columns
        if c.name != PARTITION
    )
    listed = ", ".join(quote(file) for file in files)
    return (
        f"SELECT {columns} FROM read_parquet([{listed}], hive_partitioning = true, "
        f"hive_types = {{{PARTITION}: DATE}}, schema = MAP {{{fields}}})"
    )


def told(error: Exception) -> str:
    """What DuckDB said, in one line; where it was reading from a store, what the store said."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return next((line.partition(": ")[2] for line in lines if line.startswith(_FROM_STORE)), lines[0])


def is_unreadable(error: Exception) -> bool:
    """True where a file is not there, or cannot be read. An error from a store has no class that says so."""
    import duckdb

    return isinstance(error, duckdb.IOException) or f"\n{_FROM_STORE}" in str(error)


def duck_type(kind: pa.DataType) -> str:
    """The DuckDB type of a contract's type."""
    return _TYPES[kind]


def quote(text: str) -> str:
    """A SQL string."""
    return "'" + text.replace("'", "''") + "'"


def quote_name(name: str) -> str:
    """A SQL identifier."""
    return '"' + name.replace('"', '""') + '"'
