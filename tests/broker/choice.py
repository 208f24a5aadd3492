"""Which broker the tests use: Apache Kafka where a JDK and Maven (or its cache) are at hand, else Tansu.

COUNTERFOIL_TEST_BROKER=kafka or =tansu takes that one or fails.
"""

from __future__ import annotations

import os
import shutil
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

from tests.broker.apache import OLDEST_JAVA, find_java, start_kafka
from tests.broker.fetch import cached
from tests.broker.process import BrokerUnavailable
from tests.broker.tansu import PACKAGE, find_tansu, start_tansu

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.broker.client import Broker

Kind = Literal["kafka", "tansu"]
HOW_TO_GET_KAFKA = "install a JDK 17 and Maven (Debian: apt-get install openjdk-17-jre-headless maven)"
HOW_TO_GET_ONE = (
    f"no Kafka broker for tests: {HOW_TO_GET_KAFKA}, or run 'make setup' for the package {PACKAGE}"
)


def start(
    home: Path, *, owner: int, progress: Callable[[str], None], kind: Kind | None = None, **kafka: Any
) -> Broker:
    """Start the broker of choice in `home` and wait until it answers.

    `kafka` holds further arguments of `start_kafka`; giving any, or `kind="kafka"`, rules Tansu out. Raises
    BrokerUnavailable, which says how to get one, and BrokerFailed.
    """
    forced = kind or os.environ.get("COUNTERFOIL_TEST_BROKER") or ("kafka" if kafka else None)
    if forced not in (None, "kafka", "tansu"):
        raise BrokerUnavailable(f"COUNTERFOIL_TEST_BROKER={forced}: it is either kafka or tansu")
    lacking = "" if forced == "tansu" else what_kafka_lacks()
    java = find_java()
    if forced != "tansu" and not lacking and java:
        try:
            return start_kafka(home, java, owner=owner, progress=progress, **kafka)
        except BrokerUnavailable as failure:
            if forced == "kafka":
                raise
            lacking = str(failure).splitlines()[0]
    if forced == "kafka":
        raise BrokerUnavailable(f"Apache Kafka cannot be run, since {lacking}: {HOW_TO_GET_KAFKA}")
    program = find_tansu()
    if program is None:
        raise BrokerUnavailable(HOW_TO_GET_ONE)
    return replace(start_tansu(home, program, owner=owner), note=lacking)


def what_kafka_lacks() -> str:
    """Say in a few words what is missing here to run Apache Kafka; empty when nothing is."""
    if find_java() is None:
        return f"there is no Java {OLDEST_JAVA} or newer"
    if cached() is None and shutil.which("mvn") is None:
        return "there is no Maven to fetch it"
    return ""
