"""Runs in which something went wrong, each with the findings that are expected of it.

Each function writes one variant `v` of a scenario into a template; `scenarios.py` says how many there are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sample_data.parts import MINUTE
from sample_data.roles import TOOLS

if TYPE_CHECKING:
    from sample_data.parts import Agent, Call, Decision, Resource
    from sample_data.template import Template


def missing_decision_root(t: Template, v: int) -> None:
    """The only agent of a run does one thing that nobody decided on."""
    name, kind, first, second = (
        ("billing", "payment", "get_payment", "issue_refund"),
        ("dba", "database", "run_select", "run_update"),
    )[v]
    agent = t.run(name, ("payment.read", "payment.refund", "database.select", "database.update"))
    t.act(agent, first, t.resource(kind))
    t.think(agent)
    call = t.call(agent, second, t.resource(kind), verdict="unbacked", fault="missing_decision")
    t.expect("01", "high", call)


def deny_not_enforced(t: Template, v: int) -> None:
    """A denied action runs all the same."""
    name, kind, first, second = (
        ("triage", "payment", "read_ticket", "issue_refund"),
        ("dba", "database", "run_select", "export_rows"),
    )[v]
    agent = t.run(name, ("ticket.read", "payment.refund", "database.select", "database.export"))
    t.act(agent, first, t.resource(TOOLS[first].resource_type))
    call = t.act(
        agent, second, t.resource(kind), effect="deny", verdict="after_deny", fault="deny_not_enforced"
    )
    t.expect("01", "critical", call)


def destructive_unbacked(t: Template, v: int) -> None:
    """Something is destroyed that nobody decided on."""
    name, first, second = (
        ("dba", "run_select", "drop_table"),
        ("records", "lookup_customer", "delete_customer"),
    )[v]
    agent = t.run(name, ("database.select", "database.drop", "customer.read", "customer.delete"))
    t.act(agent, first, t.resource(TOOLS[first].resource_type))
    t.think(agent)
    resource = t.resource(TOOLS[second].resource_type)
    call = t.call(agent, second, resource, verdict="unbacked", fault="missing_decision")
    t.expect("01", "critical", call)


def inherited_trust(t: Template, v: int) -> None:
    """A receiving agent does what an agent before it was permitted, and asks nobody."""
    tool, kind, names = (
        ("lookup_customer", "customer", ("triage", "billing")),
        ("issue_refund", "payment", ("billing", "refunds")),
        ("lookup_customer", "customer", ("triage", "billing", "refunds")),
    )[v]
    resource = t.resource(kind)
    first, digest = (
        t.run(names[0], ("ticket.read", "customer.read", "payment.read", "payment.refund")),
        t.slot(),
    )
    t.act(first, tool, resource, digest=digest)
    agent = t.handoff(first, names[1])
    if len(names) == 3:
        t.act(agent, "get_payment", t.resource("payment"))
        agent = t.handoff(agent, names[2])
    t.think(agent)
    call = t.call(
        agent, tool, resource, digest=digest, verdict="reused", reason="inherited", fault="laundering"
    )
    t.expect("02", _reuse_level(tool), call)


def cites_other_agent(t: Template, v: int) -> None:
    """A receiving agent names the decision of the agent before it as its own."""
    tool, kind = (("lookup_customer", "customer"), ("issue_refund", "payment"))[v]
    resource = t.resource(kind)
    first = t.run("billing", ("customer.read", "payment.refund"))
    own = t.act(first, tool, resource, bind=False).decision
    second = t.handoff(first, "refunds")
    _reuse(t, second, tool, resource, own, "other_agent")


def cites_other_resource(t: Template, v: int) -> None:
    """A decision for one resource is named for others."""
    name, tool, kind = (("analyst", "export_rows", "database"), ("records", "lookup_customer", "customer"))[v]
    agent = t.run(name, ("database.export", "customer.read"))
    own = t.act(agent, tool, t.resource(kind), bind=False).decision
    for _ in range(2):
        _reuse(t, agent, tool, t.resource(kind), own, "other_resource", same=False)


def cites_other_task(t: Template, v: int) -> None:
    """A decision made for one task is named for another."""
    tool = ("get_payment", "issue_refund")[v]
    payment = t.resource("payment")
    scopes = ("payment.read", "payment.refund")
    first = t.run("billing", scopes)
    own = t.act(first, tool, payment, bind=False).decision
    t.end(first)
    t.wait(5.0, floor=10.0)
    second = t.run("billing", scopes)
    _reuse(t, second, tool, payment, own, "other_task")


def over_uses(t: Template, v: int) -> None:
    """A decision good for one action stands behind several."""
    tool = ("send_payout", "get_payment")[v]
    agent = t.run("payouts", ("payment.read", "payment.payout"))
    payment = t.resource("payment")
    own = t.act(agent, tool, payment, max_uses=1, bind=False).decision
    for _ in range(1 + v):
        t.wait(5.0, floor=8.0)
        _reuse(t, agent, tool, payment, own, "over_uses")


def approval_reused(t: Template, v: int) -> None:
    """A human approved one action, and a second one goes by the same approval."""
    agent = t.run("payouts", ("payment.read", "payment.payout"))
    payment, digest = t.resource("payment"), t.slot()
    approval = t.approve(agent, "send_payout", payment, digest=digest)
    t.act(agent, "send_payout", payment, approval=approval, digest=digest)
    t.wait(5.0, floor=12.0)
    other = t.resource("payment") if v == 0 else payment
    call = t.act(
        agent, "send_payout", other, approval=approval, verdict="approval_reused", fault="approval_reused"
    )
    t.expect("03", "high", call)


def stale_expired(t: Template, v: int) -> None:
    """A decision is used after it expired."""
    agent, tool, resource = _stale_agent(t, v)
    own = t.decide(agent, tool, resource, ttl=2 * MINUTE)
    t.wait(30.0, floor=200.0)
    _stale(t, agent, tool, resource, own, "expired")


def stale_too_old(t: Template, v: int) -> None:
    """A decision without an expiry is used long after it was made."""
    agent, tool, resource = _stale_agent(t, v)
    own = t.decide(agent, tool, resource, ttl=None)
    t.wait(120.0, floor=18 * 60.0)
    _stale(t, agent, tool, resource, own, "too_old")


def stale_revoked(t: Template, v: int) -> None:
    """A decision is used after it was revoked."""
    agent, tool, resource = _stale_agent(t, v)
    own = t.decide(agent, tool, resource, ttl=30 * MINUTE)
    t.revoke(own, after=20.0)
    t.wait(10.0, floor=30.0)
    _stale(t, agent, tool, resource, own, "revoked")


def stale_policy(t: Template, v: int) -> None:
    """A decision is used after the policy that made it was changed."""
    agent, tool, resource = _stale_agent(t, v)
    own = t.decide(agent, tool, resource, ttl=30 * MINUTE)
    t.wait(10.0, floor=120.0)
    newer = t.act(agent, tool, t.resource(resource.type)).decision
    if newer is not None:  # always
        t.change = (own.tick, newer.tick)
    t.wait(10.0, floor=20.0)
    _stale(t, agent, tool, resource, own, "policy_changed")


def lateral_chain(t: Template, v: int) -> None:
    """Permitted calls unlock one another, up to something that the task was never given."""
    path, scopes, level = _PATHS[v]
    t.expect("05", level, *_walk(t, path, scopes))


def lateral_near_miss(t: Template, v: int) -> None:
    """Such a path within the task's scopes, or without a rise in sensitivity, or by one agent in one zone."""
    path, scopes = _NEAR[v]
    _walk(t, path, scopes)


def denied_then_delegated(t: Template, v: int) -> None:
    """What an agent is denied, another one does for it, and no decision names both."""
    first, second, tool, kind = (
        ("triage", "refunds", "issue_refund", "payment"),
        ("analyst", "dba", "run_update", "database"),
    )[v]
    resource = t.resource(kind)
    agent = t.run(first, ("customer.read", TOOLS[tool].scope))
    t.act(agent, "lookup_customer", t.resource("customer"))
    denied = t.refused(agent, tool, resource)
    child = t.handoff(agent, second, proven=False)
    done = t.act(child, tool, resource, fault="escalation")
    t.expect("14", "high", denied, done)


def missing_stream(t: Template, v: int) -> None:
    """The decisions have not arrived yet: nothing can be said."""
    agent = t.run("billing", ("customer.read", "payment.read"))
    payment = t.resource("payment")
    t.act(agent, "get_payment", payment)
    if v == 1:
        agent = t.handoff(agent, "refunds")
    t.act(agent, "lookup_customer", t.resource("customer"))


_Path = tuple[tuple[str, str], ...]
# No part of a path is a path of its own: it rises enough only as a whole.
_PATHS: tuple[tuple[_Path, tuple[str, ...], str], ...] = (
    (
        (("records", "lookup_customer"), ("analyst", "run_select"), ("dba", "run_update")),
        ("customer.read", "database.select"),
        "high",
    ),
    ((("analyst", "run_select"), ("secrets_broker", "read_secret")), ("database.select",), "critical"),
    ((("responder", "read_metrics"), ("dba", "export_rows")), ("service.read",), "high"),
    ((("deployer", "read_repository"), ("deployer", "deploy_service")), ("repository.read",), "high"),
)
_NEAR: tuple[tuple[_Path, tuple[str, ...]], ...] = (
    (_PATHS[0][0], ("customer.read", "database.select", "database.update")),
    ((("billing", "get_payment"), ("dba", "run_update")), ("payment.read",)),
    ((("payouts", "get_payment"), ("payouts", "send_payout")), ("payment.read",)),
)


def _walk(t: Template, path: _Path, scopes: tuple[str, ...]) -> list[Call]:
    """The calls of a path, each taking in what the one before gave out; a handoff where the agent changes."""
    agent = t.run(path[0][0], scopes)
    reads: int | None = None
    calls = []
    for name, tool in path:
        if name != agent.name:
            agent = t.handoff(agent, name)
        writes = t.slot()
        calls.append(t.act(agent, tool, t.resource(TOOLS[tool].resource_type), reads=reads, writes=writes))
        reads = writes
    return calls


def _reuse(
    t: Template,
    agent: Agent,
    tool: str,
    resource: Resource,
    decision: Decision | None,
    reason: str,
    *,
    same: bool = True,
) -> None:
    """An action by a decision that was made for something else."""
    t.think(agent)
    call = t.call(
        agent, tool, resource, decision, ids=t.ids(), verdict="reused", reason=reason, fault="decision_reuse"
    )
    t.expect("02", _reuse_level(tool, same=same), call)


def _reuse_level(tool: str, *, same: bool = True) -> str:
    """Medium for what only reads the very resource that was decided on, else high."""
    return "medium" if TOOLS[tool].reads and same else "high"


def _stale_agent(t: Template, v: int) -> tuple[Agent, str, Resource]:
    name, tool = (("billing", "get_payment"), ("dba", "run_update"))[v]
    agent = t.run(name, ("payment.read", "database.select", "database.update"))
    t.think(agent)
    return agent, tool, t.resource(TOOLS[tool].resource_type)


def _stale(t: Template, agent: Agent, tool: str, resource: Resource, decision: Decision, reason: str) -> None:
    """An action by a decision that was its own once."""
    call = t.call(agent, tool, resource, decision, verdict="stale", reason=reason, fault="stale_decision")
    t.expect("04", "medium" if TOOLS[tool].reads else "high", call)
