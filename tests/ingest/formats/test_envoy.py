"""Envoy access log: a line is a decision where it shows that the authorization service was asked."""

from __future__ import annotations

import json
from typing import Any

import pytest


@pytest.fixture
def line(data: Any) -> dict[str, Any]:
    """A line about a request that was denied."""
    return dict(json.loads(data("envoy.jsonl")[0]))


@pytest.fixture
def decision(decode: Any, rows_of: Any) -> Any:
    """The only decision of a line."""

    def row(value: Any, **more: Any) -> dict[str, Any]:
        decoding = decode(value, stream="authorization", **more)
        assert decoding.dead == 0, rows_of(decoding, "dead_letters")
        (found,) = rows_of(decoding, "authorization_decisions")
        assert found["source_format"] == "envoy"
        return dict(found)

    return row


def test_lines_that_show_an_answer_are_read_and_others_skipped(decode: Any, rows_of: Any, data: Any) -> None:
    decoding = decode(*data("envoy.jsonl"), stream="authorization")
    rows = rows_of(decoding, "authorization_decisions")
    assert [row["decision"] for row in rows] == ["deny", "deny", "indeterminate", "allow"]
    assert (decoding.dead, decoding.skipped) == (0, {"no_event": 1})


def test_what_a_denied_request_says(decision: Any, line: Any) -> None:
    row = decision(line)
    assert (row["action"], row["resource_type"], row["resource_id"]) == (
        "POST /orders/7/refund", "orders.acme.example", "/orders/7/refund")  # fmt: skip
    assert (row["principal_id"], row["agent_name"]) == ("spiffe://acme.example/agent/refunds", "refunds")
    assert (row["request_id"], row["source_decision_id"]) == ("req-9", "req-9")
    assert (row["trace_id"], row["span_id"]) == ("e42d985f346e4ce9adf492242acda01f", "c9c97198f25a86cd")
    assert row["latency_ms"] == 9.0
    assert json.loads(row["attributes"])["response_code"] == 403
    assert "key=abc" not in row["attributes"]


def test_an_allowed_request_has_the_time_of_the_check_and_cites_the_services_decision(
    decision: Any, data: Any
) -> None:
    row = decision(data("envoy.jsonl")[3])
    assert (row["decision"], row["latency_ms"], row["parent_decision_id"]) == ("allow", 4.0, "0b6f3a4e-0002")


@pytest.mark.parametrize("written", [
    '{"ext_authz_duration":4}', {"envoy.filters.http.ext_authz": {"ext_authz_duration": 4}},
])  # fmt: skip
def test_dynamic_metadata_in_each_form(decision: Any, data: Any, written: Any) -> None:
    allowed = {**json.loads(data("envoy.jsonl")[4]), "dynamic_metadata": written}
    assert decision(allowed)["latency_ms"] == 4.0


def test_the_names_of_the_fields_are_the_operators(decision: Any, line: Any) -> None:
    line |= {"spiffe": "spiffe://acme.example/agent/search", "took": "7"}
    mapping = {"envoy": {"principal": ["spiffe"], "check_duration": ["took"]}}
    row = decision(line, mapping=mapping)
    assert (row["agent_name"], row["latency_ms"]) == ("search", 7.0)


def test_a_dash_is_nothing(decision: Any, line: Any) -> None:
    row = decision({**line, "downstream_peer_uri_san": "-", "request_id": "-", "authority": "-"})
    assert (row["principal_id"], row["request_id"], row["resource_type"]) == (None, None, None)
    assert row["decision_id"].startswith("sha256:")


def test_each_proxy_that_a_request_passes_decides_for_itself(decode: Any, rows_of: Any, line: Any) -> None:
    decoding = decode(line, {**line, "upstream_cluster": "ledger"}, stream="authorization")
    first, second = rows_of(decoding, "authorization_decisions")
    assert first["request_id"] == second["request_id"]
    assert first["decision_id"] != second["decision_id"]


@pytest.mark.parametrize(("changes", "reason"), [
    ({"start_time": None}, "missing_field"), ({"start_time": "noon"}, "wrong_type"),
    ({"method": None, "path": "-"}, "missing_field"),
])  # fmt: skip
def test_a_line_without_what_a_decision_needs_is_a_dead_letter(
    decode: Any, rows_of: Any, line: Any, changes: Any, reason: str
) -> None:
    (letter,) = rows_of(decode({**line, **changes}, stream="authorization"), "dead_letters")
    assert (letter["reason"], letter["source_format"]) == (reason, "envoy")


def test_the_services_own_decision_shows_that_it_was_asked(decision: Any, data: Any) -> None:
    row = decision({**json.loads(data("envoy.jsonl")[4]), "ext_authz": {"decision_id": "d-1"}})
    assert (row["decision"], row["parent_decision_id"]) == ("allow", "d-1")
