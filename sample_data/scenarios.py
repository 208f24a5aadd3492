"""The scenarios by name: who writes them, in how many variants, how often they occur."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sample_data import benign, faulty
from sample_data.parts import CLASSES
from sample_data.template import Template

Build = Callable[[Template, int], None]
_ECHOED = ("decision_id",)
_LINKED = CLASSES[:4]


@dataclass(frozen=True)
class Scenario:
    """One scenario. `classes` are the rungs of the join ladder on which its truth is beyond doubt.

    `faulty` ones expect a finding; the rest expect none of level high. `settled` false: it plays in the last
    hour, for which no decisions have arrived.
    """

    name: str
    build: Build
    variants: int
    faulty: bool
    classes: tuple[str, ...] = CLASSES
    weight: int = 10
    settled: bool = True

    def templates(self) -> list[Template]:
        """Every variant in every class, the shape of handoffs taking turns."""
        found = []
        for v in range(self.variants):
            for place, corr in enumerate(self.classes):
                t = Template(self.name, corr, nested=(v + place) % 2 == 0, missing=not self.settled)
                self.build(t, v)
                t.finish()
                found.append(t)
        return found


SCENARIOS: tuple[Scenario, ...] = (
    Scenario("support_case", benign.support_case, 3, faulty=False, weight=60),
    Scenario("single_agent", benign.single_agent, 10, faulty=False, weight=60),
    Scenario("parallel_reads", benign.parallel_reads, 2, faulty=False, weight=25),
    Scenario("tool_retry", benign.tool_retry, 2, faulty=False, weight=15),
    Scenario("agent_as_tool", benign.agent_as_tool, 2, faulty=False, weight=30),
    Scenario("approved_escalation", benign.approved_escalation, 2, faulty=False),
    Scenario("two_runs_one_trace", benign.two_runs_one_trace, 2, faulty=False),
    Scenario("handoff_loop", benign.handoff_loop, 2, faulty=False),
    Scenario("denied_enforced", benign.denied_enforced, 2, faulty=False, weight=15),
    Scenario("derived_decision", benign.derived_decision, 2, faulty=False),
    Scenario("replicas", benign.replicas, 2, faulty=False),
    Scenario("jit_grant", benign.jit_grant, 2, faulty=False),
    Scenario("long_wait_for_approval", benign.long_wait_for_approval, 2, faulty=False, weight=5),
    Scenario("guardrail_blocked", benign.guardrail_blocked, 2, faulty=False),
    Scenario("lateral_near_miss", faulty.lateral_near_miss, 3, faulty=False),
    Scenario("missing_stream", faulty.missing_stream, 2, faulty=False, weight=4, settled=False),
    Scenario("missing_decision_root", faulty.missing_decision_root, 2, faulty=True),
    Scenario("deny_not_enforced", faulty.deny_not_enforced, 2, faulty=True),
    Scenario("destructive_unbacked", faulty.destructive_unbacked, 2, faulty=True, weight=5),
    Scenario("inherited_trust", faulty.inherited_trust, 3, faulty=True),
    Scenario("cites_other_agent", faulty.cites_other_agent, 2, faulty=True, classes=_ECHOED),
    Scenario("cites_other_resource", faulty.cites_other_resource, 2, faulty=True, classes=_ECHOED),
    Scenario("cites_other_task", faulty.cites_other_task, 2, faulty=True, classes=_ECHOED),
    Scenario("over_uses", faulty.over_uses, 2, faulty=True, classes=("decision_id", "trace_key")),
    Scenario("approval_reused", faulty.approval_reused, 2, faulty=True),
    Scenario("stale_expired", faulty.stale_expired, 2, faulty=True, classes=_LINKED),
    Scenario("stale_too_old", faulty.stale_too_old, 2, faulty=True, classes=_LINKED),
    Scenario("stale_revoked", faulty.stale_revoked, 2, faulty=True, classes=_LINKED),
    Scenario("stale_policy", faulty.stale_policy, 2, faulty=True, classes=_LINKED),
    Scenario("lateral_chain", faulty.lateral_chain, 4, faulty=True),
    Scenario("denied_then_delegated", faulty.denied_then_delegated, 2, faulty=True),
)
