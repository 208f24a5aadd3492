"""`counterfoil status`: from the lake alone or with the broker, and what asks for attention."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest

from lake.store import NEVER, open_lake
from schemas.events import ORCHESTRATION_EVENTS, STREAM_PROGRESS
from tests.broker.client import Message

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.broker.client import Broker

TOPICS = {
    "COUNTERFOIL_KAFKA__ORCHESTRATION_TOPICS": '["agents"]',
    "COUNTERFOIL_KAFKA__AUTHORIZATION_TOPICS": '["decisions"]',
}


def seen(
    topic: str, partition: int, ago: float, position: int, end: int | None, **more: Any
) -> dict[str, Any]:
    """A row of stream_progress from so many seconds ago."""
    time = datetime.now(UTC) - timedelta(seconds=ago)
    return {
        "progress_id": f"{topic}:{partition}:{position}:{ago}",
        "observed_time": time,
        "stream": "orchestration" if topic in ("agents", "former") else "authorization",
        "source_topic": topic,
        "source_partition": partition,
        "next_offset": position,
        "end_offset": end,
        "caught_up": position == end,
        "event_date": time.date(),
        **more,
    }


@pytest.fixture
def status(counterfoil: Callable[..., Any], tmp_path: Path) -> Callable[..., Any]:
    """A lake in which partitions lag, are stale, have a hole; and a function that runs `status` over it."""
    (tmp_path / "records.jsonl").write_bytes(b"{\n{}\n")
    counterfoil("ingest", "--files", "records.jsonl")
    lake = open_lake(tmp_path / "lake-data")
    rows = [
        seen("agents", 0, 120, 1_000, 9_000),
        seen("agents", 0, 20, 3_000, 9_000),
        seen("agents", 1, 20, 50, 50),
        seen("decisions", 0, 7_200, 10, None),
        seen("former", 0, 90_000, 10, 5_000),
        seen("decisions", 0, 10_000, 10, None, hole_from=4, hole_to=8),
    ]
    lake.append(STREAM_PROGRESS, pa.Table.from_pylist(rows, schema=STREAM_PROGRESS.schema))
    # The lake is further than what was noted last.
    lake.append(
        ORCHESTRATION_EVENTS,
        ORCHESTRATION_EVENTS.schema.empty_table(),
        positions={"agents-0": (NEVER, 3_500)},
    )

    def run(*arguments: str) -> Any:
        return counterfoil("status", *arguments, **TOPICS)

    return run


def test_partitions_have_position_end_lag_and_rate(status: Callable[..., Any]) -> None:
    found = json.loads(status("--format", "json").out)
    sources = {(row["source_topic"], row["source_partition"]): row for row in found["sources"]}

    first = sources["agents", 0]
    assert (first["next_offset"], first["end_offset"], first["lag"]) == (3_500, 9_000, 5_500)
    assert first["rate"] == pytest.approx(20, rel=0.01)
    assert (sources["agents", 1]["lag"], sources["decisions", 0]["lag"]) == (0, None)
    assert sources["decisions", 0]["rate"] is None
    assert [name for name, row in sources.items() if not row["configured"]] == [("former", 0)]
    assert found["files"]["files"] == 1


def test_tables_dead_letters_holes_and_streams_are_told(status: Callable[..., Any]) -> None:
    found = json.loads(status("--format", "json").out)
    tables = {row["table"]: row for row in found["tables"]}

    assert tables["dead_letters"]["rows"] == 2
    assert tables["dead_letters"]["files"] == 1
    assert tables["stream_progress"]["last_commit_time"] >= tables["dead_letters"]["last_commit_time"]
    assert {row["reason"]: row["dead_letters"] for row in found["dead_letters"]} == {
        "invalid_json": 1,
        "unknown_format": 1,
    }
    assert [(row["hole_from"], row["hole_to"]) for row in found["holes"]] == [(4, 8)]
    assert found["attention"] == []


def test_the_tables_for_people_hold_the_same(status: Callable[..., Any]) -> None:
    shown = status().out

    for word in (
        "agents",
        "5500",
        "former (not in the settings)",
        "dead_letters",
        "invalid_json",
        "1 files read",
    ):
        assert word in shown


@pytest.mark.parametrize(
    ("conditions", "said"),
    [
        (["lag:5499"], ["agents-0 is 5,500 records behind, more than 5,499"]),
        (["lag:5500"], []),
        (["dead-letters"], ["2 dead letters are open, more than 0: 1 invalid_json, 1 unknown_format"]),
        (["dead-letters:2"], []),
        (["holes"], ["offsets 4 to 7 of decisions-0 were gone before they were read"]),
        (["holes:1h"], []),
        (["stale:1h"], ["decisions-0 was observed last 2 h ago: is ingest running?"]),
        (["stale:3h"], []),
        (["holes", "lag:1"], ["offsets 4 to 7", "agents-0 is"]),
    ],
)
def test_what_asks_for_attention_is_1_and_said(
    status: Callable[..., Any], conditions: list[str], said: list[str]
) -> None:
    ended = status(*(word for each in conditions for word in ("--fail-on", each)))

    assert ended.code == (1 if said else 0)
    lines = ended.err.splitlines()
    assert len(lines) == len(said)
    assert all(words in line for words, line in zip(said, lines, strict=True))


def test_each_rule_has_its_last_run_and_the_next(
    status: Callable[..., Any], counterfoil: Callable[..., Any]
) -> None:
    counterfoil("run", "--once", "--quiet")
    done = status("--format", "json", "--fail-on", "alerts")
    told = json.loads(done.out)
    first = told["rules"][0]
    assert (first["rule"], first["outcome"], first["slots_waiting"]) == ("01", "ok", 0)
    assert first["judged_until"] <= first["last_time"] < first["next_time"]
    assert (told["alerts"], done.code) == ([], 0)


def test_nothing_read_is_stale(counterfoil: Callable[..., Any], lake: Path) -> None:
    ended = counterfoil("status", "--lake", str(lake), "--fail-on", "stale:1d")

    assert ended.code == 1
    assert "has been read yet" in ended.err


@pytest.mark.parametrize(
    "condition", ["lag", "lag:x", "stale", "stale:soon", "dead-letters:", "holes:", "rain"]
)
def test_a_condition_that_is_none_is_wrong_usage(status: Callable[..., Any], condition: str) -> None:
    assert status("--fail-on", condition).code == 2


@pytest.mark.broker
def test_the_broker_tells_the_ends_as_they_are(
    counterfoil: Callable[..., Any], broker: Broker, topic: Callable[[str], str], lake: Path
) -> None:
    name = broker.create_topic(topic("agents"), partitions=2)
    broker.produce(name, [Message(b"{}", partition=1)] * 7)
    done = counterfoil(
        "status", "--broker", "--lake", str(lake), "--format", "json", "--fail-on", "lag:6",
        COUNTERFOIL_KAFKA__BOOTSTRAP_SERVERS=json.dumps([broker.bootstrap]),
        COUNTERFOIL_KAFKA__ORCHESTRATION_TOPICS=json.dumps([name]),
        COUNTERFOIL_KAFKA__AUTHORIZATION_TOPICS="[]",
    )  # fmt: skip
    sources = {row["source_partition"]: row for row in json.loads(done.out)["sources"]}

    assert done.code == 1
    assert (sources[1]["next_offset"], sources[1]["end_offset"], sources[1]["lag"]) == (0, 7, 7)
    assert sources[0]["lag"] == 0


def test_a_missing_lake_is_4(counterfoil: Callable[..., Any]) -> None:
    assert "there is no lake at" in counterfoil("status", "--lake", "nowhere").fails_with(4)
