"""Cedar decisions, as the Python bindings gave them to the lab's gateway."""

from __future__ import annotations

import copy
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

RECORD: dict[str, Any] = {
    "time": "2026-11-24T12:00:01+00:00",
    "request": {
        "principal": {"type": "Acme::Agent", "id": "refunds"},
        "action": {"type": "Action", "id": "refund"},
        "resource": {"type": "Payment", "id": "payment-1"},
        "context": {
            "tenant": "acme",
            "on_behalf_of": "user:fay@acme.example",
            "credential_age_s": 60,
            "traceparent": "00-e42d985f346e4ce9adf492242acda01f-c9c97198f25a86cd-01",
            "amount": 5,
        },
        "correlation_id": "c1",
    },
    "response": {
        "decision": "Allow",
        "correlation_id": "c1",
        "diagnostics": {"reason": ["policy0"], "id_annotations_by_reason": {"policy0": "refunders"}, "errors": []},
        "metrics": {"authz_duration_micros": 60},
    },
}  # fmt: skip


def record(*path: str, value: Any) -> dict[str, Any]:
    changed = copy.deepcopy(RECORD)
    holder = changed
    for step in path[:-1]:
        holder = holder[step]
    holder[path[-1]] = value
    return changed


@pytest.fixture
def decision(decode: Any, rows_of: Any) -> Any:
    """The only decision of a record."""

    def row(value: Any, **more: Any) -> dict[str, Any]:
        decoding = decode(value, stream="authorization", **more)
        assert decoding.dead == 0, rows_of(decoding, "dead_letters")
        (found,) = rows_of(decoding, "authorization_decisions")
        assert found["source_format"] == "cedar"
        return dict(found)

    return row


def test_every_decision_is_read_with_its_trace_and_agent(decode: Any, rows_of: Any, data: Any) -> None:
    lines = data("cedar.jsonl")
    rows = rows_of(decode(*lines, stream="authorization"), "authorization_decisions")
    assert len(rows) == len(lines)
    assert all(row["trace_id"] and row["span_id"] and row["agent_name"] for row in rows)
    assert {row["decision"] for row in rows} == {"allow", "deny"}


def test_what_a_record_says(decision: Any) -> None:
    row, time = decision(RECORD), datetime(2026, 11, 24, 12, 0, 1, tzinfo=UTC)
    assert (row["decision_id"], row["source_decision_id"], row["decision_time"]) == ("c1#0", "c1", time)
    assert (row["decision"], row["determination"]) == ("allow", "explicit")
    assert (row["policy_ids"], row["latency_ms"]) == (["refunders"], 0.06)
    assert (row["principal_id"], row["principal_type"], row["agent_name"]) == (
        "refunds", "Acme::Agent", "refunds")  # fmt: skip
    assert (row["action"], row["resource_type"], row["resource_id"]) == ("refund", "Payment", "payment-1")
    assert (row["trace_id"], row["span_id"]) == ("e42d985f346e4ce9adf492242acda01f", "c9c97198f25a86cd")
    assert (row["tenant_id"], row["on_behalf_of"]) == ("acme", "user:fay@acme.example")
    assert row["credential_issued_time"] == time - timedelta(seconds=60)
    assert json.loads(row["attributes"])["context"] == {"amount": 5}


def test_a_deny_that_no_policy_made_is_implicit(decision: Any) -> None:
    value = record("response", "diagnostics", value={"reason": [], "errors": []})
    value["response"]["decision"] = "Deny"
    row = decision(value)
    assert (row["decision"], row["determination"], row["policy_ids"]) == ("deny", "implicit", [])


def test_an_error_of_a_policy_is_told_beside_the_answer(decision: Any) -> None:
    row = decision(record("response", "diagnostics", "errors", value=["policy1: no attribute `rows`"]))
    assert (row["decision"], row["determination"]) == ("allow", "error")
    assert row["reason"] == "policy1: no attribute `rows`"


@pytest.mark.parametrize("said", ["NoDecision", None, 1, ["Allow"]])
def test_what_is_no_decision_is_indeterminate(decision: Any, said: Any) -> None:
    row = decision(record("response", "decision", value=said))
    assert (row["decision"], row["determination"]) == ("indeterminate", "error")


@pytest.mark.parametrize("principal", [
    'Acme::Agent::"refunds"', {"__entity": {"type": "Acme::Agent", "id": "refunds"}},
])  # fmt: skip
def test_an_entity_in_each_of_cedars_ways(decision: Any, principal: Any) -> None:
    row = decision(record("request", "principal", value=principal))
    assert (row["principal_type"], row["principal_id"]) == ("Acme::Agent", "refunds")


def test_an_entitys_quoted_id_is_unquoted(decision: Any) -> None:
    row = decision(record("request", "resource", value=r'File::"a \"b\"/c"'))
    assert row["resource_id"] == 'a "b"/c'


def test_a_principal_of_another_type_is_not_an_agent(decision: Any) -> None:
    row = decision(record("request", "principal", value={"type": "User", "id": "fay"}))
    assert (row["principal_id"], row["agent_name"]) == ("fay", None)
    row = decision(RECORD, mapping={"agent_types": []})
    assert row["agent_name"] is None


def test_a_context_may_be_given_as_its_json_text(decision: Any) -> None:
    row = decision(record("request", "context", value=json.dumps({"tenant": "acme"})))
    assert row["tenant_id"] == "acme"


def test_without_a_correlation_id_the_content_is_the_id(decision: Any) -> None:
    value = copy.deepcopy(RECORD)
    del value["request"]["correlation_id"], value["response"]["correlation_id"]
    assert decision(value)["decision_id"].startswith("sha256:")


@pytest.mark.parametrize(("path", "value", "reason"), [
    (("time",), None, "missing_field"), (("time",), "noon", "wrong_type"),
    (("request", "action"), {"type": "Action"}, "missing_field"),
])  # fmt: skip
def test_a_record_without_what_a_decision_needs_is_a_dead_letter(
    decode: Any, rows_of: Any, path: tuple[str, ...], value: Any, reason: str
) -> None:
    (letter,) = rows_of(decode(record(*path, value=value), stream="authorization"), "dead_letters")
    assert (letter["reason"], letter["source_format"]) == (reason, "cedar")
