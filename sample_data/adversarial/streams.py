"""Rules 10, 12 and 13: what is missing from the streams, and what a row of answers says."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sample_data.adversarial.scene import TICK, Scene, agents, resource

if TYPE_CHECKING:
    import random

PROBING_WINDOW = 600


def permits(rng: random.Random) -> Scene:
    """Permits that nothing followed: one is a gap, three of an agent that logs nothing beside others are silence."""
    (who, other), what = agents(rng, 2), resource(rng)
    unused, used = rng.randrange(5), rng.random() < 0.4
    scene = Scene("10", f"{unused} permits unused, another used {used}.", quiet=True)
    for n in range(unused):
        scene.decide(f"u{n}", 20 + n, who, "pay", f"{what}{n}")
    if used:
        scene.decide("d1", 9, who, "read", "case/c-1")
        scene.act("i1", 10, who, "read", "case/c-1")
    scene.decide("d2", 9, other, "read", "case/c-2")
    scene.act("i2", 10, other, "read", "case/c-2")
    if unused:
        silent = unused >= 3 and not used
        scene.fires = [{"reason": "agent_silent" if silent else "permit_unused", "agent": who}]
    return scene


def starts(rng: random.Random) -> Scene:
    """Who was handed work starts, and who starts was handed work."""
    (first, second, third) = agents(rng, 3)
    started, extra, refused = rng.random() < 0.6, rng.random() < 0.4, rng.random() < 0.2
    scene = Scene(
        "10",
        f"Handed on (refused {refused}), started {started}, another started unasked {extra}.",
        quiet=True,
    )
    scene.orchestration.append({"id": "t0", "at": 1, "event_type": "run_start", "agent": first})
    scene.hand(5, first, second, **({"status": "rejected"} if refused else {}))
    name = scene.orchestration[-1]["id"]
    if started and not refused:
        scene.orchestration.append({"id": "t1", "at": 6, "event_type": "task_start", "agent": second})
    if extra:
        scene.orchestration.append({"id": "t2", "at": 8, "event_type": "task_start", "agent": third})
    if not refused:
        scene.fires += [] if started else [{"reason": "no_start", "event": name}]
        scene.fires += [{"reason": "no_handoff", "event": "t2"}] if extra else []
    return scene


def drift(rng: random.Random) -> Scene:
    """A turned answer is drift when the same decision point gave both under two policies."""
    (who,), what = agents(rng, 1), resource(rng)
    turned, newer, same_point, same_run = (rng.random() < 0.8 for _ in range(4))
    first = rng.choice(["allow", "deny"])
    second = {"allow": "deny", "deny": "allow"}[first] if turned else first
    scene = Scene(
        "12", f"{first}, then {second}; newer policy {newer}, same point {same_point}, same run {same_run}."
    )
    scene.decide("d1", 10, who, "pay", what, decision=first, policy_version="v1", pdp_id="pdp-1")
    scene.decide(
        "d2", 30, who, "pay", what, decision=second, policy_version="v2" if newer else "v1",
        pdp_id="pdp-1" if same_point else "pdp-2", trace="run-1" if same_run else "run-2",
    )  # fmt: skip
    if turned and newer and same_point and same_run:
        scene.fires = [{"reason": f"to_{second}", "decision": "d2"}]
    return scene


def probing(rng: random.Random) -> Scene:
    """Three denies within the window and then a permit for something else, with no approval in between."""
    (who,), what = agents(rng, 1), resource(rng)
    denies = rng.choice([1, 2, 3, 3, 3, 4])
    wait = rng.choice(
        [1, PROBING_WINDOW - 2 - TICK, PROBING_WINDOW - 2, PROBING_WINDOW - 2 + TICK, PROBING_WINDOW]
    )
    changed, approved = rng.random() < 0.8, rng.random() < 0.2
    last = 10 + denies - 1
    asked_at = (last - 2 if denies >= 3 else 10) + 2 + wait
    within = sum(asked_at - PROBING_WINDOW <= 10 + n for n in range(denies))
    scene = Scene(
        "13", f"{denies} denies, {within} of them within the window; changed {changed}, approved {approved}."
    )
    for n in range(denies):
        scene.decide(f"d{n}", 10 + n, who, "pay", f"{what}", decision="deny")
    more = {"approval_id": "a1", "approver": "kim"} if approved else {}
    scene.decide("d9", asked_at, who, "pay", f"{what}8" if changed else what, **more)
    if within >= 3 and changed and not approved:
        scene.fires = [{"reason": "other_resource", "decision": "d9"}]
    return scene


FAMILIES = (permits, starts, drift, probing)
