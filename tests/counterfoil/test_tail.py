"""`counterfoil tail`: events as they arrive, from Kafka or from the lake, and nothing is changed by watching."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
from typing import TYPE_CHECKING, Any

import pytest

from counterfoil.eventline import Wanted, as_text, chosen
from ingest.decode import Decoder
from ingest.records import Records
from schemas.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.broker.client import Broker

TRACE = "0af7651916cd43dd8448eb211c80319c"
TIME = "2026-11-24T10:00:01.5Z"


def action(name: str, **more: Any) -> bytes:
    return json.dumps({
        "event_id": name, "event_time": TIME, "event_type": "tool_call", "trace_id": TRACE, "agent_name": "planner",
        "tenant_id": "acme", "tool_name": "search", "action": "read", "resource_type": "document",
        "resource_id": name, "status": "ok", **more,
    }).encode()  # fmt: skip


def decision(name: str, answer: str) -> bytes:
    return json.dumps({
        "decision_id": name, "decision_time": TIME, "decision": answer, "principal_id": "planner", "action": "read",
        "resource_type": "document", "resource_id": name,
    }).encode()  # fmt: skip


RECORDS = [
    action("one"),
    action("two", agent_name="writer", trace_id="f" * 32, event_type="handoff", target_agent_name="planner"),
    decision("three", "deny"),
    json.dumps(
        {"event_id": "four", "event_time": TIME, "event_type": "grant", "scope": "document.read"}
    ).encode(),
    b"{",
]


@pytest.fixture
def decoded() -> list[tuple[str, dict[str, Any]]]:
    """(table, row) of the records above."""
    from datetime import UTC, datetime

    count = len(RECORDS)
    records = Records(
        "orchestration", "agents", 2, list(range(count)), list(RECORDS), [None] * count, [()] * count, [None] * count,
        count,
    )  # fmt: skip
    tables = Decoder(Settings()).decode(records, ingest_time=datetime(2026, 11, 25, tzinfo=UTC)).tables
    return [(name, row) for name, rows in tables.items() for row in chosen(name, rows, Wanted())]


def test_a_line_tells_who_did_what_how_it_came_out_and_where(decoded: Any) -> None:
    lines = [as_text(*each).split() for each in decoded]

    assert lines == [
        ["10:00:01.500", "tool_call", "planner", "search", "read", "document/one", "ok", "0af76519", "agents:2:0:0"],
        ["10:00:01.500", "handoff", "writer", "search", "read", "document/two", "→", "planner", "ok", "ffffffff",
         "agents:2:1:0"],
        ["10:00:01.500", "decision", "planner", "read", "document/three", "deny", "–", "agents:2:2:0"],
        ["10:00:01.500", "grant", "–", "document.read", "–", "–", "agents:2:3:0"],
        ["00:00:00.000", "dead_letter", "–", "invalid_json:", "not", "JSON:", "Input", "data", "was", "truncated", "–",
         "–", "agents:2:4:0"],
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("wanted", "offsets"),
    [
        (Wanted(), [0, 1, 2, 3, 4]),
        (Wanted(agents=("planner",)), [0, 1, 2]),
        (Wanted(agents=("writer", "nobody")), [1]),
        (Wanted(tenants=("acme",)), [0, 1]),
        (Wanted(traces=("0af7",)), [0]),
        (Wanted(types=("tool_call", "grant")), [0, 3]),
        (Wanted(types=("decision",)), [2]),
        (Wanted(types=("deny",)), [2]),
        (Wanted(types=("allow",)), []),
        (Wanted(types=("dead_letter",)), [4]),
        (Wanted(agents=("planner",), types=("handoff",)), [1]),
    ],
)
def test_the_filters_take_what_matches_all_of_them(decoded: Any, wanted: Wanted, offsets: list[int]) -> None:
    assert [row["source_offset"] for table, row in decoded if wanted.takes(table, row)] == offsets


def test_hostile_text_cannot_steer_the_terminal_or_break_the_line(hostile: str) -> None:
    from datetime import UTC, datetime

    value = action(hostile, agent_name=hostile, tool_name=hostile)
    records = Records("orchestration", "t", 0, [0], [value], [None], [()], [None], 1)
    tables = Decoder(Settings()).decode(records, ingest_time=datetime(2026, 11, 25, tzinfo=UTC)).tables
    [row] = chosen("orchestration_events", tables["orchestration_events"], Wanted())
    line = as_text("orchestration_events", row)

    assert all(ord(each) >= 0x20 and not 0x7F <= ord(each) < 0xA0 and each != "\u202e" for each in line)
    assert r"\x1b]0;owned" in line
    assert len(line) < 400


class Tail:
    """A process that tails, its lines as they come."""

    def __init__(self, cwd: Path, environment: dict[str, str], *arguments: str) -> None:
        self.popen = subprocess.Popen(
            [sys.executable, "-m", "counterfoil", "tail", *arguments],
            cwd=cwd, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        assert self.popen.stderr is not None
        self._timer = threading.Timer(120, self.popen.kill)
        self._timer.start()
        self.said = self.popen.stderr.readline()
        assert self.said.startswith("watching"), self.said + self.popen.stderr.read()

    def line(self) -> str:
        assert self.popen.stdout is not None
        return self.popen.stdout.readline()

    def close(self) -> None:
        self._timer.cancel()
        self.popen.kill()
        self.popen.communicate()


@pytest.fixture
def tail(tmp_path: Path, plain_environment: dict[str, str]) -> Iterator[Callable[..., Tail]]:
    """Start `tail` and wait until it watches."""
    started: list[Tail] = []

    def start(*arguments: str, **extra: str) -> Tail:
        started.append(Tail(tmp_path, {**plain_environment, **extra}, *arguments))
        return started[-1]

    yield start
    for each in started:
        each.close()


@pytest.fixture
def ingest(counterfoil: Callable[..., Any], tmp_path: Path) -> Callable[..., None]:
    """Ingest records from a file of that name."""

    def run(name: str, *records: bytes) -> None:
        (tmp_path / name).write_bytes(b"".join(record + b"\n" for record in records))
        assert counterfoil("ingest", "--files", name).code == 0

    return run


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_lake_is_followed_until_a_signal_which_is_no_error(
    tail: Callable[..., Tail],
    ingest: Callable[..., None],
    counterfoil: Callable[..., Any],
    number: signal.Signals,
) -> None:
    ingest("before.jsonl", action("before"))
    tailing = tail("--from-lake", "--format", "json")
    ingest("first.jsonl", action("one"), b"{")
    first = [json.loads(tailing.line()) for _ in range(2)]
    # Compaction writes all rows anew: none of them is new.
    assert counterfoil("maintain").code == 0
    ingest("second.jsonl", action("two"))
    second = json.loads(tailing.line())
    tailing.popen.send_signal(number)
    rest, complaint = tailing.popen.communicate(timeout=60)

    assert {each["table"] for each in first} == {"orchestration_events", "dead_letters"}
    assert [each["event_id"] for each in [*first, second] if "event_id" in each] == ["one", "two"]
    assert "raw" not in second
    assert (rest, complaint, tailing.popen.returncode) == ("", "", 0)


def test_it_ends_by_itself_after_a_count(tail: Callable[..., Tail], ingest: Callable[..., None]) -> None:
    ingest("before.jsonl", action("before"))
    tailing = tail("--from-lake", "--count", "2", "--type", "tool_call")
    ingest("after.jsonl", decision("d", "deny"), *(action(f"a{n}") for n in range(5)))
    shown, _ = tailing.popen.communicate(timeout=60)

    assert (len(shown.splitlines()), tailing.popen.returncode) == (2, 0)


def test_a_missing_lake_is_4(counterfoil: Callable[..., Any]) -> None:
    assert "there is no lake at" in counterfoil("tail", "--from-lake", "--lake", "nowhere").fails_with(4)


@pytest.mark.broker
def test_kafka_is_watched_from_the_ends_and_outside_the_group(
    tail: Callable[..., Tail], broker: Broker, topic: Callable[[str], str], tmp_path: Path
) -> None:
    from kafka import KafkaAdminClient

    if "Kafka" not in broker.name:
        pytest.skip(f"{broker.name} does not tell where a partition ends: it takes Apache Kafka")
    name, group = broker.create_topic(topic("agents"), partitions=2), topic("group")
    broker.produce(name, [action(f"before{n}") for n in range(20)])
    tailing = tail(
        "--format", "json", "--count", "3",
        COUNTERFOIL_KAFKA__BOOTSTRAP_SERVERS=json.dumps([broker.bootstrap]),
        COUNTERFOIL_KAFKA__ORCHESTRATION_TOPICS=json.dumps([name]),
        COUNTERFOIL_KAFKA__AUTHORIZATION_TOPICS="[]",
        COUNTERFOIL_KAFKA__GROUP_ID=group,
    )  # fmt: skip
    broker.produce(name, [action("one"), b"{", decision("two", "deny")])
    shown, complaint = tailing.popen.communicate(timeout=60)
    rows = [json.loads(line) for line in shown.splitlines()]

    assert (tailing.popen.returncode, complaint) == (0, "")
    assert {(row["table"], row.get("event_id") or row.get("decision_id") or row["reason"]) for row in rows} == {
        ("orchestration_events", "one"), ("dead_letters", "invalid_json"), ("authorization_decisions", "two"),
    }  # fmt: skip
    with KafkaAdminClient(bootstrap_servers=broker.bootstrap) as admin:
        assert group not in {each["group_id"] for each in admin.list_groups()}
    assert not (tmp_path / "lake-data").exists()


def test_a_reader_that_has_enough_ends_it(tail: Callable[..., Tail], ingest: Callable[..., None]) -> None:
    ingest("before.jsonl", action("before"))
    tailing = tail("--from-lake", "--format", "json")
    assert tailing.popen.stdout is not None
    tailing.popen.stdout.close()
    ingest("after.jsonl", *(action(f"a{n}") for n in range(2_000)))

    assert tailing.popen.wait(60) == 1
    assert tailing.popen.stderr is not None
    assert tailing.popen.stderr.read() == ""
