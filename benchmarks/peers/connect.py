"""Kafka Connect with Iceberg's sink: JSON into a table of Parquet files in a folder, each record once.

It commits by time, not by number. Nothing is synced; raw bytes, hash and position of a record are not kept. The table
is laid out beforehand, so that the columns have the schema's types.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

from kafka import KafkaAdminClient
from kafka.admin import NewTopic

COLUMNS = Path(__file__).with_name("columns.json")
JARS = Path(sys.prefix) / "jars"
COMMIT_SECONDS = 5
JAVA = ("-Xmx2g", "-XX:-UsePerfData", "-Djava.awt.headless=true", "-Dlog4j2.level=ERROR")


def new_table(table: Path) -> None:
    """Lay out an empty table with the columns, as Iceberg's catalog of a folder keeps it."""
    types = {"string": "string", "int64": "long", "double": "double", "bool": "boolean"}
    fields = []
    columns = json.loads(COLUMNS.read_text())
    for number, (name, kind) in enumerate(columns.items(), 1):
        of = "timestamptz" if name.endswith("_time") else types.get(kind)
        many = {
            "type": "list",
            "element-id": len(columns) + number,
            "element": "string",
            "element-required": False,
        }
        fields.append({"id": number, "name": name, "required": False, "type": of or many})
    metadata = {
        "format-version": 2,
        "table-uuid": "00000000-0000-4000-8000-000000000000",
        "location": str(table),
        "last-sequence-number": 0,
        "last-updated-ms": int(time.time() * 1000),
        "last-column-id": 2 * len(fields),
        "current-schema-id": 0,
        "schemas": [{"type": "struct", "schema-id": 0, "fields": fields}],
        "default-spec-id": 0,
        "partition-specs": [{"spec-id": 0, "fields": []}],
        "last-partition-id": 999,
        "default-sort-order-id": 0,
        "sort-orders": [{"order-id": 0, "fields": []}],
        "properties": {"write.parquet.compression-codec": "zstd"},
        "snapshots": [],
    }
    (table / "metadata").mkdir(parents=True)
    (table / "metadata" / "v1.metadata.json").write_text(json.dumps(metadata))
    (table / "metadata" / "version-hint.text").write_text("1")


def rows_in(table: Path) -> int:
    """How many rows the table's newest version has. The file that names it is away for moments, so it is not asked."""
    newest = max(
        table.glob("metadata/v*.metadata.json"), key=lambda file: int(file.name[1:].partition(".")[0])
    )
    snapshots = json.loads(newest.read_text())["snapshots"]
    return max((int(each["summary"]["total-records"]) for each in snapshots), default=0)


def main(bootstrap: str, folder: str, events: int, topics: list[str]) -> None:
    """Run it until all is in the table. Java is waited for, so that its time counts."""
    name, table = Path(folder).name, Path(folder, "peers", "rows")
    new_table(table)
    with KafkaAdminClient(bootstrap_servers=bootstrap) as admin:
        admin.create_topics([NewTopic(f"{name}-control", num_partitions=1, replication_factor=1)])
    worker = {
        "bootstrap.servers": bootstrap,
        "key.converter": "org.apache.kafka.connect.converters.ByteArrayConverter",
        "value.converter": "org.apache.kafka.connect.json.JsonConverter",
        "value.converter.schemas.enable": "false",
        "offset.storage.file.filename": f"{folder}/offsets",
        "listeners": "http://127.0.0.1:0",
        "plugin.discovery": "service_load",
        # A sink that has no new records is asked for what it holds no more often than this.
        "offset.flush.interval.ms": str(COMMIT_SECONDS * 1000),
        "consumer.auto.offset.reset": "earliest",
        "consumer.max.poll.records": "5000",
        "consumer.max.partition.fetch.bytes": str(8 << 20),
    }
    connector = {
        "name": name,
        "connector.class": "org.apache.iceberg.connect.IcebergSinkConnector",
        "tasks.max": "2",
        "topics": ",".join(topics),
        "iceberg.tables": "peers.rows",
        "iceberg.catalog.type": "hadoop",
        "iceberg.catalog.warehouse": folder,
        "iceberg.control.topic": f"{name}-control",
        "iceberg.control.commit.interval-ms": str(COMMIT_SECONDS * 1000),
    }
    for title, settings in (("worker", worker), ("connector", connector)):
        lines = "".join(f"{key}={value}\n" for key, value in settings.items())
        Path(folder, f"{title}.properties").write_text(lines)
    start = ["java", *JAVA, "-cp", f"{JARS}/*", "org.apache.kafka.connect.cli.ConnectStandalone"]
    java = subprocess.Popen([*start, f"{folder}/worker.properties", f"{folder}/connector.properties"])
    while rows_in(table) < events and java.poll() is None:
        time.sleep(0.2)
    java.terminate()
    java.wait()
    jar = next(JARS.glob("connect-runtime-*.jar"))
    print(json.dumps({"events": rows_in(table), "version": jar.stem.rpartition("-")[2]}))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4:])
