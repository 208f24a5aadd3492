"""Producers that write for as long as a run goes on, whatever happens to the broker."""

from __future__ import annotations

import json
import random
import threading
from typing import TYPE_CHECKING

from kafka import KafkaProducer
from kafka.errors import KafkaError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

PAUSE_SECONDS = 0.05


class Producer:
    """Writes one stream to its topic. `acknowledged` are the numbers of the records that the broker has taken."""

    def __init__(
        self, stream: str, bootstrap: str, topics: Mapping[str, int], rate: int, seed: int, now: datetime
    ) -> None:
        """`topics` holds the number of partitions, which may grow; the topic has the stream's name."""
        self._stream, self._bootstrap, self._topics = stream, bootstrap, topics
        self._rng = random.Random(f"{stream}{seed}")
        self._per_turn = max(1, int(rate * PAUSE_SECONDS))
        self._time = now.isoformat()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.sent = 0
        self.acknowledged: set[int] = set()
        self._thread.start()

    def close(self) -> None:
        """Write no more, and wait for the broker's answers."""
        self._ended.set()
        self._thread.join()

    def _run(self) -> None:
        producer = KafkaProducer(
            bootstrap_servers=self._bootstrap, acks="all", compression_type="lz4", linger_ms=20,
            max_block_ms=5000, metadata_max_age_ms=1000, reconnect_backoff_max_ms=500,
        )  # fmt: skip
        while not self._ended.wait(PAUSE_SECONDS):
            for _ in range(self._per_turn):
                self.sent += 1
                record = self._record(self.sent)
                partition = self._rng.randrange(self._topics[self._stream])
                try:
                    answer = producer.send(self._stream, record, partition=partition)
                except (KafkaError, ValueError):  # no broker, or the partition has not been heard of yet
                    continue
                answer.add_callback(lambda _, number=self.sent: self.acknowledged.add(number))
        producer.flush(timeout=60)
        producer.close()

    def _record(self, number: int) -> bytes:
        """Nine in ten for the stream's own table, the rest identity events and dead letters."""
        name = f"{self._stream[0]}{number}"
        chance = self._rng.random()
        if chance < 0.05:
            return f'{{"event_id": "{name}'.encode()
        common = {"agent_name": "planner", "action": "read", "resource_type": "document", "resource_id": name}
        if chance < 0.1:
            return json.dumps({
                "event_id": name, "event_time": self._time, "event_type": "grant", "grant_id": name,
                "scope": "document.read", "agent_name": "planner",
            }).encode()  # fmt: skip
        if self._stream == "orchestration":
            own = {
                "event_id": name,
                "event_time": self._time,
                "event_type": "tool_call",
                "tool_name": "search",
            }
        else:
            own = {"decision_id": name, "decision_time": self._time, "decision": "allow"}
        return json.dumps(own | common).encode()
