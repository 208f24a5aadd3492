"""Benthos, what Redpanda Connect and Bento both came from: JSON by a schema into Parquet files, at least once.

A batch is of one partition. Nothing is synced; raw bytes, hash and position of a record are not kept.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from pathlib import Path

from finished import rows_in  # type: ignore[import-not-found]

COLUMNS = Path(__file__).with_name("columns.json")
PROGRAM = Path(sys.prefix) / "bin" / "benthos"
MODULE = Path(sys.prefix) / "go" / "go.mod"
BATCH = 50_000
SECONDS = 5  # a batch that is not full by then goes out as it is


def main(bootstrap: str, folder: str, events: int, topics: list[str]) -> None:
    """Run it until all is in files; it is waited for, so that its time counts."""
    types = {"string": "UTF8", "list": "UTF8", "int64": "INT64", "double": "DOUBLE", "bool": "BOOLEAN"}
    schema = [
        {"name": name, "type": types[kind], "repeated" if kind == "list" else "optional": True}
        for name, kind in json.loads(COLUMNS.read_text()).items()
    ]
    kafka = {
        "seed_brokers": [bootstrap],
        "topics": topics,
        "consumer_group": Path(folder).name,
        "checkpoint_limit": 2 * BATCH,
        "batching": {"count": BATCH, "period": f"{SECONDS}s"},
    }
    config = {
        "http": {"enabled": False},
        "logger": {"level": "ERROR"},
        "input": {"kafka_franz": kafka},
        "pipeline": {"processors": [{"parquet_encode": {"schema": schema, "default_compression": "zstd"}}]},
        "output": {"file": {"path": f"{folder}/${{! uuid_v4() }}.parquet", "codec": "all-bytes"}},
    }
    Path(folder).mkdir(parents=True)
    file = Path(folder, "config.json")
    file.write_text(json.dumps(config))
    child = subprocess.Popen([PROGRAM, "-c", file])
    known: dict[Path, int] = {}
    while rows_in(Path(folder), known) < events and child.poll() is None:
        time.sleep(0.2)
    child.terminate()
    child.wait()
    required = re.search(r"benthos/v4 v(\S+)", MODULE.read_text())
    print(json.dumps({"events": sum(known.values()), "version": required and required[1]}))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4:])
