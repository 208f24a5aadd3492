"""A running broker as a test sees it: its name, its address, topics, records, stop and restart."""

from __future__ import annotations

import json
import shutil
import signal
import socket
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition
from kafka.errors import KafkaError

from tests.broker.process import BrokerFailed, end, is_running, launch, tail

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

READY_SECONDS = 90.0
READ_SECONDS = 120.0
LARGEST_RECORD = 32 * 1024 * 1024


class Message(NamedTuple):
    """One record to produce; what is None is left to the producer (the partition) or absent (key, value)."""

    value: bytes | None
    key: bytes | None = None
    partition: int | None = None
    headers: tuple[tuple[str, bytes], ...] = ()
    timestamp_ms: int | None = None


@dataclass(frozen=True)
class Broker:
    """A broker with a folder of its own (`home`); what is saved of it lets any process of the machine use it.

    `addresses` maps a listener's name to its host:port, the first being `bootstrap`. `client` holds the
    kafka-python settings that the helpers connect with (for a first listener with TLS or SASL). `durable`
    says whether records outlive a restart. `owner` is the process with which the broker ends; `note` says why
    this kind was taken.
    """

    name: str
    home: str
    addresses: dict[str, str]
    command: tuple[str, ...]
    owner: int
    durable: bool
    note: str = ""
    client: dict[str, Any] = field(default_factory=dict)

    @property
    def bootstrap(self) -> str:
        """The address of the first listener, as `host:port`."""
        return next(iter(self.addresses.values()))

    def start(self) -> None:
        """Start it in its folder and wait until it answers. Raises BrokerFailed with the end of its log."""
        launch(Path(self.home), self.command, self.owner)
        try:
            self._wait()
        except BaseException:
            self.kill()
            raise

    def stop(self) -> None:
        """Let it shut down in order, and wait until it is gone."""
        end(Path(self.home))

    def kill(self) -> None:
        """End it at once (`kill -9`), and wait until it is gone."""
        end(Path(self.home), how=signal.SIGKILL)

    def restart(self) -> None:
        """Stop it and start it again at the same addresses; records stay only where it is `durable`."""
        self.stop()
        self.start()

    def discard(self) -> None:
        """Stop it and remove its data; its logs stay."""
        self.stop()
        shutil.rmtree(Path(self.home) / "data", ignore_errors=True)

    @property
    def is_running(self) -> bool:
        """Whether its process is alive."""
        return is_running(Path(self.home))

    def save(self, folder: Path) -> None:
        """Write `broker.json` to a folder, from which other processes load it."""
        (folder / "broker.json").write_text(json.dumps(asdict(self)), encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> Broker | None:
        """Return the broker that was saved in a folder, or None where none was."""
        try:
            kept = json.loads((folder / "broker.json").read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        return cls(**{**kept, "command": tuple(kept["command"])})

    def create_topic(self, name: str, partitions: int = 1, config: Mapping[str, str] | None = None) -> str:
        """Create a topic and wait until each partition has a leader; returns its name."""
        options = {"num_partitions": partitions, "replication_factor": 1, "configs": dict(config or {})}
        with KafkaAdminClient(bootstrap_servers=self.bootstrap, **self.client) as admin:
            admin.create_topics({name: options}, wait_for_metadata=True)
        return name

    def produce(self, topic: str, records: Iterable[Message | bytes], compression: str | None = None) -> int:
        """Produce records, wait until all are acknowledged, return how many. Raises the first KafkaError."""
        failures: list[BaseException] = []
        count = 0
        producer = KafkaProducer(
            bootstrap_servers=self.bootstrap,
            compression_type=compression,
            acks="all",
            linger_ms=20,
            batch_size=128 * 1024,
            max_request_size=LARGEST_RECORD,
            **self.client,
        )
        try:
            for count, record in enumerate(records, 1):  # noqa: B007 - the count is the result
                each = Message(record) if isinstance(record, bytes) else record
                producer.send(
                    topic,
                    value=each.value,
                    key=each.key,
                    partition=each.partition,
                    headers=list(each.headers),
                    timestamp_ms=each.timestamp_ms,
                ).add_errback(failures.append)
            producer.flush()
        finally:
            producer.close()
        if failures:
            raise failures[0]
        return count

    def read(self, topic: str) -> list[Any]:
        """Return every record up to a topic's present end, as kafka-python ConsumerRecords, by partition."""
        settings = {"enable_auto_commit": False, "auto_offset_reset": "earliest", **self.client}
        consumer = KafkaConsumer(
            bootstrap_servers=self.bootstrap, max_partition_fetch_bytes=LARGEST_RECORD, **settings
        )
        try:
            parts = [
                TopicPartition(topic, each) for each in sorted(consumer.partitions_for_topic(topic) or ())
            ]
            consumer.assign(parts)
            found: dict[Any, list[Any]] = {part: [] for part in parts}
            until = time.monotonic() + READ_SECONDS
            # The end is taken from each fetch: asked for by itself, Tansu's is short by up to a batch.
            while any(consumer.position(part) != consumer.highwater(part) for part in parts):
                if time.monotonic() > until:
                    raise TimeoutError(f"{topic} was not read to its end in {READ_SECONDS:.0f} s")
                for part, batch in consumer.poll(timeout_ms=500).items():
                    found[part] += batch
            return [record for part in parts for record in found[part]]
        finally:
            consumer.close()

    def _wait(self) -> None:
        """Wait until the port is open and the broker answers a metadata request."""
        host, port = self.bootstrap.rsplit(":", 1)
        until = time.monotonic() + READY_SECONDS
        while self.is_running and time.monotonic() < until:
            try:
                socket.create_connection((host, int(port)), timeout=1).close()
                with KafkaAdminClient(bootstrap_servers=self.bootstrap, **self.client) as admin:
                    admin.list_topics()
            except (OSError, KafkaError):
                time.sleep(0.1)
            else:
                return
        what = "did not answer" if self.is_running else "ended while starting"
        logs = "\n".join(tail(Path(self.home) / name) for name in ("server.log", "console.log"))
        raise BrokerFailed(f"{self.name} at {self.bootstrap} {what}; its logs are in {self.home}\n{logs}")


def start_on_free_ports(home: Path, make: Callable[[Path], Broker]) -> Broker:
    """Make a broker in a new folder under `home` and start it; once more in another if its port was taken.

    A port found free may be taken before it is bound. Raises BrokerFailed for another failure, or the third.
    """
    for attempt in range(3):
        folder = home / f"broker-{attempt}"
        folder.mkdir(parents=True)
        broker = make(folder)
        try:
            broker.start()
        except BrokerFailed as failure:
            if attempt == 2 or not any(words in str(failure) for words in ("BindException", "in use")):
                raise
        else:
            return broker
    raise AssertionError
