"""OpenFGA request log: each check is a decision."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest


@pytest.fixture
def check(data: Any) -> dict[str, Any]:
    """A line about one check."""
    return dict(json.loads(data("openfga.jsonl")[0]))


def test_checks_are_read_and_calls_of_other_methods_skipped(decode: Any, data: Any) -> None:
    decoding = decode(*data("openfga.jsonl"), stream="authorization")
    assert (decoding.rows, decoding.dead, decoding.skipped) == (5, 0, {"no_event": 1})


def test_what_a_check_says(decisions: Any, check: Any) -> None:
    (row,) = decisions(check)
    assert (row["source_format"], row["decision"]) == ("openfga", "allow")
    assert (row["decision_id"], row["request_id"]) == ("01KFGA#0", "01KFGA")
    assert row["decision_time"] == datetime.fromtimestamp(1_795_521_601.25, UTC)
    assert (row["principal_id"], row["principal_type"], row["agent_name"]) == (
        "agent:refunds", "agent", "refunds")  # fmt: skip
    assert (row["action"], row["resource_type"], row["resource_id"]) == ("refund", "payment", "payment-1")
    assert (row["policy_version"], row["latency_ms"]) == ("01KMODEL", 3.0)
    assert (row["trace_id"], row["span_id"]) == ("4bf92f3577b34da6a3ce929d0e0e4736", None)
    assert (row["tenant_id"], row["tool_call_id"]) == ("acme", "call_1")


def test_a_batch_is_answered_by_correlation_id(decisions: Any, data: Any) -> None:
    rows = decisions(data("openfga.jsonl")[1])
    assert [(row["decision_id"], row["decision"]) for row in rows] == [
        ("01KFGB#0", "allow"), ("01KFGB#1", "deny"), ("01KFGB#2", "indeterminate"),
    ]  # fmt: skip
    assert rows[2]["reason"] == "no such relation"
    assert [row["agent_name"] for row in rows] == ["refunds", None, "refunds"]


def test_a_call_that_failed_is_indeterminate(decisions: Any, data: Any) -> None:
    (row,) = decisions(data("openfga.jsonl")[2])
    assert (row["decision"], row["determination"]) == ("indeterminate", "error")
    assert "no such type" in row["reason"]


@pytest.mark.parametrize("time", ["2026-11-24T12:00:01.250Z", 1_795_521_601.25, "1795521601.25"])
def test_the_time_in_each_form(decisions: Any, check: Any, time: Any) -> None:
    (row,) = decisions({**check, "ts": time})
    assert row["decision_time"].year == 2026


def test_the_callers_span_may_come_in_the_context(decisions: Any, check: Any) -> None:
    traceparent = "00-e42d985f346e4ce9adf492242acda01f-c9c97198f25a86cd-01"
    check["raw_request"]["context"] = {"traceparent": traceparent}
    (row,) = decisions(check)
    assert (row["trace_id"], row["span_id"]) == ("e42d985f346e4ce9adf492242acda01f", "c9c97198f25a86cd")


def test_a_userset_is_the_principal_as_it_stands(decisions: Any, check: Any) -> None:
    check["raw_request"]["tuple_key"]["user"] = "group:eng#member"
    (row,) = decisions(check)
    assert (row["principal_id"], row["principal_type"]) == ("group:eng#member", "group")


@pytest.mark.parametrize(("changes", "reason"), [
    ({"ts": None}, "missing_field"), ({"ts": "noon"}, "wrong_type"), ({"ts": 1e300}, "wrong_type"),
    ({"raw_request": None}, "missing_field"), ({"raw_request": {"tuple_key": {}}}, "missing_field"),
])  # fmt: skip
def test_a_line_without_what_a_decision_needs_is_a_dead_letter(
    decode: Any, rows_of: Any, check: Any, changes: Any, reason: str
) -> None:
    (letter,) = rows_of(decode({**check, **changes}, stream="authorization"), "dead_letters")
    assert (letter["reason"], letter["source_format"]) == (reason, "openfga")


def test_a_batch_that_would_repeat_too_much_is_one_dead_letter(decode: Any, data: Any) -> None:
    batch = json.loads(data("openfga.jsonl")[1])
    batch["raw_request"] |= {"context": {"note": "x" * 100_000}, "checks": [{}] * 1000}
    decoding = decode(batch, stream="authorization")
    assert (decoding.rows, decoding.reasons) == (0, {"too_many_events": 1})
