"""Spark over a lake on S3: what it is told of the store, and the same findings by a cluster as by DuckDB."""

from __future__ import annotations

import sys
import uuid
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import pytest

from analytics.crowd import crowd_of
from analytics.spark.store import connector, how_to_connect
from lake.store import open_lake
from schemas.catalogue import TABLES
from schemas.errors import LakeError, QueryError
from schemas.settings import Settings
from tests.broker.process import BrokerUnavailable
from tests.objectstore.gateway import KEY, SECRET, environment
from tests.objectstore.seaweed import reachable
from tests.spark.cluster import cluster
from tests.spark.conftest import in_local
from tests.spark.connector import fetch, version
from tests.spark.test_detect import closed_cases, identities, run_on, told_by_duckdb

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from pyspark.sql import SparkSession

BUCKET = "spark"
URL = f"s3://{BUCKET}/lake"
ENVIRONMENT = environment("http://127.0.0.1:9")
CHAIN = "software.amazon.awssdk.auth.credentials.DefaultCredentialsProvider"


def told(
    environment: Mapping[str, str],
    url: str = URL,
    *,
    options: Mapping[str, str] = MappingProxyType({}),
    spark: Mapping[str, Any] = MappingProxyType({}),
) -> dict[str, str]:
    """What Spark is told, without what its names all begin with."""
    settings = Settings.model_validate(
        {"lake": {"url": url, "storage_options": {**options}}, "spark": {**spark}}
    )
    return {
        name.removeprefix("fs.s3a."): value for name, value in connector(url, settings, environment).items()
    }


def test_it_is_told_what_the_environment_says() -> None:
    assert told(ENVIRONMENT) == {
        "endpoint": "http://127.0.0.1:9",
        "path.style.access": "true",
        "endpoint.region": "us-east-1",
        "access.key": KEY,
        "secret.key": SECRET,
    }


def test_without_keys_each_process_looks_in_the_usual_places() -> None:
    assert told({"AWS_REGION": "eu-west-1", "REGION": "elsewhere"}) == {
        "endpoint.region": "eu-west-1",
        "aws.credentials.provider": CHAIN,
    }


def test_options_of_the_lake_win_and_those_of_spark_over_both() -> None:
    found = told(
        ENVIRONMENT | {"AWS_ENDPOINT_URL_S3": "http://127.0.0.1:8"},
        options={"aws_endpoint": "https://s.example", "AWS_VIRTUAL_HOSTED_STYLE_REQUEST": "true"},
        spark={
            "options": {"spark.hadoop.fs.s3a.access.key": "mine", "spark.hadoop.fs.s3a.secret.key": "mine"}
        },
    )
    assert found == {
        "endpoint": "https://s.example",
        "path.style.access": "false",
        "endpoint.region": "us-east-1",
    }


def test_a_key_goes_with_the_token_that_it_was_given_with() -> None:
    lent = ENVIRONMENT | {"AWS_SESSION_TOKEN": "lent"}
    assert told(lent)["session.token"] == "lent"
    own = told(lent, options={"aws_access_key_id": "own", "aws_secret_access_key": "hidden"})
    assert {name: own.get(name) for name in ("access.key", "secret.key", "session.token")} == {
        "access.key": "own",
        "secret.key": "hidden",
        "session.token": None,
    }


def test_a_server_of_spark_connect_is_told_no_key() -> None:
    assert told(ENVIRONMENT, spark={"master": "sc://elsewhere:15002"}) == {}


@pytest.mark.parametrize("url", ["/lake", "file:///lake"])
def test_of_a_folder_there_is_nothing_to_tell(url: str) -> None:
    assert told(ENVIRONMENT, url) == {}


def test_a_store_of_another_kind_is_refused() -> None:
    with pytest.raises(LakeError, match="on a store that --engine spark does not read: leave the option out"):
        told({}, "gs://bucket/lake")


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A lake of all rules' cases on a store that is reached with what stands in the environment."""
    with reachable(tmp_path_factory.mktemp("seaweed"), BUCKET) as bucket:
        made = open_lake(f"{bucket}/{uuid.uuid4().hex}", create=True)
        for name, table in crowd_of(closed_cases()).items():
            if table.num_rows:
                made.append(TABLES[name], table)
        yield made.url


@pytest.mark.spark
def test_a_cluster_finds_there_what_duckdb_finds(lake: str, tmp_path: Path) -> None:
    try:
        jars = fetch(lambda line: print(line, file=sys.stderr))
    except BrokerUnavailable as error:
        pytest.skip(f"no connector: {error}")
    (tmp_path / "logs").mkdir()
    with cluster(tmp_path / "logs") as master:
        found, said = run_on(master, lake, tmp_path, spark_jars=",".join(map(str, jars)))
    assert SECRET not in said
    assert len(found) > 40
    holding, written = told_by_duckdb(lake)
    assert identities(found) == identities(holding)
    assert written == 0


@pytest.mark.spark
def test_without_the_connector_it_says_what_to_add(
    lake: str, spark: SparkSession, on_spark: Callable[..., Any]
) -> None:
    assert spark.range(1).count() == 1
    assert f"org.apache.hadoop:hadoop-aws:{version()}" in how_to_connect()
    with pytest.raises(QueryError, match=r"no connector for S3: add .spark\.jars\.packages. ="):
        on_spark(in_local(lake))
