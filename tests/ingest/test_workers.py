"""Several members as processes of one command: the work shared, each record once, and one end for all."""

from __future__ import annotations

import multiprocessing
import sys
import threading
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pytest

from ingest.run import run_kafka, run_kafka_workers
from schemas.errors import SourceError
from tests.broker import Message

if TYPE_CHECKING:
    from collections.abc import Callable

    from ingest.run import Progress
    from tests.broker import Broker


@pytest.fixture(autouse=True)
def _main_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """Streamlit's tests leave a page of theirs as the main module, which a process that is started would run anew."""
    monkeypatch.setitem(sys.modules, "__main__", ModuleType("__main__"))


@pytest.fixture
def made(broker: Broker, topic: Callable[[str], str], make_settings: Any, events: Any) -> Any:
    """Settings for a topic of two partitions with ten events."""
    name = topic("work")
    broker.create_topic(name, partitions=2)
    broker.produce(name, [Message(value=events.action(f"e{n}"), key=b"%d" % n) for n in range(10)])
    return make_settings(
        kafka={
            "bootstrap_servers": [broker.bootstrap], "group_id": name, "orchestration_topics": [name],
            "authorization_topics": [],
        },
        ingest={"metrics_port": 0},
    )  # fmt: skip


def test_two_workers_share_the_partitions_and_are_counted_together(made: Any, look: Any) -> None:
    told: list[Progress] = []
    summary = run_kafka_workers(made, 2, until_end=True, report=told.append)
    assert summary.records == summary.rows["orchestration_events"] == 10
    assert summary.formats["native"].records == 10
    assert told[-1].summary.records == 10
    assert told[-1].reading.startswith("2 workers")
    rows = look.sql(
        "SELECT count(*), count(DISTINCT (source_partition, source_offset)) FROM orchestration_events"
    )
    assert rows == [(10, 10)]
    assert not multiprocessing.active_children()


def test_a_worker_that_dies_ends_the_whole_and_nothing_is_lost(made: Any, look: Any) -> None:
    killed: list[int] = []

    def report(progress: Progress) -> None:
        if not killed and len(progress.lags) == 2:
            victim = multiprocessing.active_children()[0]
            victim.kill()
            killed.append(1)

    with pytest.raises(SourceError, match=r"worker \d was killed by signal 9: .*start the ingest again"):
        run_kafka_workers(made, 2, report=report)
    assert not multiprocessing.active_children()
    there = len(look.coordinates("orchestration_events"))
    other = made.model_copy(
        update={"kafka": made.kafka.model_copy(update={"group_id": f"{made.kafka.group_id}-2"})}
    )
    assert run_kafka(other, until_end=True).records == 10 - there
    assert len(set(look.coordinates("orchestration_events"))) == 10


def test_the_error_of_a_worker_is_the_error_of_the_whole(made: Any) -> None:
    wrong = made.model_copy(
        update={"kafka": made.kafka.model_copy(update={"orchestration_topics": ["no.such.topic"]})}
    )
    with pytest.raises(SourceError, match=r"worker 1: there is no topic 'no\.such\.topic'"):
        run_kafka_workers(wrong, 1)


def test_a_wish_to_stop_before_they_have_begun_is_no_failure(made: Any) -> None:
    stop = threading.Event()
    stop.set()
    assert run_kafka_workers(made, 1, stop=stop).records == 0
