"""A member of a Kafka consumer group, reduced to what ingest needs. Only this file knows the client library."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

from kafka import ConsumerRebalanceListener, TopicPartition
from kafka import errors as kafka_errors
from kafka.structs import MemberState, OffsetAndMetadata

from ingest.batch import Chunk, Part
from ingest.connect import MAX_FETCH, REACH_SECONDS, addresses, connect, explain, streams_of
from ingest.recordbatch import microseconds, take_whole_batches
from schemas.errors import SourceError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from ingest.recordbatch import WholeBatch
    from ingest.records import Headers
    from schemas.settings import KafkaSettings

log = logging.getLogger(__name__)

QUIET_SECONDS = 10.0


@dataclass(slots=True)
class Polled:
    """What one poll brought, in the order to act on: parts lost, parts gained, parts whose next offset is gone."""

    lost: set[Part] = field(default_factory=set)
    gained: set[Part] = field(default_factory=set)
    gone: set[Part] = field(default_factory=set)
    chunks: dict[Part, Chunk] = field(default_factory=dict)


class KafkaSource:
    """The configured topics, read as a member of the group.

    A part that is gained is held back until `place` says where to read it from. Every method that asks the broker
    raises SourceError after about ten seconds without an answer; `poll` goes on trying.
    """

    def __init__(self, settings: KafkaSettings, fetch_bytes: int = MAX_FETCH) -> None:
        """Connect, and check that the topics exist. Raises SourceError, or SettingsError for a wrong setting."""
        self._settings = settings
        self.streams = streams_of(settings)
        self._at: dict[Part, int] = {}
        self._listener = _Listener()
        self._complained = 0.0
        self._consumer = connect(settings, fetch_bytes)
        self._listener.consumer = self._consumer
        self._whole = take_whole_batches(self._consumer)
        self._per_batch = 100.0
        try:
            self._parts = self._find_parts()
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        """Return itself; leaving the block leaves the group."""
        return self

    def __exit__(self, *_: object) -> None:
        """Leave the group and close the connections."""
        self.close()

    @property
    def parts(self) -> list[Part]:
        """All the partitions of the topics at the time of connecting, whoever reads them."""
        return self._parts

    @property
    def placed(self) -> Collection[Part]:
        """The parts that this member reads now."""
        return self._at.keys()

    @property
    def joined(self) -> bool:
        """Whether the group has given this member its share, which may be empty."""
        return bool(self._consumer.group_metadata().state == MemberState.STABLE)

    def join(self) -> None:
        """Ask the group for a share of the partitions; the following polls bring it."""
        self._consumer.subscribe(topics=list(self.streams), listener=self._listener)

    def poll(self, seconds: float, max_records: int) -> Polled:
        """Wait at most that long for records or for a change of the share."""
        polled = Polled()
        read: Mapping[Any, list[Any]] = {}
        try:
            if self._whole:
                max_records = max(1, int(max_records / self._per_batch))
            read = self._consumer.poll(timeout_ms=int(seconds * 1000), max_records=max_records)
        except kafka_errors.OffsetOutOfRangeError as error:
            polled.gone = {Part(*part) for part in error.args[0]}
        except kafka_errors.KafkaError as error:
            if not error.retriable:
                raise explain(error, self._settings) from error
            self._complain(error)
            time.sleep(min(seconds, 0.2))
        except (ValueError, RuntimeError, EOFError) as error:  # what the decompression libraries raise
            at = ", ".join(f"{part} offset {offset}" for part, offset in sorted(self._at.items()))
            raise SourceError(
                f"a record batch at or after one of {at} cannot be read: {type(error).__name__}: {error}"
            ) from error
        polled.lost, polled.gained = self._listener.take()
        for part in polled.lost:
            self._at.pop(part, None)
        self._collect(read, polled)
        polled.gone &= self._at.keys()
        return polled

    def place(self, part: Part, offset: int) -> None:
        """Read a part of this member's share from `offset` on. Does nothing when the part is no longer ours."""
        where = TopicPartition(*part)
        try:
            self._consumer.seek(where, offset)
            self._consumer.resume(where)
        except (ValueError, KeyError, kafka_errors.IllegalStateError):
            log.debug("%s was taken away before it could be placed", part)
            self._at.pop(part, None)
        else:
            self._at[part] = offset

    def starts(self, parts: Iterable[Part]) -> dict[Part, int]:
        """First offset that each part still has."""
        return self._offsets(self._consumer.beginning_offsets, parts)

    def ends(self, parts: Iterable[Part]) -> dict[Part, int]:
        """Offset after the last one that may be read of each part (an open transaction holds it back)."""
        ends = self._offsets(self._consumer.end_offsets, parts)
        return {part: max(end, self._at.get(part, 0)) for part, end in ends.items()}

    def reached(self, part: Part) -> int | None:
        """Where the broker's own log of a part ends, by its last answer to reading; None before there was one."""
        try:
            end = self._consumer.highwater(TopicPartition(*part))
        except (AssertionError, kafka_errors.IllegalStateError):
            return None
        return None if end is None else int(end)

    def tell_offsets(self, offsets: Mapping[Part, int]) -> None:
        """Tell Kafka how far this member is, for lag monitors; nothing rests on it, so failing is no matter."""

        def note(_: object, outcome: object) -> None:
            if isinstance(outcome, Exception):
                log.debug("Kafka did not take the offsets for lag monitors: %s", outcome)

        try:
            self._consumer.commit_async(
                {
                    TopicPartition(*part): OffsetAndMetadata(offset, "", -1)
                    for part, offset in offsets.items()
                },
                callback=note,
            )
        except kafka_errors.KafkaError as error:
            log.debug("Kafka did not take the offsets for lag monitors: %s", error)

    def close(self) -> None:
        """Leave the group, so that others take over at once, and close the connections."""
        try:
            self._consumer.close(autocommit=False, timeout_ms=5000)
        except kafka_errors.KafkaError as error:
            log.warning("the group %s could not be left in order: %s", self._settings.group_id, error)

    def _collect(self, read: Mapping[Any, list[Any]], polled: Polled) -> None:
        """Turn records into columns, and notice positions that moved without records (markers, compaction)."""
        for where, records in read.items():
            part = Part(*where)
            if part in self._at and part not in polled.gained:
                polled.chunks[part] = self._whole_columns(part, records) if self._whole else _columns(records)
        for part in polled.chunks.keys() | (self._at.keys() - polled.gained - polled.gone):
            try:
                position = self._consumer.position(TopicPartition(*part), timeout_ms=1000)
            except kafka_errors.KafkaError:
                continue
            chunk = polled.chunks.get(part)
            if position is not None and position > max(self._at[part], chunk.next_offset if chunk else 0):
                if chunk is None:
                    chunk = polled.chunks[part] = Chunk(position)
                chunk.next_offset = position
            if chunk is not None:
                self._at[part] = chunk.next_offset

    def _whole_columns(self, part: Part, batches: list[WholeBatch]) -> Chunk:
        """Split batches; of the first, the records from before the position are left out by whoever takes them."""
        try:
            chunks = [batch.columns(part) for batch in batches]
        except kafka_errors.UnsupportedCodecError as error:
            raise SourceError(f"{part}: {error}") from error
        self._per_batch = max(1.0, sum(len(chunk.offset) for chunk in chunks) / len(chunks))
        joined = chunks[0]
        for chunk in chunks[1:]:
            joined.extend(chunk)
        return joined

    def _find_parts(self) -> list[Part]:
        try:
            known = self._consumer.topics()
        except kafka_errors.KafkaError as error:
            raise explain(error, self._settings) from error
        missing = sorted(self.streams.keys() - known)
        if missing:
            names = ", ".join(repr(topic) for topic in missing)
            keys = sorted({f"kafka.{self.streams[topic]}_topics" for topic in missing})
            raise SourceError(
                f"there is no topic {names} on the broker at {addresses(self._settings)}, or this user may not"
                f" see it: create it, or correct {' and '.join(keys)}"
            )
        return [
            Part(topic, partition)
            for topic in sorted(self.streams)
            for partition in sorted(self._consumer.partitions_for_topic(topic))
        ]

    def _offsets(self, ask: Any, parts: Iterable[Part]) -> dict[Part, int]:
        wanted = [TopicPartition(*part) for part in parts]
        if not wanted:
            return {}
        try:
            found = ask(wanted, timeout_ms=int(REACH_SECONDS * 1000))
        except kafka_errors.KafkaError as error:
            raise explain(error, self._settings) from error
        return {Part(*part): int(offset) for part, offset in found.items()}

    def _complain(self, error: Exception) -> None:
        """Say that the broker does not answer, but not with every try."""
        if time.monotonic() - self._complained > QUIET_SECONDS:
            self._complained = time.monotonic()
            log.warning("Kafka at %s: %s; trying on", addresses(self._settings), error)


class _Listener(ConsumerRebalanceListener):  # type: ignore[misc]
    """Notes what the group gives and takes. It runs on the client's I/O thread, while `poll` waits.

    What is given is held back at once: the right position comes from the lake, and asking the lake here would hold
    up heartbeats. Seeking anywhere spares the client from asking Kafka for a position of its own.
    """

    def __init__(self) -> None:
        self.consumer: Any = None
        self._lost: set[Part] = set()
        self._gained: set[Part] = set()

    def on_partitions_assigned(self, assigned: Iterable[Any]) -> None:
        for where in assigned:
            self.consumer.pause(where)
            self.consumer.seek(where, 0)
            self._gained.add(Part(*where))

    def on_partitions_revoked(self, revoked: Iterable[Any]) -> None:
        parts = {Part(*where) for where in revoked}
        self._lost |= parts
        self._gained -= parts

    def on_partitions_lost(self, lost: Iterable[Any]) -> None:
        self.on_partitions_revoked(lost)

    def take(self) -> tuple[set[Part], set[Part]]:
        lost, gained = self._lost, self._gained
        self._lost, self._gained = set(), set()
        return lost, gained


def _columns(records: list[Any]) -> Chunk:
    """Turn the client's records into parallel lists."""
    value = [record.value for record in records]
    return Chunk(
        next_offset=records[-1].offset + 1,
        offset=[record.offset for record in records],
        value=value,
        key=[record.key for record in records],
        headers=[_headers(record.headers) if record.headers else () for record in records],
        time_us=[microseconds(record.timestamp) for record in records],
        size=sum(len(v) for v in value if v is not None),
    )


def _headers(headers: Iterable[tuple[str, bytes | None]]) -> Headers:
    return tuple((name, value or b"") for name, value in headers)
