"""Joining the group: again after being put out, and with polls that are shorter than a join takes."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
from kafka import KafkaAdminClient

from ingest.kafka import KafkaSource

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.broker import Broker

pytestmark = pytest.mark.broker


def share(held: dict[KafkaSource, set[Any]], counts: list[int], seconds: float) -> None:
    """Poll all at once, for so long each time and with other things to do between, until they have so many parts."""
    until = time.monotonic() + 30

    def work(source: KafkaSource) -> None:
        while [len(parts) for parts in held.values()] != counts and time.monotonic() < until:
            polled = source.poll(seconds, 100, 10_000)
            held[source] = held[source] - polled.lost | polled.gained
            time.sleep(0.02)

    with ThreadPoolExecutor() as at_once:
        list(at_once.map(work, held))
    assert [len(parts) for parts in held.values()] == counts


def test_no_part_is_left_to_nobody_when_one_that_was_put_out_joins_anew_beside_a_new_one(
    kafka: dict[str, Any], make_settings: Any
) -> None:
    settings = make_settings(kafka={**kafka, "session_timeout": "1s"}).kafka
    with KafkaSource(settings, 1_000_000) as first, KafkaSource(settings, 1_000_000) as second:
        held: dict[KafkaSource, set[Any]] = {first: set()}
        first.join()
        share(held, [6], seconds=0.2)
        # What the client does when the broker no longer knows it. Here the broker misses its old self for a second
        # more, and holds the round open for it, so that both are in the next one.
        first._consumer._coordinator.reset_generation()
        second.join()
        held[second] = set()
        share(held, [3, 3], seconds=0.2)
        assert held[first] | held[second] == set(first.parts)


def test_a_member_is_taken_in_though_each_of_its_polls_is_over_before_the_join(
    kafka: dict[str, Any], make_settings: Any
) -> None:
    with KafkaSource(make_settings(kafka=kafka).kafka) as source:
        source.join()
        share({source: set()}, [6], seconds=0.0)
        assert source.joined


def test_a_leader_gets_new_partitions_though_each_of_its_polls_is_over_before_the_join(
    broker: Broker, kafka: dict[str, Any], make_settings: Any
) -> None:
    if "Kafka" not in broker.name:
        pytest.skip(f"{broker.name} makes no partitions: it takes Apache Kafka")
    with KafkaSource(make_settings(kafka={**kafka, "metadata_refresh": "1s"}).kafka) as source:
        held: dict[KafkaSource, set[Any]] = {source: set()}
        source.join()
        share(held, [6], seconds=0.5)
        with KafkaAdminClient(bootstrap_servers=broker.bootstrap) as admin:
            admin.create_partitions({kafka["orchestration_topics"][0]: 4})
        share(held, [7], seconds=0.0)
        assert source.joined


def test_a_member_that_knows_of_a_new_topic_before_its_leader_stays_in_the_group(
    broker: Broker, kafka: dict[str, Any], topic: Callable[[str], str], make_settings: Any
) -> None:
    kafka |= {"orchestration_topics": [f"^{topic('orchestration')}"], "authorization_topics": []}
    late, soon = (make_settings(kafka={**kafka, "metadata_refresh": each}).kafka for each in ("60s", "1s"))
    with KafkaSource(late) as leader, KafkaSource(soon) as follower:
        held: dict[KafkaSource, set[Any]] = {leader: set()}
        leader.join()
        share(held, [3], seconds=0.2)
        follower.join()
        held[follower] = set()
        share(held, [2, 1], seconds=0.2)
        broker.create_topic(topic("orchestration-too"), partitions=3)
        # Its leader hears of it through signs of life, which are further apart than polls.
        share(held, [3, 3], seconds=0.2)
        assert follower.joined
