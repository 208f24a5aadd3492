"""The native format: JSON of the canonical columns, whose keys choose the table."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from schemas.catalogue import TABLES
from schemas.table import BOOL, FLOAT, INT, STRINGS, TIME, Column

TIMES = {"event_time": "2026-11-24T12:00:00Z", "decision_time": "2026-11-24T12:00:00Z"}
EVENT = {"event_id": "e1", "event_time": "2026-11-24T12:00:00Z", "event_type": "tool_call"}
DECISION = {
    "decision_id": "d1",
    "decision_time": "2026-11-24T12:00:00Z",
    "decision": "allow",
    "action": "read",
}
GRANT = {"event_id": "g1", "event_time": "2026-11-24T12:00:00Z", "event_type": "grant"}


@pytest.mark.parametrize("stream", ["orchestration", "authorization"])
def test_the_keys_choose_the_table_on_either_stream(decode: Any, stream: str) -> None:
    decoding = decode(EVENT, DECISION, GRANT, stream=stream)
    assert {name: len(table) for name, table in decoding.tables.items()} == {
        "orchestration_events": 1,
        "authorization_decisions": 1,
        "identity_events": 1,
    }


@pytest.mark.parametrize("stream", ["orchestration", "authorization"])
def test_an_action_that_cites_a_decision_is_an_orchestration_event(
    decode: Any, rows_of: Any, stream: str
) -> None:
    (row,) = rows_of(decode({**EVENT, "decision_id": "d1"}, stream=stream), "orchestration_events")
    assert row["decision_id"] == "d1"


@pytest.mark.parametrize("missing", DECISION)
@pytest.mark.parametrize("stream", ["orchestration", "authorization"])
def test_a_decision_without_a_required_field_is_told_which(
    decode: Any, rows_of: Any, stream: str, missing: str
) -> None:
    value = {key: given for key, given in DECISION.items() if key != missing}
    (letter,) = rows_of(decode(value, stream=stream), "dead_letters")
    assert letter["reason"] == "missing_field"
    assert f"`{missing}`" in letter["detail"]


def example(column: Column) -> Any:
    if column.name in TIMES:
        return TIMES[column.name]
    if column.name == "attributes":
        return {"model": {"name": "m", "temperature": 0.5}}
    if column.values:
        return column.values[0]
    if column.type == TIME:
        return "2026-11-24T12:00:00.123456+01:00"
    return {BOOL: True, INT: 3, FLOAT: 1.5, STRINGS: ["a", "b"]}.get(column.type, f"some {column.name}")


@pytest.mark.parametrize("table", ["orchestration_events", "authorization_decisions", "identity_events"])
def test_every_native_column_of_the_contract_can_be_given(decode: Any, rows_of: Any, table: str) -> None:
    given = {column.name: example(column) for column in TABLES[table].columns if column.native}
    (row,) = rows_of(decode(given), table)
    for name, value in given.items():
        if TABLES[table].column(name).type == TIME and name not in TIMES:
            assert row[name] == datetime(2026, 11, 24, 11, 0, 0, 123456, tzinfo=UTC)
        elif name == "attributes":
            assert json.loads(row[name]) == value
        elif name not in TIMES:
            assert row[name] == value


def test_a_column_that_ingest_fills_cannot_be_given(decode: Any, rows_of: Any) -> None:
    claim = {**EVENT, "source_topic": "elsewhere", "ingest_time": "2020-01-01T00:00:00Z", "raw_sha256": "00"}
    (row,) = rows_of(decode(claim), "orchestration_events")
    assert row["source_topic"] == "events"
    assert row["ingest_time"] == datetime(2026, 11, 24, 14, 0, tzinfo=UTC)
    assert json.loads(row["attributes"])["source_topic"] == "elsewhere"


def test_keys_of_a_newer_producer_are_kept_in_the_attributes(decode: Any, rows_of: Any) -> None:
    newer = {**EVENT, "gpu": "h9", "nested": {"a": [1]}, "attributes": {"gpu": "own", "model": "m"}}
    (row,) = rows_of(decode(newer), "orchestration_events")
    assert json.loads(row["attributes"]) == {"gpu": "own", "nested": {"a": [1]}, "model": "m"}


def test_a_newer_record_is_checked_as_strictly(decode: Any, rows_of: Any) -> None:
    (letter,) = rows_of(decode({**EVENT, "gpu": "h9", "tool_name": 7}), "dead_letters")
    assert letter["reason"] == "wrong_type"
    assert "$.tool_name" in letter["detail"]


def test_where_a_key_is_repeated_its_last_value_counts(decode: Any, rows_of: Any) -> None:
    value = json.dumps(EVENT).encode()[:-1] + b', "event_id": "e2"}'
    (row,) = rows_of(decode(value), "orchestration_events")
    assert row["event_id"] == "e2"


def test_null_means_not_known_and_not_false_or_empty(decode: Any, rows_of: Any) -> None:
    (row,) = rows_of(decode({**GRANT, "standing": None, "scope": "", "reason": None}), "identity_events")
    assert (row["standing"], row["scope"], row["reason"], row["attributes"]) == (None, "", None, None)


def test_hexadecimal_ids_get_one_spelling(decode: Any, rows_of: Any) -> None:
    ids = {"trace_id": "ABCDEF" + "0" * 25 + "1", "span_id": "ABCDEF0000000001", "parent_span_id": "0" * 16}
    (row,) = rows_of(decode({**EVENT, **ids}), "orchestration_events")
    assert row["trace_id"] == "abcdef" + "0" * 25 + "1"
    assert row["span_id"] == "abcdef0000000001"
    assert row["parent_span_id"] is None, "all zeros is how W3C writes no id"


def test_ids_of_another_form_stay_as_they_are(decode: Any, rows_of: Any) -> None:
    (row,) = rows_of(decode({**EVENT, "trace_id": "Run-ABC", "span_id": "Step-1"}), "orchestration_events")
    assert (row["trace_id"], row["span_id"]) == ("Run-ABC", "Step-1")


def test_text_is_kept_character_by_character(decode: Any, rows_of: Any) -> None:
    hostile = "=cmd()|'\";--<script>\u202e\x00\n\U0001f600"
    (row,) = rows_of(decode({**EVENT, "tool_name": hostile}), "orchestration_events")
    assert row["tool_name"] == hostile


def test_more_records_than_are_turned_at_once_stay_in_order(decode: Any, rows_of: Any) -> None:
    values: list[dict[str, Any]] = [
        {**EVENT, "event_id": f"e{i}", "attributes": {"i": i}} for i in range(2501)
    ]
    values[1000]["newer"] = 1
    values[2000] = dict(DECISION)
    rows = rows_of(decode(*values), "orchestration_events")
    places = [i for i in range(2501) if i != 2000]
    assert [row["source_offset"] - 100 for row in rows] == places
    assert [row["event_id"] for row in rows] == [f"e{i}" for i in places]
    assert [json.loads(row["attributes"])["i"] for row in rows] == places
