"""Killing members at any moment neither loses nor repeats a record."""

from __future__ import annotations

import signal
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from tests.broker.client import Message

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.broker.client import Broker

pytestmark = pytest.mark.broker

TABLES = ("orchestration_events", "authorization_decisions", "identity_events", "dead_letters")
# Around the commits of the primary tables, between them and those of the other tables, and at random moments.
DEATHS = (
    "after secondary 1",
    "within 1",
    "before primary 2",
    "after primary 1",
    "within 2",
    "after secondary 2",
    "before secondary 1",
)
# Records of each topic, rows of a batch, deaths: as many batches in both forms, so that there is work for each victim.
SHORT = pytest.param(24_000, 500, DEATHS[:4], id="short")
LONG = pytest.param(100_000, 2000, DEATHS, id="long", marks=pytest.mark.long)


@pytest.mark.parametrize(("per_topic", "batch_rows", "deaths"), [SHORT, LONG])
def test_no_record_is_lost_or_repeated_when_members_are_killed(
    per_topic: int, batch_rows: int, deaths: tuple[str, ...], broker: Broker, topic: Callable[[str], str],
    write_settings: Callable[..., Path], start_process: Any, look: Any, events: Any,
) -> None:  # fmt: skip
    orchestration, authorization = topic("orchestration"), topic("authorization")
    for name, make, other in (
        (orchestration, events.action, lambda _: b'{"event_id": "cut of'),
        (authorization, events.decision, events.grant),
    ):
        broker.create_topic(name, partitions=3)
        half = per_topic // 2
        for compression, numbers in (("lz4", range(half)), ("zstd", range(half, per_topic))):
            # Every fiftieth record goes to a table other than the stream's own.
            values = (other(f"g{i}") if i % 50 == 0 else make(f"n{i}") for i in numbers)
            broker.produce(
                name, (Message(value, partition=i % 3) for i, value in enumerate(values)), compression
            )
    kafka = {
        "bootstrap_servers": [broker.bootstrap],
        "group_id": topic("group"),
        "orchestration_topics": [orchestration],
        "authorization_topics": [authorization],
        "session_timeout": "3s",
    }
    small = write_settings(kafka=kafka, ingest={"batch_rows": batch_rows, "batch_time": "500ms"})

    companion = start_process(small, "--pace", "1")
    companion.wait_for("append")
    for number, death in enumerate(deaths):
        victim = start_process(small, "--die", death)
        assert victim.end() == -signal.SIGKILL, (death, victim.lines, victim.errors)
        if number == 3:
            companion.popen.kill()
            companion = start_process(small, "--pace", "1")
            companion.wait_for("append")
    companion.popen.send_signal(signal.SIGTERM)
    assert companion.end() == 0, companion.errors
    large = write_settings(kafka=kafka, ingest={"batch_rows": 10_000})
    last = [start_process(large, "--until-end") for _ in range(2)]
    # Each stays until the other is done; where one is not, what both said tells why.
    told = [(each.lines, each.errors) for each in last]
    try:
        codes = [each.popen.wait(60) for each in last]
    except subprocess.TimeoutExpired:
        pytest.fail(f"one of the two did not end: {told}")
    assert codes == [0, 0], told

    produced = [
        (name, partition, offset)
        for name in sorted((orchestration, authorization))
        for partition in range(3)
        for offset in range(len(range(partition, per_topic // 2, 3)) * 2)
    ]
    assert look.coordinates(*TABLES) == produced
    ids = look.sql(
        "select count(distinct event_id) from orchestration_events union all"
        " select count(distinct decision_id) from authorization_decisions union all"
        " select count(distinct event_id) from identity_events"
    )
    odd = per_topic // 50
    assert ids == [(per_topic - odd,), (per_topic - odd,), (odd,)]
