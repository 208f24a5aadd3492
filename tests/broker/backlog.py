"""Topics that hold more than a memory should: a long backlog, and records of 20 MB."""

from __future__ import annotations

import json
import random
from typing import TYPE_CHECKING

from sample_data.bulk import bulk_records
from tests.broker.client import Message

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.broker.client import Broker

TOPICS = ("agent.orchestration", "agent.authorization")
PORTION = 250_000
LARGE_BYTES = 20_000_000


def fill_backlog(
    broker: Broker,
    events: int,
    partitions: int,
    compression: str | None,
    tell: Callable[[str], None] = lambda _: None,
) -> None:
    """Produce native events to `backlog.` and both topics' names, a portion again and again."""
    batches: dict[str, list[Message]] = {
        broker.create_topic(f"backlog.{topic}", partitions=partitions): [] for topic in TOPICS
    }
    for topic, key, value in bulk_records(7, min(events, PORTION)):
        batches[f"backlog.{topic}"].append(Message(value=value, key=key))
    for done in range(0, events, PORTION):
        for topic, batch in batches.items():
            broker.produce(topic, batch, compression=compression)
        tell(f"produced {min(done + PORTION, events):,} of {events:,}")


def fill_large(broker: Broker, count: int) -> None:
    """Produce records of 20 MB that cannot be shrunk, each after a small one, to one partition of one topic."""
    for topic in TOPICS:
        broker.create_topic(f"large.{topic}")
    small = json.dumps({
        "event_id": "small", "event_time": "2026-11-24T10:00:00Z", "event_type": "tool_call", "agent_name": "planner",
    }).encode()  # fmt: skip
    rng = random.Random(7)
    for _ in range(count):
        text = rng.randbytes(LARGE_BYTES // 2).hex().encode()
        broker.produce(f"large.{TOPICS[0]}", [Message(small), Message(b'{"event_id": "' + text + b'"}')])
