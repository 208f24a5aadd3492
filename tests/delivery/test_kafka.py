"""Findings in a topic of a real broker."""

from __future__ import annotations

import json
import socket
from typing import TYPE_CHECKING, Any

import pytest

from delivery.retry import FIRST
from delivery.sinks.kafka import Kafka
from schemas.errors import SettingsError
from tests.delivery.conftest import HOSTILE, Clock, Deliver, state

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.broker.client import Broker


def sink(address: str, topic: str, **more: Any) -> dict[str, Any]:
    return {"kind": "kafka", "bootstrap_servers": [address], "topic": topic, "timeout": "20s", **more}


@pytest.mark.broker
def test_states_arrive_in_order_under_their_findings_key(
    find: Callable[..., None], run: Deliver, broker: Broker, topic: Callable[[str], str], clock: Clock
) -> None:
    name = broker.create_topic(topic("findings"), partitions=3)
    find(*(state(n, revision, title=HOSTILE) for revision in (1, 2, 3) for n in range(1, 11)))
    with socket.socket() as taken:  # bound and not listening: nobody answers there
        taken.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        down = run({"siem": sink(address, name, timeout="300ms")})["siem"]
    assert (down.counts, down.open) == ({"failed": 10}, 30)
    assert address in (down.error or "")

    clock.forward(seconds=FIRST.total_seconds())
    assert run({"siem": sink(broker.bootstrap, name)})["siem"].counts == {"delivered": 30}

    records = broker.read(name)
    by_key: dict[bytes, list[str]] = {}
    for record in records:
        uid = json.loads(record.value)["metadata"]["uid"]
        assert uid.partition(":")[0] == record.key.decode()
        by_key.setdefault(record.key, []).append(uid.partition(":")[2])
    assert list(by_key.values()) == [["1", "2", "3"]] * 10
    ids = {dict(record.headers)["counterfoil-delivery-id"] for record in records}
    assert len(ids) == 30


@pytest.mark.broker
def test_a_record_that_is_too_large_is_a_dead_letter(
    find: Callable[..., None], run: Deliver, broker: Broker, topic: Callable[[str], str]
) -> None:
    name = broker.create_topic(topic("findings"))
    find(state(1, explanation="x" * 2_000_000), state(2))

    done = run({"siem": sink(broker.bootstrap, name)})["siem"]

    assert done.counts == {"failed": 2, "dead": 1, "delivered": 1}
    assert [record.key.decode() for record in broker.read(name)] == [f"{2:032x}"]


@pytest.mark.broker
def test_a_topic_that_is_not_there_is_not_made(
    find: Callable[..., None], run: Deliver, broker: Broker, topic: Callable[[str], str]
) -> None:
    find(state(1))

    assert run({"siem": sink(broker.bootstrap, topic("nowhere"), timeout="1s")})["siem"].counts == {
        "failed": 1
    }


def test_what_is_lacking_for_a_login_is_named(configured: Callable[..., Any], to_event: Any) -> None:
    incomplete = sink("localhost:9092", "findings", security_protocol="SASL_SSL", sasl_mechanism="PLAIN")
    settings = configured({"siem": incomplete | {"username": "counterfoil"}}).delivery.sinks["siem"]

    with pytest.raises(SettingsError, match="COUNTERFOIL_DELIVERY__SINKS__SIEM__PASSWORD"):
        Kafka("siem", settings, to_event)
