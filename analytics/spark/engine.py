"""Rules on Apache Spark: it makes the views of a snapshot from the same SQL, and gives rows as DuckDB would."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
import weakref
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
from py4j.protocol import Py4JError
from pyspark.errors import PySparkException

from analytics import views
from analytics.session import start_session
from analytics.spark.connect import set_parts
from analytics.spark.files import register
from analytics.spark.store import connector, how_to_connect, lacks_connector
from analytics.spark.ties import register_hash
from analytics.spark.translate import translate
from lake.snapshot import Snapshot
from schemas.catalogue import TABLES
from schemas.errors import QueryError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from pyspark.sql import DataFrame, SparkSession

    from analytics.rule import RuleSet
    from analytics.spark.translate import Statement
    from schemas.settings import Settings

# How what went wrong in Java begins: with the method of Python's own that called it.
_CALLED = "An error occurred while calling"


class SparkEngine:
    """Views and queries on one Spark session over one snapshot; as `analytics.engine.Engine` says.

    What DuckDB would keep as a table is written to files in the scratch folder, which workers must share, and read
    from there: made once, so that rows keep their numbers. A session of DuckDB over an empty lake beside it has
    the parameters, and tells the types that a query's columns have.
    """

    def __init__(
        self,
        spark: SparkSession,
        snapshot: Snapshot,
        settings: Settings,
        *,
        closed: bool = False,
        known: RuleSet | None = None,
    ) -> None:
        """Take a session of Spark, which stays the caller's; `analytics.spark.connect.open_spark` makes one."""
        self.snapshot = snapshot
        self._spark = spark
        self._scratch = Path(tempfile.mkdtemp(prefix="counterfoil-spark-", dir=settings.spark.scratch))
        # Also of an engine that nobody closes, or that does not come to be.
        weakref.finalize(self, shutil.rmtree, self._scratch, ignore_errors=True)
        self._empty = start_session(settings, closed=closed, known=known, snapshot=Snapshot(snapshot.url, {}))
        self._built: set[str] = set()
        # What reads the lake's own files: its tables, and views over them.
        self._in_place = set(TABLES)
        self._made = 0
        with _as_query_error():
            set_parts(spark, settings.spark, sum(snapshot.rows(name) or 0 for name in TABLES))
            register_hash(spark)
            register(snapshot, spark, TABLES, connector(snapshot.url, settings, os.environ))
            self._register_parameters()

    def need(self, *names: str) -> None:
        """Make the named views, and what they need, unless they are there. Names of tables are passed over."""
        self._empty.need(*names)
        for view in views.order(names, frozenset(self._built)):
            statements = translate(view.sql)
            # What is only made to be numbered is kept with its numbers, and not twice.
            numbered = {
                name for each in statements if each.numbers_rows for name in each.reads if _readers(name) < 2
            }
            for statement in statements:
                with _as_query_error(f"{view.name}: "):
                    self._make(statement, kept=statement.name not in numbered and self._is_kept(statement))
            self._built.add(view.name)

    @contextmanager
    def with_parameters(self, values: Mapping[str, Any]) -> Iterator[None]:
        """Within the block `params` has these values for the columns named; views that read them are made anew."""
        if not values:
            yield
            return
        try:
            with self._empty.with_parameters(values):
                self._make_anew(values)
                yield
        finally:
            self._make_anew(values)

    def fetch(self, sql: str) -> pa.Table:
        """Run one of our own queries and return its rows; the views it reads must have been asked for."""
        wanted = self._empty.fetch(sql).schema
        *parts, whole = translate(sql)
        with _as_query_error():
            for part in parts:
                self._make(part, kept=True)
            return self._spark.sql(whole.sql).toArrow().cast(wanted)

    def close(self) -> None:
        """Remove what was made. Spark itself goes on."""
        self._empty.close()
        shutil.rmtree(self._scratch, ignore_errors=True)

    def _make_anew(self, names: Iterable[str]) -> None:
        with _as_query_error():
            self._register_parameters()
        stale = views.reading(names, self._built)
        self._built -= stale
        self.need(*stale)

    def _register_parameters(self) -> None:
        table = _without_intervals(self._empty.fetch("FROM params"))
        self._spark.createDataFrame(table).createOrReplaceTempView("params")

    def _make(self, statement: Statement, *, kept: bool) -> None:
        frame = self._spark.sql(statement.sql)
        if kept:
            frame = self._kept(frame)
        else:
            self._in_place.add(statement.name)
        frame.createOrReplaceTempView(statement.name)

    def _is_kept(self, statement: Statement) -> bool:
        """Also a view that joins what was made: rules read it often, and would join it each time."""
        joins_what_was_made = len(statement.reads) > 1 and not statement.reads & self._in_place
        return statement.kind == "TABLE" or statement.numbers_rows or joins_what_was_made

    def _kept(self, frame: DataFrame) -> DataFrame:
        """The rows, written to files once and read from there."""
        self._made += 1
        place = f"file://{self._scratch}/{self._made}"
        frame.write.parquet(place)
        return self._spark.read.schema(frame.schema).parquet(place)


def _readers(name: str) -> int:
    """How many places in all views read what is called that."""
    named = re.compile(rf"\b(FROM|JOIN)\s+{re.escape(name)}\b", re.IGNORECASE)
    return sum(len(named.findall(view.sql)) for view in views.views().values())


@contextmanager
def _as_query_error(where: str = "") -> Iterator[None]:
    try:
        yield
    except (PySparkException, Py4JError, pa.ArrowInvalid) as error:
        if lacks_connector(error):
            raise QueryError(how_to_connect()) from error
        lines = [line for line in str(error).splitlines() if line and not line.startswith(_CALLED)]
        said = lines[0].removeprefix(": ") if lines else type(error).__name__
        raise QueryError(f"{where}Spark: {said}") from error


def _without_intervals(table: pa.Table) -> pa.Table:
    """Durations in the place of DuckDB's intervals of months, days and nanoseconds, which Spark does not take."""
    for place, field in enumerate(table.schema):
        if field.type == pa.month_day_nano_interval():
            (value,) = table[place].to_pylist()
            span = None if value is None else value.days * 86_400_000_000 + value.nanoseconds // 1000
            table = table.set_column(place, field.name, pa.array([span], pa.duration("us")))
    return table
