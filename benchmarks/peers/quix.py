"""Quix Streams: JSON into Parquet files, at least once."""

from __future__ import annotations

import json
import sys
from importlib.metadata import version
from pathlib import Path

from pyarrow import parquet
from quixstreams import Application  # type: ignore[import-not-found]
from quixstreams.sinks.community.file.formats.parquet import ParquetFormat  # type: ignore[import-not-found]
from quixstreams.sinks.community.file.local import LocalFileSink  # type: ignore[import-not-found]

BATCH = 50_000


def main(bootstrap: str, folder: str, events: int, topics: list[str]) -> None:
    """Run it to the end."""
    application = Application(
        broker_address=bootstrap,
        consumer_group=Path(folder).name,
        auto_offset_reset="earliest",
        commit_interval=60,
        commit_every=BATCH,
        loglevel="ERROR",
    )
    sink = LocalFileSink(directory=folder, format=ParquetFormat(compression="zstd"))
    for topic in topics:
        application.dataframe(application.topic(topic, value_deserializer="json")).sink(sink)
    application.run(count=events, collect=False)
    rows = sum(parquet.read_metadata(file).num_rows for file in Path(folder).rglob("*.parquet"))
    print(json.dumps({"events": rows, "version": version("quixstreams")}))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4:])
