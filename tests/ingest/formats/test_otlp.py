"""OTLP traces: what becomes of each kind of span, by the GenAI conventions and those in use beside them."""

from __future__ import annotations

import base64
import hashlib
import json
from datetime import UTC, datetime
from typing import Any

import pytest

TRACE, SPAN, PARENT = "ab" * 16, "0123456789abcdef", "aa" * 8
START = 1_795_521_600_000_000_000
TOOLS = {
    "issue_refund": {"action": "refund", "resource_type": "payment", "resource_id": "id", "sensitivity": 3}
}


def value(of: Any) -> dict[str, Any]:
    """A value as OTLP writes it."""
    if isinstance(of, bool):
        return {"boolValue": of}
    if isinstance(of, int):
        return {"intValue": str(of)}
    if isinstance(of, float):
        return {"doubleValue": of}
    if isinstance(of, list):
        return {"arrayValue": {"values": [value(item) for item in of]}}
    if isinstance(of, dict):
        return {"kvlistValue": {"values": attributes(of)}}
    return {"stringValue": of}


def attributes(of: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"key": key, "value": value(item)} for key, item in of.items()]


def span(of: dict[str, Any], **values: Any) -> dict[str, Any]:
    return {
        "traceId": TRACE,
        "spanId": SPAN,
        "parentSpanId": PARENT,
        "name": "a span",
        "kind": 1,
        "startTimeUnixNano": str(START),
        "endTimeUnixNano": str(START + 1_500_000_999),
        "attributes": attributes(of),
        "status": {},
        **values,
    }


def batch(*spans: Any, resource: dict[str, Any] | None = None) -> dict[str, Any]:
    scope = {"scope": {"name": "some-instrumentation"}, "spans": list(spans)}
    return {
        "resourceSpans": [{"resource": {"attributes": attributes(resource or {})}, "scopeSpans": [scope]}]
    }


def call(result: Any = '{"ok": true}', **of: Any) -> dict[str, Any]:
    given = {
        "gen_ai.operation.name": "execute_tool",
        "gen_ai.tool.name": "issue_refund",
        "gen_ai.tool.call.id": "call_1",
        "gen_ai.tool.call.arguments": '{"id": "payment-1"}',
        "gen_ai.tool.call.result": result,
        "gen_ai.agent.name": "billing",
    }
    return span({**given, **of})


@pytest.fixture
def rows(decode: Any, rows_of: Any) -> Any:
    """The rows that spans become."""

    def read(*spans: Any, resource: dict[str, Any] | None = None, **sections: Any) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = rows_of(
            decode(batch(*spans, resource=resource), **sections), "orchestration_events"
        )
        return found

    return read


@pytest.fixture
def one(rows: Any) -> Any:
    """The one row that a span becomes."""

    def row(given: Any, **rest: Any) -> dict[str, Any]:
        (found,) = rows(given, **rest)
        return dict(found)

    return row


def test_every_span_that_real_agents_exported_becomes_a_row(decode: Any, data: Any) -> None:
    decoding = decode(*data("otlp.jsonl"))
    assert (decoding.rows, decoding.dead, decoding.skipped.total()) == (24, 0, 0)
    table = decoding.tables["orchestration_events"]
    assert set(table["source_format"].to_pylist()) == {"otlp"}
    assert set(table["event_type"].to_pylist()) == {"task_start", "tool_call", "model_call", "step"}
    assert table["source_index"].to_pylist()[:20] == list(range(20))


def test_an_event_is_the_same_when_it_is_exported_again(rows: Any) -> None:
    first, again = rows(call(), call())
    assert first["event_id"] == again["event_id"] == f"{TRACE}-{SPAN}"


def test_ids_and_times_are_taken_as_they_are(one: Any) -> None:
    row = one(call())
    assert (row["trace_id"], row["span_id"], row["parent_span_id"]) == (TRACE, SPAN, PARENT)
    assert (row["native_span_id"], row["native_parent_id"]) == (None, None)
    assert row["event_time"] == datetime.fromtimestamp(START / 1e9, UTC)
    assert (row["end_time"] - row["event_time"]).total_seconds() == 1.5
    assert (row["time_estimated"], row["status"]) == (False, "ok")


def test_ids_in_base64_as_tools_of_protobuf_write_them_are_the_same_ids(one: Any) -> None:
    written = {
        "traceId": base64.b64encode(bytes.fromhex(TRACE)).decode(),
        "spanId": base64.b64encode(bytes.fromhex(SPAN)).decode(),
        "parentSpanId": base64.urlsafe_b64encode(bytes.fromhex(PARENT)).decode(),
        "kind": "SPAN_KIND_CLIENT",
        "status": {"code": "STATUS_CODE_ERROR"},
        "startTimeUnixNano": START,
    }
    row = one({**call(), **written})
    assert row["event_id"] == f"{TRACE}-{SPAN}"
    assert (row["parent_span_id"], row["status"]) == (PARENT, "error")
    assert json.loads(row["attributes"])["span_kind"] == 3


@pytest.mark.parametrize("none", ["", None, "0000000000000000"])
def test_a_root_has_no_parent_however_that_is_written(one: Any, none: str | None) -> None:
    assert one({**call(), "parentSpanId": none})["parent_span_id"] is None


def test_a_span_that_has_not_ended_or_begun(one: Any) -> None:
    row = one({**call(), "endTimeUnixNano": "0", "startTimeUnixNano": None})
    assert (row["status"], row["end_time"]) == ("unset", None)
    assert (row["event_time"], row["time_estimated"]) == (row["record_time"], True)


@pytest.mark.parametrize(
    ("operation", "kind"),
    [
        ("invoke_agent", "task_start"),
        ("invoke_workflow", "task_start"),
        ("execute_tool", "tool_call"),
        ("chat", "model_call"),
        ("generate_content", "model_call"),
        ("text_completion", "model_call"),
        ("embeddings", "model_call"),
        ("create_agent", "step"),
        ("plan", "step"),
        ("retrieval", "step"),
        ("of the future", "step"),
    ],
)
def test_the_operation_says_what_happened(one: Any, operation: str, kind: str) -> None:
    row = one(span({"gen_ai.operation.name": operation}))
    assert row["event_type"] == kind
    assert json.loads(row["attributes"])["gen_ai.operation.name"] == operation


@pytest.mark.parametrize(
    ("name", "kind"),
    [("invoke_agent billing", "task_start"), ("execute_tool x", "tool_call"), ("chat with the user", "step")],
)
def test_without_the_attribute_the_name_says_it_by_convention(one: Any, name: str, kind: str) -> None:
    assert one(span({}, name=name))["event_type"] == kind


def test_other_spans_are_steps_and_hold_the_tree_together(one: Any) -> None:
    row = one(span({"http.request.method": "POST", "enduser.id": "ann"}, name="POST /run", kind=2))
    assert (row["event_type"], row["agent_name"], row["on_behalf_of"]) == ("step", None, "user:ann")
    assert json.loads(row["attributes"])["http.request.method"] == "POST"


def test_who_acts(one: Any) -> None:
    named = {"gen_ai.agent.name": "billing", "gen_ai.agent.id": "asst_1", "gen_ai.agent.call.id": "run-7"}
    row = one(span({"gen_ai.operation.name": "invoke_agent", "gen_ai.conversation.id": "conv-1", **named}))
    told = ("agent_name", "agent_id", "agent_instance_id", "conversation_id")
    assert [row[name] for name in told] == ["billing", "asst_1", "run-7", "conv-1"]


def test_the_agent_that_is_made_is_not_the_one_that_acts(one: Any) -> None:
    row = one(span({"gen_ai.operation.name": "create_agent", "gen_ai.agent.name": "new one"}))
    assert (row["agent_name"], row["agent_id"]) == (None, None)


def test_a_tool_call_is_mapped_by_the_settings(one: Any) -> None:
    row = one(call(), mapping={"tools": TOOLS})
    told = (
        "event_type",
        "tool_name",
        "tool_call_id",
        "action",
        "resource_type",
        "resource_id",
        "sensitivity",
    )
    assert [row[name] for name in told] == [
        "tool_call", "issue_refund", "call_1", "refund", "payment", "payment-1", 3,
    ]  # fmt: skip
    assert row["arguments_digest"] == hashlib.sha256(b'{"id":"payment-1"}').hexdigest()


def test_arguments_as_an_object_are_the_same_as_their_text(one: Any) -> None:
    row = one(call(**{"gen_ai.tool.call.arguments": {"id": "payment-1"}}), mapping={"tools": TOOLS})
    assert row["resource_id"] == "payment-1"
    assert row["arguments_digest"] == one(call())["arguments_digest"]


def test_what_no_setting_maps_is_not_guessed(one: Any) -> None:
    row = one(call())
    assert [row[name] for name in ("action", "resource_type", "resource_id")] == [None] * 3


def test_a_retrieval_is_a_data_access_where_a_setting_names_its_source(one: Any) -> None:
    given = span({"gen_ai.operation.name": "retrieval", "gen_ai.data_source.id": "kb-1"})
    assert one(given)["event_type"] == "step"
    row = one(given, mapping={"tools": {"kb-1": {"action": "search", "resource_type": "index"}}})
    told = ("event_type", "action", "resource_type", "resource_id")
    assert [row[name] for name in told] == ["data_access", "search", "index", "kb-1"]


def test_the_attempt_is_the_one_that_the_framework_counts(one: Any) -> None:
    assert one(call(**{"pydantic_ai.tool.retry.attempt": 2}))["attempt"] == 2
    assert one(call(**{"pydantic_ai.tool.retry.attempt": -1}))["attempt"] is None
    assert one(call())["attempt"] is None


@pytest.mark.parametrize(
    ("result", "status"),
    [
        ("DENIED: not allowed", "rejected"),
        ('"Permission denied"', "rejected"),
        ("done", "ok"),
        ('{"note": "DENIED"}', "ok"),
        ('"', "ok"),
        ({"denied": True}, "ok"),
    ],
)
def test_a_refused_call_did_not_run(one: Any, result: Any, status: str) -> None:
    assert one(call(result))["status"] == status


def test_an_error_has_a_kind(one: Any) -> None:
    exception = {"exception.type": "TimeoutError", "exception.message": "no answer"}
    events = [{"name": "exception", "attributes": attributes(exception)}]
    failed = {"status": {"code": 2, "message": "it failed"}}
    assert one({**call(**{"error.type": "timeout"}), **failed, "events": events})["error_type"] == "timeout"
    row = one({**call(), **failed, "events": events})
    assert (row["status"], row["error_type"]) == ("error", "TimeoutError")
    assert json.loads(row["attributes"])["error_message"] == "no answer"
    assert one({**call(), **failed})["error_type"] == "it failed"
    assert one({**call(), "status": {"code": 2}})["error_type"] == "error"
    assert one({**call(), "events": events})["status"] == "ok", "an exception that was handled is no failure"


def test_an_exception_may_say_that_the_call_was_refused(one: Any) -> None:
    events = [
        {"name": "exception", "attributes": attributes({"exception.message": "Access denied: no grant"})}
    ]
    row = one({**call(), "status": {"code": 2}, "events": events})
    assert (row["status"], row["error_type"]) == ("rejected", None)


@pytest.mark.parametrize(
    "told",
    [
        {"gen_ai.handoff.from_agent": "triage", "gen_ai.handoff.to_agent": "billing"},
        {"gen_ai.agent.handoff.source.name": "triage", "gen_ai.agent.handoff.target.name": "billing",
         "gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "transfer_to_billing_agent"},
        {"from_agent": "triage", "to_agent": "billing"},
        {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "transfer_to_billing",
         "gen_ai.agent.name": "triage"},
        {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "handoff_to_billing",
         "gen_ai.agent.name": "triage"},
        {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "transfer_to_agent",
         "gen_ai.agent.name": "triage", "gcp.vertex.agent.tool_call_args": '{"agent_name": "billing"}'},
    ],
)  # fmt: skip
def test_a_handoff_is_read_in_every_spelling(one: Any, told: dict[str, Any]) -> None:
    row = one(span(told))
    assert (row["event_type"], row["agent_name"], row["target_agent_name"]) == (
        "handoff",
        "triage",
        "billing",
    )
    assert row["event_id"] == f"{TRACE}-{SPAN}"


def test_a_handoff_that_only_the_spans_name_tells(one: Any) -> None:
    told = {"gen_ai.operation.name": "handoff"}
    row = one(span(told, name="handoff from triage to billing"))
    assert (row["event_type"], row["agent_name"], row["target_agent_name"]) == (
        "handoff",
        "triage",
        "billing",
    )
    row = one(span(told, name="handoff from A to B to C"))
    assert (row["event_type"], row["agent_name"], row["target_agent_name"]) == ("handoff", None, None)


@pytest.mark.parametrize(
    "tool", ["handoff_to_user", "transfer_to_", "my_transfer_to_x", "delegate_to_billing"]
)
def test_what_is_no_handoff_to_an_agent_is_a_tool_call(one: Any, tool: str) -> None:
    assert one(call(**{"gen_ai.tool.name": tool}))["event_type"] == "tool_call"


def test_an_agents_start_that_tells_of_a_handoff_is_both(rows: Any) -> None:
    told = {
        "gen_ai.operation.name": "invoke_agent",
        "gen_ai.agent.name": "billing",
        "gen_ai.agent.handoff.source.name": "triage",
        "gen_ai.agent.handoff.target.name": "billing",
    }
    start, handoff = rows(span(told))
    assert (start["event_type"], start["agent_name"], start["span_id"]) == ("task_start", "billing", SPAN)
    assert (handoff["event_type"], handoff["agent_name"]) == ("handoff", "triage")
    assert (handoff["span_id"], handoff["parent_span_id"]) == (None, SPAN)
    assert handoff["event_id"] != start["event_id"]
    assert (start["source_index"], handoff["source_index"]) == (0, 1)


def test_a_call_over_mcp_is_told_by_the_client(one: Any) -> None:
    told = {"mcp.method.name": "tools/call", "jsonrpc.request.id": "7"}
    row = one(span(told, name="MCP send tools/call get_order", kind=3))
    assert (row["event_type"], row["tool_name"], row["request_id"]) == ("tool_call", "get_order", "jsonrpc:7")
    assert one(span({"mcp.method.name": "tools/list"}, kind=3))["event_type"] == "step"
    server = span(told, name="tools/call get_order", kind=2)
    assert one(server)["event_type"] == "step", "the same call, seen from the other side"
    assert one(server, mapping={"otlp": {"mcp_server_calls": True}})["event_type"] == "tool_call"


def test_whose_run_it_is_comes_from_the_span_or_else_its_resource(one: Any) -> None:
    resource = {"tenant.id": "acme", "deployment.environment.name": "prod", "service.name": "fleet"}
    row = one(span({"tenant.id": "globex", "enduser.id": "service:cron"}), resource=resource)
    assert (row["tenant_id"], row["environment"], row["on_behalf_of"]) == ("globex", "prod", "service:cron")
    assert json.loads(row["attributes"])["resource"] == {"service.name": "fleet"}
    assert one(span({}), resource=resource)["tenant_id"] == "acme"


def test_the_names_of_these_attributes_are_settings(one: Any) -> None:
    named = {"tenant": ["org"], "on_behalf_of": ["acting.for"], "conversation": ["chat"], "environment": []}
    given = {"org": "acme", "acting.for": "ann", "chat": 17, "tenant.id": "other", "enduser.id": "other"}
    row = one(span(given), mapping={"otlp": named}, resource={"deployment.environment.name": "prod"})
    assert (row["tenant_id"], row["on_behalf_of"], row["conversation_id"]) == ("acme", "user:ann", "17")
    assert row["environment"] is None


def test_a_producer_may_fill_a_column_itself(one: Any) -> None:
    own = {
        "counterfoil.decision_id": "d-1",
        "counterfoil.resource_id": "payment-9",
        "counterfoil.labels": ["destructive"],
        "counterfoil.approval_id": {"no": "text"},
        "counterfoil.event_type": "handoff",
        "counterfoil.trace_id": "forged",
        "counterfoil.raw": "forged",
    }
    row = one(call(**own), mapping={"tools": TOOLS})
    assert (row["decision_id"], row["resource_id"], row["labels"]) == ("d-1", "payment-9", ["destructive"])
    assert (row["approval_id"], row["event_type"], row["trace_id"]) == (None, "tool_call", TRACE)
    assert row["action"] == "refund"


def test_what_goes_into_a_model_and_comes_out_is_not_copied(one: Any) -> None:
    told = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "m", "gen_ai.usage.input_tokens": 5}
    content = {"gen_ai.input.messages": "secret plan", "gen_ai.prompt.0.content": "secret plan"}
    kept = json.loads(one(span({**told, **content}))["attributes"])
    assert "secret plan" not in json.dumps(kept)
    assert (kept["gen_ai.request.model"], kept["gen_ai.usage.input_tokens"]) == ("m", 5)


def test_values_of_every_type_are_kept(one: Any) -> None:
    given = {"b": True, "i": -(2**62), "d": 1.5, "l": ["x", 1, [False]], "o": {"k": {"n": 2}}}
    kept = json.loads(one(span(given))["attributes"])
    assert {key: kept[key] for key in given} == given


def test_links_to_other_traces_are_kept(one: Any) -> None:
    row = one(span({}, links=[{"traceId": "cd" * 16, "spanId": "ef" * 8}]))
    assert json.loads(row["attributes"])["links"] == ["cd" * 16 + "-" + "ef" * 8]


@pytest.mark.parametrize(
    ("wrong", "reason", "told"),
    [
        ({"traceId": None}, "missing_field", "$.traceId"),
        ({"traceId": "0" * 32}, "missing_field", "all zeros"),
        ({"traceId": "xyz"}, "wrong_type", "32 hexadecimal digits"),
        ({"traceId": 7}, "wrong_type", "$.traceId"),
        ({"spanId": ""}, "missing_field", "$.spanId"),
        ({"spanId": TRACE}, "wrong_type", "16 hexadecimal digits"),
        ({"parentSpanId": "short"}, "wrong_type", "$.parentSpanId"),
        ({"startTimeUnixNano": "noon"}, "wrong_type", "$.startTimeUnixNano"),
        ({"startTimeUnixNano": -1}, "out_of_range", "$.startTimeUnixNano"),
        ({"endTimeUnixNano": str(2**64)}, "out_of_range", "$.endTimeUnixNano"),
        ({"startTimeUnixNano": "1"}, "time_out_of_range", "ingest.oldest"),
        ({"attributes": [{"key": "a", "value": {"stringValue": 7}}]}, "wrong_type", "$.attributes[0]"),
    ],
)
def test_a_wrong_span_is_a_dead_letter_and_costs_no_other(
    decode: Any, rows_of: Any, wrong: dict[str, Any], reason: str, told: str
) -> None:
    other = {**call(), "spanId": "ff" * 8}
    decoding = decode(batch(other, {**call(), **wrong}, {**other, "spanId": "ee" * 8}))
    (letter,) = rows_of(decoding, "dead_letters")
    assert (letter["reason"], letter["source_index"], letter["source_format"]) == (reason, 1, "otlp")
    assert told in letter["detail"]
    assert [row["source_index"] for row in rows_of(decoding, "orchestration_events")] == [0, 2]


def test_a_value_that_nests_without_end_is_a_dead_letter(decode: Any, rows_of: Any) -> None:
    deep: Any = "x"
    for _ in range(60):
        deep = [deep]
    (letter,) = rows_of(decode(batch(span({"deep": deep}))), "dead_letters")
    assert letter["reason"] == "too_deep"


def test_metrics_logs_and_empty_batches_hold_no_event(decode: Any) -> None:
    decoding = decode({"resourceMetrics": []}, {"resourceLogs": [{}]}, {"resourceSpans": []}, batch())
    assert (decoding.rows, decoding.dead, decoding.skipped) == (0, 0, {"no_event": 4})


def test_a_record_of_too_many_spans_is_one_dead_letter(decode: Any, rows_of: Any) -> None:
    (letter,) = rows_of(decode(batch(*[{}] * 10_001)), "dead_letters")
    assert letter["reason"] == "too_many_events"


def test_a_resource_that_would_be_repeated_without_end_is_refused(decode: Any, rows_of: Any) -> None:
    record = batch(*[call()] * 300, resource={"tenant.id": "x" * 1_000_000})
    (letter,) = rows_of(decode(record), "dead_letters")
    assert (letter["reason"], "resource" in letter["detail"]) == ("too_many_events", True)
