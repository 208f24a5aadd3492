"""Spark Structured Streaming: JSON by a schema, the record and its SHA-256 into Parquet files, each batch once."""

from __future__ import annotations

import json
import sys
from importlib.metadata import version
from pathlib import Path

from pyspark.sql import SparkSession
from pyspark.sql import functions as f
from pyspark.sql import types as t

COLUMNS = Path(__file__).with_name("columns.json")
JARS = Path(sys.prefix) / "jars"
BATCH = 50_000


def main(bootstrap: str, folder: str, events: int, topics: list[str]) -> None:
    """Run it to the ends of the topics. Java is waited for, so that its time counts."""
    spark = (
        SparkSession.builder.master("local[2]")
        .config("spark.jars", ",".join(map(str, sorted(JARS.glob("*.jar")))))
        .config("spark.driver.memory", "2g")
        .config("spark.ui.enabled", "false")
        .config("spark.sql.session.timeZone", "UTC")
        .config("spark.sql.parquet.compression.codec", "zstd")
        .getOrCreate()
    )
    spark.sparkContext.setLogLevel("ERROR")
    kinds = {
        "string": t.StringType(),
        "int64": t.LongType(),
        "double": t.DoubleType(),
        "bool": t.BooleanType(),
    }
    schema = t.StructType()
    for name, kind in json.loads(COLUMNS.read_text()).items():
        of = t.ArrayType(t.StringType()) if kind == "list" else kinds[kind]
        schema.add(name, t.TimestampType() if name.endswith("_time") else of)
    records = (
        spark.readStream.format("kafka")
        .option("kafka.bootstrap.servers", bootstrap)
        .option("subscribe", ",".join(topics))
        .option("startingOffsets", "earliest")
        .option("maxOffsetsPerTrigger", 2 * BATCH)
        .load()
    )
    parsed = f.from_json(f.col("value").cast("string"), schema, {"mode": "FAILFAST"}).alias("row")
    digest = f.unhex(f.sha2("value", 256)).alias("raw_sha256")
    rows = records.select(parsed, "topic", "partition", "offset", f.col("value").alias("raw"), digest)
    (
        rows.select("row.*", "topic", "partition", "offset", "raw", "raw_sha256")
        .writeStream.format("parquet")
        .option("path", f"{folder}/rows")
        .option("checkpointLocation", f"{folder}/checkpoint")
        .trigger(availableNow=True)
        .start()
        .awaitTermination()
    )
    count = spark.read.parquet(f"{folder}/rows").count()
    print(json.dumps({"events": count, "wanted": events, "version": version("pyspark")}))
    gateway = spark.sparkContext._gateway  # noqa: SLF001
    spark.stop()
    gateway.shutdown()
    gateway.proc.stdin.close()
    gateway.proc.wait()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4:])
