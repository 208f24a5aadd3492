"""Trying out the way to Kafka step by step, for whoever sets it up: each step with its verdict."""

from __future__ import annotations

import socket
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from kafka import TopicPartition
from kafka import errors as kafka_errors

from ingest.commit import PRIMARY
from ingest.connect import MAX_FETCH, REACH_SECONDS, connect, explain
from ingest.kafka import KafkaSource
from schemas.errors import CounterfoilError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ingest.batch import Part
    from lake.store import Lake
    from schemas.settings import KafkaSettings

CONNECT_SECONDS = 5.0
READ_SECONDS = 1.0


@dataclass(frozen=True)
class Check:
    """One thing that was looked at: what was found, and where it is not well, what to do."""

    name: str
    verdict: Literal["ok", "warning", "failed"]
    found: str
    advice: str = ""


def probe_kafka(settings: KafkaSettings, lake: Lake | None) -> Iterator[Check]:
    """Look at addresses, login, topics, reading, the group and, with a lake, the positions; end where it fails.

    Nothing is read into the lake and no member of the group is moved.
    """
    addresses = _addresses(settings)
    yield addresses
    if addresses.verdict == "failed":
        return
    try:
        consumer = connect(settings, MAX_FETCH)
    except CounterfoilError as error:
        yield Check("login", "failed", str(error))
        return
    try:
        who = settings.username or "without a user"
        yield Check("login", "ok", f"{settings.security_protocol}, {who}")
        try:
            source = KafkaSource(settings)
        except CounterfoilError as error:
            yield Check("topics", "failed", str(error))
            return
        with source:
            yield from _topics(source)
            if source.parts:
                yield _reading(source)
                yield _group(consumer, source, settings)
                if lake is not None:
                    yield _positions(source, lake)
    finally:
        consumer.close(autocommit=False, timeout_ms=5000)


def _addresses(settings: KafkaSettings) -> Check:
    """Whether something takes a connection at each address; the client would not say which one does not."""
    silent = {}
    for address in settings.bootstrap_servers:
        host, _, port = address.rpartition(":")
        try:
            with socket.create_connection((host.strip("[]"), int(port)), timeout=CONNECT_SECONDS):
                pass
        except (OSError, ValueError, OverflowError) as error:
            silent[address] = getattr(error, "strerror", None) or str(error)
    if not silent:
        return Check("broker", "ok", f"{', '.join(settings.bootstrap_servers)} can be reached")
    told = ", ".join(f"{address} ({reason})" for address, reason in silent.items())
    everyone = len(silent) == len(settings.bootstrap_servers)
    return Check(
        "broker",
        "failed" if everyone else "warning",
        f"nothing can be reached at {told}",
        "check that the brokers run, kafka.bootstrap_servers, and what is between here and there",
    )


def _topics(source: KafkaSource) -> Iterator[Check]:
    counts = Counter(part.topic for part in source.parts)
    for topic, count in sorted(counts.items()):
        stream = source.stream_of(topic)
        yield Check("topic", "ok", f"{topic}: {count} partition{'s' if count > 1 else ''}, {stream}")
    if not counts:
        yield Check(
            "topics", "warning", "no topic matches the expressions of the settings yet",
            "create one, or correct kafka.orchestration_topics and kafka.authorization_topics",
        )  # fmt: skip


def _reading(source: KafkaSource) -> Check:
    """Fetch at the ends: the broker refuses at once who may not read, and gives nothing to who may."""
    try:
        source.watch()
        source.poll(READ_SECONDS, 1, 1)
    except CounterfoilError as error:
        return Check("reading", "failed", str(error))
    return Check("reading", "ok", "this user may read the topics")


def _group(consumer: Any, source: KafkaSource, settings: KafkaSettings) -> Check:
    try:
        consumer.committed(TopicPartition(*source.parts[0]), timeout_ms=int(REACH_SECONDS * 1000))
    except kafka_errors.KafkaError as error:
        return Check("group", "failed", str(explain(error, settings)))
    return Check("group", "ok", f"this user may use the group {settings.group_id!r}")


def _positions(source: KafkaSource, lake: Lake) -> Check:
    """Whether what the lake wants to read next is still there."""
    try:
        starts, ends = source.starts(source.parts), source.ends(source.parts)
    except CounterfoilError as error:
        return Check("positions", "failed", str(error))
    gone: dict[Part, int] = {}
    beyond: list[Part] = []
    behind = known = 0
    for stream in source.streams:
        parts = [part for part in source.parts if source.stream_of(part.topic) == stream]
        recorded = lake.positions(PRIMARY[stream], map(str, parts))
        for part in parts:
            position = recorded[str(part)]
            if position is None:
                continue
            known += 1
            behind += max(0, ends[part] - position)
            if position < starts[part]:
                gone[part] = starts[part] - position
            elif position > ends[part]:
                beyond.append(part)
    if beyond:
        return Check(
            "positions", "failed",
            f"the lake has read {', '.join(map(str, beyond))} further than it goes: the topic was made again, or the"
            " broker lost records",
            "give the new topic another name, since its offsets would be taken for those already read",
        )  # fmt: skip
    if gone:
        told = ", ".join(f"{count:,} of {part}" for part, count in gone.items())
        return Check(
            "positions", "warning", f"records are gone before they could be read: {told}",
            "they will be noted as a hole; raise the topic's retention, and keep ingest running",
        )  # fmt: skip
    return Check(
        "positions", "ok",
        f"{known} of {len(source.parts)} partitions have been read before; {behind:,} records are waiting in them",
    )  # fmt: skip
