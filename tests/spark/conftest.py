"""A Spark of two threads for all tests, and lakes to look at with both engines."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any

import pytest

from analytics.evaluate import evaluate_rule
from analytics.rule import rules
from analytics.session import start_session
from lake.store import open_lake
from schemas.catalogue import TABLES
from schemas.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    import pyarrow as pa
    from pyspark.sql import SparkSession

    from analytics.engine import Engine
    from analytics.spark.engine import SparkEngine

# Little data: most of the time goes into making code for each query, and into stages.
QUICK = {
    "spark.sql.codegen.wholeStage": "false",
    "spark.sql.codegen.factoryMode": "NO_CODEGEN",
    "spark.sql.adaptive.enabled": "false",
    "spark.sql.shuffle.partitions": "1",
    "spark.driver.extraJavaOptions": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC",
}


def in_local(lake: Path | str, **more: Any) -> Settings:
    spark = {"master": "local[2]", "memory": "2g", "options": QUICK}
    return Settings.model_validate({"lake": {"url": str(lake)}, "spark": spark, **more})


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Leave out, by name, what needs a Spark that is not here."""
    if item.get_closest_marker("spark"):
        pytest.importorskip("pyspark", reason="pyspark is not installed: pip install 'counterfoil[spark]'")
        if shutil.which("java") is None:
            pytest.skip("there is no java: install a JDK 17")


@pytest.fixture(scope="session")
def spark(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SparkSession]:
    from analytics.spark.connect import open_spark

    with open_spark(in_local(tmp_path_factory.mktemp("none"))) as session:
        yield session


@pytest.fixture
def make_lake(tmp_path: Path) -> Callable[[Mapping[str, pa.Table]], Path]:
    """A lake of these tables."""

    def make(tables: Mapping[str, pa.Table]) -> Path:
        lake = open_lake(tmp_path / "lake", create=True)
        for name, table in tables.items():
            if table.num_rows:
                lake.append(TABLES[name], table)
        return tmp_path / "lake"

    return make


@pytest.fixture
def on_spark(spark: SparkSession) -> Iterator[Callable[..., SparkEngine]]:
    """Spark over the lake of the settings."""
    from analytics.spark.engine import SparkEngine

    engines = []

    def start(settings: Settings, *, closed: bool = True) -> SparkEngine:
        snapshot = open_lake(settings.lake.url, create=True).snapshot()
        engines.append(SparkEngine(spark, snapshot, settings, closed=closed))
        return engines[-1]

    yield start
    for engine in engines:
        engine.close()


@pytest.fixture
def found_by_both(
    on_spark: Callable[..., SparkEngine],
) -> Callable[..., tuple[dict[str, str], dict[str, str]]]:
    """What all rules find by DuckDB, and by Spark: each finding as JSON, by its id."""

    def look(settings: Settings, *, closed: bool = True) -> tuple[dict[str, str], dict[str, str]]:
        session = start_session(settings, closed=closed)
        try:
            return written(session, settings), written(on_spark(settings, closed=closed), settings)
        finally:
            session.close()

    return look


def written(engine: Engine, settings: Settings) -> dict[str, str]:
    found: dict[str, Any] = {}
    for rule in rules().values():
        found |= evaluate_rule(rule, engine, settings)
    return {
        identity: json.dumps(finding, sort_keys=True, default=repr) for identity, finding in found.items()
    }
