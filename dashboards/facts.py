"""An action beside the decision that came closest: fact by fact, and the time between them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dashboards.words import clock, duration, one_line

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True)
class Fact:
    """One line of the comparison; `differs` where both sides are known and disagree."""

    name: str
    action: str
    decision: str
    differs: bool = False


def compare(action: Mapping[str, Any]) -> list[Fact]:
    """The facts of a row of `dashboards/sql/actions_by_id.sql`; what neither side knows is left out."""
    decided = action["closest_decision_id"] is not None
    resource = _resource(action["resource_type"], action["resource_id"])
    covers = _resource(action["decision_resource_type"], action["decision_resource_id"])
    pattern = action.get("resource_prefix")
    if pattern is not None and action["decision_resource_id"] is None:
        covers = _resource(action["decision_resource_type"], f"{pattern}*")
    same_kind = (
        action["resource_type"] == action["decision_resource_type"] or not action["decision_resource_type"]
    )
    same_resource = same_kind and (
        str(action["resource_id"]).startswith(pattern)
        if pattern is not None
        else action["resource_id"] == action["decision_resource_id"]
    )
    answer = " ".join(each for each in (action["decision"], _approval(action)) if each)
    facts = [
        Fact(
            "agent",
            _line(action["agent"]),
            _line(action["decision_agent"]),
            _differ(action["agent"], action["decision_agent"]),
        ),
        Fact(
            "action",
            _line(action["action"] or action["tool_name"]),
            _line(action["decision_action"]),
            _differ(action["action"], action["decision_action"]),
        ),
        Fact("resource", _line(resource), _line(covers), bool(resource and covers) and not same_resource),
        Fact(
            "for",
            _line(action["on_behalf_of"]),
            _line(action["decision_on_behalf_of"]),
            _differ(action["on_behalf_of"], action["decision_on_behalf_of"]),
        ),
        Fact(
            "answer",
            "ran" if action["executed"] else "refused, did not run",
            _line(answer),
            bool(action["executed"] and action["decision"] not in (None, "allow")),
        ),
        Fact("time", clock(action["event_time"]), clock(action["decision_time"])),
        Fact("tool", _line(action["tool_name"]), "–"),
        Fact("policy", "–", _line(" ".join(action.get("policy_ids") or []) or action.get("policy_version"))),
    ]
    if not decided:
        facts = [Fact(fact.name, fact.action, "–") for fact in facts]
    return [fact for fact in facts if fact.action != "–" or fact.decision != "–"]


def _line(text: str | None) -> str:
    return one_line(text, cut=160)


def _differ(action: str | None, decision: str | None) -> bool:
    return action is not None and decision is not None and action != decision


def _resource(kind: str | None, name: str | None) -> str:
    if kind and name and name.startswith(kind):
        return name
    return " ".join(each for each in (kind, name) if each)


def _approval(action: Mapping[str, Any]) -> str:
    if not action["approver"]:
        return ""
    which = f" ({action['approval_id']})" if action["approval_id"] else ""
    return f"approved by {action['approver']}{which}"


def gap_in_words(action: Mapping[str, Any]) -> str:
    """How far apart the action and the decision are, and which limits of the decision were passed."""
    if action["closest_decision_id"] is None:
        return "Expected: a decision that permits this agent this action on this resource. Found: none."
    at, decided = action["event_time"], action["decision_time"]
    seconds = (at - decided).total_seconds()
    side = "before" if seconds >= 0 else "after the start of"
    parts = [f"The decision came {duration(seconds)} {side} the action."]
    for name, verb in (("decision_expires_time", "expired"), ("decision_revoked_time", "was revoked")):
        limit = action[name]
        if limit is not None and limit <= at:
            parts.append(f"It {verb} {duration((at - limit).total_seconds())} before the action.")
    if (
        action["max_uses"] is not None
        and action["use_no"] is not None
        and action["use_no"] > action["max_uses"]
    ):
        parts.append(f"It is good for {action['max_uses']} use(s); this was use {action['use_no']}.")
    return " ".join(parts)
