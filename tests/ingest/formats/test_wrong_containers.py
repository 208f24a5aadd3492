"""What holds the events of a record and cannot be read is a dead letter, and never a record without events."""

from __future__ import annotations

import json
from typing import Any

import pytest

CERBOS = {
    "callId": "c1", "timestamp": "2026-11-24T12:00:00Z",
    "checkResources": {"inputs": [{"principal": {"id": "a"}, "resource": {"kind": "k", "id": "r"}, "actions": "read"}]},
}  # fmt: skip
AUTHZEN = {
    "time": "2026-11-24T12:00:00Z",
    "request": {
        "subject": {"type": "agent", "id": "a"}, "action": {"name": "read"}, "resource": {"type": "k", "id": "r"},
        "evaluations": {"0": {}},
    },
    "response": {"decision": True},
}  # fmt: skip
CALL = {
    "eventSource": "sts.amazonaws.com", "eventName": ["AssumeRole"], "eventTime": "2026-11-24T12:00:00Z",
    "eventID": "e1",
}  # fmt: skip
PERMISSIONS = {
    "eventSource": "verifiedpermissions.amazonaws.com", "eventName": "BatchIsAuthorized",
    "eventTime": "2026-11-24T12:00:00Z", "eventID": "e1", "requestParameters": {"requests": "x"},
}  # fmt: skip
OPENFGA = {
    "grpc_service": "openfga.v1.OpenFGAService", "grpc_method": "BatchCheck", "ts": 1795521600.0,
    "raw_request": {"checks": {"tuple_key": {}}},
}  # fmt: skip
SPICEDB = {
    "time": "2026-11-24T12:00:00Z",
    "request": {"@type": "type.googleapis.com/authzed.api.v1.CheckBulkPermissionsRequest", "items": "x"},
}  # fmt: skip
ENVOY = {"start_time": "2026-11-24T12:00:00Z", "method": "GET", "path": "/", "response_code": 200}
MCP = {"jsonrpc": "2.0", "id": 1, "result": "text"}
TASK = {"jsonrpc": "2.0", "id": 1, "result": {"contextId": "c", "task": "t1"}}


@pytest.mark.parametrize(
    ("name", "record", "path"),
    [
        ("cerbos", CERBOS, "input 0.actions"),
        ("authzen", AUTHZEN, "$.request.evaluations"),
        ("cloudtrail", CALL, "$.eventName"),
        ("avp", PERMISSIONS, "$.requestParameters.requests"),
        ("avp", {**PERMISSIONS, "eventName": 7}, "$.eventName"),
        ("openfga", OPENFGA, "$.raw_request.checks"),
        ("openfga", {**OPENFGA, "grpc_method": 7}, "$.grpc_method"),
        ("spicedb", SPICEDB, "$.request.items"),
        ("spicedb", {**SPICEDB, "request": 7}, "$.request"),
        ("envoy", {**ENVOY, "response_flags": ["UAEX"]}, "$.response_flags"),
        ("envoy", {**ENVOY, "ext_authz": 7}, "$.ext_authz"),
        ("mcp", MCP, "$.result"),
        ("a2a", TASK, "a task"),
    ],
)
def test_it_names_the_path(decode: Any, rows_of: Any, name: str, record: Any, path: str) -> None:
    decoding = decode(record, ingest={"formats": {"events": name}})
    (letter,) = rows_of(decoding, "dead_letters")
    assert (letter["reason"], decoding.rows, decoding.skipped) == ("wrong_type", 0, {})
    assert letter["detail"].startswith(f"{path} is ")


def test_metadata_of_envoy_that_was_cut_is_told(decode: Any, rows_of: Any) -> None:
    line = {**ENVOY, "ext_authz": '{"ext_authz_dur'}
    (letter,) = rows_of(decode(line, ingest={"formats": {"events": "envoy"}}), "dead_letters")
    assert letter["reason"] == "invalid_json"
    denied = {**line, "response_flags": "UAEX"}
    assert decode(denied, ingest={"formats": {"events": "envoy"}}).rows == 1


def test_a_credential_that_cannot_be_read_costs_no_decision(decode: Any, rows_of: Any) -> None:
    call = {**CALL, "eventName": "AssumeRole", "responseElements": {"credentials": {"accessKeyId": 7}}}
    decoding = decode(call)
    (letter,) = rows_of(decoding, "dead_letters")
    assert (letter["source_index"], letter["reason"]) == (1, "wrong_type")
    assert [row["source_index"] for row in rows_of(decoding, "authorization_decisions")] == [0]


def test_an_insight_is_no_call(decode: Any) -> None:
    insight = {"eventType": "AwsCloudTrailInsight", "eventTime": "2026-11-24T12:00:00Z", "insightDetails": {}}
    decoding = decode({"Records": [{**CALL, "eventName": "GetCallerIdentity"}, insight]})
    assert (decoding.rows, decoding.dead, decoding.skipped) == (0, 0, {"no_event": 1})


@pytest.mark.parametrize(("status", "dead"), [(200, 1), (None, 1), (502, 0)])
@pytest.mark.parametrize("response", ["upstream connect error", {"detail": "no"}])
def test_a_body_that_is_no_answer(decode: Any, status: int | None, dead: int, response: Any) -> None:
    message = {"messageId": "m1", "role": "ROLE_USER", "parts": []}
    request = {"jsonrpc": "2.0", "id": 1, "method": "SendMessage", "params": {"message": message}}
    exchange = {"time": "2026-11-24T12:00:00Z", "status": status, "request": request, "response": response}
    decoding = decode(json.loads(json.dumps(exchange)))
    assert (decoding.rows, decoding.dead) == (1, dead)


def test_a_line_of_spicedb_may_come_in_an_event_of_another_type(decode: Any) -> None:
    line = {
        "level": "info", "time": "2026-11-24T12:00:00Z", "grpc.service": "authzed.api.v1.PermissionsService",
        "grpc.method": "CheckPermission", "grpc.request.content": {"permission": "read"},
        "grpc.response.content": {"permissionship": "PERMISSIONSHIP_HAS_PERMISSION"},
    }  # fmt: skip
    event = {"specversion": "1.0", "id": "1", "source": "/log", "type": "com.acme.line", "data": line}
    assert decode(event).rows == decode(line).rows == 1
