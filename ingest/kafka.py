"""A member of a Kafka consumer group, reduced to what ingest needs. Only this file knows the client library."""

from __future__ import annotations

import logging
import time
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

from kafka import TopicPartition
from kafka import errors as kafka_errors
from kafka.structs import MemberState, OffsetAndMetadata

from ingest.batch import Chunk, Part
from ingest.connect import MAX_FETCH, REACH_SECONDS, Unreachable, addresses, connect, explain
from ingest.joining import keep_join
from ingest.listener import Listener
from ingest.recordbatch import microseconds, take_whole_batches
from ingest.topics import Topics
from schemas.errors import SettingsError, SourceError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping
    from datetime import datetime

    from ingest.recordbatch import WholeBatch
    from ingest.records import Headers, Stream
    from schemas.settings import KafkaSettings

log = logging.getLogger(__name__)


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

    What it holds in memory is bounded: what was fetched and not yet taken, which the client bounds by the sizes of a
    fetch, is kept as it came, compressed; it is split as far as `poll` is asked for, and at least by one record batch.
    """

    def __init__(self, settings: KafkaSettings, fetch_bytes: int = MAX_FETCH) -> None:
        """Connect, and check that the topics exist. Raises SourceError, or SettingsError for a wrong setting."""
        self._settings = settings
        self._topics = Topics(settings)
        self._at: dict[Part, int] = {}
        self._queue: deque[tuple[Part, WholeBatch]] = deque()
        self._listener = Listener()
        self._silent_since: float | None = None
        self._left_out: set[str] = set()
        self._fenced: Exception | None = None
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
    def streams(self) -> list[Stream]:
        """The streams that topics are read for."""
        return self._topics.streams

    def stream_of(self, topic: str) -> Stream:
        """The stream of a topic that is read."""
        stream = self._topics.stream_of(topic)
        if stream is None:
            raise SourceError(f"the group gave out the topic {topic!r}, which kafka.*_topics do not name: its members"
                              " must all have the same topics")  # fmt: skip
        return stream

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
        pattern = self._topics.pattern
        topics = () if pattern else list(self._topics.names)
        self._consumer.subscribe(topics=topics, pattern=pattern, listener=self._listener)

    def watch(self) -> None:
        """Read all partitions from their present ends, outside the group: no member of it is moved by that."""
        self._consumer.assign([TopicPartition(*part) for part in self._parts])
        for part, end in self.ends(self._parts).items():
            self.place(part, end)

    def poll(self, seconds: float, max_records: int, max_bytes: int) -> Polled:
        """Wait at most that long for records or for a change of the share, and return about that much of them."""
        if self._fenced is not None:
            raise explain(self._fenced, self._settings)
        polled = Polled()
        read: Mapping[Any, list[Any]] = {}
        count = max(1, int(max_records / self._per_batch)) if self._whole else max_records
        if self._queue:  # enough is here; the client is asked for changes of the share
            seconds, count = 0.0, 1
        keep_join(self._consumer)
        try:
            read = self._consumer.poll(timeout_ms=int(seconds * 1000), max_records=count)
        except kafka_errors.OffsetOutOfRangeError as error:
            polled.gone = {Part(*part) for part in error.args[0]}
        except kafka_errors.LogTruncationError as error:
            polled.gone = {Part(*part) for part in error.divergent_offsets}
            log.warning(
                "the broker has lost records at the end of %s, and new ones took their offsets: those that were read"
                " before are in the lake", ", ".join(str(part) for part in sorted(polled.gone)),
            )  # fmt: skip
        except kafka_errors.KafkaError as error:
            if not error.retriable:
                raise explain(error, self._settings) from error
            self._complain()
            time.sleep(min(seconds, 0.2))
        except (ValueError, RuntimeError, EOFError) as error:  # what the decompression libraries raise
            at = ", ".join(f"{part} offset {offset}" for part, offset in sorted(self._at.items()))
            raise SourceError(
                f"a record batch at or after one of {at} cannot be read: {type(error).__name__}: {error}"
            ) from error
        polled.lost, polled.gained = self._listener.take()
        for part in polled.lost:
            self._at.pop(part, None)
        self._forget(polled.lost | polled.gained)
        if read:
            self._answered()
        self._collect(read, polled, max_records, max_bytes)
        polled.gone &= self._at.keys()
        return polled

    def place(self, part: Part, offset: int) -> None:
        """Read a part of this member's share from `offset` on. Does nothing when the part is no longer ours."""
        where = TopicPartition(*part)
        self._forget({part})
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

    def firsts_since(self, parts: Iterable[Part], moment: datetime) -> dict[Part, int]:
        """Offset of the first record of each part with that time or a later one; its end where there is none."""
        asked = {TopicPartition(*part): int(moment.timestamp() * 1000) for part in parts}
        ends = self.ends(parts)
        try:
            found = self._consumer.offsets_for_times(asked, timeout_ms=int(REACH_SECONDS * 1000))
        except kafka_errors.KafkaError as error:
            raise self._explained(error) from error
        return {
            Part(*part): ends[Part(*part)] if at is None else int(at.offset) for part, at in found.items()
        }

    def identity(self, topic: str) -> int | None:
        """A number that a topic keeps until it is deleted and made again; None where the broker tells none."""
        known = self._consumer._cluster.topic_id(topic) if self._whole else None  # noqa: SLF001
        return None if known is None or not known.int else known.int >> 65

    def look_around(self) -> None:
        """Tell of topics that have come up and cannot be read."""
        if not self._whole or not self._topics.pattern:
            return
        found = set(self._topics.ambiguous(self._consumer._cluster.topics()))  # noqa: SLF001
        for topic in sorted(found - self._left_out):
            log.error("%s", _both(topic))
        self._left_out |= found

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
            if isinstance(outcome, kafka_errors.FencedInstanceIdError):
                self._fenced = outcome  # the client itself would only cease to send signs of life
            elif isinstance(outcome, Exception):
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

    def _collect(
        self, read: Mapping[Any, list[Any]], polled: Polled, max_records: int, max_bytes: int
    ) -> None:
        """Turn records into columns, and notice positions that moved without records (markers, compaction)."""
        for where, records in read.items():
            part = Part(*where)
            if part in self._at and part not in polled.gained:
                if self._whole:
                    self._queue += ((part, batch) for batch in records)
                else:
                    polled.chunks[part] = _columns(records)
        self._split(polled, max_records, max_bytes)
        waiting = {part for part, _ in self._queue}
        for part in polled.chunks.keys() | (self._at.keys() - polled.gained - polled.gone):
            chunk = polled.chunks.get(part)
            if part not in waiting:
                try:
                    position = self._consumer.position(TopicPartition(*part), timeout_ms=1000)
                except kafka_errors.KafkaError:
                    position = None
                if position is not None and position > max(self._at[part], chunk.next_offset if chunk else 0):
                    if chunk is None:
                        chunk = polled.chunks[part] = Chunk(position)
                    chunk.next_offset = position
            if chunk is not None:
                self._at[part] = chunk.next_offset

    def _split(self, polled: Polled, max_records: int, max_bytes: int) -> None:
        """Take as many whole batches as are asked for. Of the first, records from before the position are left to
        whoever takes them."""
        batches = rows = size = 0
        while self._queue and rows < max_records and size < max_bytes:
            part, batch = self._queue.popleft()
            try:
                chunk = batch.columns(part)
            except kafka_errors.UnsupportedCodecError as error:
                raise SourceError(f"{part}: {error}") from error
            batches, rows, size = batches + 1, rows + len(chunk), size + chunk.size
            if part in polled.chunks:
                polled.chunks[part].extend(chunk)
            else:
                polled.chunks[part] = chunk
        if batches:
            self._per_batch = max(1.0, rows / batches)

    def _forget(self, parts: Collection[Part]) -> None:
        if parts and self._queue:
            self._queue = deque(each for each in self._queue if each[0] not in parts)

    def _find_parts(self) -> list[Part]:
        try:
            known = self._consumer.topics()
        except kafka_errors.KafkaError as error:
            raise explain(error, self._settings) from error
        names = self._topics.names
        missing = sorted(names.keys() - known)
        if missing:
            lacking = ", ".join(repr(topic) for topic in missing)
            keys = sorted({f"kafka.{names[topic]}_topics" for topic in missing})
            raise SourceError(
                f"there is no topic {lacking} on the broker at {addresses(self._settings)}, or this user may not"
                f" see it (it needs Describe on it): create it, or correct {' and '.join(keys)}"
            )
        ambiguous = self._topics.ambiguous(known)
        if ambiguous:
            raise SettingsError(_both(ambiguous[0]))
        topics = sorted(topic for topic in known if self._topics.stream_of(topic))
        if not topics:
            log.warning("no topic on the broker matches kafka.*_topics yet: waiting for one")
        return [
            Part(topic, partition)
            for topic in topics
            for partition in sorted(self._consumer.partitions_for_topic(topic))
        ]

    def _offsets(self, ask: Any, parts: Iterable[Part]) -> dict[Part, int]:
        wanted = [TopicPartition(*part) for part in parts]
        if not wanted:
            return {}
        try:
            found = ask(wanted, timeout_ms=int(REACH_SECONDS * 1000))
        except kafka_errors.KafkaError as error:
            raise self._explained(error) from error
        self._answered()
        return {Part(*part): int(offset) for part, offset in found.items()}

    def _explained(self, error: Exception) -> SourceError | SettingsError:
        explained = explain(error, self._settings)
        if isinstance(explained, Unreachable):
            self._complain()
        return explained

    def _complain(self) -> None:
        """Say once that no broker answers, however often it is tried."""
        if self._silent_since is None:
            self._silent_since = time.monotonic()
            log.warning("no Kafka broker answers at %s; trying on", addresses(self._settings))

    def _answered(self) -> None:
        if self._silent_since is not None:
            seconds = time.monotonic() - self._silent_since
            log.warning("Kafka at %s answers again, after %.0f s", addresses(self._settings), seconds)
            self._silent_since = None


def _both(topic: str) -> str:
    return (
        f"kafka.authorization_topics and kafka.orchestration_topics: expressions of both match the topic {topic!r},"
        " so it is not read: name it in one of them"
    )


def _columns(records: list[Any]) -> Chunk:
    """Turn the client's records into parallel lists."""
    headers = [_headers(record.headers) if record.headers else () for record in records]
    return Chunk(
        next_offset=records[-1].offset + 1,
        offset=[record.offset for record in records],
        value=[record.value for record in records],
        key=[record.key for record in records],
        headers=headers,
        time_us=[microseconds(record.timestamp) for record in records],
        size=sum(len(record.value or b"") + len(record.key or b"") for record in records)
        + sum(len(name) + len(value) for each in headers for name, value in each),
    )


def _headers(headers: Iterable[tuple[str, bytes | None]]) -> Headers:
    return tuple((name, value or b"") for name, value in headers)
