"""OpenAI Agents SDK: what becomes of each kind of its spans. The records were written by the SDK."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime
from typing import Any

import pytest

TOOLS = {
    "issue_refund": {
        "action": "refund",
        "resource_type": "payment",
        "resource_id": "id",
        "destination": "to",
        "sensitivity": 3,
        "trust_zone": "finance",
        "labels": ["destructive"],
    }
}


def span(span_data: Any, **values: Any) -> dict[str, Any]:
    return {
        "object": "trace.span",
        "id": "span_0123456789ABCDEF01234567",
        "trace_id": "trace_" + "AB" * 16,
        "parent_id": "span_aaaaaaaaaaaaaaaabbbbbbbb",
        "started_at": "2026-11-24T12:00:00.000001+00:00",
        "ended_at": "2026-11-24T12:00:01+00:00",
        "span_data": span_data,
        "error": None,
        **values,
    }


def call(given: Any = '{"id": "payment-1"}', output: Any = '{"ok": true}', **values: Any) -> dict[str, Any]:
    data = {"type": "function", "name": "issue_refund", "input": given, "output": output, "mcp_data": None}
    return span(data, **values)


@pytest.fixture
def one(decode: Any, rows_of: Any) -> Any:
    """The one row that a record becomes."""

    def row(value: Any, **sections: Any) -> dict[str, Any]:
        (found,) = rows_of(decode(value, **sections), "orchestration_events")
        return dict(found)

    return row


def test_every_record_that_the_sdk_wrote_becomes_a_row(decode: Any, data: Any) -> None:
    lines = data("openai_agents.jsonl")
    decoding = decode(*lines)
    assert (decoding.rows, decoding.dead, decoding.skipped.total()) == (len(lines), 0, 0)
    assert set(decoding.tables["orchestration_events"]["event_type"].to_pylist()) == {
        "run_start", "task_start", "step", "tool_call", "handoff", "guardrail", "model_call",
    }  # fmt: skip


def test_a_batch_as_the_exporter_posts_it_is_read_like_its_items(
    decode: Any, rows_of: Any, data: Any
) -> None:
    lines = data("openai_agents.jsonl")
    single = rows_of(decode(*lines), "orchestration_events")
    batch = rows_of(decode({"data": [json.loads(line) for line in lines]}), "orchestration_events")
    assert [row["event_id"] for row in batch] == [row["event_id"] for row in single]
    assert {row["source_offset"] for row in batch} == {100}


def test_an_empty_batch_holds_no_event(decode: Any) -> None:
    decoding = decode({"data": []}, ingest={"formats": {"events": "openai_agents"}})
    assert (decoding.rows, decoding.dead, decoding.skipped) == (0, 0, {"no_event": 1})


def test_a_trace_is_the_start_of_a_run_at_the_records_time(one: Any) -> None:
    row = one({
        "object": "trace", "id": "trace_" + "ab" * 16, "workflow_name": "ops-desk", "group_id": "conv_1",
        "metadata": {"tenant": "initech", "user": "fay@initech.example", "environment": "prod", "shift": 2},
    })  # fmt: skip
    assert (row["event_type"], row["event_id"], row["trace_id"]) == (
        "run_start",
        "trace_" + "ab" * 16,
        "ab" * 16,
    )
    assert (row["event_time"], row["time_estimated"]) == (row["record_time"], True)
    assert (row["tenant_id"], row["on_behalf_of"], row["environment"], row["conversation_id"]) == (
        "initech", "user:fay@initech.example", "prod", "conv_1",
    )  # fmt: skip
    assert json.loads(row["attributes"]) == {"workflow_name": "ops-desk", "metadata": {"shift": 2}}


def test_whose_run_it_is_keeps_a_scheme_and_reads_the_keys_of_the_settings(one: Any) -> None:
    trace = {"object": "trace", "id": "trace_1", "metadata": {"org": "acme", "for": "service:billing"}}
    row = one(trace, mapping={"run": {"tenant": "org", "on_behalf_of": "for", "environment": None}})
    assert (row["tenant_id"], row["on_behalf_of"]) == ("acme", "service:billing")


def test_ids_are_kept_in_the_sources_form_and_in_the_form_that_a_traceparent_carries(one: Any) -> None:
    row = one(call())
    assert row["event_id"] == row["native_span_id"] == "span_0123456789ABCDEF01234567"
    assert row["native_parent_id"] == "span_aaaaaaaaaaaaaaaabbbbbbbb"
    assert (row["span_id"], row["parent_span_id"]) == ("0123456789abcdef", "a" * 16)
    assert row["trace_id"] == "ab" * 16


def test_an_id_of_another_form_gives_no_span_id(one: Any) -> None:
    row = one(call(id="my-span", parent_id=None))
    assert (row["native_span_id"], row["span_id"], row["parent_span_id"]) == ("my-span", None, None)


def test_times_are_utc_and_an_unfinished_span_has_no_end(one: Any) -> None:
    row = one(call(started_at="2026-11-24T13:00:00.1234567+01:00", ended_at=None))
    assert row["event_time"] == datetime(2026, 11, 24, 12, 0, 0, 123456, tzinfo=UTC)
    assert (row["end_time"], row["status"], row["time_estimated"]) == (None, "unset", False)


def test_a_span_that_never_told_its_start_takes_the_records_time(one: Any) -> None:
    row = one(call(started_at=None))
    assert (row["event_time"], row["time_estimated"]) == (row["record_time"], True)


def test_a_tool_call_is_mapped_by_the_settings(one: Any) -> None:
    row = one(call('{"id": "payment-1", "amount": 5, "to": "bank"}'), mapping={"tools": TOOLS})
    told = ("event_type", "tool_name", "action", "resource_type", "resource_id", "destination", "sensitivity")
    assert [row[name] for name in told] == [
        "tool_call", "issue_refund", "refund", "payment", "payment-1", "bank", 3,
    ]  # fmt: skip
    assert (row["trust_zone"], row["labels"], row["status"]) == ("finance", ["destructive"], "ok")
    assert row["agent_name"] is None, "the span does not say; analytics asks its parents"


def test_what_no_setting_maps_is_not_guessed(one: Any) -> None:
    row = one(call())
    assert row["tool_name"] == "issue_refund"
    for name in ("action", "resource_type", "resource_id", "sensitivity", "trust_zone", "labels"):
        assert row[name] is None


@pytest.mark.parametrize(
    ("given", "resource"),
    [
        ('{"id": 17}', "17"),
        ('{"id": true}', None),
        ('{"id": {"a": 1}}', None),
        ('{"other": "x"}', None),
        ("not json", None),
        ("[1]", None),
        (None, None),
        ({"id": "as an object"}, "as an object"),
    ],
)
def test_arguments_of_any_form_name_a_resource_or_none(one: Any, given: Any, resource: str | None) -> None:
    row = one(call(given), mapping={"tools": TOOLS})
    assert row["resource_id"] == resource
    assert (row["arguments_digest"] is None) == (given is None)


def test_the_digest_of_the_arguments_does_not_depend_on_how_they_are_written(one: Any) -> None:
    one_way, other_way = '{"id": "p-1", "note": "é"}', '{ "note":"\\u00e9","id":"p-1" }'
    expected = hashlib.sha256('{"id":"p-1","note":"é"}'.encode()).hexdigest()
    assert one(call(one_way))["arguments_digest"] == expected
    assert one(call(other_way))["arguments_digest"] == expected
    assert one(call('{"id":"p-2","note":"é"}'))["arguments_digest"] != expected
    assert one(call("plain"))["arguments_digest"] == hashlib.sha256(b"plain").hexdigest()


@pytest.mark.parametrize(
    ("output", "status"),
    [
        ("DENIED: refund on payment is not allowed", "rejected"),
        ("  Permission denied", "rejected"),
        ('{"ok": true, "note": "DENIED earlier"}', "ok"),
        ({"denied": True}, "ok"),
        (None, "ok"),
    ],
)
def test_a_refused_call_did_not_run(one: Any, output: Any, status: str) -> None:
    assert one(call(output=output))["status"] == status


def test_what_a_refusal_looks_like_is_a_setting(one: Any) -> None:
    assert one(call(output="nope!"), mapping={"refused_outputs": ["^nope"]})["status"] == "rejected"


def test_an_error_has_its_message_as_its_type(one: Any) -> None:
    row = one(call(error={"message": "Error running tool", "data": {"tool_name": "x"}}))
    assert (row["status"], row["error_type"]) == ("error", "Error running tool")
    assert json.loads(row["attributes"])["error"]["data"] == {"tool_name": "x"}


def test_who_runs_and_who_takes_over(one: Any) -> None:
    agent = one(span({"type": "agent", "name": "triage", "handoffs": ["billing"], "tools": ["read_ticket"]}))
    assert (agent["event_type"], agent["agent_name"]) == ("task_start", "triage")
    assert agent["agent_instance_id"] == agent["native_span_id"]
    assert json.loads(agent["attributes"])["tools"] == ["read_ticket"]
    handoff = one(span({"type": "handoff", "from_agent": "triage", "to_agent": "billing"}))
    assert (handoff["event_type"], handoff["agent_name"], handoff["target_agent_name"]) == (
        "handoff", "triage", "billing",
    )  # fmt: skip


def test_tasks_and_turns_come_as_custom_spans(one: Any) -> None:
    task = one(span({"type": "custom", "name": "task", "data": {"sdk_span_type": "task", "name": "ops"}}))
    assert (task["event_type"], task["task_id"]) == ("task_start", task["native_span_id"])
    turn = one(span({"type": "custom", "data": {"sdk_span_type": "turn", "turn": 1, "agent_name": "triage"}}))
    assert (turn["event_type"], turn["agent_name"], turn["task_id"]) == ("step", "triage", None)
    own = one(span({"type": "custom", "name": "mine", "data": {"sdk_span_type": ["task"]}}))
    assert own["event_type"] == "step"


def test_a_guardrail_that_triggers_rejects(one: Any) -> None:
    statuses = [
        one(span({"type": "guardrail", "name": "g", "triggered": t}))["status"] for t in (True, False)
    ]
    assert statuses == ["rejected", "ok"]


def test_a_type_of_span_that_is_not_known_is_a_step(one: Any) -> None:
    row = one(span({"type": "speech_group", "input": "hello"}))
    assert (row["event_type"], json.loads(row["attributes"])) == ("step", {"span_type": "speech_group"})


@pytest.mark.parametrize(
    ("value", "reason", "told"),
    [
        (call(id=None), "missing_field", "$.id"),
        (call(id=7), "wrong_type", "$.id"),
        (call(trace_id=None), "missing_field", "$.trace_id"),
        (call(started_at=7), "wrong_type", "$.started_at"),
        (call(started_at="noon"), "wrong_type", "$.started_at"),
        (call(started_at="2026-11-24T12:00:00"), "wrong_type", "zone"),
        (call(ended_at="2026-11-24"), "wrong_type", "$.ended_at"),
        (span(None), "wrong_type", "$.span_data"),
        (span({}), "missing_field", "$.span_data.type"),
    ],
)
def test_a_span_without_identity_time_or_type_is_a_dead_letter(
    decode: Any, rows_of: Any, value: Any, reason: str, told: str
) -> None:
    (letter,) = rows_of(decode(value), "dead_letters")
    assert (letter["reason"], letter["source_format"]) == (reason, "openai_agents")
    assert told in letter["detail"]
