"""LangSmith runs: what becomes of each kind. The records of the file were written by LangGraph."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

TRACE = "a2a22214-2dd9-4358-a5fe-89ead02ceb87"
RUN = "01a20dc9-4d10-7388-9d8c-b67a3f9a4ee0"
ROOT_ORDER = f"20261124T134025988662Z{TRACE}"
TOOLS = {"refund": {"action": "refund", "resource_type": "order", "resource_id": "order_id"}}


def run(kind: str = "tool", *, metadata: dict[str, Any] | None = None, **values: Any) -> dict[str, Any]:
    where = {
        "thread_id": "th-8",
        "tenant": "acme",
        "langgraph_node": "tools",
        "langgraph_checkpoint_ns": "accounts:80ad|tools:2783",
        "checkpoint_ns": "accounts:80ad",
    }
    return {
        "id": RUN,
        "trace_id": TRACE,
        "parent_run_id": "01a20dc9-4d0f-7534-aff6-08107f741d1a",
        "dotted_order": f"{ROOT_ORDER}.20261124T134026000112Z{RUN}",
        "name": "refund",
        "run_type": kind,
        "start_time": "2026-11-24 13:40:26.000112+00:00",
        "end_time": "2026-11-24 13:40:26.001377+00:00",
        "error": None,
        "inputs": {"order_id": "o-1", "amount": 5.0},
        "outputs": {"output": {"content": "refunded", "type": "tool", "status": "success"}},
        "extra": {"tool_call_id": "call_1", "metadata": where if metadata is None else metadata},
        **values,
    }


@pytest.fixture
def one(decode: Any, rows_of: Any) -> Any:
    """The one row that a record becomes."""

    def row(value: Any, **sections: Any) -> dict[str, Any]:
        (found,) = rows_of(decode(value, **sections), "orchestration_events")
        return dict(found)

    return row


def test_every_run_that_langgraph_wrote_becomes_a_row(decode: Any, data: Any) -> None:
    lines = data("langsmith.jsonl")
    decoding = decode(*lines)
    assert (decoding.rows, decoding.dead, decoding.skipped.total()) == (len(lines), 0, 0)
    table = decoding.tables["orchestration_events"]
    assert set(table["event_type"].to_pylist()) == {
        "run_start", "task_start", "handoff", "tool_call", "model_call", "step",
    }  # fmt: skip


def test_a_run_that_crosses_two_handoffs(decode: Any, rows_of: Any, data: Any) -> None:
    found = rows_of(decode(*data("langsmith.jsonl")), "orchestration_events")
    rows = [row for row in found if row["task_id"] == TRACE]
    passed = [(row["agent_name"], row["target_agent_name"]) for row in rows if row["event_type"] == "handoff"]
    assert sorted(passed) == [("orders", "accounts"), ("triage", "orders")]
    started = sorted(row["agent_name"] for row in rows if row["event_type"] == "task_start")
    assert started == ["accounts", "orders", "triage"]
    assert {row["status"] for row in rows} == {"ok", "rejected"}, "a ParentCommand is no error"
    (call,) = [row for row in rows if row["event_type"] == "tool_call"]
    assert (call["agent_name"], call["tool_name"], call["status"]) == (
        "accounts",
        "close_account",
        "rejected",
    )


def test_a_retry_has_the_same_tool_call_id_and_another_run(decode: Any, rows_of: Any, data: Any) -> None:
    rows = rows_of(decode(*data("langsmith.jsonl")), "orchestration_events")
    failed = [row for row in rows if row["status"] == "error"]
    assert len({row["tool_call_id"] for row in failed}) == 1
    assert len({row["event_id"] for row in failed}) == 2
    assert {row["error_type"] for row in failed} == {"TimeoutError"}
    assert {row["attempt"] for row in failed} == {None}


def test_ids_keep_the_form_of_the_source_and_the_trace_that_of_w3c(one: Any) -> None:
    row = one(run())
    assert row["event_id"] == row["native_span_id"] == RUN
    assert row["native_parent_id"] == "01a20dc9-4d0f-7534-aff6-08107f741d1a"
    assert (row["trace_id"], row["span_id"], row["parent_span_id"]) == (TRACE.replace("-", ""), None, None)
    assert (row["task_id"], row["conversation_id"], row["tenant_id"]) == (TRACE, "th-8", "acme")


def test_a_tool_run_is_mapped_by_the_settings(one: Any) -> None:
    row = one(run(), mapping={"tools": TOOLS})
    told = ("event_type", "tool_name", "tool_call_id", "action", "resource_type", "resource_id", "agent_name")
    assert [row[name] for name in told] == [
        "tool_call", "refund", "call_1", "refund", "order", "o-1", "accounts",
    ]  # fmt: skip
    assert json.loads(row["attributes"])["inputs"] == {"order_id": "o-1", "amount": 5.0}


def test_arguments_that_an_older_tracer_wrote_as_text_are_the_same(one: Any) -> None:
    older = one(run(inputs={"input": '{"order_id": "o-1", "amount": 5.0}'}), mapping={"tools": TOOLS})
    assert older["resource_id"] == "o-1"
    assert older["arguments_digest"] == one(run())["arguments_digest"]


def test_a_time_without_a_zone_is_utc(one: Any) -> None:
    row = one(run(start_time="2026-11-24T13:40:26.000112", end_time="2026-11-24T13:40:27"))
    assert row["event_time"] == datetime(2026, 11, 24, 13, 40, 26, 112, tzinfo=UTC)
    assert row["end_time"] == datetime(2026, 11, 24, 13, 40, 27, tzinfo=UTC)


def test_the_dotted_order_tells_what_is_left_out(one: Any) -> None:
    row = one(run(start_time=None, parent_run_id=None, trace_id=None))
    assert row["event_time"] == datetime(2026, 11, 24, 13, 40, 26, 112, tzinfo=UTC)
    assert (row["native_parent_id"], row["task_id"], row["time_estimated"]) == (TRACE, TRACE, False)


@pytest.mark.parametrize(
    ("metadata", "agent"),
    [
        ({"langgraph_checkpoint_ns": "a:1|tools:2", "checkpoint_ns": "a:1"}, "a"),
        ({"langgraph_checkpoint_ns": "team:0|a:1|tools:2", "checkpoint_ns": "team:0|a:1"}, "a"),
        ({"langgraph_checkpoint_ns": "tools:2", "checkpoint_ns": "tools:2"}, None),
        ({"langgraph_checkpoint_ns": "tools:2"}, None),
        ({"lc_agent_name": "billing", "langgraph_checkpoint_ns": "tools:2"}, "billing"),
        ({}, None),
    ],
)
def test_the_agent_is_the_node_whose_graph_the_run_is_in(
    one: Any, metadata: dict[str, Any], agent: str | None
) -> None:
    assert one(run(metadata=metadata))["agent_name"] == agent


def test_the_run_of_a_nodes_graph_is_the_start_of_its_agent(one: Any) -> None:
    where = {"langgraph_node": "billing", "langgraph_checkpoint_ns": "billing:1"}
    inner = one(run("chain", name="billing", metadata={**where, "checkpoint_ns": "billing:1"}))
    assert (inner["event_type"], inner["agent_name"], inner["agent_instance_id"]) == (
        "task_start", "billing", RUN,
    )  # fmt: skip
    assert one(run("chain", name="billing", metadata=where))["event_type"] == "step", "the node around it"
    route = {**where, "langgraph_node": "model", "checkpoint_ns": "billing:1"}
    assert one(run("chain", name="route", metadata=route))["event_type"] == "step"


def test_the_root_is_the_start_of_the_run_and_an_agent_if_the_settings_say_so(one: Any) -> None:
    root = run(
        "chain", id=TRACE, name="desk", parent_run_id=None, dotted_order=ROOT_ORDER, metadata={"user": "ann"}
    )
    row = one(root)
    assert (row["event_type"], row["agent_name"], row["on_behalf_of"]) == ("run_start", "desk", "user:ann")
    assert one(root, mapping={"langsmith": {"root_agent": False}})["agent_name"] is None


COMMAND = "Command(graph='__parent__', update={'messages': []}, goto='billing')"


@pytest.mark.parametrize(
    ("name", "output", "target"),
    [
        ("transfer_to_billing", COMMAND, "billing"),
        ("transfer_to_pay", COMMAND, "billing"),
        ("send_on", COMMAND, "billing"),
        ("transfer_to_billing", "Command(graph='__parent__', goto=[Send('x', {})])", "billing"),
        ("transfer_to_billing", None, "billing"),
        ("send_on", {"graph": "__parent__", "goto": "billing"}, "billing"),
    ],
)
def test_a_tool_that_passes_the_work_on_is_a_handoff(one: Any, name: str, output: Any, target: str) -> None:
    row = one(run(name=name, outputs={"output": output}))
    assert (row["event_type"], row["agent_name"], row["target_agent_name"]) == ("handoff", "accounts", target)
    assert row["tool_call_id"] == "call_1"


def test_words_of_a_model_within_a_command_name_no_target(one: Any) -> None:
    hostile = "Command(graph='__parent__', update={'m': \"goto='admin')\"}, goto='billing')"
    assert one(run(name="transfer_to_x", outputs={"output": hostile}))["target_agent_name"] == "billing"
    quoted = {"content": "Command(graph='__parent__', goto='admin')", "status": "success"}
    assert one(run(outputs={"output": quoted}))["event_type"] == "tool_call"


def test_a_node_that_passes_the_work_on_by_itself_is_a_handoff_once(one: Any) -> None:
    stack = "Traceback (most recent call last):\n ..."
    row = one(run("chain", error=f"ParentCommand({COMMAND}){stack}"))
    assert (row["event_type"], row["target_agent_name"], row["status"]) == ("handoff", "billing", "ok")
    above = COMMAND.replace("__parent__", "accounts:80ad")
    assert one(run("chain", error=f"ParentCommand({above}){stack}"))["event_type"] == "step"
    by_tool = COMMAND.replace("[]", "[ToolMessage(content='x', tool_call_id='call_1')]")
    assert one(run("chain", error=f"ParentCommand({by_tool}){stack}"))["event_type"] == "step"


@pytest.mark.parametrize(
    ("values", "status", "error_type"),
    [
        ({}, "ok", None),
        ({"end_time": None}, "unset", None),
        ({"error": "TimeoutError('no answer')Traceback ..."}, "error", "TimeoutError"),
        (
            {"error": "langgraph.errors.GraphRecursionError('x')"},
            "error",
            "langgraph.errors.GraphRecursionError",
        ),
        ({"error": "it failed"}, "error", "it failed"),
        ({"error": "GraphInterrupt((Interrupt(value='ok?'),))"}, "input_required", None),
        ({"error": "ParentCommand(Command(goto='x'))"}, "ok", None),
        ({"outputs": {"output": {"content": "Error: no", "status": "error"}}}, "error", "Error: no"),
        ({"outputs": {"output": {"content": "DENIED: no", "status": "success"}}}, "rejected", None),
        ({"outputs": {"output": "Access denied"}}, "rejected", None),
        ({"outputs": {"output": "content='DENIED: no' name='refund' tool_call_id='c'"}}, "rejected", None),
    ],
)
def test_how_a_run_ended(one: Any, values: dict[str, Any], status: str, error_type: str | None) -> None:
    row = one(run(**values))
    assert (row["status"], row["error_type"]) == (status, error_type)


def test_models_and_retrievers(one: Any) -> None:
    model = one(run("llm", inputs={"prompts": ["secret plan"]}, outputs={"generations": ["secret plan"]}))
    assert model["event_type"] == "model_call"
    assert "secret plan" not in model["attributes"]
    assert one(run("retriever"))["event_type"] == "step"
    row = one(run("retriever"), mapping={"tools": TOOLS})
    assert (row["event_type"], row["action"]) == ("data_access", "refund")


@pytest.mark.parametrize("key", ["runs", "data", "post"])
def test_several_runs_in_one_record(decode: Any, rows_of: Any, key: str) -> None:
    rows = rows_of(decode({key: [run(), run(id="r2")]}), "orchestration_events")
    assert [row["event_id"] for row in rows] == [RUN, "r2"]
    assert [row["source_index"] for row in rows] == [0, 1]


def test_an_array_of_runs(decode: Any) -> None:
    assert decode([run(), run(id="r2")]).rows == 2


def test_the_sdk_tells_a_run_twice_and_the_finished_one_is_the_event(decode: Any, rows_of: Any) -> None:
    begun = run(end_time=None)
    rows = rows_of(decode({"post": [begun], "patch": [run()]}), "orchestration_events")
    assert [(row["event_id"], row["event_type"]) for row in rows] == [
        (f"{RUN}#begun", "step"), (RUN, "tool_call"),
    ]  # fmt: skip
    assert rows[0]["native_span_id"] is None


def test_an_update_without_the_runs_type_is_kept_as_a_step(decode: Any, rows_of: Any) -> None:
    update = {key: value for key, value in run().items() if key not in ("run_type", "name", "start_time")}
    (row,) = rows_of(decode({"patch": [update]}), "orchestration_events")
    assert (row["event_id"], row["event_type"], row["status"]) == (f"{RUN}#ended", "step", "ok")


def test_objects_that_an_export_wrote_as_text_are_read(one: Any) -> None:
    texts: dict[str, Any] = {key: json.dumps(run()[key]) for key in ("inputs", "outputs", "extra")}
    row = one(run(**texts), mapping={"tools": TOOLS})
    told = ("resource_id", "tool_call_id", "agent_name")
    assert [row[name] for name in told] == ["o-1", "call_1", "accounts"]


@pytest.mark.parametrize(
    ("value", "reason", "told"),
    [
        (run(id=None), "missing_field", "$.id"),
        (run(id=7), "wrong_type", "$.id"),
        (run(start_time="noon"), "wrong_type", "$.start_time"),
        (run(end_time=7), "wrong_type", "$.end_time"),
        ({"runs": [{**run(), "run_type": None}]}, "missing_field", "$.run_type"),
    ],
)
def test_a_run_without_identity_or_time_is_a_dead_letter(
    decode: Any, rows_of: Any, value: Any, reason: str, told: str
) -> None:
    (letter,) = rows_of(decode(value), "dead_letters")
    assert (letter["reason"], letter["source_format"]) == (reason, "langsmith")
    assert told in letter["detail"]
