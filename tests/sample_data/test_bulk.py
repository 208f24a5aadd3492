"""The benchmarks' tables are of the contract, exact in their counts, and mean what they say."""

from __future__ import annotations

import json

import pyarrow as pa
import pytest

from sample_data.bulk import TOPICS, bulk_expected, bulk_records, bulk_tables
from schemas.events import AUTHORIZATION_DECISIONS, ORCHESTRATION_EVENTS

ACTIONS = 6000


@pytest.fixture(scope="module")
def tables() -> dict[str, pa.Table]:
    parts: dict[str, list[pa.Table]] = {}
    for name, table in bulk_tables(3, ACTIONS, traces_per_table=250):
        table.validate(full=True)
        parts.setdefault(name, []).append(table)
    assert {len(some) for some in parts.values()} == {3}
    return {name: pa.concat_tables(some) for name, some in parts.items()}


def test_the_tables_have_the_schema_of_the_contract(tables: dict[str, pa.Table]) -> None:
    for contract in (ORCHESTRATION_EVENTS, AUTHORIZATION_DECISIONS):
        table = tables[contract.name]
        assert table.schema.equals(contract.schema)
        for column in contract.columns:
            if column.required:
                assert table[column.name].null_count == 0, column.name
        assert len(set(table[contract.key].to_pylist())) == table.num_rows


def test_there_are_as_many_decisions_as_actions(tables: dict[str, pa.Table]) -> None:
    events = tables["orchestration_events"]
    assert sum(action is not None for action in events["action"].to_pylist()) == ACTIONS
    assert events.num_rows == ACTIONS + ACTIONS // 10 * 3
    assert tables["authorization_decisions"].num_rows == ACTIONS


def test_the_counts_of_verdicts_are_those_in_the_tables(tables: dict[str, pa.Table]) -> None:
    expected = bulk_expected(3, ACTIONS)
    columns = ["tenant_id", "agent_name", "action", "resource_type", "resource_id"]
    decisions = tables["authorization_decisions"].to_pylist()
    newest = {}
    for d in sorted(decisions, key=lambda d: d["decision_time"]):
        newest[tuple(d[c] for c in columns)] = d
    found = dict.fromkeys(expected, 0)
    for event in tables["orchestration_events"].to_pylist():
        if event["action"] is None:
            continue
        d = newest.get(tuple(event[c] for c in columns))
        if d is None:
            found["unbacked"] += 1
        elif d["decision"] == "deny":
            found["after_deny"] += 1
        else:
            found["stale" if d["expires_time"] <= event["event_time"] else "backed"] += 1
        if event["decision_id"] is not None:
            assert d is not None
            assert d["decision_id"] == event["decision_id"]
    assert found == expected
    assert min(found.values()) > 0


def test_the_same_seed_gives_the_same_tables(tables: dict[str, pa.Table]) -> None:
    again: dict[str, list[pa.Table]] = {}
    for name, table in bulk_tables(3, ACTIONS, traces_per_table=250):
        again.setdefault(name, []).append(table)
    assert {name: pa.concat_tables(some) for name, some in again.items()} == tables


def test_records_are_lines_of_json_for_both_topics_of_about_700_bytes() -> None:
    records = list(bulk_records(3, 4000))
    assert len(records) == 4000
    assert {topic for topic, _, _ in records} == set(TOPICS)
    for topic, key, value in records:
        event = json.loads(value)
        ids = (
            [event.get("trace_id")]
            if topic == TOPICS[0]
            else [event.get("decision_id"), event.get("event_id")]
        )
        assert key.decode() in ids
    assert 600 < sum(len(value) for _, _, value in records) / 4000 < 850
