"""Watching what arrives: decoded rows straight from Kafka, or from the tables of the lake, and nothing committed."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import duckdb

from ingest.decode import Decoder
from ingest.records import Records
from lake.duck import view_sql
from lake.remote import attach
from lake.store import open_configured
from schemas.events import AUTHORIZATION_DECISIONS, DEAD_LETTERS, IDENTITY_EVENTS, ORCHESTRATION_EVENTS

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Iterator

    import pyarrow as pa

    from ingest.batch import Chunk, Part
    from ingest.kafka import KafkaSource
    from schemas.settings import Settings

POLL_SECONDS = 0.5
LOOK_SECONDS = 1.0
MOST_RECORDS, MOST_BYTES = 1_000, 8 * 1024 * 1024
WATCHED = (ORCHESTRATION_EVENTS, AUTHORIZATION_DECISIONS, IDENTITY_EVENTS, DEAD_LETTERS)


def from_kafka(
    settings: Settings, stop: threading.Event, ready: Callable[[str], None]
) -> Iterator[tuple[str, pa.Table]]:
    """Yield (table, rows) of what comes to the topics from now on, until `stop` is set, outside the group.

    `ready` is called with what is watched, when it is. Raises SourceError and SettingsError.
    """
    from ingest.kafka import KafkaSource

    decoder = Decoder(settings)
    with KafkaSource(settings.kafka) as source:
        source.watch()
        ready(f"{len(source.parts)} partitions, from their ends")
        while not stop.is_set():
            polled = source.poll(POLL_SECONDS, MOST_RECORDS, MOST_BYTES)
            if polled.gone:
                source.watch()
            for part, chunk in polled.chunks.items():
                if len(chunk):
                    decoded = decoder.decode(_records(source, part, chunk), ingest_time=datetime.now(UTC))
                    yield from decoded.tables.items()


def _records(source: KafkaSource, part: Part, chunk: Chunk) -> Records:
    return Records(
        source.stream_of(part.topic), part.topic, part.partition, chunk.offset, chunk.value, chunk.key,
        chunk.headers, chunk.time_us, chunk.next_offset,
    )  # fmt: skip


def from_lake(
    settings: Settings, stop: threading.Event, ready: Callable[[str], None]
) -> Iterator[tuple[str, pa.Table]]:
    """Yield (table, rows) of what is committed to the lake from now on, until `stop` is set.

    Each commit is seen once, whatever compaction does meanwhile. Rows lack `raw`. Raises LakeError.
    """
    lake = open_configured(settings.lake, read_only=True)
    seen: dict[str, int | None] = {table.name: lake.snapshot().versions.get(table.name) for table in WATCHED}
    ready(f"the tables of {lake.url}, from now on")
    with duckdb.connect(":memory:", config={"autoinstall_known_extensions": False}) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        attach(connection)
        while not stop.wait(LOOK_SECONDS):
            for table in WATCHED:
                seen[table.name], files = lake.added_since(table, seen[table.name])
                if files:
                    query = f"SELECT * EXCLUDE (raw) FROM ({view_sql(table, files)})"
                    yield table.name, connection.sql(query).to_arrow_table()
