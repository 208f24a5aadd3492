"""Questions to a snapshot of the lake: the `.sql` files of this room, over `findings` and `deliveries`."""

from __future__ import annotations

from contextlib import closing, contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb

from lake.duck import is_unreadable, register, told, view_sql
from lake.remote import attach
from schemas.deliveries import DELIVERIES
from schemas.errors import LakeError
from schemas.findings import FINDINGS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from lake.store import Lake

Row = dict[str, Any]
LOOKED_AT = ("finding_id", "revision", "rule_id", "level", "tenant_id", "status", "title")


class Reader:
    """Answers the questions of `delivery/sql/`, over the newest snapshot as of the last `refresh`."""

    def __init__(self, lake: Lake) -> None:
        """Make a database in memory; it is for one thread."""
        self._lake = lake
        self._connection = duckdb.connect(
            ":memory:", config={"autoinstall_known_extensions": False, "threads": 1}
        )
        self._connection.execute("SET TimeZone = 'UTC'")
        attach(self._connection)

    def refresh(self) -> int | None:
        """Take a new snapshot; the version of `deliveries` in it."""
        snapshot = self._lake.snapshot()
        register(snapshot, self._connection, [FINDINGS.name, DELIVERIES.name])
        return snapshot.versions.get(DELIVERIES.name)

    def close(self) -> None:
        """Drop the database."""
        self._connection.close()

    def ask(self, name: str, values: Mapping[str, Any]) -> list[Row]:
        """The rows of a question. LakeError where a file of the lake cannot be read."""
        try:
            rows: list[Row] = (
                self._connection.sql(_question(name), params=dict(values)).to_arrow_table().to_pylist()
            )
        except duckdb.Error as error:
            raise LakeError(f"cannot read the outbox: {told(error)}") from error
        return rows

    def states(self, files: list[str]) -> list[Row]:
        """What routes look at, of the states in these files of `findings`. FileGone where one is not there."""
        columns = ", ".join(LOOKED_AT)
        query = f"SELECT {columns} FROM ({view_sql(FINDINGS, files)}) ORDER BY recorded_time, finding_id, revision"
        try:
            rows: list[Row] = self._connection.sql(query).to_arrow_table().to_pylist()
        except duckdb.Error as error:
            if not is_unreadable(error):
                raise
            raise FileGone(f"cannot read findings: {told(error)}") from error
        return rows


class FileGone(LakeError):
    """A file is there no more: compaction has rewritten it, and expiry has deleted it."""


@contextmanager
def reading(lake: Lake) -> Iterator[Reader]:
    """A reader over the newest snapshot, closed at the end of the block."""
    with closing(Reader(lake)) as reader:
        reader.refresh()
        yield reader


@cache
def _question(name: str) -> str:
    return (Path(__file__).parent / "sql" / f"{name}.sql").read_text(encoding="utf-8")
