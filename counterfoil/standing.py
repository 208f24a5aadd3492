"""How ingest stands, by what is in the lake, and by the broker where it is asked."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from analytics.session import open_session
from counterfoil.queries import ask
from ingest.batch import Part
from ingest.commit import PRIMARY
from ingest.topics import Topics
from lake.store import open_configured
from schemas.catalogue import TABLES

if TYPE_CHECKING:
    from lake.store import Lake
    from schemas.settings import Settings

Rows = list[dict[str, Any]]


@dataclass(frozen=True)
class Standing:
    """One moment's state. Each list holds dictionaries with the same keys, in the order in which they are shown.

    `sources` are the partitions: next and end offset, lag in records (None where the end is not known), rate in
    records a second, when last observed, and whether the settings name the topic. `holes`, `dead_letters` (open
    ones by reason), `coverage` (by hour) and `streams` (complete until when) are as their queries say. `tables`
    have rows, files and the last commit. `files` counts the files that were read.
    """

    time: datetime
    sources: Rows
    files: dict[str, Any]
    streams: Rows
    tables: Rows
    holes: Rows
    dead_letters: Rows
    coverage: Rows


def standing(settings: Settings, *, broker: bool = False) -> Standing:
    """Read the state from the lake; with `broker` the ends of the partitions come from Kafka, as they are now.

    Raises LakeError when there is no lake; SourceError when the broker was to be asked and does not answer.
    """
    now = datetime.now(UTC)
    lake = open_configured(settings.lake, read_only=True)
    ends = _ends(settings) if broker else {}
    with open_session(settings) as session:
        session.need("open_dead_letters", "stream_coverage", "watermark")
        sources: Rows = ask(session, "status_sources", now=now).to_pylist()
        return Standing(
            time=now,
            sources=_completed(sources, ends, lake, settings),
            files=ask(session, "status_files").to_pylist()[0],
            streams=ask(session, "status_streams").to_pylist(),
            tables=_tables(lake),
            holes=ask(session, "status_holes").to_pylist(),
            dead_letters=ask(session, "status_dead_letters").to_pylist(),
            coverage=ask(session, "status_coverage").to_pylist(),
        )


def _ends(settings: Settings) -> dict[Part, int]:
    from ingest.kafka import KafkaSource

    with KafkaSource(settings.kafka) as source:
        return source.ends(source.parts)


def _completed(sources: Rows, ends: dict[Part, int], lake: Lake, settings: Settings) -> Rows:
    """Add the partitions that only the broker knows, the positions of the lake itself, lag and what is configured."""
    topics = Topics(settings.kafka)
    found = {Part(row["source_topic"], row["source_partition"]): row for row in sources}
    for part in sorted(ends.keys() - found.keys()):
        found[part] = {
            "stream": topics.stream_of(part.topic),
            "source_topic": part.topic,
            "source_partition": part.partition,
            "next_offset": 0,
            "end_offset": None,
            "observed_time": None,
            "rate": None,
        }
    positions: dict[str, int | None] = {}
    for stream, table in PRIMARY.items():
        names = [str(part) for part, row in found.items() if row["stream"] == stream]
        positions |= lake.positions(table, names)
    for part, row in found.items():
        row["next_offset"] = max(row["next_offset"], positions.get(str(part)) or 0)
        row["end_offset"] = ends.get(part, row["end_offset"])
        end = row["end_offset"]
        row["lag"] = None if end is None else max(0, end - row["next_offset"])
        row["configured"] = topics.stream_of(part.topic) is not None
    return list(found.values())


def _tables(lake: Lake) -> Rows:
    snapshot = lake.snapshot()
    rows = []
    for name in TABLES:
        if name not in snapshot.tables:
            continue
        last = lake.history(TABLES[name], limit=1)
        rows.append(
            {
                "table": name,
                "rows": snapshot.rows(name),
                "files": len(snapshot.files(name)),
                "version": snapshot.versions[name],
                "last_commit_time": last[0].time if last else None,
            }
        )
    return rows
