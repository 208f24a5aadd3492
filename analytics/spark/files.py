"""The tables of a snapshot as views of Spark: the contract's columns, with its types, over exactly its files."""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

import pyarrow as pa

from lake.files import PARTITION
from schemas.catalogue import TABLES
from schemas.errors import LakeError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pyspark.sql import SparkSession

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


def register(snapshot: Snapshot, spark: SparkSession, names: Iterable[str]) -> None:
    """Create one view per table, named like it. A column that a file does not have is null.

    Raises LakeError for a lake on an object store, which Spark would need a connector and keys of its own for.
    """
    for name in names:
        files = snapshot.files(name)
        if files and any("://" in file for file in files):
            raise LakeError(
                f"the lake at {snapshot.url} is on an object store, which --engine spark does not read: "
                "leave the option out, or copy the lake to a folder that all workers share"
            )
        schema = ", ".join(f"`{column.name}` {_TYPES[column.type]}" for column in TABLES[name].columns)
        if files:
            # The one folder is taken literally, the files are taken for patterns.
            reader = spark.read.schema(schema).option("basePath", f"file://{_folder(files[0])}")
            frame = reader.parquet(*[f"file://{_literally(file)}" for file in files])
            frame = frame.select(*[column.name for column in TABLES[name].columns])
        else:
            frame = spark.createDataFrame([], schema)
        frame.createOrReplaceTempView(name)


def _folder(file: str) -> str:
    """The folder that the files' partitions are named below."""
    path = PurePosixPath(file)
    return str(path.parent.parent if path.parent.name.startswith(f"{PARTITION}=") else path.parent)


def _literally(path: str) -> str:
    return _PATTERN.sub(r"\\\1", path)
