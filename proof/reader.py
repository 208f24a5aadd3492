"""Reading the lake's files with DuckDB: one connection for a whole job, made anew after it failed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import duckdb
import pyarrow as pa

from lake.duck import told
from lake.remote import attach
from schemas.errors import LakeError

if TYPE_CHECKING:
    from collections.abc import Iterator

MEMORY = "1GB"
BATCH = 65_536
# What goes wrong within a stream of batches comes as an error of Arrow's.
FAILURES = (duckdb.Error, pa.ArrowException, OSError)


class Unreadable(LakeError):
    """A file cannot be read; the message is the engine's."""


class Reader:
    """Answers queries over files. A context manager."""

    def __init__(self) -> None:
        """Nothing is opened before the first query."""
        self._connection: duckdb.DuckDBPyConnection | None = None

    def __enter__(self) -> Self:
        """Begin."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close."""
        self._close()

    def rows(self, query: str, values: list[Any] | None = None) -> list[tuple[Any, ...]]:
        """The rows of an answer. Unreadable when a file cannot be read."""
        try:
            return self._open().execute(query, values).fetchall()
        except FAILURES as error:
            self._close()
            raise failure(error) from error

    def batches(self, query: str, size: int = BATCH) -> Iterator[pa.RecordBatch]:
        """The answer in batches of at most so many rows; one query at a time. Unreadable as above."""
        try:
            yield from self._open().sql(query).to_arrow_reader(size)
        except FAILURES as error:
            self._close()  # a damaged file may take the whole connection with it
            raise failure(error) from error

    def register(self, name: str, rows: pa.Table) -> None:
        """Give the queries a table to ask of."""
        self._open().register(name, rows)

    def _open(self) -> duckdb.DuckDBPyConnection:
        if self._connection is None:
            self._connection = connect()
        return self._connection

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def failure(error: Exception) -> LakeError:
    """The error to raise: want of memory or of disk says nothing about a file, and must not be taken for damage."""
    said = told(error)
    if "Out of Memory" in said or "No space left" in said:
        return LakeError(f"there is not enough memory or temporary disk for this: {said}")
    return Unreadable(said)


def connect(memory: str = MEMORY, folder: str | None = None) -> duckdb.DuckDBPyConnection:
    """A DuckDB in memory, in UTC, that spills to `folder`."""
    config: dict[str, Any] = {"autoinstall_known_extensions": False, "memory_limit": memory}
    if folder is not None:
        config["temp_directory"] = folder
    connection = duckdb.connect(":memory:", config=config)
    attach(connection)
    connection.execute("SET TimeZone = 'UTC'; SET enable_progress_bar = false")
    return connection
