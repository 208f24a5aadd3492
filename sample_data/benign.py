"""Runs in which every action has the decision that it needs, however odd they look.

Each function writes one variant `v` of a scenario into a template; `scenarios.py` says how many there are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sample_data.parts import MINUTE

if TYPE_CHECKING:
    from sample_data.template import Template

_SUPPORT = (
    "ticket.read",
    "ticket.comment",
    "ticket.close",
    "customer.read",
    "customer.update",
    "payment.read",
    "payment.refund",
)


def support_case(t: Template, v: int) -> None:
    """A case goes from agent to agent, and each asks for its own decisions."""
    ticket, customer, payment = t.resource("ticket"), t.resource("customer", hot=True), t.resource("payment")
    seen = t.slot()
    triage = t.run("triage", _SUPPORT)
    t.act(triage, "read_ticket", ticket)
    t.act(triage, "lookup_customer", customer, writes=seen)
    if v == 2:
        records = t.handoff(triage, "records")
        t.act(records, "update_customer", customer, reads=seen)
        last = t.handoff(records, "triage")
    else:
        billing = t.handoff(triage, "billing")
        paid = t.slot()
        t.act(billing, "get_payment", payment, reads=seen, writes=paid)
        if v == 1:
            refunds = t.handoff(billing, "refunds")
            t.act(refunds, "get_payment", payment)
            t.act(refunds, "issue_refund", payment, reads=paid)
            last = t.handoff(refunds, "triage")
        else:
            t.act(billing, "issue_refund", payment, reads=paid)
            last = t.handoff(billing, "triage")
    t.act(last, "comment_ticket", ticket)
    t.act(last, "close_ticket", ticket)


def single_agent(t: Template, v: int) -> None:
    """One agent does its own work, with no handoff."""
    name, tools = _ERRANDS[v]
    scopes = tuple(f"{kind}.{action}" for kind, action, _ in tools)
    agent = t.run(name, scopes)
    shared = {kind: t.resource(kind, hot=action == "read") for kind, action, _ in tools}
    for kind, _, tool in tools:
        t.act(agent, tool, shared[kind])


_ERRANDS = (
    ("secrets_broker", (("secret", "read", "read_secret"), ("secret", "rotate", "rotate_secret"))),
    ("payouts", (("payment", "read", "get_payment"), ("payment", "payout", "send_payout"))),
    ("records", (("customer", "read", "lookup_customer"), ("customer", "update", "update_customer"))),
    (
        "deployer",
        (
            ("repository", "read", "read_repository"),
            ("repository", "push", "push_branch"),
            ("change", "create", "create_change"),
            ("service", "deploy", "deploy_service"),
        ),
    ),
    ("responder", (("service", "read", "read_metrics"), ("service", "restart", "restart_service"))),
    ("researcher", (("document", "read", "search_documents"), ("page", "read", "fetch_page"))),
    ("dba", (("database", "select", "run_select"), ("database", "update", "run_update"))),
    ("translator", (("document", "read", "search_documents"),)),
    ("analyst", (("document", "read", "search_documents"), ("database", "export", "export_rows"))),
    ("billing", (("ticket", "read", "read_ticket"), ("customer", "read", "lookup_customer"))),
)


def parallel_reads(t: Template, v: int) -> None:
    """One agent makes the same call on several resources at once; in variant 1 by one decision for all."""
    agent = t.run("analyst", ("database.select",))
    table = t.resource("database")
    t.think(agent)
    if v == 1:
        shared = t.ids()
        # A decision for all of them can name no span of theirs: it is found by its trace, one rung lower.
        corr = "trace_key" if t.corr == "span" else t.corr
        whole = t.decide(agent, "run_select", table, ids=shared, pattern="/*", corr=corr)
        parts = [t.resource("database", like=table, suffix=f"/part-{n}") for n in range(1, 5)]
        calls = [(part, whole, (t.slot(), t.slot(), shared[2]), t.wait(0.01), corr) for part in parts]
    else:
        calls = []
        for one in (table, t.resource("database"), t.resource("database")):
            own = t.decide(agent, "run_select", one)
            calls.append((one, own, own.call, t.wait(0.01), t.corr))
    for part, decision, ids, start, corr in calls:
        t.call(agent, "run_select", part, decision, ids=ids, start=start, corr=corr)


def tool_retry(t: Template, v: int) -> None:
    """A call fails and is tried again: with a decision each time, or (variant 1) by one for all."""
    agent = t.run("billing", ("payment.read", "payment.refund"))
    payment = t.resource("payment")
    tool = "get_payment" if v == 0 else "issue_refund"
    ids, digest = t.ids(), t.slot()
    if v == 1:
        own = t.decide(agent, tool, payment, ids=ids, max_uses=1)
    for attempt in (1, 2, 3):
        last = attempt == 3
        how: dict[str, Any] = {
            "attempt": attempt,
            "status": "ok" if last else "error",
            "error": None if last else "timeout",
        }
        if v == 0:
            t.act(agent, tool, payment, ids=ids, digest=digest, **how)
        else:
            corr = "trace_key" if t.corr == "span" and attempt > 1 else t.corr
            t.call(agent, tool, payment, own, ids=ids, digest=digest, corr=corr, **how)
        ids = t.ids(again=ids)
        # Further apart than the skew, so that the newest decision is the attempt's own on every rung.
        t.wait(3.0, floor=9.0)


def agent_as_tool(t: Template, v: int) -> None:
    """An agent calls another one as a tool and goes on with its answer."""
    scopes = ("agent.invoke", "document.read", "change.create", "database.select", "page.read")
    root = t.run("coordinator", scopes)
    document, change = t.resource("document", hot=True), t.resource("change")
    t.act(root, "search_documents", document)
    name, kind, tool = (("analyst", "database", "run_select"), ("researcher", "page", "fetch_page"))[v]
    sub, call = t.delegate(root, name, (f"{kind}.{'select' if v == 0 else 'read'}",))
    t.act(sub, tool, t.resource(kind))
    t.finish_delegate(sub, call)
    t.act(root, "create_change", change)


def approved_escalation(t: Template, v: int) -> None:
    """One agent is denied; a human approves; another agent is permitted, and acts on that."""
    names = (("triage", "refunds", "issue_refund"), ("billing", "payouts", "send_payout"))[v]
    payment = t.resource("payment")
    first = t.run(names[0], ("customer.read", "payment.read", "payment.refund", "payment.payout"))
    t.act(first, "lookup_customer", t.resource("customer"))
    t.refused(first, names[2], payment)
    second = t.handoff(first, names[1])
    digest = t.slot()
    approval = t.approve(second, names[2], payment, digest=digest)
    t.act(second, names[2], payment, approval=approval, digest=digest, max_uses=1)


def two_runs_one_trace(t: Template, v: int) -> None:
    """Two runs share a trace and act on the same resource, each by its own decision."""
    payment = t.resource("payment")
    for _ in range(2):
        agent = t.run(("billing", "refunds")[v], ("payment.read", "payment.refund"))
        t.act(agent, "get_payment", payment)
        t.act(agent, "issue_refund", payment)
        t.end(agent)
        t.wait(20.0, floor=15.0)


def handoff_loop(t: Template, v: int) -> None:
    """Two agents pass a task back and forth, and read the same thing again and again."""
    ticket = t.resource("ticket")
    agent = t.run("triage", ("ticket.read", "ticket.comment", "customer.read"))
    t.act(agent, "read_ticket", ticket)
    for name in ("billing", "triage", "billing")[: 2 + v]:
        t.wait(1.0, floor=9.0)
        agent = t.handoff(agent, name)
        t.act(agent, "read_ticket", ticket)


def denied_enforced(t: Template, v: int) -> None:
    """An attempt is denied and does not run."""
    agent = t.run("triage", ("ticket.read", "ticket.comment", "payment.refund"))
    ticket = t.resource("ticket")
    t.act(agent, "read_ticket", ticket)
    for _ in range(1 + v):
        t.refused(agent, "issue_refund", t.resource("payment"))
    t.act(agent, "comment_ticket", ticket)


def derived_decision(t: Template, v: int) -> None:
    """The decision of a receiving agent was derived from that of the agent before it."""
    if v == 0:
        payment = t.resource("payment")
        parent = t.run("billing", ("payment.read", "payment.refund"))
        first = t.act(parent, "get_payment", payment)
        child = t.handoff(parent, "refunds")
        t.act(child, "get_payment", payment, parent=first.decision)
    else:
        change, repository = t.resource("change"), t.resource("repository")
        parent = t.run("coordinator", ("change.create", "repository.push", "service.deploy"))
        first = t.act(parent, "create_change", change)
        child = t.handoff(parent, "deployer")
        t.act(child, "push_branch", repository, parent=first.decision)
        t.act(child, "deploy_service", t.resource("service"), parent=first.decision)


def replicas(t: Template, v: int) -> None:
    """Two instances of one agent share a task; one acts on the decision that the other asked for."""
    one = t.run("analyst", ("database.select", "database.export"), replica=1)
    two = t.join(one, 2)
    table = t.resource("database")
    t.think(two)
    decision = t.decide(one, "run_select", table)
    t.call(two, "run_select", table, decision)
    if v == 1:
        weaker = {"request_id": "key", "span": "trace_key"}.get(t.corr, t.corr)
        t.wait(0.5)
        t.call(one, "run_select", table, decision, ids=t.ids(), corr=weaker)
    t.act(two, "export_rows", t.resource("database"))


def jit_grant(t: Template, v: int) -> None:
    """An agent is denied, gets the permission for a while, asks again and acts."""
    name, tool, kind = (("analyst", "run_update", "database"), ("responder", "deploy_service", "service"))[v]
    resource = t.resource(kind)
    agent = t.run(name, ("database.select", "database.update", "service.read", "service.deploy"))
    t.act(agent, "run_select" if v == 0 else "read_metrics", t.resource(kind))
    t.refused(agent, tool, resource)
    grant = t.grant(agent, tool)
    t.act(agent, tool, resource)
    t.withdraw(agent, tool, grant)


def long_wait_for_approval(t: Template, v: int) -> None:
    """An action waits for a human, then for its hour; the decision is old by then and still valid."""
    name, tool, kind = (
        ("responder", "restart_service", "service"),
        ("payouts", "send_payout", "payment"),
    )[v]
    resource, ids, digest = t.resource(kind), t.ids(), t.slot()
    agent = t.run(name, ("service.read", "service.restart", "payment.read", "payment.payout"))
    t.act(agent, ("read_metrics", "get_payment")[v], t.resource(kind))
    t.decide(agent, tool, resource, "indeterminate", ids=ids)
    t.note(agent, "step", "input_required")
    t.wait(60.0, floor=8 * 60.0)
    approval = t.approve(agent, tool, resource)
    decision = t.decide(
        agent, tool, resource, ids=ids, approval=approval, ttl=120 * MINUTE, max_uses=1, digest=None
    )
    t.wait(120.0, floor=17 * 60.0)
    t.call(agent, tool, resource, decision, digest=digest)


def guardrail_blocked(t: Template, v: int) -> None:
    """A guardrail stops a run before it acts further."""
    agent = t.run(("triage", "billing")[v], ("ticket.read", "payment.refund"))
    t.act(agent, "read_ticket", t.resource("ticket", hot=True))
    t.think(agent)
    t.note(agent, "guardrail", "rejected", "tripwire")
