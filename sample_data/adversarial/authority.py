"""Rules 01 to 04: is there a decision, is it this agent's for this action, is it within its bounds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sample_data.adversarial.scene import MAX_AGE, SKEW, TICK, Scene, agents, resource

if TYPE_CHECKING:
    import random


def decided_after_the_action(rng: random.Random) -> Scene:
    """The clocks may differ by the skew, and by no more."""
    (who,), what = agents(rng, 1), resource(rng)
    late = rng.choice([-1, 0, SKEW - TICK, SKEW, SKEW + TICK, SKEW + 1])
    scene = Scene("01", f"Decided {late} s after it ran.")
    scene.act("i1", 20, who, "pay", what)
    scene.decide("d1", 20 + late, who, "pay", what)
    if late > SKEW:
        scene.fires = [{"reason": "no_decision", "event": "i1"}]
    return scene


def newest_answer(rng: random.Random) -> Scene:
    """Of several answers the newest before the action counts."""
    (who,), what = agents(rng, 1), resource(rng)
    answers = [rng.choice(["allow", "deny"]) for _ in range(rng.randrange(1, 5))]
    scene = Scene("01", f"Answered {', then '.join(answers)}.")
    for n, answer in enumerate(answers):
        scene.decide(f"d{n}", 10 + n, who, "pay", what, decision=answer)
    scene.act("i1", 20, who, "pay", what)
    if answers[-1] == "deny":
        scene.fires = [{"reason": "denied", "event": "i1"}]
    return scene


def one_part_differs(rng: random.Random) -> Scene:
    """A decision that agrees in all but one part is none for it; one for another resource is reused, which 02 tells."""
    (who, other), what = agents(rng, 2), resource(rng)
    part = rng.choice(["nothing", "action", "resource", "agent", "tenant", "run"])
    scene = Scene("01", f"The decision differs in {part}.")
    scene.act("i1", 20, who, "pay", what)
    scene.decide(
        "d1", 19, other if part == "agent" else who, "refund" if part == "action" else "pay",
        f"{what}0" if part == "resource" else what, tenant="t2" if part == "tenant" else "t1",
        trace="run-2" if part == "run" else "run-1",
    )  # fmt: skip
    if part not in ("nothing", "resource"):
        scene.fires = [{"reason": "no_decision", "event": "i1"}]
    return scene


def handed_down(rng: random.Random) -> Scene:
    """Trust is inherited over as many handoffs as are followed; what is farther is no decision at all."""
    hops, what = rng.randrange(1, 9), resource(rng)
    chain = [f"step-{n}" for n in range(hops + 1)]
    scene = Scene("02", f"The agent that was permitted is {hops} handoffs away.")
    scene.decide("d1", 1, chain[0], "pay", what)
    scene.act("i0", 2, chain[0], "pay", what)
    for n in range(hops):
        scene.hand(3 + n, chain[n], chain[n + 1])
    scene.act("i1", 20, chain[-1], "pay", what)
    if hops <= 6:
        scene.fires = [{"reason": "inherited", "event": "i1"}]
    return scene


def uses(rng: random.Random) -> Scene:
    """A decision stands behind so many actions and no more; attempts that were refused are no uses."""
    (who,), what = agents(rng, 1), resource(rng)
    most, done, refused = rng.randrange(1, 5), rng.randrange(1, 6), rng.randrange(3)
    scene = Scene("02", f"{done} uses of a decision for {most}, and {refused} refused attempts.")
    scene.decide("d1", 9, who, "pay", what, max_uses=most)
    for n in range(done):
        scene.act(f"i{n}", 20 + n, who, "pay", what, decision_id="d1")
    for n in range(refused):
        scene.act(f"r{n}", 12 + n, who, "pay", what, decision_id="d1", status="rejected")
    scene.fires = [{"reason": "over_uses", "event": f"i{n}"} for n in range(most, done)]
    return scene


def cited(rng: random.Random) -> Scene:
    """An id that is passed on stays the id of another's decision."""
    (who, other), what = agents(rng, 2), resource(rng)
    same_agent, same_thing, reads = (rng.random() < 0.5 for _ in range(3))
    action = "read" if reads else "pay"
    scene = Scene("02", f"Cited: same agent {same_agent}, same resource {same_thing}.")
    scene.decide("d1", 9, who, action, what)
    scene.act(
        "i1", 12, who if same_agent else other, action, what if same_thing else f"{what}9", decision_id="d1"
    )
    if not same_agent:
        level = "medium" if reads and same_thing else "high"
        scene.fires = [{"reason": "other_agent", "event": "i1", "level": level}]
    elif not same_thing:
        scene.fires = [{"reason": "other_resource", "event": "i1"}]
    return scene


def approved_uses(rng: random.Random) -> Scene:
    """An approval covers the uses, resource and arguments that it names."""
    (who,), what = agents(rng, 1), resource(rng)
    most, done = rng.randrange(1, 4), rng.randrange(1, 5)
    scene = Scene("03", f"{done} uses of an approval for {most}.")
    scene.identity.append(
        {"id": "n1", "at": 5, "until": 900, "event_type": "approval", "agent": who, "approval_id": "a1",
         "approver": "kim", "action": "pay", "resource": what, "max_uses": most}
    )  # fmt: skip
    for n in range(done):
        scene.decide(f"d{n}", 9 + 10 * n, who, "pay", what, approval_id="a1")
        scene.act(f"i{n}", 10 + 10 * n, who, "pay", what, decision_id=f"d{n}")
    scene.fires = [{"reason": "over_uses", "event": f"i{n}"} for n in range(most, done)]
    return scene


def approved_for(rng: random.Random) -> Scene:
    """What was approved is one action on one resource with one set of arguments."""
    (who,), what = agents(rng, 1), resource(rng)
    part = rng.choice(["nothing", "resource", "action", "arguments"])
    scene = Scene("03", f"Approved for another {part}.")
    scene.identity.append(
        {"id": "n1", "at": 5, "until": 900, "event_type": "approval", "agent": who, "approval_id": "a1",
         "approver": "kim", "action": "refund" if part == "action" else "pay",
         "resource": f"{what}7" if part == "resource" else what,
         "arguments_digest": "bb" if part == "arguments" else "aa", "max_uses": 1}
    )  # fmt: skip
    scene.decide("d1", 9, who, "pay", what, approval_id="a1")
    scene.act("i1", 10, who, "pay", what, arguments_digest="aa")
    if part != "nothing":
        scene.fires = [{"reason": f"other_{part}", "event": "i1"}]
    return scene


def expiry(rng: random.Random) -> Scene:
    """Until a moment means that at that moment it no longer holds; without an end its age counts."""
    (who,), what = agents(rng, 1), resource(rng)
    ends = rng.choice([60, 61.5, 600, None])
    bound = MAX_AGE if ends is None else ends
    at = bound + rng.choice([-1, -TICK, 0, TICK, 1])
    scene = Scene("04", f"Decided at 0 until {ends}, used at {at}.")
    scene.decide("d1", 0, who, "pay", what, **({} if ends is None else {"until": ends}))
    scene.act("i1", at, who, "pay", what)
    if ends is None and at > bound:
        scene.fires = [{"reason": "too_old", "event": "i1"}]
    elif ends is not None and at >= bound:
        scene.fires = [{"reason": "expired", "event": "i1"}]
    return scene


def withdrawn(rng: random.Random) -> Scene:
    """Revoked, or of an older policy, before it was used or after."""
    (who,), what = agents(rng, 1), resource(rng)
    before = rng.random() < 0.5
    at = 30 + rng.choice([10, 20] if before else [-10, -20])
    scene = Scene("04", f"Withdrawn at 30, used at {at}.")
    policy = rng.random() < 0.5
    scene.decide("d1", 5, who, "pay", what, until=900, **({"policy_version": "v1"} if policy else {}))
    scene.act("i1", at, who, "pay", what)
    if policy:
        scene.decide("d2", 30, "someone", "read", "case/c-1", trace="run-2", policy_version="v2")
        scene.act("i2", 31, "someone", "read", "case/c-1", trace="run-2")
    else:
        scene.identity.append({"id": "n1", "at": 30, "event_type": "decision_revoked", "decision_id": "d1"})
    if before:
        scene.fires = [{"reason": "policy_changed" if policy else "revoked", "event": "i1"}]
    return scene


FAMILIES = (
    decided_after_the_action, newest_answer, one_part_differs, handed_down, uses, cited, approved_uses, approved_for,
    expiry, withdrawn,
)  # fmt: skip
