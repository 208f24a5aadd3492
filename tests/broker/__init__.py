"""A real Kafka broker for tests and benchmarks: Apache Kafka, or a lighter one where that cannot be run.

Tests take the fixtures `broker` (one, shared by all workers; use topics of your own), `topic` (names for
them) and `private_broker` (starts one for a test that stops, kills or configures it). See `fixtures.py`.
"""

from __future__ import annotations

from tests.broker.apache import Listener, start_kafka
from tests.broker.choice import start
from tests.broker.client import Broker, Message
from tests.broker.process import BrokerFailed, BrokerUnavailable
from tests.broker.tansu import start_tansu

__all__ = [
    "Broker",
    "BrokerFailed",
    "BrokerUnavailable",
    "Listener",
    "Message",
    "start",
    "start_kafka",
    "start_tansu",
]
