"""What stands around a case and may not change what is found in it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import random

    from sample_data.adversarial.scene import Scene

DEPTH = 50


def disturbed(rng: random.Random, scene: Scene) -> Scene:
    """The scene with up to three disturbances, of those that its rule has nothing to do with."""
    known = (_bystander, _other_tenant, _shared_trace) if scene.quiet else (
        _bystander, _other_tenant, _shared_trace, _loop, _deep_chain, _replicas, _renamed,
    )  # fmt: skip
    for disturb in rng.sample(known, rng.randrange(4)):
        disturb(rng, scene)
    rng.shuffle(scene.orchestration)
    rng.shuffle(scene.decisions)
    return scene


def _work(scene: Scene, mark: str, at: float, agent: str, **more: Any) -> None:
    """An action with a decision of its own."""
    given = {"trace": "run-1", **more}
    thing = f"note/{mark}"
    scene.decide(f"d-{mark}", at - 1, agent, "annotate", thing, **given)
    scene.act(f"i-{mark}", at, agent, "annotate", thing, **given)


def _bystander(rng: random.Random, scene: Scene) -> None:
    """Another agent at work in the same run, in between."""
    for n in range(rng.randrange(1, 4)):
        _work(scene, f"by{n}", rng.uniform(2, 60), "bystander")


def _other_tenant(rng: random.Random, scene: Scene) -> None:
    """Another tenant whose ids, agents and run have the same names, and which did as it may."""
    acted = [row for row in scene.orchestration if "action" in row and row.get("tenant", "t1") == "t1"]
    for row in rng.sample(acted, min(2, len(acted))):
        _work(scene, f"ot{row['id']}", 30, row["agent"], tenant="t9", trace="run-1-of-t9")
        scene.orchestration[-1]["id"] = row["id"]


def _shared_trace(rng: random.Random, scene: Scene) -> None:
    """Another tenant that happens to use the same trace id."""
    _work(scene, "st", rng.uniform(2, 60), "stranger", tenant="t9")


def _loop(rng: random.Random, scene: Scene) -> None:
    """Two others that hand work to and fro, and do some."""
    for n in range(rng.randrange(2, 7)):
        pair = ("ping", "pong") if n % 2 else ("pong", "ping")
        scene.hand(3 + n, *pair)
    _work(scene, "loop", 12, "ping")


def _deep_chain(rng: random.Random, scene: Scene) -> None:
    """A chain of handoffs that is far longer than anything is followed."""
    for n in range(DEPTH):
        scene.hand(2 + n * 0.1, f"link-{n}", f"link-{n + 1}")
    _work(scene, "deep", rng.uniform(20, 40), f"link-{DEPTH}")


def _replicas(rng: random.Random, scene: Scene) -> None:
    """Two replicas of one agent, each with an identity of its own."""
    for n in range(2):
        _work(scene, f"re{n}", rng.uniform(2, 60), "replica", agent_id=f"spiffe://example/agent/replica/{n}")


def _renamed(rng: random.Random, scene: Scene) -> None:
    """An agent that gets another name in mid-run, under one identity."""
    at = rng.uniform(5, 40)
    for n, agent in enumerate(("before", "after")):
        _work(scene, f"rn{n}", at + 10 * n, agent, agent_id="workload-7")
