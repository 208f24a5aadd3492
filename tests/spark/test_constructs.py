"""Each construct gives the same rows on both engines, with the same types."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from analytics.session import start_session
from tests.spark.conftest import in_local
from tests.spark.constructs import CONSTRUCTS, TABLE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pyspark.sql import SparkSession

    from analytics.session import Session
    from analytics.spark.engine import SparkEngine

pytestmark = pytest.mark.spark


@pytest.fixture(scope="module")
def both(
    spark: SparkSession, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Session, SparkEngine]]:
    """Both engines with the table `t`; the one beside Spark, which tells types, has it too, without its rows."""
    from analytics.spark.engine import SparkEngine
    from lake.store import open_lake

    settings = in_local(tmp_path_factory.mktemp("lake") / "lake")
    snapshot = open_lake(settings.lake.url, create=True).snapshot()
    session, engine = start_session(settings), SparkEngine(spark, snapshot, settings)
    session.run(f"CREATE TABLE t AS {TABLE}")
    engine._empty.run(f"CREATE TABLE t AS {TABLE} LIMIT 0")
    spark.createDataFrame(session.fetch("SELECT * REPLACE (d::DOUBLE AS d) FROM t")).createOrReplaceTempView(
        "t"
    )
    yield session, engine
    engine.close()
    session.close()


@pytest.mark.parametrize("sql", CONSTRUCTS)
def test_a_construct_gives_the_same_rows(both: tuple[Session, SparkEngine], sql: str) -> None:
    session, engine = both
    by_duckdb, by_spark = session.fetch(sql), engine.fetch(sql)
    assert by_spark.schema.types == by_duckdb.schema.types
    assert sorted(map(repr, by_spark.to_pylist())) == sorted(map(repr, by_duckdb.to_pylist()))
