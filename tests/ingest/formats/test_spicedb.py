"""SpiceDB: the audit log's checks are decisions, the server's own lines only where both payloads are logged."""

from __future__ import annotations

import json
from typing import Any


def test_only_what_tells_who_asked_for_what_is_a_decision(decode: Any, data: Any) -> None:
    decoding = decode(*data("spicedb.jsonl"), stream="authorization")
    assert (decoding.rows, decoding.dead, decoding.skipped) == (5, 0, {"no_event": 3})


def test_what_a_check_of_the_audit_log_says(decisions: Any, data: Any) -> None:
    (row,) = decisions(data("spicedb.jsonl")[3])
    assert (row["source_format"], row["decision"]) == ("spicedb", "allow")
    assert (row["decision_id"], row["request_id"]) == ("/ps/acme#ev-1#0", "sp-2")
    assert row["decision_time"].isoformat() == "2026-11-24T12:00:01.783093+00:00"
    assert (row["principal_id"], row["principal_type"], row["agent_name"]) == (
        "agent:refunds", "agent", "refunds")  # fmt: skip
    assert (row["action"], row["resource_type"], row["resource_id"]) == ("refund", "payment", "payment-1")


def test_each_check_of_a_bulk_call_is_a_decision(decisions: Any, data: Any) -> None:
    rows = decisions(data("spicedb.jsonl")[4])
    assert [(row["action"], row["decision"], row["determination"]) for row in rows] == [
        ("refund", "indeterminate", "conditional"), ("delete", "deny", None), ("audit", "indeterminate", "error"),
    ]  # fmt: skip
    assert rows[2]["reason"] == "no such permission"


def test_a_line_with_both_payloads_is_a_decision(decisions: Any, data: Any) -> None:
    (row,) = decisions(data("spicedb.jsonl")[2])
    assert (row["decision"], row["request_id"], row["latency_ms"]) == ("deny", "sp-1", 2.0)
    assert row["trace_id"] == "4bf92f3577b34da6a3ce929d0e0e4736"


def test_the_response_may_be_within_the_request(decisions: Any, data: Any) -> None:
    event = json.loads(data("spicedb.jsonl")[3])
    event["data"]["request"]["response"] = event["data"].pop("response")
    (row,) = decisions(event)
    assert row["decision"] == "allow"


def test_a_check_without_a_permission_is_a_dead_letter(decode: Any, rows_of: Any, data: Any) -> None:
    event = json.loads(data("spicedb.jsonl")[3])
    del event["data"]["request"]["permission"]
    (letter,) = rows_of(decode(event, stream="authorization"), "dead_letters")
    assert (letter["reason"], letter["source_format"]) == ("missing_field", "spicedb")
