"""A member of the group: where it starts, how it shares, how it stops, and what it does when things are gone."""

from __future__ import annotations

import signal
import socket
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest
from kafka import KafkaAdminClient, KafkaProducer, TopicPartition

from ingest.kafka import KafkaSource
from ingest.run import run_kafka
from lake.store import NEVER, open_lake
from schemas.errors import SettingsError, SourceError
from schemas.events import ORCHESTRATION_EVENTS
from tests.broker.client import Message

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.broker.client import Broker

pytestmark = pytest.mark.broker

TABLES = ("orchestration_events", "authorization_decisions", "identity_events", "dead_letters")


@pytest.fixture
def fill(broker: Broker, kafka: dict[str, Any], events: Any) -> Callable[..., None]:
    """Produce actions with the numbers given, spread over the partitions."""

    def produce(*span: int, partition: int | None = None) -> None:
        records = (
            Message(events.action(f"a{i}"), partition=i % 3 if partition is None else partition)
            for i in range(*span)
        )
        broker.produce(kafka["orchestration_topics"][0], records)

    return produce


def actions(look: Any) -> list[str]:
    return [
        row[0]
        for row in look.sql("select event_id from orchestration_events order by cast(event_id[2:] as int)")
    ]


def names(count: int) -> list[str]:
    return [f"a{i}" for i in range(count)]


def test_a_second_run_goes_on_where_the_first_ended(
    kafka: dict[str, Any], fill: Any, make_settings: Any, look: Any
) -> None:
    settings = make_settings(kafka=kafka)
    fill(30)
    assert run_kafka(settings, until_end=True).records == 30
    assert run_kafka(settings, until_end=True).records == 0
    fill(30, 50)
    assert run_kafka(settings, until_end=True).records == 20
    assert actions(look) == names(50)


def test_each_stream_is_one_commit_for_all_its_partitions(
    broker: Broker, kafka: dict[str, Any], fill: Any, make_settings: Any, events: Any
) -> None:
    settings = make_settings(kafka=kafka)
    fill(30)
    broker.produce(kafka["authorization_topics"][0], [events.decision("d1"), events.grant("g1")])
    done = run_kafka(settings, until_end=True)
    assert done.rows == {"orchestration_events": 30, "authorization_decisions": 1, "identity_events": 1}
    assert done.commits == 2


def test_a_run_from_the_latest_records_where_it_began(
    broker: Broker, kafka: dict[str, Any], fill: Any, make_settings: Any, look: Any
) -> None:
    if "Kafka" not in broker.name:
        pytest.skip(f"{broker.name} does not tell where a partition ends: it takes Apache Kafka")
    settings = make_settings(kafka={**kafka, "start": "latest"})
    fill(30)
    assert run_kafka(settings, until_end=True).records == 0
    fill(30, 33)
    assert run_kafka(settings, until_end=True).records == 3
    assert actions(look) == ["a30", "a31", "a32"]


def test_what_cannot_be_decoded_is_a_dead_letter_and_the_rest_lands(
    broker: Broker, kafka: dict[str, Any], make_settings: Any, look: Any, events: Any
) -> None:
    values = [events.action("a0"), b"{", b"\xff\xfe", None, b'{"what": "is this"}', events.action("a1")]
    broker.produce(
        kafka["orchestration_topics"][0],
        [Message(value, key=b"k", headers=(("h", b"1"),), partition=0) for value in values],
    )
    done = run_kafka(make_settings(kafka=kafka), until_end=True)
    assert actions(look) == names(2)
    assert sum(done.dead.values()) == done.rows["dead_letters"] == 4
    assert look.sql("select source_offset, raw, record_key from dead_letters order by 1") == [
        (offset, values[offset], b"k") for offset in (1, 2, 3, 4)
    ]


def test_progress_tells_how_far_each_partition_was_read(
    kafka: dict[str, Any], fill: Any, make_settings: Any, look: Any
) -> None:
    fill(0, 10, partition=1)
    run_kafka(make_settings(kafka=kafka), until_end=True)
    rows = look.sql(
        "select distinct source_partition, next_offset, end_offset, caught_up from stream_progress"
        " where stream = 'orchestration' order by all"
    )
    assert rows == [(0, 0, 0, True), (1, 10, 10, True), (2, 0, 0, True)]


def test_members_share_the_partitions_and_take_over_from_one_that_leaves(
    kafka: dict[str, Any], fill: Any, write_settings: Any, start_process: Any, look: Any
) -> None:
    settings = write_settings(kafka=kafka, ingest={"batch_rows": 500, "batch_time": "200ms"})
    fill(12_000)
    first = start_process(settings, "--pace", "0.5", "--until-end")
    first.wait_for("append orchestration_events")
    second = start_process(settings, "--pace", "0.5")
    second.wait_for("append orchestration_events")
    second.popen.send_signal(signal.SIGTERM)
    assert (second.end(), first.end()) == (0, 0)
    assert first.counts()["records"] + second.counts()["records"] == 12_000
    assert second.counts()["records"] > 0
    assert actions(look) == names(12_000)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_commits_what_was_read_and_ends_in_order(
    number: signal.Signals,
    kafka: dict[str, Any],
    fill: Any,
    write_settings: Any,
    start_process: Any,
    look: Any,
) -> None:
    fill(30)
    member = start_process(write_settings(kafka=kafka, ingest={"batch_time": "1h"}))
    member.wait_for("progress 6 partitions 0")  # all is read, and nothing of it committed
    assert look.sql("select * from orchestration_events") == []
    member.popen.send_signal(number)
    assert member.end() == 0, member.errors
    assert actions(look) == names(30)


def test_a_member_that_was_thought_dead_is_refused(
    kafka: dict[str, Any], fill: Any, write_settings: Any, start_process: Any, look: Any
) -> None:
    settings = write_settings(kafka=kafka, ingest={"batch_time": "1h"})
    fill(30)
    zombie = start_process(settings)
    zombie.wait_for("progress 6 partitions 0")
    zombie.popen.send_signal(signal.SIGSTOP)
    other = start_process(settings, "--until-end")
    assert other.end() == 0, other.errors
    assert actions(look) == names(30)
    zombie.popen.send_signal(signal.SIGTERM)
    zombie.popen.send_signal(signal.SIGCONT)
    assert zombie.end() == 0, zombie.errors
    assert (zombie.counts()["records"], zombie.counts()["conflicts"]) == (0, 1)
    assert actions(look) == names(30)


def test_a_member_that_was_put_out_is_taken_in_again_and_reads_on(
    broker: Broker, kafka: dict[str, Any], fill: Any, write_settings: Any, start_process: Any, look: Any
) -> None:
    if "Kafka" not in broker.name:
        pytest.skip(f"{broker.name} does not tell what the members of a group have: it takes Apache Kafka")
    kafka |= {"session_timeout": "1s"}

    def wait_until_it_has(count: int) -> None:
        until = time.monotonic() + 30
        while count != sum(
            len(each["partitions"])
            for member in admin.describe_groups([kafka["group_id"]])[kafka["group_id"]]["members"]
            if member["member_assignment"]  # empty while it joins
            for each in member["member_assignment"]["assigned_partitions"]
        ):
            assert time.monotonic() < until
            time.sleep(0.1)

    member = start_process(write_settings(kafka=kafka, ingest={"batch_time": "200ms"}))
    member.wait_for("progress 6 partitions")
    with KafkaAdminClient(bootstrap_servers=broker.bootstrap) as admin:
        wait_until_it_has(6)
        member.popen.send_signal(signal.SIGSTOP)
        wait_until_it_has(0)
        member.popen.send_signal(signal.SIGCONT)
        wait_until_it_has(6)
    fill(1)
    member.wait_for("append orchestration_events 1")
    member.popen.send_signal(signal.SIGTERM)
    assert member.end() == 0, member.errors
    assert actions(look) == names(1)


def test_a_member_that_the_group_puts_out_and_does_not_take_in_again_ends_when_all_is_in_the_lake(
    kafka: dict[str, Any], fill: Any, make_settings: Any, look: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(30)
    stop, committed = threading.Event(), threading.Event()
    joined, tell = KafkaSource.joined.fget, KafkaSource.tell_offsets  # type: ignore[attr-defined]

    def told(source: KafkaSource, offsets: Any) -> None:
        committed.set()
        tell(source, offsets)

    monkeypatch.setattr(KafkaSource, "tell_offsets", told)
    monkeypatch.setattr(
        KafkaSource, "joined", property(lambda source: joined(source) and not committed.is_set())
    )
    late = threading.Timer(20, stop.set)
    late.start()
    assert run_kafka(make_settings(kafka=kafka), until_end=True, stop=stop).records == 30
    late.cancel()
    assert not stop.is_set()
    assert actions(look) == names(30)


def test_records_gone_before_they_were_read_are_noted_as_a_hole(
    broker: Broker, kafka: dict[str, Any], fill: Any, make_settings: Any, look: Any
) -> None:
    if "Kafka" not in broker.name:
        pytest.skip(f"{broker.name} deletes no records: it takes Apache Kafka")
    settings = make_settings(kafka=kafka)
    fill(0, 10, partition=0)
    run_kafka(settings, until_end=True)
    fill(10, 30, partition=0)
    part = TopicPartition(kafka["orchestration_topics"][0], 0)
    with KafkaAdminClient(bootstrap_servers=broker.bootstrap) as admin:
        admin.delete_records({part: 25})
    done = run_kafka(settings, until_end=True)
    assert (done.holes, done.records) == (1, 5)
    assert actions(look) == names(10) + [f"a{i}" for i in range(25, 30)]
    holes = look.sql(
        "select source_topic, source_partition, hole_from, hole_to from stream_progress where hole_from is not null"
    )
    assert holes == [(*part, 10, 25)]


def test_a_run_to_the_end_passes_the_markers_of_transactions_and_leaves_out_what_was_aborted(
    broker: Broker, kafka: dict[str, Any], make_settings: Any, look: Any, events: Any, topic: Any
) -> None:
    if "Kafka" not in broker.name:
        pytest.skip(
            f"{broker.name} has no transactions that readers see the outcome of: it takes Apache Kafka"
        )
    producer = KafkaProducer(bootstrap_servers=broker.bootstrap, transactional_id=topic("producer"))
    producer.init_transactions()
    for number, finish in enumerate((producer.commit_transaction, producer.abort_transaction)):
        producer.begin_transaction()
        producer.send(kafka["orchestration_topics"][0], events.action(f"a{number}"), partition=0)
        producer.flush()
        finish()
    producer.close()
    settings = make_settings(kafka=kafka)
    assert run_kafka(settings, until_end=True).records == 1
    assert actions(look) == ["a0"]
    source = f"{kafka['orchestration_topics'][0]}-0"
    assert open_lake(look.url).position(ORCHESTRATION_EVENTS, source) == 4
    assert run_kafka(settings, until_end=True).commits == 0


def test_a_topic_that_was_made_anew_is_not_taken_for_the_old_one(
    kafka: dict[str, Any], fill: Any, make_settings: Any, look: Any
) -> None:
    fill(3)
    source = f"{kafka['orchestration_topics'][0]}-0"
    open_lake(look.url, create=True).append(
        ORCHESTRATION_EVENTS, ORCHESTRATION_EVENTS.schema.empty_table(), positions={source: (NEVER, 500)}
    )
    with pytest.raises(
        SourceError, match=rf"{source}: the lake has read up to offset 500, but the topic ends before"
    ):
        run_kafka(make_settings(kafka=kafka), until_end=True)


def test_an_address_where_no_broker_is(write_settings: Any, start_process: Any) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{closed.getsockname()[1]}"
        member = start_process(write_settings(kafka={"bootstrap_servers": [address]}))
        assert member.end() == SourceError.exit_code
    assert member.errors == [
        (
            f"Unreachable: no Kafka broker answers at {address}: check that it runs, kafka.bootstrap_servers and"
            " kafka.security_protocol"
        )
    ]


def test_a_topic_that_does_not_exist_is_named_and_not_made(
    broker: Broker, kafka: dict[str, Any], make_settings: Any, topic: Any
) -> None:
    lacking = topic("lacking")
    settings = make_settings(kafka={**kafka, "authorization_topics": [lacking]})
    with pytest.raises(SourceError, match=rf"no topic '{lacking}'.*kafka.authorization_topics"):
        run_kafka(settings)
    with KafkaAdminClient(bootstrap_servers=broker.bootstrap) as admin:
        assert lacking not in admin.list_topics()


def test_a_topic_of_both_streams_is_a_wrong_setting(kafka: dict[str, Any], make_settings: Any) -> None:
    settings = make_settings(kafka={**kafka, "authorization_topics": kafka["orchestration_topics"]})
    with pytest.raises(
        SettingsError, match=r"kafka\.authorization_topics: .* is in kafka\.orchestration_topics too"
    ):
        run_kafka(settings)
