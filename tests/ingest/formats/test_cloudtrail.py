"""CloudTrail: who got which credential and was it allowed; and what Verified Permissions decided."""

from __future__ import annotations

import copy
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

ROLE = "arn:aws:iam::123456789012:role/payments"
TIME = datetime(2026, 11, 24, 12, 0, 1, tzinfo=UTC)


@pytest.fixture
def assume(data: Any) -> dict[str, Any]:
    """A call of AssumeRole that was allowed."""
    return dict(json.loads(data("cloudtrail.jsonl")[0]))


@pytest.fixture
def tables(decode: Any, rows_of: Any) -> Any:
    """The decisions and the identity events of some records."""

    def rows(*values: Any, **more: Any) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        decoding = decode(*values, stream="authorization", **more)
        assert decoding.dead == 0, rows_of(decoding, "dead_letters")
        return rows_of(decoding, "authorization_decisions"), rows_of(decoding, "identity_events")

    return rows


def test_calls_about_credentials_are_read_and_others_skipped(decode: Any, rows_of: Any, data: Any) -> None:
    decoding = decode(*data("cloudtrail.jsonl"), stream="authorization")
    assert (decoding.dead, decoding.skipped) == (0, {"no_event": 1})
    decisions, events = (rows_of(decoding, name) for name in ("authorization_decisions", "identity_events"))
    assert [(row["action"], row["decision"]) for row in decisions] == [
        ("AssumeRole", "allow"), ("AssumeRole", "deny"), ("CreateAccessKey", "allow"), ("DeleteAccessKey", "allow"),
    ]  # fmt: skip
    assert [(row["event_type"], row["credential_id"], row["credential_type"]) for row in events] == [
        ("credential_issued", "ASIAEXAMPLE000000002", "session"),
        ("credential_issued", "AKIAEXAMPLE000000004", "static"),
        ("credential_revoked", "AKIAEXAMPLE000000004", "static"),
    ]


def test_an_allowed_call_is_a_decision_and_a_credential(tables: Any, assume: Any) -> None:
    (decision,), (event,) = tables(assume)
    assert (decision["decision_id"], decision["source_decision_id"]) == ("ev-1#0", "ev-1")
    assert (decision["decision_time"], decision["request_id"]) == (TIME, "req-1")
    assert decision["principal_id"] == "arn:aws:sts::123456789012:assumed-role/agents/refunds"
    assert (decision["resource_type"], decision["resource_id"]) == ("AWS::IAM::Role", ROLE)
    assert (decision["credential_id"], decision["credential_type"]) == ("ASIAEXAMPLE000000001", "session")
    assert decision["credential_issued_time"] == TIME - timedelta(minutes=10, seconds=1)
    assert decision["on_behalf_of"] == event["on_behalf_of"] == "fay@acme.example"
    assert event["principal_id"] == "arn:aws:sts::123456789012:assumed-role/payments/refunds-1"
    assert event["credential_expires_time"] == event["expires_time"] == TIME + timedelta(minutes=15)
    assert (decision["source_index"], event["source_index"]) == (0, 1)
    assert "session-token" not in decision["attributes"] + event["attributes"]


def test_the_chain_of_sessions_can_be_followed(tables: Any, assume: Any) -> None:
    later = copy.deepcopy(assume)
    later |= {"eventID": "ev-9"}
    later["userIdentity"]["accessKeyId"] = assume["responseElements"]["credentials"]["accessKeyId"]
    decisions, events = tables(assume, later)
    assert decisions[1]["credential_id"] == events[0]["credential_id"]


def test_a_denied_call_says_how_and_issues_nothing(tables: Any, data: Any) -> None:
    (decision,), events = tables(data("cloudtrail.jsonl")[1])
    assert (decision["decision"], decision["determination"], events) == ("deny", "implicit", [])
    assert "not authorized to perform: sts:AssumeRole" in decision["reason"]


@pytest.mark.parametrize(("code", "message", "decision", "determination"), [
    ("AccessDenied", "… with an explicit deny in a service control policy", "deny", "explicit"),
    ("Client.UnauthorizedOperation", None, "deny", None),
    ("VpceAccessDenied", None, "deny", None),
    ("ExpiredTokenException", "The token is expired", "indeterminate", "error"),
    ("", None, "allow", None),
])  # fmt: skip
def test_the_error_code_is_the_answer(
    tables: Any, assume: Any, code: str, message: str | None, decision: str, determination: str | None
) -> None:
    (row,), events = tables({**assume, "errorCode": code, "errorMessage": message})
    assert (row["decision"], row["determination"]) == (decision, determination)
    assert len(events) == (decision == "allow")


def test_each_call_is_a_decision_where_that_is_wanted(tables: Any, data: Any) -> None:
    decisions, events = tables(data("cloudtrail.jsonl")[3], mapping={"cloudtrail": {"calls": "all"}})
    assert [row["action"] for row in decisions] == ["GetObject"]
    assert events == []


@pytest.mark.parametrize(("written", "hour"), [
    ("2026-11-24T12:15:01Z", 12), ("Nov 24, 2026, 1:15:01 PM", 13), ("Nov 24, 2026 12:15:01 AM", 0),
])  # fmt: skip
def test_an_expiration_in_each_form(tables: Any, assume: Any, written: str, hour: int) -> None:
    assume["responseElements"]["credentials"]["expiration"] = written
    _, (event,) = tables(assume)
    assert event["credential_expires_time"] == datetime(2026, 11, 24, hour, 15, 1, tzinfo=UTC)


def test_an_expiration_that_cannot_be_read_is_taken_from_the_duration_asked_for(
    tables: Any, assume: Any
) -> None:
    assume["responseElements"]["credentials"]["expiration"] = "Jan 01, 2019 0:00:00 PM"
    _, (event,) = tables(assume)
    assert event["credential_expires_time"] == TIME + timedelta(seconds=900)
    assume["requestParameters"]["durationSeconds"] = None
    _, (event,) = tables(assume)
    assert event["credential_expires_time"] is None


def test_a_time_without_a_zone_is_utc(tables: Any, data: Any) -> None:
    (decision,), _ = tables(data("cloudtrail.jsonl")[2])
    assert decision["decision_time"] == datetime(2026, 11, 24, 12, 0, 3, tzinfo=UTC)


def test_the_human_that_identity_center_propagates_is_whom_it_is_for(tables: Any, assume: Any) -> None:
    assume["userIdentity"]["onBehalfOf"] = {"userId": "u-1", "identityStoreArn": "arn:…"}
    (decision,), _ = tables(assume)
    assert decision["on_behalf_of"] == "u-1"


def test_an_agent_is_read_from_the_session_by_an_expression(tables: Any, assume: Any) -> None:
    pattern = r"^arn:aws:sts::(?P<tenant>\d+):assumed-role/agents/(?P<agent>.+)$"
    (decision,), _ = tables(assume, mapping={"principals": [{"pattern": pattern}]})
    assert (decision["tenant_id"], decision["agent_name"]) == ("123456789012", "refunds")


def test_a_log_file_an_array_and_a_delivery_hold_the_same_events(tables: Any, data: Any) -> None:
    events = [json.loads(line) for line in data("cloudtrail.jsonl")]
    whole = tables(*events)
    keys = [[row["decision_id"] for row in whole[0]], [row["event_id"] for row in whole[1]]]
    delivered = [{"detail-type": "AWS API Call via CloudTrail", "detail": event} for event in events]
    for values in ([{"Records": events}], [events], delivered):
        decisions, identities = tables(*values)
        assert [row["decision_id"] for row in decisions] == keys[0]
        assert [row["event_id"] for row in identities] == keys[1]


def test_positions_in_a_file_do_not_depend_on_what_could_be_read(
    decode: Any, rows_of: Any, data: Any
) -> None:
    events = [json.loads(line) for line in data("cloudtrail.jsonl")]
    permissions = [json.loads(line) for line in data("avp.jsonl")]
    whole = {"Records": [events[0], permissions[1], events[1]]}
    rows = rows_of(decode(whole, stream="authorization"), "authorization_decisions")
    assert {row["decision_id"]: row["source_index"] for row in rows} == {
        "ev-1#0": 0, "avp-2#0": 2, "avp-2#1": 3, "ev-2#0": 4,
    }  # fmt: skip
    del whole["Records"][0]["eventID"]
    decoding = decode(whole, stream="authorization")
    rows = rows_of(decoding, "authorization_decisions")
    assert {row["decision_id"]: row["source_index"] for row in rows} == {
        "avp-2#0": 2, "avp-2#1": 3, "ev-2#0": 4,
    }  # fmt: skip
    (letter,) = rows_of(decoding, "dead_letters")
    assert (letter["reason"], letter["source_index"]) == ("missing_field", 0)


def test_notifications_of_other_services_are_not_taken_for_events(decode: Any) -> None:
    decoding = decode({"Records": [{"eventSource": "aws:s3", "eventVersion": "2.1"}]}, stream="authorization")
    assert decoding.reasons == {"unknown_format": 1}


def test_a_file_of_too_many_events_is_one_dead_letter(decode: Any, assume: Any) -> None:
    decoding = decode({"Records": [assume] * 5001}, stream="authorization")
    assert (decoding.rows, decoding.reasons) == (0, {"too_many_events": 1})


def test_verified_permissions_decide_about_the_requests_principal(tables: Any, data: Any) -> None:
    (row,), _ = tables(data("avp.jsonl")[0])
    assert row["source_format"] == "avp"
    assert (row["decision_id"], row["decision"]) == ("avp-1#0", "allow")
    assert (row["principal_id"], row["principal_type"], row["agent_name"]) == (
        "refunds", "Acme::Agent", "refunds")  # fmt: skip
    assert (row["action"], row["resource_type"], row["resource_id"]) == (
        "refund", "Acme::Payment", "payment-1")  # fmt: skip
    assert (row["policy_version"], row["credential_id"]) == ("PSEXAMPLE1", None)
    assert (row["trace_id"], row["span_id"]) == ("e42d985f346e4ce9adf492242acda01f", "c9c97198f25a86cd")
    assert (row["on_behalf_of"], row["tenant_id"]) == ("user:fay@acme.example", "acme")
    kept = json.loads(row["attributes"])
    assert kept["context"] == {"amount": 5}
    assert kept["enforcement_point"] == "arn:aws:sts::123456789012:assumed-role/gateway/1"


def test_each_request_of_a_batch_is_a_decision(tables: Any, data: Any) -> None:
    rows, _ = tables(data("avp.jsonl")[1])
    assert [(row["decision_id"], row["principal_id"], row["decision"]) for row in rows] == [
        ("avp-2#0", "refunds", "allow"), ("avp-2#1", "search", "deny"),
    ]  # fmt: skip
    assert {row["policy_version"] for row in rows} == {"PSEXAMPLE1"}


def test_a_batch_that_failed_is_indeterminate_for_each_request(tables: Any, data: Any) -> None:
    event = json.loads(data("avp.jsonl")[1])
    event |= {"errorCode": "ThrottlingException", "additionalEventData": None}
    rows, _ = tables(event)
    assert [row["decision"] for row in rows] == ["indeterminate"] * 2
    assert [row["action"] for row in rows] == ["refund", "delete"]


def test_changes_of_policies_are_no_decisions(decode: Any, data: Any) -> None:
    event = {**json.loads(data("avp.jsonl")[0]), "eventName": "CreatePolicy"}
    assert decode(event, stream="authorization").skipped == {"no_event": 1}


def test_a_decision_without_an_action_is_a_dead_letter(decode: Any, rows_of: Any, data: Any) -> None:
    event = json.loads(data("avp.jsonl")[0])
    del event["requestParameters"]["action"]
    (letter,) = rows_of(decode(event, stream="authorization"), "dead_letters")
    assert (letter["reason"], letter["source_format"]) == ("missing_field", "avp")


def test_a_batch_that_would_repeat_too_much_is_one_dead_letter(decode: Any, data: Any) -> None:
    event = json.loads(data("avp.jsonl")[1])
    event["requestParameters"] |= {"context": {"note": "x" * 100_000}, "requests": [{}] * 1000}
    decoding = decode(event, stream="authorization")
    assert (decoding.rows, decoding.reasons) == (0, {"too_many_events": 1})
