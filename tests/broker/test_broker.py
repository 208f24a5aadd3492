"""The broker fixtures themselves: records go in and come out, restarts keep them, nothing is left behind."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest
from kafka.errors import KafkaError

from tests.broker import Broker, Listener, Message
from tests.broker.process import end, is_running, launch

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.broker.fixtures import StartBroker

SLEEP = (sys.executable, "-c", "import time; time.sleep(600)")


@pytest.mark.broker
@pytest.mark.parametrize("compression", [None, "lz4", "zstd"])
def test_records_come_back_as_they_were_produced(
    broker: Broker, topic: Callable[[str], str], compression: str | None
) -> None:
    name = broker.create_topic(topic("events"), partitions=3)
    sent = [
        Message(
            b"first", key=b"k", partition=2, headers=(("format", b"native"),), timestamp_ms=1_700_000_000_000
        ),
        Message(None, key=b"tombstone", partition=1),
        *(Message(str(each).encode(), partition=0) for each in range(500)),
    ]

    assert broker.produce(name, sent, compression) == 502

    records = broker.read(name)
    assert [(each.partition, each.offset) for each in records] == [(0, n) for n in range(500)] + [
        (1, 0),
        (2, 0),
    ]
    assert [each.value for each in records[:500]] == [str(each).encode() for each in range(500)]
    assert records[500].value is None
    last = records[501]
    assert (last.key, last.value, last.timestamp) == (b"k", b"first", 1_700_000_000_000)
    assert [tuple(each) for each in last.headers] == [("format", b"native")]


@pytest.mark.broker
def test_a_topic_is_there_once_created_and_only_then(broker: Broker, topic: Callable[[str], str]) -> None:
    broker.create_topic(topic("one"))

    assert broker.read(topic("one")) == []
    with pytest.raises(KafkaError):
        broker.create_topic(topic("one"))


@pytest.mark.broker
def test_a_private_broker_can_be_killed_and_restarted_at_its_address(private_broker: StartBroker) -> None:
    mine = private_broker()
    before = mine.bootstrap
    mine.produce(mine.create_topic("events"), [b"one", b"two"])

    mine.kill()
    assert not mine.is_running

    mine.restart()
    assert mine.bootstrap == before
    if mine.durable:
        assert [each.value for each in mine.read("events")] == [b"one", b"two"]
    else:
        mine.create_topic("events")
        assert mine.read("events") == []


@pytest.mark.broker
def test_a_private_broker_takes_listeners_and_settings(private_broker: StartBroker) -> None:
    mine = private_broker(
        listeners=[Listener("CLIENT"), Listener("SECOND")], properties={"auto.create.topics.enable": "true"}
    )

    assert list(mine.addresses) == ["CLIENT", "SECOND"]
    assert len(set(mine.addresses.values())) == 2
    assert mine.produce("made-by-producing", [b"one"]) == 1


def test_a_guarded_command_is_running_until_it_is_ended(tmp_path: Path) -> None:
    launch(tmp_path, SLEEP, os.getpid())
    assert is_running(tmp_path)

    end(tmp_path)
    assert not is_running(tmp_path)


def test_a_command_that_does_not_heed_its_end_is_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.broker.process.STOP_SECONDS", 0.5)
    deaf = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(1, flush=True)"
    launch(tmp_path, (sys.executable, "-c", f"{deaf}; time.sleep(600)"), os.getpid())
    while not (tmp_path / "console.log").read_bytes():
        time.sleep(0.02)

    end(tmp_path)
    assert not is_running(tmp_path)


def test_a_guarded_command_ends_with_a_killed_owner(tmp_path: Path) -> None:
    with subprocess.Popen(SLEEP) as owner:
        launch(tmp_path, SLEEP, owner.pid)
        assert is_running(tmp_path)
        owner.kill()

    until = time.monotonic() + 30
    while is_running(tmp_path) and time.monotonic() < until:
        time.sleep(0.05)
    assert not is_running(tmp_path)
