"""An action and the decision that came closest, side by side."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from dashboards.facts import compare, gap_in_words

AT = datetime(2026, 3, 2, 9, tzinfo=UTC)


def row(**changed: Any) -> dict[str, Any]:
    base: dict[str, Any] = {
        "agent": "refunds", "action": "refund", "resource_type": "payment", "resource_id": "p-1", "tool_name": "pay",
        "on_behalf_of": "user:ana", "executed": True, "event_time": AT, "closest_decision_id": "d-1",
        "decision": "allow", "decision_agent": "refunds", "decision_action": "refund",
        "decision_resource_type": "payment", "decision_resource_id": "p-1", "decision_on_behalf_of": "user:ana",
        "decision_time": AT - timedelta(seconds=3), "decision_expires_time": None, "decision_revoked_time": None,
        "approver": None, "approval_id": None, "policy_ids": None, "policy_version": None, "resource_prefix": None,
        "use_no": None, "max_uses": None,
    }  # fmt: skip
    return base | changed


def differing(action: dict[str, Any]) -> set[str]:
    return {fact.name for fact in compare(action) if fact.differs}


@pytest.mark.parametrize(
    ("changed", "names"),
    [
        ({}, set()),
        ({"decision_agent": "triage"}, {"agent"}),
        ({"decision_resource_id": "p-2"}, {"resource"}),
        ({"decision_action": "read"}, {"action"}),
        ({"decision_on_behalf_of": "user:bo"}, {"for"}),
        ({"decision": "deny"}, {"answer"}),
        ({"decision": "deny", "executed": False}, set()),
        ({"decision_agent": None}, set()),
        ({"decision_resource_id": None, "resource_prefix": "p-"}, set()),
        ({"decision_resource_id": None, "resource_prefix": "q-"}, {"resource"}),
        ({"decision_resource_id": None, "resource_prefix": ""}, set()),
    ],
)
def test_facts_differ_where_both_are_known_and_disagree(changed: dict[str, Any], names: set[str]) -> None:
    assert differing(row(**changed)) == names


def test_without_a_decision_there_is_nothing_to_differ_from() -> None:
    action = row(closest_decision_id=None, decision=None, decision_agent=None, decision_time=None)

    assert differing(action) == set()
    assert {fact.decision for fact in compare(action)} == {"–"}
    assert gap_in_words(action).endswith("Found: none.")


def test_who_approved_is_told() -> None:
    facts = {fact.name: fact.decision for fact in compare(row(approver="user:bo", approval_id="ap-1"))}

    assert facts["answer"] == "allow approved by user:bo (ap-1)"


@pytest.mark.parametrize(
    ("changed", "text"),
    [
        ({}, "The decision came 3.0 s before the action."),
        (
            {"decision_time": AT + timedelta(milliseconds=9)},
            "The decision came 9 ms after the start of the action.",
        ),
        (
            {"decision_expires_time": AT - timedelta(minutes=1)},
            "The decision came 3.0 s before the action. It expired 1 min before the action.",
        ),
        (
            {"decision_revoked_time": AT - timedelta(seconds=2)},
            "The decision came 3.0 s before the action. It was revoked 2.0 s before the action.",
        ),
        ({"decision_expires_time": AT + timedelta(minutes=1)}, "The decision came 3.0 s before the action."),
        (
            {"use_no": 3, "max_uses": 1},
            "The decision came 3.0 s before the action. It is good for 1 use(s); this was use 3.",
        ),
    ],
)
def test_the_gap_says_which_limits_were_passed(changed: dict[str, Any], text: str) -> None:
    assert gap_in_words(row(**changed)) == text
