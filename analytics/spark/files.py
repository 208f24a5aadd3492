"""The tables of a snapshot as views of Spark: the contract's columns, with its types, over exactly its files."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pyarrow as pa

from lake.files import PARTITION
from schemas.catalogue import TABLES

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pyspark.sql import DataFrame, SparkSession

    from lake.snapshot import Snapshot

_TYPES = {
    pa.string(): "STRING",
    pa.list_(pa.string()): "ARRAY<STRING>",
    pa.bool_(): "BOOLEAN",
    pa.int64(): "BIGINT",
    pa.float64(): "DOUBLE",
    pa.binary(): "BINARY",
    pa.date32(): "DATE",
    pa.timestamp("us", tz="UTC"): "TIMESTAMP",
}
# What Spark takes for patterns in the path of a file.
_PATTERN = re.compile(r"([*?\[\]{}\\])")


def register(
    snapshot: Snapshot, spark: SparkSession, names: Iterable[str], connector: Mapping[str, str]
) -> None:
    """Create one view per table, named like it. A column that a file does not have is null.

    `connector` is what Spark is told of the store that the lake is on: see `analytics.spark.store`.
    """
    for name in names:
        files = snapshot.files(name)
        schema = ", ".join(f"`{column.name}` {_TYPES[column.type]}" for column in TABLES[name].columns)
        if files:
            frame = _read(spark, files, schema, connector)
            frame = frame.select(*[column.name for column in TABLES[name].columns])
        else:
            frame = spark.createDataFrame([], schema)
        frame.createOrReplaceTempView(name)


def _read(spark: SparkSession, files: list[str], schema: str, connector: Mapping[str, str]) -> DataFrame:
    # The one folder is taken literally, the files are taken for patterns.
    reader = spark.read.schema(schema).options(**connector).option("basePath", _folder(_address(files[0])))
    return reader.parquet(*[_literally(_address(file)) for file in files])


def _address(file: str) -> str:
    """The file as Spark takes it."""
    scheme, remote, path = file.partition("://")
    return f"{'s3a' if scheme == 's3' else scheme}://{path}" if remote else f"file://{file}"


def _folder(file: str) -> str:
    """The folder that the files' partitions are named below."""
    folder = file.rpartition("/")[0]
    above, _, partition = folder.rpartition("/")
    return above if partition.startswith(f"{PARTITION}=") else folder


def _literally(path: str) -> str:
    return _PATTERN.sub(r"\\\1", path)
