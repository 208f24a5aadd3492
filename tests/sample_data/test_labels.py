"""The answer key agrees with itself and with the records: labels per trace, links per action, privileges per agent."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from sample_data.roles import GRANTS, HIGH_RISK, SENSITIVITY, UNUSED_RATE
from sample_data.scenarios import SCENARIOS
from schemas.findings import LEVELS

if TYPE_CHECKING:
    from tests.sample_data.conftest import Sample

EXPECTED = {
    "missing_decision_root": {("01", "high")},
    "deny_not_enforced": {("01", "critical")},
    "destructive_unbacked": {("01", "critical")},
    "inherited_trust": {("02", "medium"), ("02", "high")},
    "cites_other_agent": {("02", "medium"), ("02", "high")},
    "cites_other_resource": {("02", "high")},
    "cites_other_task": {("02", "medium"), ("02", "high")},
    "over_uses": {("02", "medium"), ("02", "high")},
    "approval_reused": {("03", "high")},
    "stale_expired": {("04", "medium"), ("04", "high")},
    "stale_too_old": {("04", "medium"), ("04", "high")},
    "stale_revoked": {("04", "medium"), ("04", "high")},
    "stale_policy": {("04", "medium"), ("04", "high")},
    "lateral_chain": {("05", "high"), ("05", "critical")},
    "denied_then_delegated": {("14", "high")},
}


def test_every_scenario_occurs(sample: Sample) -> None:
    assert {label["scenario"] for label in sample.labels} == {scenario.name for scenario in SCENARIOS}
    assert sample.summary.scenarios == Counter(label["scenario"] for label in sample.labels)


def test_every_trace_has_one_label(sample: Sample) -> None:
    traces = [label["trace_id"] for label in sample.labels]
    assert sorted(traces) == sorted({event["trace_id"] for event in sample.orchestration})
    assert len(traces) == sample.summary.traces


def test_a_faulty_trace_expects_the_findings_of_its_scenario(sample: Sample) -> None:
    found: dict[str, set[tuple[str, str]]] = {}
    for label in sample.labels:
        for finding in label["findings"]:
            found.setdefault(label["scenario"], set()).add((finding["rule_id"], finding["level"]))
    assert found == EXPECTED
    assert set(EXPECTED) == {scenario.name for scenario in SCENARIOS if scenario.faulty}
    assert all(label["findings"] for label in sample.labels if label["scenario"] in EXPECTED)
    assert {level for some in found.values() for _, level in some} <= set(LEVELS)


def test_a_finding_rests_on_actions_of_its_trace(sample: Sample) -> None:
    for label in sample.labels:
        for finding in label["findings"]:
            assert finding["event_ids"]
            for event_id in finding["event_ids"]:
                assert sample.events[event_id]["trace_id"] == label["trace_id"]
                assert "action" in sample.events[event_id]


def test_findings_and_verdicts_tell_the_same_story(sample: Sample) -> None:
    rule = {"unbacked": "01", "after_deny": "01", "reused": "02", "approval_reused": "03", "stale": "04"}
    by_verdict = {
        (rule[link["verdict"]], link["event_id"]) for link in sample.links if link["verdict"] in rule
    }
    by_label = {
        (finding["rule_id"], event_id)
        for label in sample.labels
        for finding in label["findings"]
        for event_id in finding["event_ids"]
        if finding["rule_id"] in set(rule.values())
    }
    assert by_label == by_verdict


def test_every_named_decision_is_in_the_records(sample: Sample) -> None:
    decisions = {decision["decision_id"]: decision for decision in sample.decisions}
    named = {link["decision_id"] for link in sample.links} - {None}
    parents = {d["parent_decision_id"] for d in sample.decisions if "parent_decision_id" in d}
    assert parents
    assert named | parents <= set(decisions)
    for event in sample.identity:
        if event["event_type"] == "decision_revoked":
            assert event["decision_id"] in decisions


def test_links_tell_what_the_events_tell(sample: Sample) -> None:
    for link in sample.links:
        event = sample.events[link["event_id"]]
        for column in ("trace_id", "span_id", "tenant_id", "action", "resource_type", "resource_id"):
            assert link[column] == event[column]
        assert link["agent"] == event["agent_name"]
        assert link["executed"] == (event["status"] != "rejected")


def test_no_action_of_a_sound_trace_lies_outside_its_scopes_but_for_near_misses(sample: Sample) -> None:
    scopes: dict[str, set[str]] = {}
    for event in sample.orchestration:
        if event["event_type"] == "run_start":
            scopes.setdefault(event["trace_id"], set()).update(event["task_scopes"])
    outside = {
        link["scenario"]
        for link in sample.links
        if f"{link['resource_type']}.{link['action']}" not in scopes[link["trace_id"]]
    }
    assert outside & {s.name for s in SCENARIOS if not s.faulty} == {"lateral_near_miss"}
    assert "lateral_chain" in outside


def test_agents_are_permitted_only_what_they_were_granted(sample: Sample) -> None:
    granted = {
        (e["tenant_id"], e["agent_name"], e["scope"]) for e in sample.identity if e["event_type"] == "grant"
    }
    permitted = {
        (d["tenant_id"], d["agent_name"], f"{d['resource_type']}.{d['action']}")
        for d in sample.decisions
        if d["decision"] == "allow"
    }
    assert permitted <= granted


def test_privileges_count_what_permitted_calls_used(sample: Sample) -> None:
    for line in sample.privileges:
        who = (line["tenant_id"], line["agent"])
        by_calls = {
            f"{link['resource_type']}.{link['action']}"
            for link in sample.links
            if (link["tenant_id"], link["agent"]) == who and link["executed"] and link["verdict"] == "backed"
        }
        by_decisions = {
            f"{d['resource_type']}.{d['action']}"
            for d in sample.decisions
            if (d["tenant_id"], d["agent_name"]) == who and d["decision"] == "allow"
        }
        granted = set(line["granted"])
        assert granted & by_calls == granted & by_decisions == set(line["used"])
        assert set(line["unused"]) == granted - set(line["used"])
        if granted:
            assert abs(line["rate"] - len(line["unused"]) / len(granted)) < 1e-6


def test_privileges_flag_rates_and_high_risk_grants_and_set_some_agents_apart(sample: Sample) -> None:
    assert len(sample.privileges) == 3 * len(GRANTS)
    for line in sample.privileges:
        risky = any(SENSITIVITY[scope] >= HIGH_RISK for scope in line["unused"])
        assert line["eligible"] == (line["reason"] not in {"dormant", "too_new"})
        assert line["flagged"] == (line["eligible"] and (risky or line["rate"] >= UNUSED_RATE))
    reasons = {line["reason"] for line in sample.privileges}
    assert reasons == {None, "dormant", "too_new", "unused_rate", "unused_high_risk"}
