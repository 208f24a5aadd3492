"""Cerbos audit log: each action that a PDP was asked about is one decision. Cerbos wrote the records."""

from __future__ import annotations

import copy
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

TIME = datetime(2026, 11, 24, 12, 58, 20, 752639, tzinfo=UTC)
TRACEPARENT = "00-e42d985f346e4ce9adf492242acda01f-c9c97198f25a86cd-01"
ENTRY: dict[str, Any] = {
    "log.logger": "cerbos.audit",
    "log.kind": "decision",
    "callId": "01CALL",
    "timestamp": "2026-11-24T12:58:20.752639999Z",
    "checkResources": {
        "inputs": [
            {
                "requestId": "req-1",
                "principal": {
                    "id": "spiffe://acme.example/agent/refunds",
                    "roles": ["agent"],
                    "attr": {
                        "tenant": "other",
                        "on_behalf_of": "user:fay@acme.example",
                        "delegation_chain": ["user:fay@acme.example", "spiffe://acme.example/agent/refunds"],
                        "scopes": ["payment.refund"],
                        "credential_id": "cred_1",
                        "credential_ttl_s": 300,
                        "refund_limit": 100,
                    },
                },
                "resource": {
                    "kind": "payment",
                    "id": "payment-1",
                    "attr": {
                        "tenant": "globex",
                        "env": "prod",
                        "approved_by": "",
                        "amount": 5,
                        "scopes": ["all"],
                    },
                },
                "actions": ["refund", "read"],
            }
        ],
        "outputs": [
            {
                "requestId": "req-1",
                "resourceId": "payment-1",
                "actions": {
                    "refund": {"effect": "EFFECT_DENY", "policy": "resource.payment.vdefault"},
                    "read": {"effect": "EFFECT_ALLOW", "policy": "resource.payment.vdefault"},
                },
            }
        ],
    },
    "metadata": {"traceparent": {"values": [TRACEPARENT]}, "x-request-id": {"values": ["req-0"]}},
    "policySource": {"disk": {"directory": "/srv/policies"}},
}


def entry(**at: Any) -> dict[str, Any]:
    """The entry above, with values set at paths such as `checkResources__outputs` (`DROP` takes one away)."""
    changed = copy.deepcopy(ENTRY)
    for path, value in at.items():
        *parts, last = path.split("__")
        holder: Any = changed
        for part in parts:
            holder = holder[int(part) if part.isdigit() else part]
        if value is DROP:
            del holder[last]
        else:
            holder[last] = value
    return changed


DROP = object()
INPUT = "checkResources__inputs__0__"
OUTPUT = "checkResources__outputs__0__"


@pytest.fixture
def decisions(decode: Any, rows_of: Any) -> Any:
    """The decisions of a record, by action."""

    def rows(value: Any, **sections: Any) -> dict[str, dict[str, Any]]:
        decoding = decode(value, stream="authorization", **sections)
        assert decoding.dead == 0, rows_of(decoding, "dead_letters")
        return {row["action"]: row for row in rows_of(decoding, "authorization_decisions")}

    return rows


def test_every_decision_that_the_pdp_wrote_becomes_rows_and_every_access_line_is_counted(
    decode: Any, data: Any
) -> None:
    lines = [json.loads(line) for line in data("cerbos.jsonl")]
    asked = sum(
        len(question["actions"])
        for line in lines
        for question in line.get("checkResources", {}).get("inputs", [])
    )
    access = sum(line["log.kind"] == "access" for line in lines)
    decoding = decode(*lines, stream="authorization")
    assert access > 0
    assert (decoding.rows, decoding.dead, decoding.skipped) == (asked, 0, {"no_event": access})


def test_each_action_of_each_input_is_a_decision_of_its_own(decisions: Any) -> None:
    rows = decisions(ENTRY)
    assert {action: row["decision"] for action, row in rows.items()} == {"refund": "deny", "read": "allow"}
    assert [row["decision_id"] for row in rows.values()] == ["01CALL#0:refund", "01CALL#0:read"]
    assert {row["source_decision_id"] for row in rows.values()} == {"01CALL"}
    assert [row["source_index"] for row in rows.values()] == [0, 1]


def test_what_was_asked_and_by_whom(decisions: Any) -> None:
    row = decisions(ENTRY)["refund"]
    assert row["decision_time"] == TIME, "nanoseconds are cut off"
    assert (row["principal_id"], row["agent_id"], row["agent_name"]) == (
        "spiffe://acme.example/agent/refunds", "spiffe://acme.example/agent/refunds", "refunds",
    )  # fmt: skip
    assert (row["resource_type"], row["resource_id"]) == ("payment", "payment-1")
    assert (row["request_id"], row["policy_ids"]) == ("req-1", ["resource.payment.vdefault"])
    assert (row["trace_id"], row["span_id"]) == ("e42d985f346e4ce9adf492242acda01f", "c9c97198f25a86cd")


def test_the_principals_attributes_say_whose_and_for_whom(decisions: Any) -> None:
    row = decisions(ENTRY)["refund"]
    assert row["on_behalf_of"] == "user:fay@acme.example"
    assert row["delegation_chain"] == ["user:fay@acme.example", "spiffe://acme.example/agent/refunds"]
    assert (row["scopes"], row["credential_id"]) == (["payment.refund"], "cred_1")
    assert row["credential_expires_time"] == TIME + timedelta(seconds=300)
    assert (row["environment"], row["approver"]) == ("prod", None), "an empty approver is none"


def test_the_tenant_is_the_principals_identity_before_its_attribute_and_never_the_resources(
    decisions: Any,
) -> None:
    assert decisions(ENTRY)["read"]["tenant_id"] == "acme"
    assert decisions(entry(**{INPUT + "principal__id": "svc-7"}))["read"]["tenant_id"] == "other"
    nobody = entry(**{INPUT + "principal__id": "svc-7", INPUT + "principal__attr": {}})
    assert decisions(nobody)["read"]["tenant_id"] is None
    assert decisions(nobody)["read"]["scopes"] is None


def test_what_has_no_column_is_kept(decisions: Any) -> None:
    assert json.loads(decisions(ENTRY)["read"]["attributes"]) == {
        "roles": ["agent"],
        "principal": {"refund_limit": 100},
        "resource": {"tenant": "globex", "amount": 5, "scopes": ["all"]},
    }


def test_the_names_of_attributes_and_principals_are_settings(decisions: Any) -> None:
    value = entry(**{
        INPUT + "principal__id": "agents/acme/refunds",
        INPUT + "principal__attr": {"perms": "payment.read payment.refund", "step": "t-1"},
        INPUT + "resource__attr": {"call": "call_1", "signed_by": "user:sup", "ticket": 12},
    })  # fmt: skip
    row = decisions(value, mapping={
        "principals": [{"pattern": "^agents/(?P<tenant>[^/]+)/(?P<agent>.+)"}],
        "attributes": {"scopes": "perms", "task_id": "step", "tool_call_id": "call", "approver": "signed_by",
                       "approval_id": "ticket", "environment": None},
    })["refund"]  # fmt: skip
    assert (row["tenant_id"], row["agent_name"], row["agent_id"]) == ("acme", "refunds", None)
    assert row["scopes"] == ["payment.read", "payment.refund"]
    assert (row["task_id"], row["tool_call_id"], row["approver"], row["approval_id"]) == (
        "t-1", "call_1", "user:sup", "12",
    )  # fmt: skip


@pytest.mark.parametrize("ttl", ["300", True, -5, 0, None, 1e300, [], 10**400])
def test_a_time_to_live_that_is_none_gives_no_expiry(decisions: Any, ttl: Any) -> None:
    row = decisions(entry(**{INPUT + "principal__attr": {"credential_ttl_s": ttl}}))["read"]
    assert row["credential_expires_time"] is None


@pytest.mark.parametrize(
    "traceparent",
    [
        "", "garbage", 7, None,
        "00-" + "0" * 32 + "-c9c97198f25a86cd-01",
        "00-e42d985f346e4ce9adf492242acda01f-" + "0" * 16 + "-01",
        "ff-e42d985f346e4ce9adf492242acda01f-c9c97198f25a86cd-01",
        "00-E42D985F346E4CE9ADF492242ACDA01F-c9c97198f25a86cd-01",
    ],
)  # fmt: skip
def test_an_invalid_traceparent_gives_no_trace(decisions: Any, traceparent: Any) -> None:
    row = decisions(entry(metadata__traceparent={"values": [traceparent]}))["read"]
    assert (row["trace_id"], row["span_id"]) == (None, None)


def test_without_a_request_id_of_its_own_the_header_counts(decisions: Any) -> None:
    assert decisions(entry(**{INPUT + "requestId": DROP}))["read"]["request_id"] == "req-0"


def test_no_policy_matched_is_an_implicit_deny(decisions: Any) -> None:
    row = decisions(entry(**{OUTPUT + "actions__read": {"effect": "EFFECT_DENY", "policy": "NO_MATCH"}}))[
        "read"
    ]
    assert (row["decision"], row["determination"], row["policy_ids"]) == ("deny", "implicit", [])
    assert decisions(ENTRY)["read"]["determination"] is None, "nothing else tells how the answer came about"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"checkResources__outputs": DROP, "checkResources__error": "engine failed"}, "engine failed"),
        ({"checkResources__error": "engine failed"}, "engine failed"),
        ({"checkResources__outputs": []}, "no answer"),
        ({"checkResources__outputs": "x"}, "no answer"),
        ({"checkResources__outputs": [None, 7]}, "no answer"),
        ({OUTPUT + "resourceId": "payment-2"}, "no answer"),
        ({OUTPUT + "actions": {"write": {"effect": "EFFECT_ALLOW"}}}, "no answer"),
        ({OUTPUT + "actions__read": {"effect": "EFFECT_MAYBE"}}, "EFFECT_MAYBE"),
        ({OUTPUT + "actions__read": {"effect": ["EFFECT_ALLOW"]}}, "EFFECT_ALLOW"),
    ],
)
def test_an_action_without_an_answer_is_indeterminate_and_says_why(
    decisions: Any, change: dict[str, Any], reason: str
) -> None:
    row = decisions(entry(**change))["read"]
    assert (row["decision"], row["determination"]) == ("indeterminate", "error")
    assert reason in row["reason"]


def test_an_answer_in_another_place_is_found_by_its_resource(decisions: Any) -> None:
    other = {"requestId": "req-1", "resourceId": "payment-9", "actions": {"read": {"effect": "EFFECT_DENY"}}}
    moved = entry(checkResources__outputs=[other, *ENTRY["checkResources"]["outputs"]])
    assert decisions(moved)["read"]["decision"] == "allow"


def test_an_entry_of_thousands_of_inputs_finds_its_answers_wherever_they_are(
    decode: Any, rows_of: Any
) -> None:
    asked = [
        {"requestId": "r", "resource": {"kind": "payment", "id": f"payment-{i}"}, "actions": ["read"]}
        for i in range(5000)
    ]
    answers = [
        {"requestId": "r", "resourceId": f"payment-{i}", "actions": {"read": {"effect": "EFFECT_DENY"}}}
        for i in reversed(range(5000))
    ]
    value = entry(checkResources={"inputs": asked, "outputs": answers})
    assert {row["decision"] for row in rows_of(decode(value), "authorization_decisions")} == {"deny"}


@pytest.mark.parametrize(
    "change",
    [
        {INPUT + "actions": [f"a{i}" for i in range(10_001)]},
        {INPUT + "actions": [f"a{i}" for i in range(100)], INPUT + "principal__roles": ["r" * 5_000_000]},
    ],
    ids=["too many", "too large for so many"],
)
def test_an_entry_whose_rows_would_fill_the_memory_is_kept_and_not_read(
    decode: Any, rows_of: Any, change: dict[str, Any]
) -> None:
    (letter,) = rows_of(decode(entry(**change)), "dead_letters")
    assert letter["reason"] == "too_many_events"


def test_an_action_asked_twice_is_one_decision(decisions: Any) -> None:
    assert set(decisions(entry(**{INPUT + "actions": ["read", "read"]}))) == {"read"}


@pytest.mark.parametrize(
    ("source", "revision"),
    [
        ({"git": {"repositoryUrl": "r", "branch": "main", "hash": "abc"}}, "abc"),
        ({"hub": {"remoteBundle": {"deploymentId": "d", "bundleId": "b1"}}}, "b1"),
        ({"embeddedPdp": {"commitHash": "def"}}, "def"),
        ({"disk": {"directory": "/srv"}}, None),
        ("nonsense", None),
    ],
)
def test_the_revision_of_the_policy_is_that_of_its_source(
    decisions: Any, source: Any, revision: str | None
) -> None:
    assert decisions(entry(policySource=source))["read"]["policy_version"] == revision


@pytest.mark.parametrize(
    ("kind", "decision", "determination"),
    [
        ("KIND_ALWAYS_ALLOWED", "allow", None),
        ("KIND_ALWAYS_DENIED", "deny", None),
        ("KIND_CONDITIONAL", "indeterminate", "conditional"),
        ("KIND_OTHER", "indeterminate", "error"),
    ],
)
def test_a_plan_holds_for_the_whole_type(
    decisions: Any, kind: str, decision: str, determination: str | None
) -> None:
    asked = ENTRY["checkResources"]["inputs"][0]
    plan = {
        "input": {**asked, "resource": {"kind": "payment", "attr": {}}},
        "output": {"filter": {"kind": kind}},
    }
    row = decisions(entry(checkResources=DROP, planResources=plan))["read"]
    assert (row["decision"], row["determination"]) == (decision, determination)
    assert (row["resource_type"], row["resource_id"]) == ("payment", None)


def test_an_entry_of_the_kafka_backend_says_its_kind_in_a_header(decode: Any) -> None:
    """The backend writes the same entry without `log.kind` and `log.logger`."""
    plain = entry(**{"log.kind": DROP, "log.logger": DROP})
    access = {
        "callId": "01CALL",
        "timestamp": "2026-11-24T12:58:20Z",
        "method": "/cerbos.svc.v1/CheckResources",
    }

    def headers(kind: bytes) -> tuple[tuple[str, bytes], ...]:
        return (("cerbos.audit.encoding", b"json"), ("cerbos.audit.kind", kind))

    assert decode(plain, headers=headers(b"decision")).rows == 2
    assert decode(plain).rows == 2
    assert decode(access, headers=headers(b"access")).skipped == {"no_event": 1}
    assert decode(access).skipped == {"no_event": 1}


def test_an_entry_of_an_older_pdp_has_its_inputs_at_the_top(decisions: Any) -> None:
    check = ENTRY["checkResources"]
    old = entry(checkResources=DROP, inputs=check["inputs"], outputs=check["outputs"])
    assert {row["decision"] for row in decisions(old).values()} == {"deny", "allow"}


def test_protobuf_without_its_extra_is_a_dead_letter_that_says_what_to_do(
    decode: Any, rows_of: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ingest.formats.cerbos_protobuf._package", lambda: None)
    headers = (("cerbos.audit.encoding", b"protobuf"), ("cerbos.audit.kind", b"decision"))
    (letter,) = rows_of(decode(b"\x0a\x05", headers=headers), "dead_letters")
    assert letter["reason"] == "unsupported_encoding"
    assert "audit.kafka.encoding" in letter["detail"]
    assert "counterfoil[cerbos]" in letter["detail"]


@pytest.mark.parametrize(
    ("change", "reason", "told"),
    [
        ({"callId": DROP}, "missing_field", "$.callId"),
        ({"callId": 7}, "wrong_type", "$.callId"),
        ({"timestamp": DROP}, "missing_field", "$.timestamp"),
        ({"timestamp": "2026-11-24T12:58:20"}, "wrong_type", "zone"),
        ({"timestamp": "9999-12-31T23:59:59.999999999Z"}, "time_out_of_range", "$.decision_time"),
        ({"checkResources": DROP}, "missing_field", "inputs"),
        ({"checkResources": {}, "oversized": True}, "cut_by_source", "too large"),
        ({"checkResources__inputs": {}}, "missing_field", "inputs"),
        ({"checkResources__inputs": [7]}, "wrong_type", "input 0"),
        ({INPUT + "actions": [7]}, "wrong_type", "action of input 0"),
        ({"log.kind": "audit"}, "unknown_value", "access or decision"),
    ],
)
def test_an_entry_that_cannot_be_a_decision_is_a_dead_letter(
    decode: Any, rows_of: Any, change: dict[str, Any], reason: str, told: str
) -> None:
    decoding = decode(entry(**change), stream="authorization")
    letters = rows_of(decoding, "dead_letters")
    assert {letter["reason"] for letter in letters} == {reason}
    assert told in letters[0]["detail"]
    assert decoding.rows == 0


def test_what_is_of_another_type_than_expected_is_not_known(decisions: Any) -> None:
    odd = entry(**{INPUT + "principal": 7, INPUT + "resource": None, "metadata": [], "auditTrail": "x"})
    row = decisions(odd)["read"]
    for name in (
        "principal_id",
        "agent_name",
        "tenant_id",
        "resource_type",
        "resource_id",
        "trace_id",
        "scopes",
    ):
        assert row[name] is None
