"""Dead letters read back from the lake: which records have open ones, what they hold, and what of them is there.

The bytes of a record stand on its first dead letter only, so everything here goes by record.
"""

from __future__ import annotations

import base64
import json
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import duckdb
import pyarrow as pa

from ingest.records import Records
from lake.duck import register
from schemas.table import INT, STRING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from ingest.records import Headers
    from lake.snapshot import Snapshot

_SQL = Path(__file__).parent / "sql"
_TABLES = ("orchestration_events", "authorization_decisions", "identity_events", "dead_letters", "replays")
_PLACE = pa.schema([("source_topic", STRING), ("source_partition", INT), ("source_offset", INT)])
# The header that a line of a file gets when only its beginning was kept.
_WHOLE_SIZE = "counterfoil.size"


class Place(NamedTuple):
    """Where a record stands: topic (or file identity), partition and offset (or line)."""

    topic: str
    partition: int
    offset: int

    def __str__(self) -> str:
        """Return it as messages show it."""
        return f"{self.topic}:{self.partition}:{self.offset}"

    @property
    def source_id(self) -> str:
        """The name of its topic-partition in the lake's transactions."""
        return f"{self.topic}-{self.partition}"


@dataclass(frozen=True)
class Chosen:
    """Which dead letters: those that match all of what is given, and with `resolved` also those that are resolved."""

    reasons: Sequence[str] | None = None
    topics: Sequence[str] | None = None
    since: datetime | None = None
    ids: Sequence[str] | None = None
    resolved: bool = False


class Letter(NamedTuple):
    """What one dead letter says. `resolved_time` is when a replay resolved it; None while it is open."""

    dead_letter_id: str
    reason: str
    detail: str
    source_format: str | None = None
    resolved_time: datetime | None = None


@dataclass(slots=True)
class Letters:
    """All dead letters of one record, each by its index, and the record as it was read."""

    place: Place
    stream: str
    each: dict[int, Letter] = field(default_factory=dict)
    value: bytes | None = None
    size: int = 0
    sha256: bytes = b""
    key: bytes | None = None
    headers: Headers = ()
    record_time: datetime | None = None
    ingest_time: datetime | None = None

    @property
    def open(self) -> set[int]:
        """The indexes of those that are not resolved."""
        return {index for index, letter in self.each.items() if letter.resolved_time is None}

    @property
    def whole(self) -> bool:
        """Whether all bytes of the record were kept."""
        kept = len(self.value or b"") == self.size
        return kept and not any(name == _WHOLE_SIZE for name, _ in self.headers)


class Reading:
    """The tables of one snapshot in DuckDB; made by `reading`."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        """Take a connection on which the tables stand."""
        self._connection = connection

    def records(self, chosen: Chosen) -> list[tuple[Place, int]]:
        """The records with a dead letter of those chosen, and their sizes in bytes."""
        values = {"reasons": chosen.reasons, "topics": chosen.topics, "ids": chosen.ids}
        lists = {name: None if given is None else list(given) for name, given in values.items()}
        given = {**lists, "since": chosen.since, "resolved": chosen.resolved}
        rows = self._connection.execute(_sql("letter_records"), given).fetchall()
        return [(Place(*row[:3]), row[3]) for row in rows]

    def letters(self, places: Sequence[Place]) -> list[Letters]:
        """All dead letters of those records, with the bytes."""
        found: dict[Place, Letters] = {}
        for row in self._of(places, "record_letters").to_pylist():
            place = Place(row["source_topic"], row["source_partition"], row["source_offset"])
            if place not in found:
                found[place] = Letters(
                    place, row["stream"], size=row["raw_size"], sha256=row["raw_sha256"], key=row["record_key"],
                    headers=_headers(row["headers"]), record_time=row["record_time"],
                    ingest_time=row["ingest_time"],
                )  # fmt: skip
            letters = found[place]
            letters.each[row["source_index"]] = Letter(*(row[name] for name in Letter._fields))
            if letters.value is None:  # the bytes stand on one of them only
                letters.value = row["raw"]
        return list(found.values())

    def landed(self, places: Sequence[Place]) -> set[tuple[str, Place, int]]:
        """What of those records is in the tables: table, place and index of each row."""
        columns = [column.to_pylist() for column in self._of(places, "landed").columns]
        return {
            (name, Place(topic, partition, offset), index)
            for name, topic, partition, offset, index in zip(*columns, strict=True)
        }

    def _of(self, places: Sequence[Place], query: str) -> pa.Table:
        wanted = pa.table([list(column) for column in zip(*places, strict=True)], schema=_PLACE)
        with self._connection.cursor() as cursor:
            cursor.register("wanted", wanted)
            return cursor.sql(_sql(query)).to_arrow_table()


@contextmanager
def reading(snapshot: Snapshot) -> Iterator[Reading]:
    """Read the tables of a snapshot within the block."""
    with duckdb.connect(":memory:", config={"autoinstall_known_extensions": False}) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        register(snapshot, connection, _TABLES)
        yield Reading(connection)


def chunks(records: Sequence[tuple[Place, int]], most: int, most_bytes: int) -> Iterator[list[Place]]:
    """Portions of at most so many records and, but for a single larger one, so many bytes."""
    chunk: list[Place] = []
    size = 0
    for place, bytes_of in records:
        if chunk and (len(chunk) >= most or size + bytes_of > most_bytes):
            yield chunk
            chunk, size = [], 0
        chunk.append(place)
        size += bytes_of
    if chunk:
        yield chunk


def to_records(letters: Sequence[Letters]) -> Iterator[tuple[Records, datetime]]:
    """The records as they were read, those of one partition and one time of reading together, in order."""
    groups: dict[tuple[Any, ...], list[Letters]] = {}
    for each in letters:
        key = (each.stream, each.place.topic, each.place.partition, each.ingest_time)
        groups.setdefault(key, []).append(each)
    for (stream, topic, partition, ingest_time), group in groups.items():
        yield (
            Records(
                stream=stream,
                topic=topic,
                partition=partition,
                offset=[each.place.offset for each in group],
                value=[each.value for each in group],
                key=[each.key for each in group],
                headers=[each.headers for each in group],
                time_us=[_microseconds(each.record_time) for each in group],
                next_offset=group[-1].place.offset + 1,
            ),
            ingest_time,
        )


@cache
def _sql(name: str) -> str:
    return (_SQL / f"{name}.sql").read_text(encoding="utf-8")


def _headers(text: str | None) -> Headers:
    return tuple((name, base64.b64decode(value)) for name, value in json.loads(text or "[]"))


def _microseconds(time: datetime | None) -> int | None:
    return None if time is None else int(pa.scalar(time, pa.timestamp("us", tz="UTC")).value)
