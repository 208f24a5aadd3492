"""A session of Spark as the settings ask for it: in this process, on a standalone cluster, or by Spark Connect."""

from __future__ import annotations

import logging
import os
import sys
import tempfile
import warnings
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from schemas.errors import QueryError, SettingsError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pyspark.sql import SparkSession

    from schemas.settings import Settings
    from schemas.spark_settings import SparkSettings

# What the translation rests on: DuckDB's own way with zones, nulls, overflows and old dates.
_MEANING = {
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.ansi.enabled": "false",
    "spark.sql.caseSensitive": "false",
    "spark.sql.parquet.datetimeRebaseModeInRead": "CORRECTED",
    "spark.sql.parquet.datetimeRebaseModeInWrite": "CORRECTED",
    "spark.sql.cteRecursionRowLimit": "-1",
}
# This process listens on no other address than its own, and serves no pages.
_ALONE = {
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.driver.host": "127.0.0.1",
    "spark.log.structuredLogging.enabled": "false",
}
_LOGGING = Path(__file__).with_name("log4j2.properties")
_JAVA_OPTIONS = "spark.driver.extraJavaOptions"
_PARTS = "spark.sql.shuffle.partitions"
# So many rows of the lake make one part of a shuffle.
_ROWS_PER_PART = 250_000


@contextmanager
def open_spark(settings: Settings) -> Iterator[SparkSession]:
    """A session of Spark, stopped at the end. SettingsError without pyspark, QueryError where Spark does not start."""
    try:
        from pyspark.errors import PySparkException
        from pyspark.sql import SparkSession
    except ImportError as error:
        raise SettingsError(
            "the engine spark needs pyspark and sqlglot: pip install 'counterfoil[spark]'"
        ) from error
    # It is not sure of the newest pandas, of which nothing here is used.
    warnings.filterwarnings("ignore", "PySpark does not yet fully support pandas", FutureWarning)
    # Both would log every failed query a second time, with its whole plan.
    for name in ("SQLQueryContextLogger", "DataFrameQueryContextLogger"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    chosen = settings.spark
    # In the working directory Spark would make a folder for tables of its own, of which there are none.
    with tempfile.TemporaryDirectory(prefix="counterfoil-spark-") as warehouse:
        try:
            spark = _start(chosen, SparkSession.builder, warehouse)
            for name, value in {**_of_session(chosen), **_MEANING}.items():
                spark.conf.set(name, value)
        except (PySparkException, RuntimeError, OSError) as error:
            raise QueryError(f"Spark does not start on {chosen.master}: {str(error).splitlines()[0]}; "
                             "look at the settings of [spark], and at java -version (17 or 21)") from error  # fmt: skip
        try:
            yield spark
        finally:
            spark.stop()


def set_parts(spark: SparkSession, chosen: SparkSettings, rows: int) -> None:
    """Cut shuffles into as many parts as so many rows want, unless the settings say how many."""
    if _PARTS not in chosen.options:
        spark.conf.set(_PARTS, str(min(max(rows // _ROWS_PER_PART, 2), 2000)))


def _start(chosen: SparkSettings, builder: SparkSession.Builder, warehouse: str) -> SparkSession:
    if chosen.master.startswith("sc://"):
        return builder.remote(chosen.master).create()
    # Spark's workers on this machine are to be the Python that runs this.
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    if "spark.driver.bindAddress" not in chosen.options:
        os.environ.setdefault("SPARK_LOCAL_IP", _ALONE["spark.driver.bindAddress"])
    java = f"-Dlog4j2.configurationFile={_LOGGING.as_uri()} {chosen.options.get(_JAVA_OPTIONS, '')}"
    memory = {"spark.driver.memory": chosen.memory, "spark.executor.memory": chosen.memory}
    options = {**_ALONE, **memory, "spark.sql.warehouse.dir": warehouse}
    builder = builder.master(chosen.master).appName("counterfoil")
    for name, value in {**options, **chosen.options, _JAVA_OPTIONS: java.strip()}.items():
        builder = builder.config(name, value)
    return builder.getOrCreate()


def _of_session(chosen: SparkSettings) -> dict[str, str]:
    return {name: value for name, value in chosen.options.items() if name.startswith("spark.sql.")}
