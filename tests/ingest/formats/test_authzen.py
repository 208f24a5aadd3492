"""AuthZEN: each evaluation of an exchange is a decision. A Cerbos and its clients wrote the exchanges."""

from __future__ import annotations

import copy
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

EXCHANGE: dict[str, Any] = {
    "time": "2026-11-24T12:00:01.000001Z",
    "path": "/access/v1/evaluation",
    "request_headers": {
        "X-Request-ID": "req-1",
        "traceparent": "00-e42d985f346e4ce9adf492242acda01f-c9c97198f25a86cd-01",
    },
    "request": {
        "subject": {"type": "agent", "id": "spiffe://acme.example/agent/refunds",
                    "properties": {"scopes": ["payment.refund"], "credential_ttl_s": 60, "limit": 5}},
        "action": {"name": "refund"},
        "resource": {"type": "payment", "id": "payment-1", "properties": {"env": "prod", "tenant": "other"}},
        "context": {"on_behalf_of": "user:fay@acme.example"},
    },
    "status": 200,
    "response": {"decision": True},
}  # fmt: skip


def exchange(**changes: Any) -> dict[str, Any]:
    return {**copy.deepcopy(EXCHANGE), **changes}


def batch(*answers: Any, semantic: str | None = None, **changes: Any) -> dict[str, Any]:
    """An exchange with three evaluations that share a subject."""
    request = {
        "subject": {"type": "agent", "id": "refunds"},
        "action": {"name": "read"},
        "evaluations": [
            {"resource": {"type": "order", "id": "o1"}},
            {"resource": {"type": "order", "id": "o2"}, "action": {"name": "delete"}},
            {"resource": {"type": "order", "id": "o3"}, "subject": {"type": "user", "id": "eve"}},
        ],
        **({"options": {"evaluations_semantic": semantic}} if semantic else {}),
    }
    response = {"evaluations": list(answers)}
    return exchange(**{"path": "/access/v1/evaluations", "request": request, "response": response, **changes})


@pytest.fixture
def decisions(decode: Any, rows_of: Any) -> Any:
    """The decisions of some records."""

    def rows(*values: Any, **more: Any) -> list[dict[str, Any]]:
        decoding = decode(*values, stream="authorization", **more)
        assert decoding.dead == 0, rows_of(decoding, "dead_letters")
        return list(rows_of(decoding, "authorization_decisions"))

    return rows


def test_every_evaluation_that_was_exchanged_becomes_a_row(decisions: Any, data: Any) -> None:
    lines = [json.loads(line) for line in data("authzen.jsonl")]
    asked = sum(len(line["request"].get("evaluations", [1])) for line in lines)
    rows = decisions(*lines)
    assert len(rows) == asked > len(lines)
    assert {row["source_format"] for row in rows} == {"authzen"}
    assert all(row["trace_id"] and row["span_id"] and row["request_id"] for row in rows)
    assert all(row["agent_name"] and row["on_behalf_of"] and row["credential_id"] for row in rows)
    assert len({row["decision_id"] for row in rows}) == asked


def test_the_policy_is_told_where_the_pdp_is_a_cerbos_that_was_asked_to_tell(
    decisions: Any, data: Any
) -> None:
    rows = decisions(*data("authzen.jsonl"))
    assert ["resource.secret.vdefault"] in [row["policy_ids"] for row in rows]


def test_what_an_exchange_says(decisions: Any) -> None:
    (row,) = decisions(EXCHANGE)
    time = datetime(2026, 11, 24, 12, 0, 1, 1, tzinfo=UTC)
    assert (row["decision"], row["determination"], row["decision_time"]) == ("allow", None, time)
    assert (row["request_id"], row["source_decision_id"]) == ("req-1", "req-1")
    assert (row["trace_id"], row["span_id"]) == ("e42d985f346e4ce9adf492242acda01f", "c9c97198f25a86cd")
    assert (row["principal_type"], row["agent_name"], row["tenant_id"]) == ("agent", "refunds", "acme")
    assert (row["action"], row["resource_type"], row["resource_id"]) == ("refund", "payment", "payment-1")
    assert (row["on_behalf_of"], row["environment"]) == ("user:fay@acme.example", "prod")
    assert row["credential_expires_time"] == time + timedelta(seconds=60)
    assert json.loads(row["attributes"])["subject"] == {"limit": 5}


def test_the_resources_properties_are_not_the_subjects(decisions: Any) -> None:
    value = exchange()
    value["request"]["subject"]["id"] = "someone"
    (row,) = decisions(value)
    assert row["tenant_id"] is None


def test_headers_are_found_in_any_case_and_as_lists(decisions: Any) -> None:
    (row,) = decisions(exchange(request_headers={"x-ReQuEsT-iD": ["req-9", "req-8"]}))
    assert row["request_id"] == "req-9"


def test_two_exchanges_may_share_a_request_id_and_one_sent_twice_counts_once(decisions: Any) -> None:
    rows = decisions(EXCHANGE, EXCHANGE, exchange(response={"decision": False}))
    assert rows[0]["decision_id"] == rows[1]["decision_id"] != rows[2]["decision_id"]


def test_without_a_request_id_the_content_is_the_id(decisions: Any) -> None:
    rows = decisions(exchange(request_headers={}), exchange(request_headers={}, status=200.0))
    assert rows[0]["decision_id"].startswith("sha256:")
    assert rows[0]["decision_id"] != rows[1]["decision_id"]
    assert rows[0]["source_decision_id"] is None


def test_an_evaluation_of_a_batch_overrides_what_all_share(decisions: Any) -> None:
    rows = decisions(batch({"decision": True}, {"decision": False}, {"decision": True}))
    assert [row["decision"] for row in rows] == ["allow", "deny", "allow"]
    assert [row["action"] for row in rows] == ["read", "delete", "read"]
    assert [row["principal_id"] for row in rows] == ["refunds", "refunds", "eve"]
    assert [row["agent_name"] for row in rows] == ["refunds", "refunds", None]
    assert [row["decision_id"][-2:] for row in rows] == ["#0", "#1", "#2"]
    assert [row["source_index"] for row in rows] == [0, 1, 2]


def test_a_batch_that_stops_early_decides_only_what_it_answers(decisions: Any) -> None:
    rows = decisions(batch({"decision": True}, {"decision": False}, semantic="deny_on_first_deny"))
    assert [row["resource_id"] for row in rows] == ["o1", "o2"]


def test_an_evaluation_that_should_have_been_answered_and_was_not_is_indeterminate(decisions: Any) -> None:
    rows = decisions(batch({"decision": True}, {"decision": False}))
    assert [row["decision"] for row in rows] == ["allow", "deny", "indeterminate"]
    assert rows[2]["determination"] == "error"


def test_a_batch_with_no_evaluations_is_a_single_one(decisions: Any) -> None:
    value = exchange(path="/access/v1/evaluations")
    value["request"]["evaluations"] = []
    (row,) = decisions(value)
    assert row["decision"] == "allow"


@pytest.mark.parametrize("response", ["upstream failed", {"error": {"message": "upstream failed"}}])
def test_an_exchange_that_failed_is_indeterminate_for_all_that_it_asked(
    decisions: Any, response: Any
) -> None:
    rows = decisions(batch(status=503, response=response))
    assert [row["decision"] for row in rows] == ["indeterminate"] * 3
    assert {row["reason"] for row in rows} == {"HTTP 503: upstream failed"}


def test_an_error_of_one_evaluation_is_told(decisions: Any) -> None:
    failed = {"decision": False, "context": {"error": {"status": 404, "message": "no such resource"}}}
    (row, *_) = decisions(batch(failed, {"decision": True}, {"decision": True}))
    assert (row["decision"], row["determination"], row["reason"]) == ("deny", "error", "no such resource")


@pytest.mark.parametrize("context", [
    {"reason": "too much"}, {"reason_admin": {"en": "too much"}}, {"reason_user": {"403": "too much"}},
])  # fmt: skip
def test_the_reason_is_found_where_the_standard_has_it(decisions: Any, context: Any) -> None:
    (row,) = decisions(exchange(response={"decision": False, "context": context}))
    assert row["reason"] == "too much"


def test_the_agent_of_the_context_acts_for_a_human_subject(decisions: Any) -> None:
    value = exchange()
    value["request"] |= {
        "subject": {"type": "user", "id": "user:fay@acme.example"},
        "context": {"agent": "spiffe://acme.example/agent/refunds"},
    }
    (row,) = decisions(value)
    assert (row["principal_id"], row["agent_name"]) == ("user:fay@acme.example", "refunds")
    assert row["on_behalf_of"] == "user:fay@acme.example"


def test_a_single_evaluation_may_be_written_flat(decisions: Any) -> None:
    asked = EXCHANGE["request"]
    (row,) = decisions({"timestamp": "2026-11-24T12:00:01Z", **asked, "decision": False})
    assert (row["decision"], row["action"], row["reason"]) == ("deny", "refund", None)


def test_searches_and_other_calls_hold_no_decision(decode: Any) -> None:
    decoding = decode(exchange(path="/access/v1/search/resource"), stream="authorization")
    assert (decoding.rows, decoding.dead, decoding.skipped) == (0, 0, {"no_event": 1})


@pytest.mark.parametrize(("value", "reason", "told"), [
    ({**exchange(), "time": None}, "missing_field", "$.time"),
    (exchange(time="noon"), "wrong_type", "$.time"),
    (exchange(request={"subject": {"id": "a"}, "action": {"name": 7}}), "wrong_type", "$.request.action.name"),
])  # fmt: skip
def test_an_exchange_without_what_a_decision_needs_is_a_dead_letter(
    decode: Any, rows_of: Any, value: Any, reason: str, told: str
) -> None:
    (letter,) = rows_of(decode(value, stream="authorization"), "dead_letters")
    assert (letter["reason"], letter["source_format"]) == (reason, "authzen")
    assert told in letter["detail"]


def test_one_bad_evaluation_of_a_batch_leaves_the_others(decode: Any, rows_of: Any) -> None:
    value = batch({"decision": True}, {"decision": True}, {"decision": True})
    value["request"]["evaluations"][1] = "?"
    decoding = decode(value, stream="authorization")
    assert [row["source_index"] for row in rows_of(decoding, "authorization_decisions")] == [0, 2]
    assert [letter["source_index"] for letter in rows_of(decoding, "dead_letters")] == [1]


def test_a_batch_that_would_repeat_too_much_is_one_dead_letter(decode: Any) -> None:
    value = batch()
    value["request"] |= {"context": {"note": "x" * 100_000}, "evaluations": [{}] * 1000}
    decoding = decode(value, stream="authorization")
    assert (decoding.rows, decoding.reasons) == (0, {"too_many_events": 1})
