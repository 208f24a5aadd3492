"""A condition that nothing tests is lost unseen: each weakened variant must fail the case named beside it."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from analytics import views as module
from analytics.bench import difference
from analytics.cases import make_tables, read_cases, rule_folder
from analytics.rule import rules
from analytics.views import views
from schemas.errors import RuleError

if TYPE_CHECKING:
    from analytics.bench import Bench
    from analytics.cases import Case


class Mutant(NamedTuple):
    """A text that stands once in the SQL of `where`, what replaces it, and the rule and case that must then fail."""

    where: str
    old: str
    new: str
    rule: str
    case: str


@cache
def case_of(rule_id: str, name: str) -> Case:
    (case,) = [case for case in read_cases(rule_folder(rules()[rule_id])) if case.name == name]
    return case


def weakened(sql: str, mutant: Mutant) -> str:
    assert sql.count(mutant.old) == 1, f"{mutant.where}: {mutant.old!r} stands {sql.count(mutant.old)} times"
    return sql.replace(mutant.old, mutant.new)


RULES = [
    Mutant("01", "'unbacked', 'after_deny'", "'unbacked'", "01", "ran after a deny"),
    Mutant("01", "'unbacked', 'after_deny'", "'after_deny'", "01", "no decision at all"),
    Mutant("01", "IN ('unbacked', 'after_deny')", "<> 'backed'", "01", "an old decision is another rule's"),
    Mutant("01", "IN ('unbacked', 'after_deny')", "NOT IN ('backed', 'stale')", "01", "the reader lags"),
    Mutant("01", "verdict = 'after_deny' OR", "", "01", "allowed, then denied"),
    Mutant("01", "'destructive'", "'private_data'", "01", "no decision for something destructive"),
    Mutant("02", "verdict = 'reused'", "verdict IN ('reused', 'unknown')", "02",
           "its own decision may still come"),
    Mutant("02", "verdict = 'reused'", "verdict IN ('reused', 'unbacked')", "02", "seven handoffs away"),
    Mutant("02", "AND decision_resource_id = resource_id", "", "02",
           "cites another agent's decision to read something else"),
    Mutant("02", "'read', 'get'", "'read', 'pay', 'get'", "02", "cites another agent's decision"),
    Mutant("02", "'inherited', 'other_agent', 'other_task'", "'inherited'", "02",
           "cites another agent's decision, only to read"),
    Mutant("02", "'inherited', 'other_agent'", "'other_agent'", "02",
           "inherited to read what its parent might read"),
    Mutant("03", "k.approval_id IS NOT NULL OR coalesce", "true OR coalesce", "03", "the approval may still come"),
    Mutant("03", ">= b.end_time + p.settle", "> b.end_time + p.settle", "03", "the approval did not come"),
    Mutant("03", "i.max_uses >= p", "i.max_uses > p", "03", "always allow"),
    Mutant("03", "i.max_uses >= p.standing_uses", "i.max_uses > 1", "03", "999 uses and no expiry"),
    Mutant("03", "i.expires_time IS NULL AND", "", "03", "many uses, but until tomorrow"),
    Mutant("03", "AND i.task_id IS NULL", "", "03", "for one task"),
    Mutant("03", "AND i.trace_id IS NULL", "", "03", "for one run"),
    Mutant("03", "AND i.arguments_digest IS NULL", "", "03", "for these arguments"),
    Mutant("03", "i.event_type = 'approval' AND", "", "03", "a standing grant is another rule's"),
    Mutant("03", "OR (i.max_uses IS NULL AND", "OR (false AND", "03", "always allow, without a number"),
    Mutant("04", "b.verdict = 'stale'", "b.verdict IN ('stale', 'reused')", "04",
           "the decision of another agent had expired"),
    Mutant("04", "lower(b.action)", "b.action", "04", "expired, and only read"),
    Mutant("04", "b.sensitivity >= p", "b.sensitivity > p", "04", "expired, and a secret was read"),
    Mutant("04", "NOT IN ('read', 'get'", "NOT IN ('pay', 'read', 'get'", "04", "a second after the expiry"),
    Mutant("05", "verdict = 'backed' AND", "", "05", "the payment was not permitted"),
    Mutant("05", "|| '.' || coalesce(s.action, '')", "|| '.' || 'x'", "05",
           "the payment is part of the task"),
    Mutant("05", "|| '.*')", "|| '.x')", "05", "the task may do anything with payments"),
    Mutant("05", "w.crossed OR s.agent <> w.agent", "true", "05", "one agent in one trust zone"),
    Mutant("05", "OR coalesce(s.trust_zone <> w.trust_zone, false)", "", "05",
           "one agent, but into another trust zone"),
    Mutant("05", "w.crossed OR s.agent", "s.agent", "05", "six steps"),
    Mutant("05", ">= p.sensitivity_rise\n    QUALIFY", "> p.sensitivity_rise\n    QUALIFY", "05",
           "a rise of exactly two"),
    Mutant("05", ">= p.sensitivity_rise\n    QUALIFY", ">= 1\n    QUALIFY", "05", "a rise of one"),
    Mutant("05", "w.hops < (SELECT", "w.hops <= (SELECT", "05", "seven steps"),
    Mutant("05", "w.hops < (SELECT", "w.hops + 1 < (SELECT", "05", "six steps"),
    Mutant("05", "w.proved AND l.proved", "true", "05", "only a handoff between the two"),
    Mutant("07", "u.eligibility = 'eligible' AND", "", "07", "a dormant agent"),
    Mutant("07", "= 'eligible'", "IN ('eligible', 'dormant')", "07", "a dormant agent"),
    Mutant("07", "unused_rate >= p", "unused_rate > p", "07", "half of the permissions unused"),
    Mutant("07", "unused_rate >= p.unused_threshold", "unused_rate >= 0.3", "07", "a third unused"),
    Mutant("07", "OR len(u.unused_high_risk) > 0)", ")", "07", "one unused permission of high risk"),
    Mutant("11", "b.executed AND", "", "11", "refused"),
    Mutant("11", "s.verdict <> 'reused'\n        AND s.decision_on_behalf_of", "s.decision_on_behalf_of", "11",
           "another run's decision is cited"),
    Mutant("11", "AND o.trace_id IS NULL", "", "11", "two runs in one trace"),
    Mutant("11", "c.depth > p.delegation_depth\n        OR", "c.depth >= p.delegation_depth\n        OR", "11",
           "four agents in the chain"),
    Mutant("11", "p.place > 1 OR n.agent IS NOT NULL", "true", "11", "four agents in the chain"),
    Mutant("11", "count(DISTINCT agent) AS depth", "count(*) AS depth", "11", "handed back and forth"),
    Mutant("11", "u.strange) AND u.chain IS NOT NULL", "u.strange)", "11", "handed back and forth"),
    Mutant("11", "AND coalesce(p.complete_until, w.complete_until) >= s.end_time + p.settle", "", "11",
           "the handoff may still come"),
    Mutant("11", "a IS DISTINCT FROM s.decision_on_behalf_of", "true", "11",
           "four agents in the token, and the principal"),
    Mutant("11", "AND NOT EXISTS (SELECT 1 FROM shown", "AND EXISTS (SELECT 1 FROM shown", "11",
           "the chain tells whom the trace saw before"),
    Mutant("11", "q.tenant IN (c.tenant, ''))\n            AND EXISTS", "true)\n            AND EXISTS", "11",
           "another tenant's handoff has the same trace"),
    Mutant("11", "EXISTS (SELECT 1 FROM passed AS q WHERE q.trace_id = c.trace_id AND q.tenant IN (c.tenant, ''))\n"
           "            AND EXISTS", "EXISTS", "11", "no handoff is logged"),
    Mutant("14", "b.executed AND", "", "14", "permitted to the child, and not run"),
    Mutant("14", "AND b.approver IS NULL", "", "14", "a human approved it"),
    Mutant("14", "AND b.approval_id IS NULL", "", "14", "an approval is cited"),
    Mutant("14", "AND d.resource_id = p.resource_id", "", "14", "another resource"),
    Mutant("14", "d.action = p.action AND", "", "14", "another action"),
    Mutant("14", "AND x.ancestor = d.agent", "", "14", "denied to an agent beside it"),
    Mutant("14", "d.event_time <= p.event_time", "true", "14", "done before the parent was denied"),
    Mutant("14", "x.first_time <= p.event_time", "true", "14", "handed on after it was done"),
    Mutant("14", "AND d.tenant_id IS NOT DISTINCT FROM p.tenant_id", "", "14",
           "two tenants share a trace id"),
    Mutant("14", "coalesce(d.resource_type, '') = coalesce(p.resource_type, '')", "true", "14",
           "another type of resource under the same id"),
    Mutant("14", "d.event_time DESC", "d.event_time", "14", "denied twice"),
]  # fmt: skip


@pytest.mark.parametrize("mutant", RULES, ids=lambda one: f"{one.rule}-{one.case}")
def test_a_weakened_rule_fails_a_case(bench: Bench, mutant: Mutant) -> None:
    rule, case = rules()[mutant.where], case_of(mutant.rule, mutant.case)
    weak = rule.model_copy(update={"sql": weakened(rule.sql, mutant)})
    try:
        found = bench.evaluate(weak, case)
    except RuleError as error:  # it let a verdict through for which the rule has no words
        if "no title and explanation" in str(error):
            return
        raise
    assert difference(case, found.values()), f"without {mutant.old!r} the case still holds"


VIEWS = [
    # Clocks: the skew, and the wait for what is late.
    Mutant("cited", "a.event_time + s.skew", "a.event_time", "backing", "cited, decided later by the skew"),
    Mutant("paired", "<= a.event_time + s.skew", "<= a.event_time", "01",
           "the agent's clock is behind by the skew"),
    Mutant("paired", "<= a.event_time + s.skew", "<= a.event_time + 2 * s.skew", "01",
           "decided a microsecond too late"),
    Mutant("verdicts", "+ s.settle", "", "01", "the decision stream is not complete yet"),
    Mutant("verdicts", ">= a.until_time + s.settle", "> a.until_time + s.settle", "01",
           "the watermark has just passed"),
    Mutant("watermark", "WHEN p.caught_up THEN", "WHEN true THEN", "01", "the reader lags"),
    Mutant("stream_holes", "arg_min(d.decision_time, d.source_offset)", "min(d.decision_time)", "backing",
           "late after a hole"),
    # The end of a decision.
    Mutant("verdicts", "d.expires_time <= a.event_time", "d.expires_time < a.event_time", "backing",
           "at its expiry"),
    Mutant("verdicts", "> s.max_age", ">= s.max_age", "backing", "at its greatest age"),
    Mutant("verdicts", "d.expires_time IS NULL AND", "", "backing", "old, but not expired"),
    Mutant("verdicts", "d.policy_changed_time + s.skew", "d.policy_changed_time", "backing",
           "right after a change of policy"),
    # Order of verdicts.
    Mutant("verdicts", "WHEN refused THEN 'backed:not_executed'", "", "backing",
           "refused without a decision"),
    Mutant("verdicts", "WHEN decision = 'indeterminate' THEN 'unbacked:indeterminate'", "", "01",
           "the decision point gave no answer"),
    Mutant("verdicts", "AND rung >= 4 AND NOT settled", "AND false", "02",
           "the decision for these arguments may still come"),
    Mutant("verdicts", "use_no > max_uses", "use_no >= max_uses", "02", "as many uses as permitted"),
    # Who, what and where.
    Mutant("paired", "AND (a.tenant = d.tenant OR a.tenant = '' OR d.tenant = '');", ";", "backing",
           "the other tenant's decision"),
    Mutant("keyed", "ORDER BY at_time, side, tie", "ORDER BY at_time DESC, side, tie", "01", "allowed, then denied"),
    Mutant("traces", "coalesce(min(tenant_id) <> max(tenant_id), false)", "false", "backing",
           "tenants that share a trace"),
    Mutant("cited", "OR coalesce(a.agent_id = d.agent_id, false)", "", "02",
           "only the identity of the agent agrees"),
    Mutant("cited", "starts_with(a.resource_id, d.resource_prefix), true", "true", "02",
           "outside the pattern that it cites"),
    Mutant("cited", "a.task_id = d.task_id, a.trace_id = d.trace_id, true", "true", "02",
           "cites the decision of another run"),
    Mutant("cited", "a.task_id = d.task_id, a.trace_id", "a.trace_id", "02", "the task spans two runs"),
    Mutant("cited", "(agrees OR NOT derived)", "NOT derived", "02", "a derived decision"),
    Mutant("cited", "(agrees OR NOT derived) AND NOT too_late", "(agrees OR NOT derived)", "01",
           "cites an answer that came too late"),
    Mutant("cited", "agrees DESC, rung", "rung", "02", "a call that needed two decisions"),
    Mutant("paired", "coalesce(a.arguments_digest = d.arguments_digest, true) AS same_arguments",
           "true AS same_arguments", "02", "other arguments than were permitted"),
    Mutant("paired", "coalesce(a.task_id = d.task_id, true) AS same_task", "true AS same_task", "02",
           "another task of the same run"),
    Mutant("paired", "coalesce(f.decision_no, x.decision_no)", "x.decision_no", "02",
           "parallel calls with arguments of their own"),
    Mutant("paired", "(o.trace_id IS NULL OR a.trace_id IS NULL OR o.trace_id = a.trace_id)", "true", "01",
           "a decision without a trace belongs to one run"),
    Mutant("use_counts", "AND NOT a.refused", "", "02", "an attempt that was refused is no use"),
    Mutant("decisions", "WHERE x.decision_id IS NULL", "WHERE true", "backing", "a decision that came twice"),
    # Along handoffs.
    Mutant("ancestors", "c.hops < (SELECT", "c.hops <= (SELECT", "02", "seven handoffs away"),
    Mutant("ancestors", "c.hops < (SELECT", "c.hops + 1 < (SELECT", "02", "inherited over six handoffs"),
    Mutant("nearest", "AND x.first_time <= u.until_time", "", "02", "the handoff came after the action"),
    Mutant("nearest", "d.decision = 'allow' AND d.decision_time <= u.until_time\n        AND", "true AND", "02",
           "only the parent was denied"),
    Mutant("lineage_paths", "t.event_time >= g.event_time", "true", "05", "taken in before it was given out"),
    Mutant("lineage_paths", "BETWEEN h.handoff_time AND h.handoff_time + s.chain_window",
           "BETWEEN h.handoff_time AND h.handoff_time + 2 * s.chain_window", "05",
           "a microsecond too long after the handoff"),
    Mutant("lineage_paths", "AND t.trace_tenant = g.trace_tenant", "", "05", "two tenants share a trace id"),
    # Permissions.
    Mutant("privilege_usage", "b.verdict IN ('backed', 'stale')", "true", "backing",
           "used on another's decision"),
    Mutant("privilege_usage", "b.decision = 'allow' AND b.verdict IN ('backed', 'stale')", "true", "07",
           "run against a deny is not a permitted use"),
    Mutant("privilege_usage", "AND b.event_time BETWEEN w.from_time AND w.to_time", "", "07",
           "used last before the window"),
    Mutant("privilege_usage", "g.from_time <= w.from_time AND", "", "07", "an agent that is too new"),
    Mutant("privilege_usage", "(u.permission, u.any_action, '*', '*.*')", "(u.permission)", "07",
           "everything on a type, and used once"),
    Mutant("privilege_usage", "u.tenant = h.tenant AND", "", "07",
           "used by the agent of that name of another tenant"),
]  # fmt: skip

PAY: dict[str, Any] = {"agent": "clerk", "action": "pay", "resource": "payment/p-1"}
READ: dict[str, Any] = {"agent": "clerk", "action": "read", "resource": "record/r-1"}
LOST = {"agent": "x", "action": "read", "trace": "run-2"}

# What no rule of today tells apart, told by a view: its rows and query, and the answer that is right.
BACKING: dict[str, tuple[dict[str, list[dict[str, Any]]], str, Any]] = {
    "cited, decided later by the skew": (
        {
            "orchestration": [{"id": "i1", "at": 5, **PAY, "decision_id": "d1"}],
            "decisions": [{"id": "d1", "at": 10, **PAY, "trace": "run-1"}],
        },
        "SELECT reason FROM action_backing",
        "decision_id",
    ),
    "at its expiry": (
        {
            "orchestration": [{"id": "i1", "at": 60, **PAY}],
            "decisions": [{"id": "d1", "at": 0, "until": 60, **PAY}],
        },
        "SELECT verdict FROM action_backing",
        "stale",
    ),
    "at its greatest age": (
        {"orchestration": [{"id": "i1", "at": 900, **PAY}], "decisions": [{"id": "d1", "at": 0, **PAY}]},
        "SELECT verdict FROM action_backing",
        "backed",
    ),
    "old, but not expired": (
        {
            "orchestration": [{"id": "i1", "at": 2000, **PAY}],
            "decisions": [{"id": "d1", "at": 0, "until": "1h", **PAY}],
        },
        "SELECT verdict FROM action_backing",
        "backed",
    ),
    "right after a change of policy": (
        {
            "orchestration": [{"id": "i1", "at": 13, **PAY}],
            "decisions": [
                {"id": "d1", "at": 9, **PAY, "policy_version": "v1"},
                {"id": "d2", "at": 12, **LOST, "policy_version": "v2"},
            ],
        },
        "SELECT verdict FROM action_backing",
        "backed",
    ),
    "late after a hole": (
        {
            "orchestration": [{"id": "i1", "at": 50, **PAY}],
            "decisions": [
                {"id": "d1", "at": 20, **LOST, "source_offset": 4},
                {"id": "d2", "at": 80, **LOST, "source_offset": 9},
                {"id": "d3", "at": 30, **LOST, "source_offset": 12},
            ],
            "progress": [{"at": 900, "next": 13, "hole_from": 5, "hole_to": 9}],
        },
        "SELECT reason FROM action_backing",
        "hole",
    ),
    "the other tenant's decision": (
        {
            "orchestration": [{"id": "i1", "at": 10, **PAY}],
            "decisions": [{"id": "d1", "at": 12, **PAY, "tenant": "t2"}],
        },
        "SELECT verdict FROM action_backing",
        "unbacked",
    ),
    "tenants that share a trace": (
        {
            "orchestration": [{"id": "i1", "at": 10, **PAY}, {"id": "i2", "at": 7, **PAY, "tenant": "t2"}],
            "decisions": [
                {"id": "d1", "at": 8, **PAY},
                {"id": "d2", "at": 9, **PAY, "tenant": "t2", "decision": "deny"},
            ],
        },
        "SELECT verdict FROM action_backing WHERE event_id = 'i1'",
        "backed",
    ),
    "refused without a decision": (
        {"orchestration": [{"id": "i1", "at": 10, **PAY, "status": "rejected"}]},
        "SELECT reason FROM action_backing",
        "not_executed",
    ),
    "a decision that came twice": (
        {"decisions": [{"id": "d1", "at": 9, **PAY}, {"id": "d1", "at": 9, **PAY}]},
        "SELECT count(*) FROM decisions",
        1,
    ),
    "used on another's decision": (
        {
            "identity": [
                {"at": 0, "agent": "clerk", "grant_id": "g1", "scope": "record.read"},
                {"at": 0, "agent": "clerk", "grant_id": "g2", "scope": "payment.pay"},
            ],
            "orchestration": [
                {"id": "i1", "at": 10, **READ},
                {"id": "i2", "at": 12, **PAY, "decision_id": "d2"},
            ],
            "decisions": [{"id": "d1", "at": 9, **READ}, {"id": "d2", "at": 11, **PAY, "agent": "payer"}],
        },
        "SELECT used FROM privilege_usage WHERE agent = 'clerk'",
        1,
    ),
}


def answer(bench: Bench, name: str) -> Any:
    rows, query, _ = BACKING[name]
    session = bench.session(make_tables(**rows))
    session.need(*(set(re.findall(r"\w+", query)) & module.views().keys()))
    return session.fetch(query).to_pylist()[0].popitem()[1]


@pytest.mark.parametrize("name", BACKING)
def test_what_a_view_answers(bench: Bench, name: str) -> None:
    assert answer(bench, name) == BACKING[name][2]


@pytest.mark.parametrize("mutant", VIEWS, ids=lambda one: f"{one.where}-{one.case}")
def test_a_weakened_view_fails_a_case(bench: Bench, mutant: Mutant, monkeypatch: pytest.MonkeyPatch) -> None:
    view = views()[mutant.where]
    weak = views() | {view.name: replace(view, sql=weakened(view.sql, mutant))}
    monkeypatch.setattr(module, "views", lambda: weak)
    if mutant.rule == "backing":
        assert answer(bench, mutant.case) != BACKING[mutant.case][2], (
            f"without {mutant.old!r} the answer is the same"
        )
        return
    case = case_of(mutant.rule, mutant.case)
    try:
        found = bench.evaluate(rules()[mutant.rule], case)
    except RuleError as error:
        pytest.fail(f"this is no weaker view but a broken one: {error}")
    assert difference(case, found.values()), f"without {mutant.old!r} the case still holds"


def test_every_rule_has_mutants_and_so_has_the_way_to_its_verdicts() -> None:
    assert {mutant.where for mutant in RULES} == rules().keys()
    assert {mutant.where for mutant in VIEWS} >= {
        "verdicts",
        "cited",
        "keyed",
        "paired",
        "nearest",
        "ancestors",
    }
