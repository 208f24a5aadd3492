"""MCP: what becomes of its messages, raw or logged with their answers."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime
from typing import Any

import pytest

TRACE, SPAN = "ab" * 16, "0123456789abcdef"
TRACEPARENT = f"00-{TRACE}-{SPAN}-03"
TOOLS = {"refund": {"action": "refund", "resource_type": "order", "resource_id": "order_id"}}


def request(
    method: str = "tools/call", *, traceparent: str | None = TRACEPARENT, **params: Any
) -> dict[str, Any]:
    meta = {"io.modelcontextprotocol/clientInfo": {"name": "orders", "version": "1"}}
    if traceparent:
        meta["traceparent"] = traceparent  # type: ignore[assignment]
    given = {"name": "refund", "arguments": {"order_id": "o-4"}, **params, "_meta": meta}
    return {"jsonrpc": "2.0", "id": 7, "method": method, "params": given}


def answer(text: str = "refunded", *, error: bool = False, **result: Any) -> dict[str, Any]:
    content = {"content": [{"type": "text", "text": text}], "isError": error, **result}
    return {"jsonrpc": "2.0", "id": 7, "result": content}


def logged(response: Any, **values: Any) -> dict[str, Any]:
    return {
        "time": "2026-11-24T13:47:18.5Z",
        "request": request(),
        "response": response,
        "status": 200,
        **values,
    }


@pytest.fixture
def one(decode: Any, rows_of: Any) -> Any:
    """The one row that a record becomes."""

    def row(value: Any, **rest: Any) -> dict[str, Any]:
        (found,) = rows_of(decode(value, **rest), "orchestration_events")
        return dict(found)

    return row


def test_every_message_of_a_real_connection_is_read(decode: Any, data: Any) -> None:
    lines = data("mcp.jsonl")
    decoding = decode(*lines)
    assert (decoding.rows, decoding.dead, decoding.skipped) == (6, 0, {"no_event": 4})
    table = decoding.tables["orchestration_events"]
    assert table["event_type"].to_pylist() == ["tool_call"] * 3 + ["step"] * 3
    assert len(set(table["event_id"].to_pylist())) == 6


def test_a_call_of_a_tool(one: Any) -> None:
    row = one(request(), mapping={"tools": TOOLS})
    told = ("event_type", "agent_name", "tool_name", "action", "resource_type", "resource_id", "status")
    assert [row[name] for name in told] == [
        "tool_call", "orders", "refund", "refund", "order", "o-4", "unset",
    ]  # fmt: skip
    assert (row["trace_id"], row["span_id"], row["request_id"]) == (TRACE, SPAN, "jsonrpc:7")
    assert row["arguments_digest"] == hashlib.sha256(b'{"order_id":"o-4"}').hexdigest()
    assert (row["event_time"], row["time_estimated"]) == (row["record_time"], True)


def test_the_name_that_the_sdk_gives_an_unnamed_client_is_no_agent(one: Any) -> None:
    given = request()
    given["params"]["_meta"]["io.modelcontextprotocol/clientInfo"]["name"] = "mcp"
    row = one(given)
    assert row["agent_name"] is None
    assert json.loads(row["attributes"])["client"] == "mcp"


def test_a_call_is_the_same_event_when_it_is_read_twice_within_its_span(decode: Any, rows_of: Any) -> None:
    rows = rows_of(decode(request(), request(), {**request(), "id": 8}), "orchestration_events")
    assert rows[0]["event_id"] == rows[1]["event_id"] != rows[2]["event_id"]


def test_without_trace_or_session_the_place_of_the_record_is_the_identity(decode: Any, rows_of: Any) -> None:
    bare = request(traceparent=None)
    rows = rows_of(decode(bare, bare), "orchestration_events")
    assert [row["event_id"] for row in rows] == ["mcp:events:3:100:0", "mcp:events:3:101:0"]


def test_a_session_makes_the_id_of_a_request_its_own(one: Any) -> None:
    row = one(request(traceparent=None), headers=(("Mcp-Session-Id", b"s-1"),))
    assert row["event_id"] == "mcp:s-1:jsonrpc:7"


def test_a_trace_in_the_records_headers_is_the_callers(one: Any) -> None:
    row = one(request(traceparent=None), headers=(("traceparent", TRACEPARENT.encode()),))
    assert (row["trace_id"], row["span_id"]) == (TRACE, SPAN)


@pytest.mark.parametrize(
    ("given", "status", "error_type"),
    [
        (answer(), "ok", None),
        (answer("no such order", error=True), "error", "no such order"),
        (answer("DENIED: refund", error=True), "rejected", None),
        (answer("Access denied"), "rejected", None),
        ({"jsonrpc": "2.0", "id": 7, "error": {"code": -32602, "message": "bad"}}, "error", "-32602 bad"),
        ({"jsonrpc": "2.0", "id": 7, "error": {"code": 1, "message": "Permission denied"}}, "rejected", None),
        (answer(resultType="input_required"), "input_required", None),
    ],
)
def test_an_answer_by_itself_is_a_step_that_shares_the_requests_id(
    one: Any, given: dict[str, Any], status: str, error_type: str | None
) -> None:
    row = one(given)
    assert (row["event_type"], row["request_id"]) == ("step", "jsonrpc:7")
    assert (row["status"], row["error_type"], row["tool_name"]) == (status, error_type, None)


@pytest.mark.parametrize(
    ("response", "status"),
    [
        (answer(), "ok"),
        (answer("DENIED", error=True), "rejected"),
        (f"data: {json.dumps(answer('late', error=True))}\r\n\r\n", "error"),
        (json.dumps(answer()), "ok"),
        ([{"jsonrpc": "2.0", "method": "notifications/progress"}, answer()], "ok"),
        ({**answer(), "id": 8}, "unset"),
        (None, "unset"),
    ],
)
def test_a_call_that_was_logged_with_its_answer_is_one_event(one: Any, response: Any, status: str) -> None:
    row = one(logged(response))
    assert (row["event_type"], row["status"]) == ("tool_call", status)
    assert row["event_time"] == datetime(2026, 11, 24, 13, 47, 18, 500_000, tzinfo=UTC)


def test_a_gateway_that_refused_says_it_by_the_status(one: Any) -> None:
    assert one(logged(None, status=403))["status"] == "rejected"
    assert one(logged(None, status=401))["status"] == "auth_required"


def test_a_resource_that_is_read_is_a_data_access(one: Any) -> None:
    given = request("resources/read", uri="file:///plan.txt")
    row = one(given, mapping={"tools": {"resources/read": {"action": "read", "resource_type": "file"}}})
    told = ("event_type", "action", "resource_type", "resource_id")
    assert [row[name] for name in told] == ["data_access", "read", "file", "file:///plan.txt"]


def test_sampling_and_questions_to_the_user(one: Any) -> None:
    assert one(request("sampling/createMessage"))["event_type"] == "model_call"
    assert one(request("elicitation/create"))["event_type"] == "step"


@pytest.mark.parametrize(
    "message",
    [
        request("tools/list"), request("initialize"), request("ping"), request("notifications/initialized"),
        request("server/discover"), {"jsonrpc": "2.0", "id": 1, "result": {"tools": []}},
        {"jsonrpc": "2.0", "id": 1, "result": {}},
    ],
)  # fmt: skip
def test_messages_about_no_action_hold_no_event(decode: Any, message: dict[str, Any]) -> None:
    decoding = decode(message)
    assert (decoding.rows, decoding.dead, decoding.skipped) == (0, 0, {"no_event": 1})


def test_several_messages_in_one_record(decode: Any, rows_of: Any) -> None:
    rows = rows_of(decode([request(), answer(), request("ping")]), "orchestration_events")
    assert [(row["event_type"], row["source_index"]) for row in rows] == [("tool_call", 0), ("step", 1)]


@pytest.mark.parametrize(
    "message",
    [
        {"jsonrpc": "2.0", "id": 1, "method": "textDocument/hover", "params": {}},
        {"jsonrpc": "1.0", "id": 1, "method": "tools/call"},
        {"jsonrpc": "2.0", "id": 1},
        {"note": {"jsonrpc": "2.0", "method": "tools/call"}},
    ],
)
def test_json_rpc_of_others_is_not_taken_for_it(decode: Any, rows_of: Any, message: dict[str, Any]) -> None:
    (letter,) = rows_of(decode(message), "dead_letters")
    assert (letter["reason"], letter["source_format"]) == ("unknown_format", None)


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ({"time": "noon", "request": request()}, "wrong_type"),
        ({"request": 7}, "wrong_type"),
        ({"jsonrpc": "1.0"}, "unknown_value"),
        ([7], "wrong_type"),
        (logged("data: {cut"), "invalid_json"),
        (logged([7]), "wrong_type"),
    ],
)
def test_what_cannot_be_read_is_a_dead_letter(decode: Any, rows_of: Any, value: Any, reason: str) -> None:
    (letter,) = rows_of(decode(value, ingest={"formats": {"events": "mcp"}}), "dead_letters")
    assert (letter["reason"], letter["source_format"]) == (reason, "mcp")
