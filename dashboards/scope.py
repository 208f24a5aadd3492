"""A session that holds the rows of some tenants and nothing else, for those who may see no others.

Correlation runs over all tenants, so that a verdict is the same for whoever looks at it; the rows of its views that are
theirs are copied, when they are asked for, into a database in memory. It opens no file, so that no query can reach past
what was copied. What does not say whose it is, such as dead letters, is theirs neither.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from analytics.session import Session, connect
from analytics.views import views
from schemas.catalogue import TABLES

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    import pyarrow as pa

    from schemas.settings import Settings

# Work on findings is theirs whose the finding is.
_OF_FINDINGS = frozenset({"triage", "current_triage"})
_WITH_RECORDS = ("orchestration_events", "authorization_decisions", "identity_events")


class ScopedSession(Session):
    """The rows of `tenants`, out of the session `whole`, which it keeps open."""

    def __init__(self, whole: Session, tenants: Iterable[str], settings: Settings) -> None:
        """Begin with nothing; `need` copies."""
        super().__init__(connect(settings), replace(whole.snapshot, tables={}))
        self._whole = whole
        self._tenants = sorted(tenants)
        self._copied: set[str] = set()
        self._take("params", whole.cursor().sql("FROM params").to_arrow_reader())

    def need(self, *names: str) -> None:
        """Copy the named views and tables unless they are there. One without tenants is there, and empty."""
        with self._lock:
            for name in names:
                if name not in self._copied and (name in TABLES or name in views()):
                    self._copy(name)
                    self._copied.add(name)

    def need_beside(self, words: Collection[str]) -> None:
        """Copy those tables among the words that the files of views made beside what they are named after."""
        with self._lock:
            made = self._whole.fetch("SELECT table_name FROM duckdb_tables()")["table_name"].to_pylist()
            for name in sorted(
                {*made} & {*words} - self._copied - TABLES.keys() - views().keys() - {"params"}
            ):
                self._copy(name)
                self._copied.add(name)

    def _copy(self, name: str) -> None:
        self._whole.need(*(("current_findings", name) if name in _OF_FINDINGS else (name,)))
        with self._whole.cursor() as cursor:
            columns = cursor.sql(f'SELECT * FROM "{name}" LIMIT 0').columns
            rows = cursor.sql(_theirs(name, columns), params={"tenants": self._tenants})
            self._take(name, rows.to_arrow_reader(10_000))

    def _take(self, name: str, rows: pa.RecordBatchReader) -> None:
        self._connection.register("copied", rows)
        try:
            self._connection.execute(f'CREATE TABLE "{name}" AS FROM copied')
        finally:
            self._connection.unregister("copied")


def says_whose(name: str, columns: Collection[str]) -> str | None:
    """The column of a table or view by which rows are some tenant's; None where all are nobody's."""
    if name in _OF_FINDINGS:
        return "finding_id"
    return next((each for each in ("tenant_id", "tenant") if each in columns), None)


def _theirs(name: str, columns: list[str]) -> str:
    """The query of those rows of a table or view that the parameter `tenants` lets through."""
    if name in _OF_FINDINGS:
        return (
            f'SELECT * FROM "{name}" WHERE finding_id IN '
            "(SELECT finding_id FROM current_findings WHERE list_contains($tenants::VARCHAR[], tenant_id))"
        )
    key = says_whose(name, columns)
    if key is None:
        return f'SELECT * FROM "{name}" WHERE len($tenants::VARCHAR[]) < 0'
    raw = f" REPLACE ({_RAW} AS raw)" if "raw" in columns else ""
    return f'SELECT *{raw} FROM "{name}" AS t WHERE list_contains($tenants::VARCHAR[], t."{key}")'


# A record may hold the events of several tenants, and what could not be read of it may be anybody's.
_PLACE = "(source_topic, source_partition, source_offset)"
_OTHERS = " UNION ALL ".join(
    [
        *(
            f"SELECT {_PLACE} AS place FROM {name} "
            "WHERE list_contains($tenants::VARCHAR[], tenant_id) IS DISTINCT FROM true"
            for name in _WITH_RECORDS
        ),
        f"SELECT {_PLACE} FROM dead_letters",
    ]
)
_RAW = f"CASE WHEN {_PLACE} NOT IN (SELECT place FROM ({_OTHERS}) WHERE place IS NOT NULL) THEN raw END"
