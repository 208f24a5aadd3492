"""A snapshot of the lake in a schema of a PostgreSQL database, which BI tools speak with and which asks who they are.

The rows go into a new schema, which takes the place of the old one in one transaction: a reader sees one snapshot or
the next. It needs `pip install 'counterfoil[bi]'`, the ADBC driver of Apache Arrow.
"""

from __future__ import annotations

import importlib
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from analytics.described import about, columns_of
from counterfoil.duckdb_export import exportable
from counterfoil.output import to_json
from lake.duck import quote, quote_name
from schemas.errors import QueryError
from schemas.version import CONTRACT_VERSION

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from analytics.described import Described
    from analytics.session import Session

MARK = "counterfoil_export"
_BATCH = 10_000


def publish(
    session: Session,
    address: str,
    schema: str,
    *,
    names: Sequence[str] = (),
    readers: Sequence[str] = (),
    report: Callable[[str], None] = lambda _: None,
) -> dict[str, int]:
    """Write the tables and views into the schema, in the place of the snapshot before, and return their rows.

    `address` is a postgresql:// URI without a password, which libpq takes from PGPASSWORD or a password file. `readers`
    are roles that may read it. Raises QueryError where the driver is missing, for a name that is none, and for whatever
    PostgreSQL says.
    """
    known = exportable()
    for name in names:
        if name not in known:
            raise QueryError(f"there is no table or view {name!r} to export; there are {', '.join(known)}")
    if urlsplit(address).password is not None:
        raise QueryError(
            "a password in the address would be seen: give it in PGPASSWORD or a password file (PGPASSFILE)"
        )
    try:
        driver: Any = importlib.import_module("adbc_driver_postgresql.dbapi")
    except ImportError as error:
        raise QueryError("the driver for PostgreSQL is missing: pip install 'counterfoil[bi]'") from error
    rows = {}
    try:
        with driver.connect(address) as connection, connection.cursor() as cursor:
            old = _tables_of(cursor, schema)
            coming = quote_name(f"{schema}_coming")
            cursor.execute(f"CREATE SCHEMA {coming}")
            for name in names or known:
                report(name)
                rows[name] = _copy(session, cursor, name, f"{schema}_coming")
            _mark(session, cursor, f"{schema}_coming")
            for role in readers:
                cursor.execute(f"GRANT USAGE ON SCHEMA {coming} TO {quote_name(role)}")
                cursor.execute(f"GRANT SELECT ON ALL TABLES IN SCHEMA {coming} TO {quote_name(role)}")
            if old is not None:
                # Without CASCADE: what others have built on it is not ours to drop.
                cursor.execute(
                    f"DROP TABLE {', '.join(f'{quote_name(schema)}.{quote_name(each)}' for each in old)}"
                )
                cursor.execute(f"DROP SCHEMA {quote_name(schema)}")
            cursor.execute(f"ALTER SCHEMA {coming} RENAME TO {quote_name(schema)}")
            connection.commit()
    except driver.Error as error:
        # The driver puts the whole statement before what the server says.
        said = str(error).strip().splitlines()[0].rpartition("ERROR:  ")[2]
        raise QueryError(f"PostgreSQL: {said}") from error
    return rows


def _tables_of(cursor: Any, schema: str) -> list[str] | None:
    """The tables of the snapshot before; None where there is no such schema. QueryError where it is not one of ours."""
    cursor.execute("SELECT count(*) FROM pg_namespace WHERE nspname = $1", (schema,))
    if cursor.fetchone()[0] == 0:
        return None
    cursor.execute("SELECT tablename FROM pg_tables WHERE schemaname = $1 ORDER BY 1", (schema,))
    found = [name for (name,) in cursor.fetchall()]
    if MARK not in found:
        raise QueryError(f"the schema {schema} holds something else: name another with --schema")
    return found


def _copy(session: Session, cursor: Any, name: str, schema: str) -> int:
    columns = columns_of(session, name)
    chosen = ", ".join(f"{_plain(column)} AS {quote_name(column.name)}" for column in columns)
    with session.cursor() as own:
        reader = own.sql(f"SELECT {chosen} FROM {quote_name(name)}").to_arrow_reader(_BATCH)
        rows = cursor.adbc_ingest(name, reader, mode="create", db_schema_name=schema)
    table = f"{quote_name(schema)}.{quote_name(name)}"
    cursor.execute(f"COMMENT ON TABLE {table} IS {quote(about(name))}")
    for column in columns:
        cursor.execute(f"COMMENT ON COLUMN {table}.{quote_name(column.name)} IS {quote(column.about)}")
    return int(rows)


def _plain(column: Described) -> str:
    """The column as PostgreSQL can hold it: structures as JSON, and ␀ for the character 0, which its text has not."""
    name = quote_name(column.name)
    if "STRUCT" in column.type or "MAP" in column.type:
        return f"to_json({name})::VARCHAR"
    if column.type == "VARCHAR":
        return f"replace({name}, chr(0), '␀')"
    if column.type == "VARCHAR[]":
        return f"list_transform({name}, lambda each: replace(each, chr(0), '␀'))"
    return f"{name}::BIGINT" if column.type == "HUGEINT" else name


def _mark(session: Session, cursor: Any, schema: str) -> None:
    table = f"{quote_name(schema)}.{MARK}"
    cursor.execute(f"CREATE TABLE {table} (written_time timestamptz, contract_version text, versions text)")
    values = (datetime.now(UTC).isoformat(), CONTRACT_VERSION, to_json(session.snapshot.versions))
    cursor.execute(f"INSERT INTO {table} VALUES ({', '.join(map(quote, values))})")
    cursor.execute(
        f"COMMENT ON TABLE {table} IS 'When this snapshot was written, and of which versions of the tables.'"
    )
