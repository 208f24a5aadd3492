"""The answer key, held against the plain words of the contract: a slow and simple reading of it.

A decision covers an action of the same agent on the same resource in the same task, with the arguments it
binds, in time. The ladder tries an echoed id, then the call's or request's id, the span, keys in the trace, and
keys alone.
"""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from tests.sample_data.conftest import Sample

Record = dict[str, Any]
SKEW = timedelta(seconds=5)
MAX_AGE = timedelta(minutes=15)
SETTLE = timedelta(minutes=10)


@cache
def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


def same(one: Record, two: Record, *columns: str) -> bool:
    return all(one.get(column) == two.get(column) for column in columns)


def agree(one: Record, two: Record, column: str) -> bool:
    """Null means not known, and what is not known does not disagree."""
    return column not in one or column not in two or one[column] == two[column]


def who(record: Record) -> tuple[str, ...]:
    return tuple(record[column] for column in ("tenant_id", "agent_name", "action"))


def on_resource(decision: Record, action: Record) -> bool:
    if not same(decision, action, "action", "resource_type"):
        return False
    if "resource_pattern" in decision:
        return str(action["resource_id"]).startswith(decision["resource_pattern"].rstrip("*"))
    return same(decision, action, "resource_id")


class Reading:
    """The verdicts of a sample, worked out action by action in order of time."""

    def __init__(self, sample: Sample) -> None:
        self.decisions = {d["decision_id"]: d for d in sample.decisions}
        self.index: dict[tuple[str, Any], list[Record]] = defaultdict(list)
        for d in sample.decisions:
            for column in ("tool_call_id", "request_id", "trace_id"):
                if column in d:
                    self.index[column, d[column]].append(d)
            if "trace_id" not in d:
                self.index["who", who(d)].append(d)
        self.revoked = {e["decision_id"]: e for e in sample.identity if e["event_type"] == "decision_revoked"}
        self.approvals = {e["approval_id"]: e for e in sample.identity if e["event_type"] == "approval"}
        self.watermark = max(at(d["decision_time"]) for d in sample.decisions)
        self.changes = self._changes(sample)
        self.ancestors = self._ancestors(sample)
        self.uses: dict[str, set[str]] = defaultdict(set)
        self.actions = sorted(sample.actions, key=lambda a: at(a["event_time"]))
        self.found = {a["event_id"]: self.verdict(a) for a in self.actions}

    def verdict(self, action: Record) -> tuple[str, str | None, str | None, str | None]:
        """Verdict, reason, decision id and rung."""
        decision, rung = self.nearest(action)
        if decision is None:
            if self.inherited(action):
                return "reused", "inherited", None, None
            late = at(action["event_time"]) + SETTLE > self.watermark
            return ("unknown" if late else "unbacked"), None, None, None
        verdict, reason = self.judge(decision, action)
        return verdict, reason, decision["decision_id"], rung

    def judge(self, d: Record, action: Record) -> tuple[str, str | None]:
        now = at(action["event_time"])
        if d["decision"] == "deny":
            return ("backed", "deny_enforced") if action["status"] == "rejected" else ("after_deny", None)
        call = action["tool_call_id"]
        if "approval_id" in d:
            approval = self.approvals[d["approval_id"]]
            beyond = not same(approval, action, "resource_id") or not agree(
                approval, action, "arguments_digest"
            )
            if beyond or len(self.uses[d["approval_id"]] - {call}) >= approval["max_uses"]:
                return "approval_reused", None
        if not same(d, action, "agent_name"):
            return "reused", "other_agent"
        if not on_resource(d, action):
            return "reused", "other_resource"
        if not agree(d, action, "task_id"):
            return "reused", "other_task"
        assert agree(d, action, "arguments_digest")
        if "max_uses" in d and len(self.uses[d["decision_id"]] - {call}) >= d["max_uses"]:
            return "reused", "over_uses"
        made = at(d["decision_time"])
        assert made <= now + SKEW
        if d["decision_id"] in self.revoked and at(self.revoked[d["decision_id"]]["event_time"]) <= now:
            return "stale", "revoked"
        if any(made < change <= now for change in self.changes):
            return "stale", "policy_changed"
        if "expires_time" in d and now >= at(d["expires_time"]):
            return "stale", "expired"
        if "expires_time" not in d and now - made > MAX_AGE:
            return "stale", "too_old"
        self.uses[d["decision_id"]].add(call)
        if "approval_id" in d:
            self.uses[d["approval_id"]].add(call)
        return "backed", None

    def nearest(self, action: Record) -> tuple[Record | None, str | None]:
        if "decision_id" in action:
            return self.decisions.get(action["decision_id"]), "decision_id"
        latest = at(action["event_time"]) + SKEW

        def newest(some: Iterable[Record], fits: Callable[[Record], bool]) -> Record | None:
            found = [
                d
                for d in some
                if same(d, action, "tenant_id", "agent_name")
                and on_resource(d, action)
                and at(d["decision_time"]) <= latest
                and fits(d)
            ]
            return max(found, key=lambda d: at(d["decision_time"]), default=None)

        called = self.index["tool_call_id", action["tool_call_id"]]
        asked = self.index["request_id", action.get("request_id")]
        trace = self.index["trace_id", action["trace_id"]]
        for rung, some, fits in (
            ("request_id", called + asked, lambda _: True),
            ("span", trace, lambda d: d.get("span_id") == action["span_id"]),
            ("trace_key", trace, lambda d: agree(d, action, "task_id")),
            ("key", self.index["who", who(action)], lambda _: True),
        ):
            found = newest(some, fits)
            if found is not None:
                return found, rung
        return None, None

    def inherited(self, action: Record) -> bool:
        """Whether an agent before it, along the handoffs, was permitted the very same."""
        before = self.ancestors[action["trace_id"], action["agent_name"]]
        return any(
            self.nearest({**action, "agent_name": agent, "tool_call_id": None, "span_id": None})[0]
            is not None
            for agent in before
        )

    @staticmethod
    def _ancestors(sample: Sample) -> dict[tuple[str, str], set[str]]:
        found: dict[tuple[str, str], set[str]] = defaultdict(set)
        passed = [e for e in sample.orchestration if "target_agent_name" in e]
        for event in sorted(passed, key=lambda e: at(e["event_time"])):
            trace, source, target = event["trace_id"], event["agent_name"], event["target_agent_name"]
            found[trace, target] |= {source} | found[trace, source]
        return found

    @staticmethod
    def _changes(sample: Sample) -> list[datetime]:
        """First decision under each policy but the first."""
        first: dict[str, datetime] = {}
        for d in sample.decisions:
            made = at(d["decision_time"])
            first[d["policy_version"]] = min(first.get(d["policy_version"], made), made)
        return sorted(first.values())[1:]


@pytest.fixture(scope="module")
def reading(sample: Sample) -> Reading:
    return Reading(sample)


def test_every_action_has_one_line_in_the_key(sample: Sample) -> None:
    assert sorted(link["event_id"] for link in sample.links) == sorted(a["event_id"] for a in sample.actions)


def test_the_key_says_what_the_contract_says(sample: Sample, reading: Reading) -> None:
    wrong = []
    for link in sample.links:
        verdict, reason, decision, _ = reading.found[link["event_id"]]
        if (verdict, reason, decision) != (link["verdict"], link["reason"], link["decision_id"]):
            wrong.append((link["scenario"], link["corr"], link["verdict"], link["reason"], verdict, reason))
    assert wrong == []


def test_the_key_names_the_rung_on_which_the_decision_is_found(sample: Sample, reading: Reading) -> None:
    named = [link for link in sample.links if link["decision_id"] is not None]
    wrong = [
        (link["scenario"], link["corr"], rung)
        for link in named
        if (rung := reading.found[link["event_id"]][3]) != link["corr"]
    ]
    assert wrong == []
    assert {link["corr"] for link in named} == {"decision_id", "request_id", "span", "trace_key", "key"}


def test_an_action_without_any_decision_has_none_that_could_be_meant(sample: Sample) -> None:
    asked = {(d["tenant_id"], d["action"], d.get("resource_id")) for d in sample.decisions}
    unbacked = [link for link in sample.links if link["verdict"] == "unbacked"]
    assert unbacked
    assert [u for u in unbacked if (u["tenant_id"], u["action"], u["resource_id"]) in asked] == []


def test_absence_can_be_judged_where_something_is_missing(sample: Sample) -> None:
    watermark = max(at(d["decision_time"]) for d in sample.decisions)
    hours = {d["decision_time"][:13] for d in sample.decisions}
    for link in sample.links:
        moment = sample.events[link["event_id"]]["event_time"]
        if link["verdict"] == "unbacked":
            assert at(moment) + SETTLE < watermark
            assert moment[:13] in hours
        if link["verdict"] == "unknown":
            assert at(moment) + SETTLE > watermark


def test_every_verdict_and_reason_occurs(sample: Sample) -> None:
    assert {(link["verdict"], link["reason"]) for link in sample.links} == {
        ("backed", None),
        ("backed", "deny_enforced"),
        ("after_deny", None),
        ("approval_reused", None),
        ("reused", "other_agent"),
        ("reused", "other_task"),
        ("reused", "other_resource"),
        ("reused", "over_uses"),
        ("reused", "inherited"),
        ("stale", "expired"),
        ("stale", "too_old"),
        ("stale", "revoked"),
        ("stale", "policy_changed"),
        ("unbacked", None),
        ("unknown", None),
    }
    assert all(link["executed"] != (link["reason"] == "deny_enforced") for link in sample.links)
