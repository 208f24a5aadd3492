"""A2A: messages between agents and the states of tasks, as two real agents exchanged them."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

TRACE, SPAN = "ab" * 16, "0123456789abcdef"
TIME = "2026-11-24T13:47:18.5Z"


def request(method: str = "SendMessage", **message: Any) -> dict[str, Any]:
    sent = {
        "messageId": "msg-1",
        "role": "ROLE_USER",
        "parts": [{"text": "secret plan"}],
        "metadata": {"from_agent": "spiffe://acme.example/agent/triage"},
        **message,
    }
    return {"jsonrpc": "2.0", "id": "req-1", "method": method, "params": {"message": sent}}


def task(state: str = "TASK_STATE_COMPLETED", **status: Any) -> dict[str, Any]:
    return {"id": "task-1", "contextId": "ctx-1", "status": {"state": state, "timestamp": TIME, **status}}


def answer(**result: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": "req-1", "result": result}


def exchange(response: Any, sent: dict[str, Any] | None = None, **values: Any) -> dict[str, Any]:
    return {
        "time": "2026-11-24T13:47:19Z",
        "request_headers": {"Traceparent": f"00-{TRACE}-{SPAN}-01"},
        "request": sent or request(),
        "status": 200,
        "response": response,
        **values,
    }


@pytest.fixture
def rows(decode: Any, rows_of: Any) -> Any:
    def read(value: Any, **rest: Any) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = rows_of(decode(value, **rest), "orchestration_events")
        return found

    return read


def test_every_exchange_of_real_agents_is_read(decode: Any, data: Any) -> None:
    decoding = decode(*data("a2a.jsonl"))
    assert (decoding.dead, decoding.skipped.total()) == (0, 0)
    types = decoding.tables["orchestration_events"]["event_type"].to_pylist()
    assert types.count("delegation") == 5
    assert {"task_start", "step", "task_stop"} < set(types)


def test_a_message_is_a_delegation_from_its_sender(rows: Any) -> None:
    row, _ = rows(exchange(answer(task=task())))
    told = ("event_type", "event_id", "agent_name", "agent_id", "tenant_id", "target_agent_name")
    assert [row[name] for name in told] == [
        "delegation", "a2a:message:msg-1", "triage", "spiffe://acme.example/agent/triage", "acme", None,
    ]  # fmt: skip
    assert (row["trace_id"], row["span_id"], row["parent_span_id"]) == (TRACE, None, SPAN)
    assert (row["conversation_id"], row["task_id"], row["request_id"]) == ("ctx-1", "task-1", "req-1")
    assert (row["status"], row["time_estimated"]) == ("ok", False)
    assert "secret plan" not in row["attributes"]


def test_who_sends_is_named_by_a_key_of_the_settings(rows: Any) -> None:
    sent = request(metadata={"client": "desk"})
    row, _ = rows(exchange(answer(task=task()), sent), mapping={"a2a": {"sender": ["agent", "client"]}})
    assert (row["agent_name"], row["agent_id"]) == ("desk", None)
    row, _ = rows(exchange(answer(task=task()), sent))
    assert row["agent_name"] is None


def test_who_receives_is_known_by_the_card_or_the_url(rows: Any) -> None:
    carded = exchange(answer(task=task()), agent_card={"name": "orders"})
    delegation, stop = rows(carded)
    assert (delegation["target_agent_name"], stop["agent_name"]) == ("orders", "orders")
    receivers = {"http://orders:8080/": "orders", "http://orders:8080/vip/": "vip"}
    delegation, stop = rows(
        exchange(answer(task=task()), url="http://orders:8080/vip/rpc"),
        mapping={"a2a": {"receivers": receivers}},
    )
    assert (delegation["target_agent_name"], stop["agent_name"]) == ("vip", "vip")


@pytest.mark.parametrize(
    ("state", "kind", "status"),
    [
        ("TASK_STATE_SUBMITTED", "task_start", "unset"),
        ("TASK_STATE_WORKING", "step", "unset"),
        ("TASK_STATE_COMPLETED", "task_stop", "ok"),
        ("TASK_STATE_FAILED", "task_stop", "error"),
        ("TASK_STATE_CANCELED", "task_stop", "canceled"),
        ("TASK_STATE_REJECTED", "task_stop", "rejected"),
        ("TASK_STATE_INPUT_REQUIRED", "step", "input_required"),
        ("TASK_STATE_AUTH_REQUIRED", "step", "auth_required"),
        ("input-required", "step", "input_required"),
        ("TASK_STATE_OF_THE_FUTURE", "step", "unset"),
    ],
)
def test_a_state_is_the_start_a_step_or_the_stop_of_a_task(
    rows: Any, state: str, kind: str, status: str
) -> None:
    _, row = rows(exchange(answer(task=task(state))))
    assert (row["event_type"], row["status"]) == (kind, status)
    assert row["event_time"] == datetime(2026, 11, 24, 13, 47, 18, 500_000, tzinfo=UTC)
    assert (row["task_id"], row["parent_span_id"]) == ("task-1", SPAN)


def test_a_state_that_is_told_again_is_the_same_event(rows: Any) -> None:
    _, told = rows(exchange(answer(task=task("TASK_STATE_INPUT_REQUIRED"))))
    asked = {"jsonrpc": "2.0", "id": "req-2", "method": "GetTask", "params": {"id": "task-1"}}
    (again,) = rows(exchange({**answer(), "id": "req-2", "result": task("TASK_STATE_INPUT_REQUIRED")}, asked))
    assert told["event_id"] == again["event_id"]


def test_a_state_without_a_time_takes_that_of_the_exchange(rows: Any) -> None:
    _, row = rows(exchange(answer(task=task(timestamp=None))))
    assert row["event_time"] == datetime(2026, 11, 24, 13, 47, 19, tzinfo=UTC)
    assert row["time_estimated"] is True


def test_why_a_task_failed_and_what_it_made(rows: Any) -> None:
    words = {"role": "ROLE_AGENT", "parts": [{"text": "upstream 500"}]}
    _, failed = rows(exchange(answer(task=task("TASK_STATE_FAILED", message=words))))
    assert failed["error_type"] == "upstream 500"
    made = {**task(), "artifacts": [{"artifactId": "a-1", "parts": []}, {"no": "id"}]}
    _, done = rows(exchange(answer(task=made)))
    assert done["output_refs"] == ["a-1"]
    taken, _ = rows(exchange(answer(task=task()), request(referenceTaskIds=["task-0"])))
    assert taken["input_refs"] == ["task-0"]


def test_a_stream_tells_the_states_one_by_one(rows: Any) -> None:
    updates = [
        answer(task={"id": "task-1", "contextId": "ctx-1", "status": {"state": "TASK_STATE_SUBMITTED"}}),
        answer(statusUpdate={"taskId": "task-1", **task("TASK_STATE_WORKING")}),
        answer(artifactUpdate={"taskId": "task-1", "artifact": {"artifactId": "a-1"}}),
        answer(statusUpdate={"taskId": "task-1", **task()}),
    ]
    stream = "".join(f"data: {json.dumps(update)}\r\n\r\n" for update in updates)
    found = rows(exchange(stream, request("SendStreamingMessage")))
    assert [row["event_type"] for row in found] == ["delegation", "task_start", "step", "step", "task_stop"]
    assert [row["source_index"] for row in found] == [0, 1, 2, 3, 4]
    assert found[3]["output_refs"] == ["a-1"]
    assert {row["task_id"] for row in found} == {"task-1"}


def test_a_stream_that_was_cut_keeps_what_came_before(decode: Any, rows_of: Any) -> None:
    stream = f'data: {json.dumps(answer(task=task()))}\n\ndata: {{"result": '
    decoding = decode(exchange(stream))
    assert [row["event_type"] for row in rows_of(decoding, "orchestration_events")] == [
        "delegation",
        "task_stop",
    ]
    (letter,) = rows_of(decoding, "dead_letters")
    assert (letter["reason"], letter["source_index"], letter["source_format"]) == ("invalid_json", 2, "a2a")


@pytest.mark.parametrize(
    ("response", "http", "status", "error_type"),
    [
        (
            {"jsonrpc": "2.0", "id": "req-1", "error": {"code": -32603, "message": "no"}},
            200,
            "error",
            "-32603 no",
        ),
        ({"jsonrpc": "2.0", "error": {"code": 1, "message": "Access denied"}}, 200, "rejected", None),
        ("<html>", 403, "rejected", None),
        (None, 401, "auth_required", None),
        (None, 502, "error", "HTTP 502"),
        (None, None, "unset", None),
    ],
)
def test_a_message_that_was_not_taken(
    rows: Any, response: Any, http: int | None, status: str, error_type: str | None
) -> None:
    (row,) = rows(exchange(response, status=http))
    assert (row["event_type"], row["status"], row["error_type"]) == ("delegation", status, error_type)


def test_a_task_that_is_refused_refuses_the_message(rows: Any) -> None:
    delegation, stop = rows(exchange(answer(task=task("TASK_STATE_REJECTED"))))
    assert (delegation["status"], stop["status"]) == ("rejected", "rejected")


def test_request_and_answer_as_records_of_their_own(rows: Any) -> None:
    headers = (("traceparent", f"00-{TRACE}-{SPAN}-01".encode()),)
    (row,) = rows(request(), headers=headers)
    assert (row["event_type"], row["status"], row["trace_id"]) == ("delegation", "unset", TRACE)
    assert (row["event_time"], row["time_estimated"]) == (row["record_time"], True)
    (row,) = rows(answer(task=task()))
    assert (row["event_type"], row["request_id"], row["source_format"]) == ("task_stop", "req-1", "a2a")


def test_a_list_of_tasks_tells_the_state_of_each(rows: Any) -> None:
    asked = {"jsonrpc": "2.0", "id": "req-3", "method": "ListTasks", "params": {}}
    found = rows(exchange(answer(tasks=[task(), {**task(), "id": "task-2"}]), asked))
    assert [row["task_id"] for row in found] == ["task-1", "task-2"]


def test_other_methods_hold_no_event(decode: Any) -> None:
    card = {"jsonrpc": "2.0", "id": 1, "method": "GetExtendedAgentCard"}
    decoding = decode(exchange(answer(name="orders"), card), card)
    assert (decoding.rows, decoding.dead, decoding.skipped) == (0, 0, {"no_event": 2})


def test_a_direct_reply_is_part_of_the_delegation(rows: Any) -> None:
    (row,) = rows(exchange(answer(message={"messageId": "m2", "role": "ROLE_AGENT", "parts": []})))
    assert (row["event_type"], row["status"]) == ("delegation", "ok")


def test_a_message_without_an_id_is_a_dead_letter(decode: Any, rows_of: Any) -> None:
    (letter,) = rows_of(decode(exchange(None, request(messageId=None))), "dead_letters")
    assert (letter["reason"], letter["source_format"]) == ("missing_field", "a2a")
    assert "messageId" in letter["detail"]
