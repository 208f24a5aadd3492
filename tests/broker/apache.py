"""Apache Kafka in KRaft mode: one node, broker and controller in one process, on 127.0.0.1 only."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from tests.broker.client import LARGEST_RECORD, Broker, start_on_free_ports
from tests.broker.fetch import fetch, kafka_version
from tests.broker.process import free_ports
from tests.broker.ready import make_ready

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

OLDEST_JAVA = 17
LOGGING = Path(__file__).with_name("log4j2.properties")
# Starting soon matters more here than speed at length: the quick compiler, the small collector.
JVM = (
    "-Xmx384m",
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
    "-XX:-UsePerfData",
    "-Djava.awt.headless=true",
)


class Listener(NamedTuple):
    """A listener by name and security protocol (PLAINTEXT, SSL, SASL_PLAINTEXT, SASL_SSL)."""

    name: str = "CLIENT"
    protocol: str = "PLAINTEXT"


def find_java() -> str | None:
    """Return the `java` of JAVA_HOME or else of PATH, if it is new enough for the broker."""
    home = os.environ.get("JAVA_HOME")
    java = shutil.which("java", path=str(Path(home) / "bin")) if home else shutil.which("java")
    if java is None:
        return None
    said = subprocess.run([java, "-version"], capture_output=True, text=True, check=False).stderr
    found = re.search(r'version "(\d+)', said)
    return java if found and int(found[1]) >= OLDEST_JAVA else None


def start_kafka(
    home: Path,
    java: str,
    *,
    owner: int,
    progress: Callable[[str], None],
    listeners: Sequence[Listener] = (Listener(),),
    properties: Mapping[str, str] | None = None,
    client: Mapping[str, Any] | None = None,
    jvm: Sequence[str] = (),
) -> Broker:
    """Start a broker over a new log folder in `home` and wait until it answers.

    The first listener serves `Broker.bootstrap`; `properties` (as in Apache Kafka's server.properties) are
    laid over the ones made here, `jvm` options come after ours. Raises BrokerUnavailable or BrokerFailed.
    """
    libs = fetch(progress)

    def describe(
        folder: Path, options: Sequence[str], listeners: Sequence[Listener], properties: Mapping[str, str]
    ) -> Broker:
        ports = dict(zip([each.name for each in listeners], free_ports(len(listeners)), strict=True))
        settings = {**_properties(folder, ports, listeners), **properties}
        text = "".join(f"{key}={value}\n" for key, value in settings.items())
        file = folder / "server.properties"
        file.write_text(text, encoding="utf-8")
        log = (f"-Dlog4j2.configurationFile={LOGGING}", f"-Dbroker.log={folder / 'server.log'}")
        return Broker(
            name=f"Apache Kafka {kafka_version()}",
            home=str(folder),
            addresses={name: f"127.0.0.1:{port}" for name, port in ports.items()},
            command=(java, *JVM, *log, *options, "-cp", f"{libs}/*", "kafka.Kafka", str(file)),
            owner=owner,
            durable=True,
            client=dict(client or {}),
        )

    ready = make_ready(libs, lambda folder, options: describe(folder, options, (Listener(),), {}), progress)

    def make(folder: Path) -> Broker:
        shutil.copytree(ready / "formatted", folder / "data")
        classes = ready / "classes"
        share = (f"-XX:SharedArchiveFile={classes}",) if classes.exists() else ()
        return describe(folder, (*share, *jvm), listeners, properties or {})

    return start_on_free_ports(home, make)


def _properties(home: Path, ports: Mapping[str, int], listeners: Sequence[Listener]) -> dict[str, str]:
    """Return the settings of one node: internal topics with one copy, no waiting for members to gather."""
    (controller,) = free_ports(1)
    here = {name: f"{name}://127.0.0.1:{port}" for name, port in ports.items()}
    return {
        "process.roles": "broker,controller",
        "node.id": "1",
        "controller.quorum.voters": f"1@127.0.0.1:{controller}",
        "controller.listener.names": "CONTROLLER",
        "listeners": ",".join([*here.values(), f"CONTROLLER://127.0.0.1:{controller}"]),
        "advertised.listeners": ",".join(here.values()),
        "listener.security.protocol.map": ",".join(
            f"{each.name}:{each.protocol}" for each in (*listeners, Listener("CONTROLLER"))
        ),
        "inter.broker.listener.name": listeners[0].name,
        "log.dirs": str(home / "data"),
        "auto.create.topics.enable": "false",
        "message.max.bytes": str(LARGEST_RECORD),
        "replica.fetch.max.bytes": str(LARGEST_RECORD),
        "socket.request.max.bytes": str(2 * LARGEST_RECORD),
        "log.cleaner.dedupe.buffer.size": str(4 * 1024 * 1024),
        "num.network.threads": "2",
        "num.io.threads": "2",
        # A node killed and started again is let in once its last registration has lapsed: 9 s by default.
        "broker.session.timeout.ms": "3000",
        "broker.heartbeat.interval.ms": "500",
        "group.initial.rebalance.delay.ms": "0",
        "group.min.session.timeout.ms": "500",
        "offsets.topic.num.partitions": "4",
        "offsets.topic.replication.factor": "1",
        "transaction.state.log.num.partitions": "4",
        "transaction.state.log.replication.factor": "1",
        "transaction.state.log.min.isr": "1",
        "share.coordinator.state.topic.num.partitions": "1",
        "share.coordinator.state.topic.replication.factor": "1",
        "share.coordinator.state.topic.min.isr": "1",
    }
