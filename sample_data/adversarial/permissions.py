"""Rules 07, 08, 09 and 15: what is held, for how long, by whom, and with what proof."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sample_data.adversarial.scene import GRACE, TICK, Scene, agents, resource

if TYPE_CHECKING:
    import random

DAY = 86_400
# All that is known of a lake makes the window of rule 07, so every case of it ends at the same moment.
END = 10 * DAY


def held_and_used(rng: random.Random) -> Scene:
    """From half of the permissions unused it fires; one of high risk is enough; one got later does not count."""
    (who,) = agents(rng, 1)
    granted = rng.randrange(2, 8)
    used = rng.randrange(1, granted + 1)
    risky, late = rng.random() < 0.3, rng.random() < 0.3
    scene = Scene(
        "07",
        f"{used} of {granted} used; the last of high risk: {risky}; one more got later: {late}.",
        quiet=True,
    )
    for n in range(granted):
        more = {"sensitivity": 4} if risky and n == granted - 1 else {}
        scene.identity.append({"at": 0, "agent": who, "grant_id": f"g{n}", "scope": f"record.act{n}", **more})
    if late:
        scene.identity.append(
            {"at": DAY, "agent": who, "grant_id": "late", "scope": "record.late", "sensitivity": 4}
        )
    for n in range(used):
        at = END if n == 0 else rng.uniform(DAY, END - DAY)
        scene.decide(f"d{n}", at, who, f"act{n}", "record/r-1")
        scene.act(f"i{n}", at, who, f"act{n}", "record/r-1", decision_id=f"d{n}")
    if risky and used < granted:
        scene.fires = [{"reason": "unused_high_risk", "agent": who}]
    elif (granted - used) / granted >= 0.5:
        scene.fires = [{"reason": "unused_share", "agent": who}]
    return scene


def outlives(rng: random.Random) -> Scene:
    """A credential may be valid, and be revoked, up to the grace after its task's end."""
    (who,) = agents(rng, 1)
    bound = 60 + GRACE
    kind = rng.choice(["expires", "revoked", "used"])
    at = bound + rng.choice([-1, -TICK, 0, TICK, 1])
    scene = Scene("08", f"Task ends at 60; {kind} at {at}.")
    holds = at if kind == "expires" else 7200
    scene.orchestration.append(
        {"id": "t1", "at": 0, "until": 60, "event_type": "task_start", "agent": who, "task_id": "k1",
         "credential_id": "c1", "credential_type": "short_lived", "credential_expires_time": holds}
    )  # fmt: skip
    if kind == "revoked":
        scene.identity.append(
            {"id": "n1", "at": at, "event_type": "credential_revoked", "agent": who, "credential_id": "c1"}
        )
    if kind == "used":
        scene.act("i1", at, who, "pay", "payment/p-1", credential_id="c1", trace="run-2")
        scene.decide("d1", at - 1, who, "pay", "payment/p-1", trace="run-2")
        scene.fires = [{"reason": "used_after" if at > bound else "not_revoked", "event": "t1"}]
    elif at > bound:
        scene.fires = [{"reason": "not_revoked" if kind == "expires" else "revoked_late", "event": "t1"}]
    return scene


def shared(rng: random.Random) -> Scene:
    """One secret is one agent's, in one environment; replicas and a renamed agent are one agent."""
    (who, other) = agents(rng, 2)
    kind = rng.choice(["own", "agents", "replicas", "renamed", "environments"])
    scene = Scene("09", f"Seen as: {kind}.")
    first = {"agent_id": "id:1", "environment": "production", "credential_fingerprint": "f1"}
    second = dict(first)
    name = other if kind in ("agents", "renamed") else who
    if kind in ("agents", "replicas"):
        second["agent_id"] = "id:2"
    if kind == "environments":
        second["environment"] = "staging"
    if kind == "own":
        second["credential_fingerprint"] = "f2"
    scene.act("i1", 10, who, "pay", "payment/p-1", **first)
    scene.act("i2", 20, name, "pay", "payment/p-1", **second)
    if kind in ("agents", "environments"):
        scene.fires = [{"reason": kind}]
    return scene


def proven(rng: random.Random) -> Scene:
    """Attestation valid or not, the tool sensitive or not, the subject the agent's own or another's."""
    (who, other), what = agents(rng, 2), resource(rng)
    state = rng.choice(["verified", "absent", "expired", "untrusted", None])
    sensitivity = rng.randrange(5)
    subject = rng.choice([None, f"spiffe://example/agent/{who}/replica/3", f"spiffe://example/agent/{other}"])
    scene = Scene("15", f"Attestation {state}, sensitivity {sensitivity}, subject {subject}.")
    more = {key: value for key, value in (("attestation", state), ("agent_id", subject)) if value is not None}
    scene.act("i1", 10, who, "pay", what, sensitivity=sensitivity)
    scene.decide("d1", 9, who, "pay", what, **more)
    level = "high" if sensitivity >= 3 else "medium"
    if subject is not None and subject.endswith(other):
        scene.fires = [{"reason": "other_subject", "event": "i1", "level": level}]
    elif state not in ("verified", None):
        scene.fires = [{"reason": state, "event": "i1", "level": level}]
    return scene


FAMILIES = (held_and_used, outlives, shared, proven)
