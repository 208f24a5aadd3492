"""Which topics and partitions are read, from where on, and what happens when they come, go or change."""

from __future__ import annotations

import signal
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from kafka import KafkaAdminClient, TopicPartition

from ingest.run import run_kafka
from ingest.topics import Topics
from schemas.errors import SettingsError, SourceError
from schemas.settings import KafkaSettings
from tests.broker.client import Message

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.broker.client import Broker
    from tests.broker.fixtures import StartBroker


@pytest.fixture
def kafka(broker: Broker, topic: Callable[[str], str]) -> dict[str, Any]:
    """Settings for a group of its own; tests name the topics."""
    if "Kafka" not in broker.name:
        pytest.skip(f"{broker.name} makes no partitions and tells no ends of them: it takes Apache Kafka")
    return {
        "bootstrap_servers": [broker.bootstrap],
        "group_id": topic("group"),
        "session_timeout": "3s",
        "metadata_refresh": "1s",
        "authorization_topics": [],
    }


def names(look: Any, table: str = "orchestration_events") -> list[str]:
    key = "event_id" if table == "orchestration_events" else "decision_id"
    return [row[0] for row in look.sql(f"select {key} from {table} order by 1")]


def topics(orchestration: list[str], authorization: list[str]) -> Topics:
    return Topics(KafkaSettings(orchestration_topics=orchestration, authorization_topics=authorization))


def test_a_name_goes_before_an_expression() -> None:
    found = topics([r"^agent\."], ["agent.authorization", "^opa"])
    assert found.stream_of("agent.orchestration") == "orchestration"
    assert found.stream_of("agent.authorization") == "authorization"
    assert found.stream_of("opa-decisions") == "authorization"
    assert found.stream_of("my-agent.orchestration") is None


def test_a_topic_of_both_streams_expressions_is_read_by_neither() -> None:
    found = topics(["^agent"], ["^agent.*decisions$", "agent-named"])
    assert found.stream_of("agent-decisions") is None
    assert found.ambiguous(["agent-decisions", "agent-named", "agent-x", "other"]) == ["agent-decisions"]


@pytest.mark.parametrize("topic", ["a", "ab", "a.b", "decisions", "a-decisions", "x"])
def test_the_one_expression_for_the_broker_matches_what_is_read(topic: str) -> None:
    import re

    found = topics(["a.b", "^a", "x"], ["decisions", "^.*-decisions$"])
    assert bool(re.match(found.pattern or "", topic)) == (found.stream_of(topic) is not None)


def test_an_expression_that_is_none_is_a_wrong_setting() -> None:
    with pytest.raises(ValueError, match="not a regular expression"):
        KafkaSettings(orchestration_topics=["^agent("])


@pytest.mark.broker
def test_topics_by_expression_are_read_and_one_of_both_streams_is_refused(
    broker: Broker, kafka: dict[str, Any], topic: Any, make_settings: Any, events: Any, look: Any
) -> None:
    for word, record in (("one-events", events.action("a0")), ("two-events", events.action("a1")),
                         ("decisions", events.decision("d0"))):  # fmt: skip
        broker.produce(broker.create_topic(topic(word)), [record])
    here = f"^{topic('')}"
    kafka |= {"orchestration_topics": [here + ".*events"], "authorization_topics": [here + "decisions"]}
    assert run_kafka(make_settings(kafka=kafka), until_end=True).records == 3
    assert (names(look), names(look, "authorization_decisions")) == (["a0", "a1"], ["d0"])

    with pytest.raises(
        SettingsError, match=r"expressions of both match the topic '.*decisions', so it is not read"
    ):
        run_kafka(make_settings(kafka=kafka | {"orchestration_topics": [here]}), until_end=True)


@pytest.mark.broker
def test_new_topics_and_new_partitions_are_read_from_their_beginning_without_a_restart(
    broker: Broker, kafka: dict[str, Any], topic: Any, write_settings: Any, start_process: Any, events: Any,
    look: Any,
) -> None:  # fmt: skip
    first = broker.create_topic(topic("first"))
    broker.produce(first, [events.action("too-old")])
    kafka |= {"orchestration_topics": [f"^{topic('')}"], "start": "latest"}
    member = start_process(write_settings(kafka=kafka, ingest={"batch_time": "200ms"}))
    member.wait_for("append orchestration_events 0")  # the place to begin at is noted before anything comes
    with KafkaAdminClient(bootstrap_servers=broker.bootstrap) as admin:
        admin.create_partitions({first: 2})
    second = broker.create_topic(topic("second"))
    broker.produce(first, [Message(events.action("b-partition"), partition=1)])
    broker.produce(second, [events.action("c-topic")])
    broker.produce(first, [Message(events.action("a-known"), partition=0)])
    until = time.monotonic() + 60
    while len(found := names(look)) < 3 and time.monotonic() < until:
        time.sleep(0.2)
    member.popen.send_signal(signal.SIGTERM)
    assert member.end() == 0, member.errors
    assert found == ["a-known", "b-partition", "c-topic"]


@pytest.mark.broker
def test_a_start_at_the_latest_is_kept_while_nothing_comes(
    broker: Broker, kafka: dict[str, Any], topic: Any, make_settings: Any, events: Any, look: Any
) -> None:
    kafka |= {"orchestration_topics": [broker.create_topic(topic("events"))], "start": "latest"}
    settings = make_settings(kafka=kafka)
    assert run_kafka(settings, until_end=True).records == 0
    broker.produce(topic("events"), [events.action("while-none-ran")])
    assert run_kafka(settings, until_end=True).records == 1
    assert names(look) == ["while-none-ran"]


@pytest.mark.broker
def test_a_start_at_a_time_takes_the_first_record_from_then_on(
    broker: Broker, kafka: dict[str, Any], topic: Any, make_settings: Any, events: Any, look: Any
) -> None:
    name = broker.create_topic(topic("events"), partitions=2)
    noon = datetime(2026, 11, 24, 12, tzinfo=UTC)
    at = int(noon.timestamp() * 1000)
    broker.produce(
        name,
        [
            Message(events.action("a0"), partition=0, timestamp_ms=at - 1),
            Message(events.action("a1"), partition=0, timestamp_ms=at),
            Message(events.action("a2"), partition=0, timestamp_ms=at + 1),
            Message(events.action("b0"), partition=1, timestamp_ms=at - 1),
        ],
    )
    kafka |= {"orchestration_topics": [name], "start": "2026-11-24T13:00:00+01:00"}
    assert run_kafka(make_settings(kafka=kafka), until_end=True).records == 2
    assert names(look) == ["a1", "a2"]


@pytest.mark.long
@pytest.mark.broker
def test_a_static_member_that_comes_back_takes_its_place_from_the_one_it_was(
    broker: Broker, kafka: dict[str, Any], topic: Any, write_settings: Any, start_process: Any, events: Any,
    look: Any,
) -> None:  # fmt: skip
    name = broker.create_topic(topic("events"), partitions=2)
    settings = write_settings(
        kafka=kafka
        | {"orchestration_topics": [name], "group_instance_id": "member-1", "session_timeout": "60s"},
        ingest={"batch_time": "200ms"},
    )
    broker.produce(name, [events.action("a0")])
    first = start_process(settings)
    first.wait_for("append orchestration_events")
    first.popen.kill()
    first.end()
    broker.produce(name, [events.action("a1")])
    second = start_process(settings)
    # Another member would wait for the session of the killed one to end, which takes longer than this.
    second.wait_for("append orchestration_events 1", seconds=40)
    third = start_process(settings)
    assert second.end() == SourceError.exit_code
    assert second.errors[-1].startswith("SourceError: another process is the member 'member-1' of the group")
    third.popen.send_signal(signal.SIGTERM)
    assert third.end() == 0, third.errors
    assert names(look) == ["a0", "a1"]


@pytest.mark.broker
def test_retention_that_overtakes_a_running_member_leaves_a_hole_on_record(
    broker: Broker, kafka: dict[str, Any], topic: Any, write_settings: Any, start_process: Any, events: Any,
    look: Any,
) -> None:  # fmt: skip
    name = broker.create_topic(topic("events"))
    broker.produce(name, [events.action(f"a{i}") for i in range(3)])
    kafka |= {"orchestration_topics": [name], "session_timeout": "30s"}
    member = start_process(write_settings(kafka=kafka, ingest={"batch_time": "200ms"}))
    member.wait_for("append orchestration_events 3")
    member.wait_for("append stream_progress")
    member.popen.send_signal(signal.SIGSTOP)
    broker.produce(name, [events.action(f"a{i}") for i in range(3, 9)])
    with KafkaAdminClient(bootstrap_servers=broker.bootstrap) as admin:
        admin.delete_records({TopicPartition(name, 0): 7})
    member.popen.send_signal(signal.SIGCONT)
    # A fetch that was under way when the member was stopped may have been answered with what was there then.
    until = time.monotonic() + 60
    while "a8" not in names(look) and time.monotonic() < until:
        time.sleep(0.2)
    member.popen.send_signal(signal.SIGTERM)
    assert member.end() == 0, member.errors
    read = [int(each[1:]) for each in names(look)]
    holes = look.sql("select hole_from, hole_to from stream_progress where hole_from is not null")
    assert read[:3] == [0, 1, 2]
    assert read[-2:] == [7, 8]
    assert holes == ([(read[-3] + 1, 7)] if read[-3] < 6 else [])


@pytest.mark.broker
def test_a_topic_made_anew_with_as_many_records_is_not_taken_for_the_old_one(
    broker: Broker, kafka: dict[str, Any], topic: Any, make_settings: Any, events: Any, look: Any
) -> None:
    name = broker.create_topic(topic("events"))
    broker.produce(name, [events.action("a0")])
    settings = make_settings(kafka=kafka | {"orchestration_topics": [name]})
    run_kafka(settings, until_end=True)
    with KafkaAdminClient(bootstrap_servers=broker.bootstrap) as admin:
        admin.delete_topics([name])
    _make_again(broker, name)
    broker.produce(name, [events.action(f"b{i}") for i in range(5)])
    with pytest.raises(
        SourceError, match=f"{name} is not the topic that the lake has read under this name: it was del"
    ):
        run_kafka(settings, until_end=True)
    assert names(look) == ["a0"]


@pytest.mark.broker
def test_a_topic_made_anew_under_a_running_member_stops_it(
    broker: Broker, kafka: dict[str, Any], topic: Any, write_settings: Any, start_process: Any, events: Any,
    look: Any,
) -> None:  # fmt: skip
    name = broker.create_topic(topic("events"))
    broker.produce(name, [events.action("a0")])
    member = start_process(
        write_settings(kafka=kafka | {"orchestration_topics": [name]}, ingest={"batch_time": "200ms"})
    )
    member.wait_for("append orchestration_events 1")
    with KafkaAdminClient(bootstrap_servers=broker.bootstrap) as admin:
        admin.delete_topics([name])
    _make_again(broker, name)
    broker.produce(name, [events.action(f"b{i}") for i in range(5)])
    assert member.end() == SourceError.exit_code
    assert "it was deleted and made again" in member.errors[-1]
    assert names(look) == ["a0"]


def _make_again(broker: Broker, name: str) -> None:
    """Create a topic once its deletion has gone through."""
    from kafka.errors import TopicAlreadyExistsError

    until = time.monotonic() + 30
    while True:
        try:
            broker.create_topic(name)
        except TopicAlreadyExistsError:
            assert time.monotonic() < until
            time.sleep(0.2)
        else:
            return


@pytest.mark.broker
def test_records_that_compaction_took_away_leave_no_gap_and_hold_nothing_up(
    private_broker: StartBroker, make_settings: Any, events: Any, look: Any
) -> None:
    broker = private_broker(properties={"log.cleaner.backoff.ms": "200"})
    config = {
        "cleanup.policy": "compact", "segment.bytes": "1048576", "segment.ms": "100",
        "min.cleanable.dirty.ratio": "0.01",
        "delete.retention.ms": "0",
    }  # fmt: skip
    broker.create_topic("events", config=config)
    keyed = [Message(events.action(f"a{i}"), key=b"k") for i in range(5)]
    broker.produce("events", keyed)
    until = time.monotonic() + 60
    while len(broker.read("events")) > 3 and time.monotonic() < until:
        time.sleep(0.5)
        broker.produce("events", [Message(events.action("last"), key=b"k")])  # closes the segment before it
    there = [record.offset for record in broker.read("events")]
    assert there[0] > 0
    kafka = {
        "bootstrap_servers": [broker.bootstrap], "orchestration_topics": ["events"], "authorization_topics": [],
    }  # fmt: skip
    done = run_kafka(make_settings(kafka=kafka), until_end=True)
    assert [offset for _, _, offset in look.coordinates("orchestration_events")] == there
    assert (done.records, done.holes) == (len(there), 0)


@pytest.mark.broker
@pytest.mark.long
def test_a_broker_that_is_gone_for_long_is_told_of_once_and_once_when_it_is_back(
    private_broker: StartBroker, write_settings: Callable[..., Path], start_process: Any, events: Any
) -> None:
    broker = private_broker(kind="kafka")
    broker.create_topic("events")
    broker.produce("events", [events.action("a0")])
    kafka = {
        "bootstrap_servers": [broker.bootstrap], "orchestration_topics": ["events"], "authorization_topics": [],
    }  # fmt: skip
    member = start_process(write_settings(kafka=kafka, ingest={"batch_time": "200ms"}), "--log")
    member.wait_for("append orchestration_events")
    broker.stop()
    member.wait_for("append stream_progress", 2, seconds=120)
    broker.start()
    broker.produce("events", [events.action("a1")])
    member.wait_for("append orchestration_events", 2)
    member.popen.send_signal(signal.SIGTERM)
    assert member.end() == 0, member.errors
    told = [line for line in member.errors if "WARNING" in line]
    assert len(told) == 2, told
    assert told[0].endswith(f"no Kafka broker answers at {broker.bootstrap}; trying on")
    assert "answers again, after" in told[1]
