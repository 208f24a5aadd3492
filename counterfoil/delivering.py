"""What `deliver` needs besides the room of delivery: OCSF events made with the rules, and a finding to test with."""

from __future__ import annotations

import json
import uuid
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from analytics.ocsf import to_ocsf
from analytics.rule import load_rules
from schemas.errors import RuleError, SettingsError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from delivery.deliver import Done
    from schemas.settings import Settings

TEST_RULE = "01"


def events(settings: Settings) -> Callable[[Mapping[str, Any]], dict[str, Any]]:
    """What makes an OCSF event of a state. It raises RuleError for one whose rule is not there any more."""
    known, product = load_rules(settings.rules_folder).rules, version("counterfoil")

    def to_event(state: Mapping[str, Any]) -> dict[str, Any]:
        if state["rule_id"] not in known:
            raise RuleError(
                f"rule {state['rule_id']} cannot be read, so there is no OCSF event of its findings: "
                "put it back, then counterfoil deliver resend"
            )
        return to_ocsf(state, known[state["rule_id"]], product)

    return to_event


def check_sinks(settings: Settings, names: tuple[str, ...]) -> None:
    """Raise SettingsError for a sink that the settings do not have."""
    for name in names:
        if name not in settings.delivery.sinks:
            known = ", ".join(settings.delivery.sinks) or "none"
            raise SettingsError(f"there is no sink {name!r}; known are: {known}")


def test_finding(now: datetime) -> dict[str, Any]:
    """A state as of a finding that nobody needs to look at, and that says so; its id is new each time."""
    return {
        "finding_id": uuid.uuid4().hex, "revision": 1, "status": "open", "status_reason": "a test of the delivery",
        "rule_id": TEST_RULE, "rule_version": "0", "rule_name": "delivery-test", "level": "informational",
        "confidence": 0.0, "title": "Test of the delivery: nothing happened, nothing is to be done",
        "explanation": "Somebody ran `counterfoil deliver test`. What you read shows that findings arrive here.",
        "tenant_id": None, "environment": None, "agent": "counterfoil", "trace_id": None, "action": None,
        "resource_type": None, "resource_id": None, "verdict": None, "reason": "delivery_test", "entity_keys": [],
        "anchor_event_ids": [], "decision_ids": [], "evidence": json.dumps({"test": True}),
        "first_seen_time": now, "last_seen_time": now, "recorded_time": now, "run_id": "delivery-test",
        "event_date": now.date(),
    }  # fmt: skip


def facts(done: Done) -> dict[str, Any]:
    """What was done at a sink, for JSON."""
    return {
        "sink": done.sink,
        **{outcome: done.counts[outcome] for outcome in ("delivered", "failed", "rate_limited", "dead")},
        "messages": done.messages,
        "open": done.open,
        "taken": done.taken,
        "error": done.error,
    }


def sentence(done: Done) -> str:
    """What was done at a sink, in words."""
    if done.taken:
        return f"{done.sink}: another deliverer is at work there"
    parts = [f"{count:,} {outcome}" for outcome, count in sorted(done.counts.items())] or ["nothing to send"]
    text = f"{done.sink}: {', '.join(parts)}; {done.open:,} waiting"
    return text + (f"; {done.error}" if done.error else "")
