"""OPA decision log: what policies were asked and answered, wherever their authors keep it."""

from __future__ import annotations

import copy
import hashlib
import json
from datetime import UTC, datetime
from typing import Any

import pytest

TRACEPARENT = "00-e42d985f346e4ce9adf492242acda01f-c9c97198f25a86cd-01"
ENTRY: dict[str, Any] = {
    "decision_id": "d1",
    "labels": {"id": "opa-1", "version": "1.11.0"},
    "path": "agents/authz/allow",
    "timestamp": "2026-11-24T12:00:01.123456789Z",
    "input": {"user": "alice", "action": "read", "resource": {"type": "order", "id": "o7"}},
    "result": True,
}


def entry(**changes: Any) -> dict[str, Any]:
    return {**copy.deepcopy(ENTRY), **changes}


def without(key: str) -> dict[str, Any]:
    return {name: value for name, value in ENTRY.items() if name != key}


@pytest.fixture
def decision(decode: Any, rows_of: Any) -> Any:
    """The only decision of a record."""

    def row(value: Any, **sections: Any) -> dict[str, Any]:
        decoding = decode(value, stream="authorization", **sections)
        assert decoding.dead == 0, rows_of(decoding, "dead_letters")
        (found,) = rows_of(decoding, "authorization_decisions")
        assert found["source_format"] == "opa"
        return dict(found)

    return row


def test_each_line_of_the_log_is_a_decision(decode: Any, rows_of: Any, data: Any) -> None:
    lines = data("opa.jsonl")
    rows = rows_of(decode(*lines, stream="authorization"), "authorization_decisions")
    assert [row["decision"] for row in rows] == [
        "allow", "deny", "deny", "allow", "indeterminate", "indeterminate", "allow",
    ]  # fmt: skip
    assert [row["determination"] for row in rows[4:6]] == ["undefined", "error"]
    assert rows[5]["reason"] == "policy timed out"


def test_what_the_first_line_says(decision: Any, data: Any) -> None:
    row = decision(data("opa.jsonl")[0])
    assert row["decision_id"] == "0b6f3a4e-0001#0"
    assert row["source_decision_id"] == "0b6f3a4e-0001"
    assert row["decision_time"] == datetime(2026, 11, 24, 12, 0, 1, 123456, tzinfo=UTC)
    assert (row["principal_id"], row["principal_type"]) == ("spiffe://acme.example/agent/refunds", "agent")
    assert (row["agent_name"], row["tenant_id"]) == ("refunds", "acme")
    assert (row["action"], row["resource_type"], row["resource_id"]) == ("refund", "payment", "payment-1")
    assert (row["on_behalf_of"], row["tool_call_id"]) == ("user:fay@acme.example", "call_1")
    assert (row["scopes"], row["reason"]) == (["payment.refund"], "within the limit")
    assert (row["policy_ids"], row["policy_version"]) == (["agents/authz/allow"], "r42")
    assert (row["pdp_id"], row["latency_ms"]) == ("opa-1", 0.425097)


def test_the_span_is_the_callers_and_that_of_the_pdp_is_kept_apart(decision: Any, data: Any) -> None:
    row = decision(data("opa.jsonl")[0])
    assert (row["trace_id"], row["span_id"]) == ("e42d985f346e4ce9adf492242acda01f", "c9c97198f25a86cd")
    assert json.loads(row["attributes"])["pdp_span_id"] == "00f067aa0ba902b7"


def test_without_a_traceparent_the_trace_is_the_pdps_and_there_is_no_span(decision: Any) -> None:
    row = decision(entry(trace_id="4bf92f3577b34da6a3ce929d0e0e4736", span_id="00f067aa0ba902b7"))
    assert (row["trace_id"], row["span_id"]) == ("4bf92f3577b34da6a3ce929d0e0e4736", None)


def test_a_traceparent_that_the_log_took_from_the_http_request_counts(decision: Any) -> None:
    context = {"http": {"headers": {"traceparent": [TRACEPARENT], "x-request-id": ["req-1"]}}}
    row = decision(entry(request_context=context))
    assert (row["span_id"], row["request_id"]) == ("c9c97198f25a86cd", "req-1")


def test_an_envoy_request_names_what_was_called_and_its_headers_are_not_kept(
    decision: Any, data: Any
) -> None:
    row = decision(data("opa.jsonl")[1])
    assert (row["action"], row["resource_type"]) == ("GET", "orders.acme.example")
    assert row["resource_id"] == "/orders/7", "a query may hold secrets"
    assert row["agent_name"] == "search"
    assert (row["request_id"], row["span_id"]) == ("req-77", "b7ad6b7169203331")
    assert row["credential_fingerprint"] == hashlib.sha256(b"not-a-real-token-0001").hexdigest()
    assert "token" not in row["attributes"]
    assert "key=abc" not in row["attributes"]


def test_an_older_envoy_request_is_read_too(decision: Any, data: Any) -> None:
    row = decision(data("opa.jsonl")[2])
    assert (row["decision"], row["reason"]) == ("deny", "PUT_NOT_ALLOWED")
    assert (row["action"], row["resource_id"], row["principal_id"]) == ("PUT", "/orders/7", None)


@pytest.mark.parametrize(("result", "answer"), [
    (True, "allow"), (False, "deny"), ("true", "allow"), ("DENY", "deny"),
    ({"allow": True}, "allow"), ({"allowed": False}, "deny"), ({"decision": "permit"}, "allow"),
    ({"response": {"allowed": False}}, "deny"),
])  # fmt: skip
def test_answers_in_every_usual_form(decision: Any, result: Any, answer: str) -> None:
    assert decision(entry(result=result))["decision"] == answer


@pytest.mark.parametrize("result", [[], [{"x": 1}], {}, {"allow": 1}, 1, "maybe", {"violations": []}])
def test_a_result_without_an_answer_is_not_guessed(decision: Any, result: Any) -> None:
    row = decision(entry(result=result))
    assert (row["decision"], row["determination"]) == ("indeterminate", None)
    assert "mapping.opa.decision" in row["reason"]


def test_where_the_answer_is_can_be_configured(decision: Any) -> None:
    opa = {"decision": ["/result/verdict/0/ok"], "principal": ["/input/who~1what"]}
    value = entry(result={"verdict": [{"ok": False}]}, input={"who/what": "bob", "action": "read"})
    row = decision(value, mapping={"opa": opa})
    assert (row["decision"], row["principal_id"]) == ("deny", "bob")


def test_no_result_means_that_the_policy_is_undefined_for_the_input(decision: Any) -> None:
    row = decision(without("result"))
    assert (row["decision"], row["determination"]) == ("indeterminate", "undefined")


def test_an_error_wins_over_a_result(decision: Any) -> None:
    row = decision(entry(error={"message": "conflict"}))
    assert (row["decision"], row["determination"], row["reason"]) == ("indeterminate", "error", "conflict")


def test_what_was_masked_is_not_taken_for_the_value_nor_looked_up_elsewhere(decision: Any, data: Any) -> None:
    row = decision(data("opa.jsonl")[6])
    assert row["principal_id"] == "bob", "an earlier pointer found it"
    value = entry(input={"subject": "***", "user": "bob", "action": "read"}, masked=["/input/subject"])
    row = decision(value)
    assert row["principal_id"] is None
    assert json.loads(row["attributes"])["masked"] == ["/input/subject"]


def test_what_is_below_an_erased_object_is_erased(decision: Any) -> None:
    row = decision(entry(input={"action": "read", "user": "eve"}, erased=["/input/principal"]))
    assert row["principal_id"] is None


def test_a_hidden_result_is_not_an_undefined_one(decision: Any) -> None:
    row = decision({**without("result"), "erased": ["/result"]})
    assert (row["decision"], row["determination"]) == ("indeterminate", None)
    assert "mask" in row["reason"]


def test_the_path_is_the_action_where_the_input_names_none(decision: Any) -> None:
    row = decision(entry(path="/agents/authz/allow", input=None))
    assert (row["action"], row["policy_ids"]) == ("agents/authz/allow", ["agents/authz/allow"])


def test_a_path_given_in_parts_is_put_together(decision: Any, data: Any) -> None:
    assert decision(data("opa.jsonl")[3])["resource_id"] == "/salary/bob"


def test_several_bundles_are_told_apart(decision: Any) -> None:
    bundles = {"b": {"revision": "2"}, "a": {"revision": "1"}, "c": {}}
    assert decision(entry(bundles=bundles))["policy_version"] == "a=1,b=2"
    assert decision(entry(bundles={"c": {}}))["policy_version"] is None


def test_a_tokens_claims_and_secrets_in_the_input(decision: Any) -> None:
    token = {"payload": {"jti": "cred_1", "exp": 1_795_525_200, "scope": "order.read order.write"}}
    row = decision(entry(input={"action": "read", "token": token, "db": {"password": "hunter2"}}))
    assert (row["credential_id"], row["scopes"]) == ("cred_1", ["order.read", "order.write"])
    assert row["credential_expires_time"] == datetime.fromtimestamp(1_795_525_200, UTC)
    assert "hunter2" not in row["attributes"]


def test_an_upload_is_an_array_of_entries(decode: Any, rows_of: Any) -> None:
    decoding = decode([entry(), 7, entry(decision_id="d2", timestamp="soon")], stream="authorization")
    (row,) = rows_of(decoding, "authorization_decisions")
    assert (row["decision_id"], row["source_index"]) == ("d1#0", 0)
    assert [(d["reason"], d["source_index"]) for d in rows_of(decoding, "dead_letters")] == [
        ("wrong_type", 1), ("wrong_type", 2),
    ]  # fmt: skip


def test_an_upload_of_too_many_entries_is_one_dead_letter(decode: Any) -> None:
    decoding = decode([entry()] * 10_001, stream="authorization")
    assert (decoding.rows, decoding.reasons) == (0, {"too_many_events": 1})


def test_other_lines_of_the_console_hold_no_event_on_a_topic_that_is_opas(decode: Any) -> None:
    line = {"level": "info", "msg": "Initializing server.", "time": "2026-11-24T12:00:00Z"}
    decoding = decode(line, stream="authorization", ingest={"formats": {"events": "opa"}})
    assert (decoding.rows, decoding.dead, decoding.skipped) == (0, 0, {"no_event": 1})


@pytest.mark.parametrize(("value", "reason", "told"), [
    (entry(decision_id=""), "missing_field", "decision_id"),
    (without("timestamp") | {"type": "openpolicyagent.org/decision_logs"}, "missing_field", "timestamp"),
    (entry(timestamp=5), "wrong_type", "timestamp"),
    (without("path") | {"input": {}}, "missing_field", "mapping.opa.action"),
])  # fmt: skip
def test_an_entry_without_what_a_decision_needs_is_a_dead_letter(
    decode: Any, rows_of: Any, value: Any, reason: str, told: str
) -> None:
    (letter,) = rows_of(decode(value, stream="authorization"), "dead_letters")
    assert (letter["reason"], letter["source_format"]) == (reason, "opa")
    assert told in letter["detail"]
