"""Records are of the native format: canonical columns, their types and words; and they arrive as on topics."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest

from sample_data.files import read_jsonl
from sample_data.generator import WINDOW
from schemas.events import AUTHORIZATION_DECISIONS, IDENTITY_EVENTS, ORCHESTRATION_EVENTS
from schemas.table import BOOL, FLOAT, INT, STRING, STRINGS, TIME

if TYPE_CHECKING:
    import pyarrow as pa

    from schemas.table import Table
    from tests.sample_data.conftest import Record, Sample

INSTANT = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{6}Z")
PYTHON: dict[pa.DataType, type] = {STRING: str, BOOL: bool, INT: int, FLOAT: float, STRINGS: list, TIME: str}


def faults(table: Table, record: Record) -> list[str]:
    """What is wrong with a record, by column."""
    native = {column.name: column for column in table.columns if column.native}
    found = [f"{name} is required" for name, c in native.items() if c.required and record.get(name) is None]
    for name, value in record.items():
        if name not in native:
            found.append(f"{name} is no native column")
        elif type(value) is not PYTHON[native[name].type]:
            found.append(f"{name} is {value!r}")
        elif native[name].type == TIME and not INSTANT.fullmatch(str(value)):
            found.append(f"{name} is no time: {value}")
        elif native[name].values and value not in native[name].values:
            found.append(f"{name} is {value}")
    return found


@pytest.mark.parametrize(
    ("part", "table"),
    [
        ("orchestration", ORCHESTRATION_EVENTS),
        ("decisions", AUTHORIZATION_DECISIONS),
        ("identity", IDENTITY_EVENTS),
    ],
)
def test_records_are_of_the_contract(sample: Sample, part: str, table: Table) -> None:
    records: list[Record] = getattr(sample, part)
    assert len(records) > 500
    assert [(r, f) for r in records if (f := faults(table, r))] == []


def test_w3c_ids_have_their_form(sample: Sample) -> None:
    for event in sample.orchestration:
        assert re.fullmatch("[0-9a-f]{32}", event["trace_id"])
        assert re.fullmatch("[0-9a-f]{16}", event["span_id"])


def test_every_parent_is_a_span_of_the_same_trace(sample: Sample) -> None:
    spans = {(event["trace_id"], event["span_id"]) for event in sample.orchestration}
    parents = {(e["trace_id"], e["parent_span_id"]) for e in sample.orchestration if "parent_span_id" in e}
    assert parents
    assert parents <= spans


def test_a_child_lies_within_its_parent(sample: Sample) -> None:
    spans = {event["span_id"]: event for event in sample.orchestration}
    within = [e for e in sample.orchestration if e["event_type"] in {"tool_call", "model_call"}]
    assert [
        e
        for e in within
        if not spans[e["parent_span_id"]]["event_time"] <= e["event_time"] <= e["end_time"]
        or e["end_time"] > spans[e["parent_span_id"]]["end_time"]
    ] == []


def test_a_handoff_is_followed_by_the_receiver(sample: Sample) -> None:
    starts = {
        (e["trace_id"], e["agent_name"], e["event_time"])
        for e in sample.orchestration
        if e["event_type"] == "task_start"
    }
    for handoff in (e for e in sample.orchestration if e["event_type"] == "handoff"):
        wanted = (handoff["trace_id"], handoff["target_agent_name"])
        assert any(s[:2] == wanted and s[2] > handoff["event_time"] for s in starts)


def test_handoffs_nest_in_some_traces_and_stand_side_by_side_in_others(sample: Sample) -> None:
    handoffs = {e["span_id"] for e in sample.orchestration if e["event_type"] == "handoff"}
    nested = {
        e.get("parent_span_id") in handoffs for e in sample.orchestration if e["event_type"] == "task_start"
    }
    assert nested == {True, False}


def test_a_credential_is_issued_before_its_task_and_revoked_at_its_end(sample: Sample) -> None:
    at: dict[tuple[str, str], Any] = {
        (e["event_type"], e["credential_id"]): e["event_time"]
        for e in sample.identity
        if "credential_id" in e
    }
    settled = {link["trace_id"] for link in sample.links if link["scenario"] != "missing_stream"}
    tasks = [e for e in sample.orchestration if e["event_type"] == "task_start" and e["trace_id"] in settled]
    for task in tasks:
        assert at["credential_issued", task["credential_id"]] < task["event_time"]
        assert at["credential_revoked", task["credential_id"]] > task["end_time"]


def test_children_come_before_their_parents_and_records_a_little_late(sample: Sample) -> None:
    lines = read_jsonl(sample.summary.files["orchestration"])
    place = {event["event_id"]: number for number, event in enumerate(lines)}
    parents = {event["span_id"]: event["event_id"] for event in lines}
    early = [
        e
        for e in lines
        if "parent_span_id" in e and place[e["event_id"]] < place[parents[e["parent_span_id"]]]
    ]
    assert len(early) > len(lines) // 4

    ends = [event.get("end_time", event["event_time"]) for event in lines]
    steps_back = [one for one, two in pairwise(ends) if two < one]
    assert len(steps_back) > len(lines) // 20
    assert WINDOW < 60


def test_some_records_come_twice_and_are_the_same(sample: Sample) -> None:
    lines = read_jsonl(sample.summary.files["orchestration"])
    again = len(lines) - len(sample.orchestration)
    assert 0 < again < len(lines) // 50
    assert {e["event_id"]: e for e in reversed(lines)} == {e["event_id"]: e for e in lines}


def test_every_class_of_correlation_carries_its_own_ids_and_no_stronger_ones(sample: Sample) -> None:
    decisions = {d["decision_id"]: d for d in sample.decisions}
    own = [
        link
        for link in sample.links
        if link["decision_id"] and link["scenario"] in {"support_case", "single_agent"}
    ]
    for link in own:
        d, event = decisions[link["decision_id"]], sample.events[link["event_id"]]
        assert ("decision_id" in event) == (link["corr"] == "decision_id")
        assert ("request_id" in d or "tool_call_id" in d) == (link["corr"] == "request_id")
        assert (d.get("span_id") == event["span_id"]) == (link["corr"] == "span")
        assert ("trace_id" in d) == (link["corr"] in {"decision_id", "span", "trace_key"})
