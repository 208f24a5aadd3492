"""What evaluates rules: something that makes the views, holds the parameters, and answers queries with rows.

DuckDB is the usual one (`analytics.session.Session`), Apache Spark the other (`analytics.spark.engine.SparkEngine`).
All that comes after the rows, from ids of findings to what is written, is the same code for both.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from contextlib import AbstractContextManager

    import pyarrow as pa

    from analytics.rule import RuleSet
    from analytics.session import Session
    from schemas.settings import Settings

ENGINES = ("duckdb", "spark")


class Engine(Protocol):
    """Raises duckdb.Error or QueryError where a view or query fails."""

    def need(self, *names: str) -> None:
        """Make the named views, and what they need, unless they are there. Names of tables are passed over."""

    def with_parameters(self, values: Mapping[str, Any]) -> AbstractContextManager[None]:
        """Within the block `params` has these values for the columns named; views that read them are made anew."""

    def fetch(self, sql: str) -> pa.Table:
        """Run one of our own queries and return its rows; the views it reads must have been asked for."""


@contextmanager
def open_engine(
    name: str, session: Session, settings: Settings, *, closed: bool, known: RuleSet
) -> Iterator[Engine]:
    """The engine of that name over the session's snapshot; DuckDB is the session itself.

    Raises SettingsError where Spark is not installed, QueryError where it does not start.
    """
    if name == "duckdb":
        yield session
        return
    from analytics.spark.connect import open_spark

    with open_spark(settings) as spark:
        from analytics.spark.engine import SparkEngine

        engine = SparkEngine(spark, session.snapshot, settings, closed=closed, known=known)
        try:
            yield engine
        finally:
            engine.close()
