"""What the views make of events as real frameworks wrote them: handoffs, delegations, agents, actions."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from analytics.cases import make_tables
from ingest.decode import Decoder
from ingest.records import Records
from schemas.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable

    from analytics.bench import Bench

DATA = Path(__file__).parents[1] / "ingest" / "data"


@pytest.fixture
def look(bench: Bench) -> Callable[..., list[dict[str, Any]]]:
    """The rows of a query over a view of what a file holds, its lines in the order of the file or the other way."""

    def rows(
        name: str, view: str, query: str, *, backwards: bool = False, **sections: Any
    ) -> list[dict[str, Any]]:
        lines = (DATA / f"{name}.jsonl").read_bytes().splitlines()
        values: list[bytes | None] = [*reversed(lines)] if backwards else [*lines]
        count = len(values)
        records = Records(
            "orchestration",
            "events",
            0,
            [*range(count)],
            values,
            [None] * count,
            [()] * count,
            [None] * count,
            count,
        )
        decoding = Decoder(Settings(**sections)).decode(
            records, ingest_time=datetime(2026, 11, 25, tzinfo=UTC)
        )
        session = bench.session({**make_tables(), **decoding.tables}, closed=True)
        session.need(view)
        found: list[dict[str, Any]] = session.fetch(query).to_pylist()
        return found

    return rows


HANDOFFS = "SELECT kind, from_agent, to_agent FROM handoffs ORDER BY ALL"


@pytest.mark.parametrize("backwards", [False, True])
def test_otlp_an_agent_that_a_tool_starts_is_a_delegation(look: Any, backwards: bool) -> None:
    found = look("otlp", "handoffs", HANDOFFS, backwards=backwards)
    assert [(row["kind"], row["from_agent"], row["to_agent"]) for row in found] == [
        ("delegation", "planner", "ops"),
        ("delegation", "planner", "research"),
    ]


def test_otlp_the_call_that_delegates_is_no_action(look: Any) -> None:
    found = look("otlp", "actions", "SELECT agent, tool_name, refused FROM actions ORDER BY ALL")
    assert [(row["agent"], row["tool_name"], row["refused"]) for row in found] == [
        ("ops", "write_dataset", False),
        ("ops", "write_dataset", False),
        ("orders", "no_such_tool", False),
        ("research", "read_dataset", True),
    ], "no delegate_to_ops, and the call over MCP has the agent of the span around it"


@pytest.mark.parametrize("backwards", [False, True])
def test_langgraph_handoffs_run_from_agent_to_agent(look: Any, backwards: bool) -> None:
    found = look(
        "langsmith", "handoffs", HANDOFFS, backwards=backwards, mapping={"langsmith": {"root_agent": False}}
    )
    assert [(row["kind"], row["from_agent"], row["to_agent"]) for row in found] == [
        ("handoff", "orders", "accounts"),
        ("handoff", "triage", "orders"),
    ]


def test_langgraph_the_root_delegates_where_it_is_an_agent(look: Any) -> None:
    found = look("langsmith", "handoffs", HANDOFFS)
    assert {(row["from_agent"], row["to_agent"]) for row in found if row["kind"] == "delegation"} == {
        ("support", "accounts"), ("support", "orders"), ("support", "triage"),
    }  # fmt: skip


def test_mcp_and_a2a_are_told_by_whom_and_in_which_trace(look: Any) -> None:
    (first, *_) = look(
        "a2a", "handoffs", "SELECT DISTINCT from_agent, trace_id IS NULL AS lost FROM handoffs"
    )
    assert (first["from_agent"], first["lost"]) == ("triage", False)
    found = look("mcp", "actions", "SELECT tool_name, trace_id IS NULL AS lost FROM actions")
    assert len(found) == 3
    assert not any(row["lost"] for row in found)
