"""mq-bridge: records into Parquet files, synced, at least once. Its routes run until they are stopped."""

from __future__ import annotations

import json
import sys
import time
from importlib.metadata import version
from pathlib import Path

from finished import rows_in  # type: ignore[import-not-found]
from mq_bridge import Route  # type: ignore[import-not-found]

BATCH = 50_000


def main(bootstrap: str, folder: str, events: int, topics: list[str]) -> None:
    """Run a route for each topic until all is in files."""
    routes = []
    for topic in topics:
        kafka = {
            "url": bootstrap,
            "topic": topic,
            "group_id": f"{Path(folder).name}-{topic}",
            "consumer_options": [["auto.offset.reset", "earliest"]],
        }
        store = {
            "url": f"file://{folder}/{topic}",
            "format": "parquet",
            "compression": "zstd",
            "fsync": FSYNC,
        }
        Path(folder, topic).mkdir(parents=True)
        route = Route.from_config(
            {"input": {"kafka": kafka}, "output": {"object_store": store}, "batch_size": BATCH}
        )
        route.start()
        routes.append(route)
    known: dict[Path, int] = {}
    while rows_in(Path(folder), known) < events:
        time.sleep(0.2)
    for route in routes:
        route.stop()
        route.join()
    print(json.dumps({"events": sum(known.values()), "version": version("mq-bridge")}))


FSYNC = "batch"

if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4:])
