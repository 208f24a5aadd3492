"""A condition of a view that nothing tests is lost unseen: each weakened variant must fail the case named beside it."""

from __future__ import annotations

import random
import re
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, Any

import pytest

from analytics import views as module
from analytics.bench import difference
from analytics.cases import make_tables, read_cases, rule_folder, tables_of
from analytics.evaluate import evaluate_rule
from analytics.rule import rules
from analytics.views import views
from schemas.errors import RuleError
from tests.analytics.mutants import Mutant, weakened

if TYPE_CHECKING:
    from collections.abc import Iterator

    from analytics.bench import Bench
    from analytics.cases import Case


@cache
def case_of(rule_id: str, name: str) -> Case:
    (case,) = [case for case in read_cases(rule_folder(rules()[rule_id])) if case.name == name]
    return case


VIEWS = [
    # Clocks: the skew, and the wait for what is late.
    Mutant("cited", "a.event_time + s.skew", "a.event_time", "backing", "cited, decided later by the skew"),
    Mutant("dealt", "<= a.event_time + s.skew", "<= a.event_time", "01",
           "the agent's clock is behind by the skew"),
    Mutant("dealt", "<= a.event_time + s.skew", "<= a.event_time + 2 * s.skew", "01",
           "decided a microsecond too late"),
    Mutant("verdicts", "+ s.settle", "", "01", "the decision stream is not complete yet"),
    Mutant("verdicts", ">= a.until_time + s.settle", "> a.until_time + s.settle", "01",
           "the watermark has just passed"),
    Mutant("watermark", "WHEN p.caught_up THEN", "WHEN true THEN", "01", "the reader lags"),
    Mutant("stream_holes",
           "arg_min(d.decision_time, {'off': d.source_offset, 'ix': d.source_index, 'at': d.decision_time})",
           "min(d.decision_time)", "backing", "late after a hole"),
    Mutant("verdicts", "h.action_no IS NOT NULL AS in_hole", "false AS in_hole", "backing", "late after a hole"),
    # The end of a decision.
    Mutant("verdicts", "d.expires_time <= a.event_time", "d.expires_time < a.event_time", "backing",
           "at its expiry"),
    Mutant("verdicts", "> s.max_age", ">= s.max_age", "backing", "at its greatest age"),
    Mutant("verdicts", "d.expires_time IS NULL AND", "", "backing", "old, but not expired"),
    Mutant("verdicts", "d.policy_changed_time + s.skew", "d.policy_changed_time", "backing",
           "right after a change of policy"),
    # What is said of an agent's identity.
    Mutant("actions", "coalesce(e.attestation IN ('absent', 'expired', 'untrusted'), false) OR", "", "15",
           "as the action itself says"),
    Mutant("actions", "(e.agent_id, '(^|[/:])agent[/:]", "(e.agent_id, '(^|[/:])actor[/:]", "15",
           "another agent's identity in the call"),
    Mutant("actions", "(x.agent_id, '(^|[/:])agent[/:]", "(x.agent_id, '(^|[/:])actor[/:]", "backing",
           "another agent's identity around the call"),
    Mutant("decisions", "coalesce(d.attestation IN ('absent', 'expired', 'untrusted'), false) OR", "", "15",
           "no proof"),
    Mutant("decisions", "(d.agent_id, '(^|[/:])agent[/:]", "(d.agent_id, '(^|[/:])actor[/:]", "15",
           "another agent's identity in the decision"),
    Mutant("decisions", "(d.principal_id, '(^|[/:])agent[/:]", "(d.principal_id, '(^|[/:])actor[/:]", "backing",
           "another agent as the principal"),
    Mutant("verdicts", "a.unproven OR coalesce(d.unproven, false)", "a.unproven", "15", "no proof"),
    # Order of verdicts.
    Mutant("verdicts", "WHEN refused THEN 'backed:not_executed'", "", "backing",
           "refused without a decision"),
    Mutant("verdicts", "WHEN decision = 'indeterminate' THEN 'unbacked:indeterminate'", "", "01",
           "the decision point gave no answer"),
    Mutant("verdicts", "AND rung >= 4 AND NOT settled", "AND false", "02",
           "the decision for these arguments may still come"),
    Mutant("verdicts", "use_no > max_uses", "use_no >= max_uses", "02", "as many uses as permitted"),
    # Who, what and where.
    Mutant("paired", "AND x.same_tenant;", ";", "backing", "the other tenant's decision"),
    Mutant("cited", "same_tenant AND (agrees OR NOT derived)", "agrees OR NOT derived", "backing",
           "cites the other tenant's decision"),
    Mutant("decisions", "coalesce(r.trace_no, -1)", "r.trace_no", "backing", "a decision of a run without events"),
    Mutant("keyed", "coalesce(resource_type, ''), resource_id, true)", "'', resource_id, true)", "backing",
           "an action without a trace"),
    Mutant("keyed", "ORDER BY at_time, side, tie", "ORDER BY at_time DESC, side, tie", "01", "allowed, then denied"),
    Mutant("traces", "coalesce(min(tenant_id) <> max(tenant_id), false)", "false", "backing",
           "tenants that share a trace"),
    Mutant("cited", " OR coalesce(a.agent_id = d.agent_id, false)", "", "02", "only the identity of the agent agrees"),
    Mutant("cited", "starts_with(a.resource_id, d.resource_prefix), true", "true", "02",
           "outside the pattern that it cites"),
    Mutant("cited", "a.task_id = d.task_id, a.trace_no = d.trace_no, true", "true", "02",
           "cites the decision of another run"),
    Mutant("cited", "a.task_id = d.task_id, a.trace_no", "a.trace_no", "02", "the task spans two runs"),
    Mutant("cited", " OR bool_or(derived) <> bool_and(derived)", "", "backing",
           "made out of what it cites, and tied by its call"),
    Mutant("cited", "min(decision_no) <> max(decision_no) OR ", "", "backing", "two decisions for each of two calls"),
    Mutant("cited", "(agrees OR NOT derived)", "NOT derived", "02", "a derived decision"),
    Mutant("cited", "WHERE d.decision_time <= greatest(a.event_time + s.skew, a.until_time)", "", "01",
           "cites an answer that came too late"),
    Mutant("cited", "a.agrees DESC, a.rung", "a.rung", "02", "a call that needed two decisions"),
    Mutant("keyed", "coalesce(a.arguments_digest = d.arguments_digest, true) AS same_arguments",
           "true AS same_arguments", "02", "other arguments than were permitted"),
    Mutant("keyed", "coalesce(a.task_id = d.task_id, true) AS same_task", "true AS same_task", "02",
           "another task of the same run"),
    Mutant("dealt", "coalesce(a.arguments_digest = d.arguments_digest, true)", "true", "backing",
           "two calls, and a decision for other arguments"),
    Mutant("dealt", "coalesce(a.task_id = d.task_id, true)", "true", "backing",
           "two calls, and a decision for another task"),
    Mutant("paired", "coalesce(f.decision_no, x.decision_no)", "x.decision_no", "backing",
           "parallel calls of two tasks"),
    Mutant("paired", "f.decision_no IS NOT NULL OR x.same_arguments", "x.same_arguments", "02",
           "parallel calls with arguments of their own"),
    Mutant("paired", "f.decision_no IS NOT NULL OR x.same_task", "x.same_task", "backing",
           "parallel calls of two tasks"),
    Mutant("paired", "WHERE o.trace_no <> l.trace_no", "WHERE false", "01",
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
    # What auditors read.
    Mutant("handoff_paths", "NOT h.refused AND", "", "backing", "handed on, and refused"),
    Mutant("handoff_paths", "w.depth < (SELECT", "w.depth <= (SELECT", "backing", "handed on seven times"),
    Mutant("handoff_paths", "AND NOT list_contains(w.handoff_ids, s.event_id)", "", "backing", "handed around at once"),
    Mutant("handoff_paths", "ORDER BY at_time, side,", "ORDER BY at_time, side DESC,", "backing",
           "handed around at once"),
    Mutant("handoff_paths", "CASE WHEN r.shared THEN coalesce(h.tenant_id, '') ELSE '' END", "''", "backing",
           "handed on in the other tenant"),
    Mutant("authority_trace", "CASE WHEN b.claimed THEN d.approver END", "d.approver", "backing",
           "its parent was approved"),
    Mutant("authority_trace", "WHEN b.own THEN {", "WHEN true THEN {", "backing", "its parent's credential"),
    Mutant("authority_trace", "p.tenant = j.tenant AND", "", "backing", "an approval of the other tenant"),
    Mutant("decision_uses", "WHERE v.claimed AND NOT a.refused;", "WHERE NOT a.refused;",
           "backing", "a decision that its heir lives on"),
    Mutant("decision_uses", "WHERE v.claimed AND NOT a.refused;", "WHERE v.claimed;",
           "backing", "a decision whose action was refused"),
    Mutant("decision_uses", "coalesce(coalesce(v.use_no, u.use_no) <= d", "coalesce(u.use_no <= d", "backing",
           "used once too often"),
    Mutant("decision_uses", "n.kind <> 'other_agent'", "true", "backing", "used in another agent's name"),
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
    "made out of what it cites, and tied by its call": (
        {
            "orchestration": [{"id": "i1", "at": 10, **PAY, "decision_id": "d0", "tool_call_id": "c1"}],
            "decisions": [{"id": "d1", "at": 9, **READ, "parent_decision_id": "d0", "tool_call_id": "c1"}],
        },
        "SELECT rung FROM action_backing",
        2,
    ),
    "two decisions for each of two calls": (
        {
            "orchestration": [
                {"id": "i1", "at": 10, **PAY, "tool_call_id": "c1"},
                {"id": "i2", "at": 20, **PAY, "tool_call_id": "c2"},
            ],
            "decisions": [
                {"id": "d1", "at": 8, **PAY, "tool_call_id": "c1"},
                {"id": "d2", "at": 9, **READ, "tool_call_id": "c1"},
                {"id": "d3", "at": 18, **READ, "tool_call_id": "c2"},
                {"id": "d4", "at": 19, **PAY, "tool_call_id": "c2"},
            ],
        },
        "SELECT string_agg(decision_id, ' ' ORDER BY event_id) FROM action_backing",
        "d1 d4",
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
    "cites the other tenant's decision": (
        {
            "orchestration": [{"id": "i1", "at": 10, **PAY, "decision_id": "d1"}],
            "decisions": [{"id": "d1", "at": 9, **PAY, "tenant": "t2", "trace": "run-2"}],
        },
        "SELECT verdict FROM action_backing",
        "unbacked",
    ),
    "a decision of a run without events": (
        {
            "orchestration": [{"id": "i1", "at": 10, **PAY}],
            "decisions": [{"id": "d1", "at": 9, **PAY, "trace": "run-2"}],
        },
        "SELECT verdict FROM action_backing",
        "unbacked",
    ),
    "an action without a trace": (
        {
            "orchestration": [{"id": "i1", "at": 10, **PAY, "trace": ""}],
            "decisions": [{"id": "d1", "at": 9, **PAY}],
        },
        "SELECT reason FROM action_backing",
        "key",
    ),
    "parallel calls of two tasks": (
        {
            "orchestration": [{"id": "i1", "at": 10, **PAY, "task_id": "k1"}],
            "decisions": [
                {"id": "d1", "at": 8, **PAY, "task_id": "k1"},
                {"id": "d2", "at": 9, **PAY, "task_id": "k2"},
            ],
        },
        "SELECT decision_id || ' ' || verdict FROM action_backing",
        "d1 backed",
    ),
    "two calls, and a decision for another task": (
        {
            "orchestration": [{"id": f"i{at}", "at": 10 + at, **PAY, "task_id": "k1"} for at in (1, 2)],
            "decisions": [
                {"id": "d1", "at": 8, **PAY, "task_id": "k2"},
                {"id": "d2", "at": 9, **PAY, "task_id": "k1"},
            ],
        },
        "SELECT string_agg(decision_id || ' ' || verdict, ', ' ORDER BY event_id) FROM action_backing",
        "d2 backed, d2 backed",
    ),
    "two calls, and a decision for other arguments": (
        {
            "orchestration": [
                {"id": f"i{at}", "at": 10 + at, **PAY, "arguments_digest": "a1"} for at in (1, 2)
            ],
            "decisions": [
                {"id": "d1", "at": 8, **PAY, "arguments_digest": "a2"},
                {"id": "d2", "at": 9, **PAY, "arguments_digest": "a1"},
            ],
        },
        "SELECT string_agg(decision_id || ' ' || verdict, ', ' ORDER BY event_id) FROM action_backing",
        "d2 backed, d2 backed",
    ),
    "another agent's identity around the call": (
        {
            "orchestration": [
                {
                    "id": "s1",
                    "at": 1,
                    "event_type": "task_start",
                    "agent": "clerk",
                    "agent_id": "agent/payer",
                    "native_span_id": "s1",
                },
                {"id": "i1", "at": 5, **PAY, "agent": "", "native_parent_id": "s1"},
            ]
        },
        "SELECT identity_in_doubt FROM action_backing",
        True,
    ),
    "another agent as the principal": (
        {
            "orchestration": [{"id": "i1", "at": 5, **PAY}],
            "decisions": [{"id": "d1", "at": 4, **PAY, "principal_id": "agent/payer"}],
        },
        "SELECT identity_in_doubt FROM action_backing",
        True,
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
    "handed on, and refused": (
        {
            "orchestration": [
                {"id": "h1", "at": 1, "agent": "a", "to": "clerk", "status": "rejected"},
                {"id": "i1", "at": 5, **PAY},
            ]
        },
        "SELECT path_agents FROM authority_trace",
        ["clerk"],
    ),
    "handed on seven times": (
        {
            "orchestration": [
                *({"id": f"h{n}", "at": n, "agent": f"a{n}", "to": f"a{n + 1}"} for n in range(7)),
                {"id": "i1", "at": 9, **PAY, "agent": "a7"},
            ]
        },
        "SELECT depth FROM authority_trace",
        6,
    ),
    "handed around at once": (
        {
            "orchestration": [
                {"id": "h1", "at": 1, "agent": "a", "to": "clerk"},
                {"id": "h2", "at": 1, "agent": "clerk", "to": "a"},
                {"id": "i1", "at": 1, **PAY},
            ]
        },
        "SELECT depth FROM authority_trace",
        2,
    ),
    "handed on in the other tenant": (
        {
            "orchestration": [
                {"id": "h0", "at": 0, "agent": "b", "to": "clerk"},
                {"id": "h1", "at": 1, "agent": "a", "to": "clerk", "tenant": "t2"},
                {"id": "i1", "at": 5, **PAY},
            ]
        },
        "SELECT path_agents FROM authority_trace",
        ["b", "clerk"],
    ),
    "its parent was approved": (
        {
            "orchestration": [
                {"id": "h1", "at": 2, "agent": "a", "to": "clerk"},
                {"id": "i1", "at": 5, **PAY},
            ],
            "decisions": [{"id": "d1", "at": 1, **READ, "agent": "a", "approver": "ann"}],
        },
        "SELECT approvers FROM authority_trace",
        [],
    ),
    "its parent's credential": (
        {
            "orchestration": [
                {"id": "h1", "at": 2, "agent": "a", "to": "clerk"},
                {"id": "i1", "at": 5, **PAY},
            ],
            "decisions": [{"id": "d1", "at": 1, **READ, "agent": "a", "credential_id": "c"}],
        },
        "SELECT credential_id FROM authority_trace",
        None,
    ),
    "an approval of the other tenant": (
        {
            "orchestration": [{"id": "i1", "at": 5, **PAY, "approval_id": "ap"}],
            "identity": [
                {"event_type": "approval", "at": 1, "approval_id": "ap", "approver": "ann", "tenant": "t2"}
            ],
        },
        "SELECT approvers FROM authority_trace",
        [],
    ),
    "a decision that its heir lives on": (
        {
            "orchestration": [
                {"id": "h1", "at": 2, "agent": "a", "to": "clerk"},
                {"id": "i1", "at": 5, **PAY},
            ],
            "decisions": [{"id": "d1", "at": 1, **READ, "agent": "a"}],
        },
        "SELECT used FROM decision_uses",
        False,
    ),
    "a decision whose action was refused": (
        {
            "orchestration": [{"id": "i1", "at": 5, **PAY, "status": "rejected"}],
            "decisions": [{"id": "d1", "at": 4, **PAY, "decision": "deny"}],
        },
        "SELECT used FROM decision_uses",
        False,
    ),
    "used once too often": (
        {
            "orchestration": [{"id": f"i{n}", "at": 5 + n, **PAY, "decision_id": "d1"} for n in range(2)],
            "decisions": [{"id": "d1", "at": 4, **PAY, "max_uses": 1}],
        },
        "SELECT within_max_uses FROM decision_uses WHERE event_id = 'i1'",
        False,
    ),
    "used in another agent's name": (
        {
            "orchestration": [{"id": "i1", "at": 5, "until": 8, **PAY}],
            "decisions": [{"id": "d1", "at": 6, **PAY, "agent": "service"}],
        },
        "SELECT same_agent FROM decision_uses",
        False,
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


@pytest.mark.parametrize(
    ("actions", "decisions", "expected"),
    [
        pytest.param([10], [("p-2", 12)], [None], id="decided right after another action"),
        pytest.param(
            [10, 10.5], [("p-1", 9), ("p-2", 8)], ["d0", "d0"], id="shared out among parallel actions"
        ),
    ],
)
def test_keys_that_are_equal_by_chance_match_nothing(
    bench: Bench,
    monkeypatch: pytest.MonkeyPatch,
    actions: list[float],
    decisions: list[tuple[str, float]],
    expected: list[str | None],
) -> None:
    view = views()["keyed"]
    equal, times = re.subn(r"hash\(t[^\n]*?(?:resource_id|NULL|true|false)\)", "1::UBIGINT", view.sql)
    assert times == 5
    monkeypatch.setattr(module, "views", lambda: views() | {"keyed": replace(view, sql=equal)})
    session = bench.session(
        make_tables(
            orchestration=[{"id": f"i{n}", "at": at, **PAY} for n, at in enumerate(actions)],
            decisions=[
                {"id": f"d{n}", "at": at, **PAY, "resource": f"payment/{name}"}
                for n, (name, at) in enumerate(decisions)
            ],
        )
    )
    session.need("action_backing")
    found = session.fetch("SELECT decision_id FROM action_backing ORDER BY event_id")
    assert found["decision_id"].to_pylist() == expected


def weakenings() -> Iterator[Any]:
    """Every mutant; of each view one in the suite, the rest in the long form."""
    shown: dict[str, Mutant] = {}
    for mutant in random.Random(7).sample(VIEWS, len(VIEWS)):
        shown.setdefault(mutant.where, mutant)
    for mutant in VIEWS:
        marks = () if shown[mutant.where] is mutant else pytest.mark.long
        yield pytest.param(mutant, id=f"{mutant.where}-{mutant.case}", marks=marks)


@pytest.mark.parametrize("mutant", [*weakenings()])
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
        session = bench.session(
            tables_of(case), closed=case.closed
        )  # of its own: the views are not those of others
        found = evaluate_rule(rules()[mutant.rule], session, bench.settings)
    except RuleError as error:
        pytest.fail(f"this is no weaker view but a broken one: {error}")
    assert difference(case, found.values()), f"without {mutant.old!r} the case still holds"


def test_the_way_to_the_verdicts_has_mutants() -> None:
    assert {mutant.where for mutant in VIEWS} >= {
        "verdicts",
        "cited",
        "keyed",
        "paired",
        "nearest",
        "ancestors",
    }
