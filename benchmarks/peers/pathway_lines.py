"""pathway: JSON by a schema into JSON Lines; its writer of Delta tables asks for a licence key."""

from __future__ import annotations

import json
import sys
from importlib.metadata import version
from pathlib import Path

import pathway as pw  # type: ignore[import-not-found]

COLUMNS = Path(__file__).with_name("columns.json")


def main(bootstrap: str, folder: str, topics: list[str]) -> None:
    """Run it to the ends of the topics."""
    types = {"string": str, "int64": int, "double": float, "bool": bool, "list": list[str]}
    Path(folder).mkdir(parents=True, exist_ok=True)
    settings = {
        "bootstrap.servers": bootstrap,
        "group.id": Path(folder).name,
        "auto.offset.reset": "earliest",
    }
    for topic in topics:
        schema = pw.schema_builder(
            {
                name: pw.column_definition(dtype=types[kind] | None, default_value=None)
                for name, kind in json.loads(COLUMNS.read_text()).items()
            }
        )
        table = pw.io.kafka.read(settings, topic, schema=schema, format="json", mode="static")
        pw.io.jsonlines.write(table, f"{folder}/{topic}.jsonl")
    pw.run(monitoring_level=pw.MonitoringLevel.NONE)
    rows = sum(file.read_bytes().count(b"\n") for file in Path(folder).glob("*.jsonl"))
    print(json.dumps({"events": rows, "version": version("pathway")}))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[4:])
