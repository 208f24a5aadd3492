"""Rules 05, 06, 11 and 14: what flows from step to step, and who acts for whom."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sample_data.adversarial.scene import TICK, Scene, agents, resource

if TYPE_CHECKING:
    import random

WINDOW = 900


def chained(rng: random.Random) -> Scene:
    """Two calls linked by a reference: a rise of two, across agents, out of the task's scope, or not quite."""
    (reader, payer), what, record = agents(rng, 2), resource(rng), resource(rng, "record")
    rise, linked, scoped, crosses = rng.randrange(4), *(rng.random() < 0.7 for _ in range(3))
    scoped = not scoped
    last = payer if crosses else reader
    scene = Scene("05", f"Rise {rise}, linked {linked}, within scope {scoped}, crosses {crosses}.")
    scopes = ["record.read", *(["payment.pay"] if scoped else [])]
    scene.orchestration.append(
        {"id": "r", "at": 0, "event_type": "run_start", "agent": reader, "task_scopes": scopes}
    )
    scene.act("i1", 10, reader, "read", record, sensitivity=1, output_refs=["o1"], decision_id="d1")
    scene.act("i2", 20, last, "pay", what, sensitivity=1 + rise, decision_id="d2",
              **({"input_refs": ["o1"]} if linked else {}))  # fmt: skip
    scene.decide("d1", 9, reader, "read", record)
    scene.decide("d2", 19, last, "pay", what)
    if rise >= 2 and linked and not scoped and crosses:
        scene.fires = [{"reason": "proved_chain", "event": "i2"}]
    return scene


def chained_by_handoff(rng: random.Random) -> Scene:
    """A handoff links what was before it with what comes within the window after it."""
    (reader, payer), what, record = agents(rng, 2), resource(rng), resource(rng, "record")
    after = rng.choice([1, WINDOW - 1, WINDOW, WINDOW + TICK, WINDOW + 1])
    scene = Scene("05", f"{after} s after the handoff.")
    scene.orchestration.append(
        {"id": "r", "at": 0, "event_type": "run_start", "agent": reader, "task_scopes": ["record.read"]}
    )
    scene.act("i1", 10, reader, "read", record, sensitivity=1, decision_id="d1")
    scene.hand(11, reader, payer)
    scene.act("i2", 11 + after, payer, "pay", what, sensitivity=3, decision_id="d2")
    scene.decide("d1", 9, reader, "read", record)
    scene.decide("d2", 10.5 + after, payer, "pay", what)
    if after <= WINDOW:
        scene.fires = [{"reason": "inferred_chain", "event": "i2"}]
    return scene


def leaked(rng: random.Random) -> Scene:
    """Untrusted content, private data and a sink: two of three, or the third too late, or approved, are not a flow."""
    (who,), message = agents(rng, 1), resource(rng, "message")
    untrusted, private, in_time = (rng.random() < 0.75 for _ in range(3))
    approved, proved = rng.random() < 0.25, rng.random() < 0.5
    scene = Scene("06", f"Untrusted {untrusted}, private {private}, in time {in_time}, approved {approved}.")
    read_at = 20 if in_time else 50
    first, second = resource(rng, "ticket"), resource(rng, "customer")
    scene.act(
        "i1", 10, who, "read", first, output_refs=["o1"], labels=["untrusted_content"] if untrusted else []
    )
    scene.act(
        "i2", read_at, who, "read", second, output_refs=["o2"], labels=["private_data"] if private else []
    )
    scene.act("i3", 30, who, "send", message, labels=["public_sink"], destination="mail.example",
              **({"input_refs": ["o1", "o2"]} if proved else {}))  # fmt: skip
    scene.decide("d1", 9, who, "read", first)
    scene.decide("d2", read_at - 1, who, "read", second)
    scene.decide(
        "d3", 29, who, "send", message, **({"approval_id": "a1", "approver": "kim"} if approved else {})
    )
    if untrusted and private and in_time and not approved:
        reason = "proved_flow" if proved else "likely_flow"
        scene.fires = [{"reason": reason, "event": "i3", "level": "critical" if proved else "high"}]
    return scene


def on_behalf_of(rng: random.Random) -> Scene:
    """The decision's principal is the run's, or another, or not known."""
    (who,), what = agents(rng, 1), resource(rng)
    root = rng.choice(["user:ann", "user:bob"])
    asked = rng.choice([root, "user:ann", "user:bob", None])
    scene = Scene("11", f"The run is for {root}, the decision for {asked}.")
    scene.orchestration.append(
        {"id": "r", "at": 1, "event_type": "run_start", "agent": who, "on_behalf_of": root}
    )
    scene.act("i1", 10, who, "pay", what)
    scene.decide("d1", 9, who, "pay", what, **({} if asked is None else {"on_behalf_of": asked}))
    if asked not in (root, None):
        scene.fires = [{"reason": "other_principal", "event": "i1"}]
    return scene


def depth(rng: random.Random) -> Scene:
    """Four agents in a chain of actors are allowed, five are not."""
    count, what = rng.randrange(2, 8), resource(rng)
    chain = [f"actor-{n}" for n in range(count)]
    scene = Scene("11", f"{count} agents in the chain.")
    scene.act("i1", 30, chain[-1], "pay", what)
    for n in range(count - 1):
        scene.hand(10 + n, chain[n], chain[n + 1])
    scene.decide("d1", 29, chain[-1], "pay", what, delegation_chain=["user:ann", *chain])
    if count > 4:
        scene.fires = [{"reason": "too_deep", "event": "i1"}]
    return scene


def laundered(rng: random.Random) -> Scene:
    """Denied to one and done by another: an escalation where the other is downstream and did the same thing."""
    (clerk, payer, beside), what = agents(rng, 3), resource(rng)
    downstream, same, denied_first = (rng.random() < 0.75 for _ in range(3))
    approved = rng.random() < 0.2
    scene = Scene(
        "14", f"Downstream {downstream}, same thing {same}, denied first {denied_first}, approved {approved}."
    )
    asked = 9 if denied_first else 40
    scene.decide("d1", asked, clerk, "pay", what, decision="deny")
    scene.act("i1", asked + 1, clerk, "pay", what, status="rejected")
    scene.hand(11, clerk if downstream else beside, payer)
    done = what if same else f"{what}5"
    scene.decide(
        "d2", 19, payer, "pay", done, **({"approval_id": "a1", "approver": "kim"} if approved else {})
    )
    scene.act("i2", 20, payer, "pay", done)
    if downstream and same and denied_first and not approved:
        scene.fires = [{"reason": "denied_upstream", "event": "i2"}]
    return scene


FAMILIES = (chained, chained_by_handoff, leaked, on_behalf_of, depth, laundered)
