"""A case in the making: rows in short form, and what the rule must find."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import random

    Row = dict[str, Any]

# The smallest step of time, in seconds.
TICK = 0.000001
SKEW, MAX_AGE, GRACE = 5, 900, 300
NAMES = ("amber", "birch", "cedar", "delta", "ember", "flint", "grove", "heath", "inlet", "jetty")


@dataclass
class Scene:
    """One case; `quiet` says that handoffs and starts of others would matter to the rule, so that none are added."""

    rule: str
    why: str
    fires: list[Row] = field(default_factory=list)
    orchestration: list[Row] = field(default_factory=list)
    decisions: list[Row] = field(default_factory=list)
    identity: list[Row] = field(default_factory=list)
    quiet: bool = False
    name: str = ""

    def as_case(self) -> dict[str, Any]:
        """The keys of a case in `cases.toml`."""
        return {key: value for key, value in asdict(self).items() if key not in ("rule", "quiet")}

    def act(self, name: str, at: float, agent: str, action: str, resource: str, **more: Any) -> None:
        """Add an action."""
        self.orchestration.append(
            {"id": name, "at": at, "agent": agent, "action": action, "resource": resource, **more}
        )

    def decide(self, name: str, at: float, agent: str, action: str, resource: str, **more: Any) -> None:
        """Add a decision, which permits unless it says otherwise."""
        self.decisions.append(
            {"id": name, "at": at, "agent": agent, "action": action, "resource": resource, **more}
        )

    def hand(self, at: float, sender: str, receiver: str, **more: Any) -> None:
        """Add a handoff."""
        name = f"h{len(self.orchestration)}"
        self.orchestration.append({"id": name, "at": at, "agent": sender, "to": receiver, **more})


def agents(rng: random.Random, count: int) -> list[str]:
    """Names of so many agents, no two the same."""
    return [f"{name}-{rng.randrange(100)}" for name in rng.sample(NAMES, count)]


def resource(rng: random.Random, kind: str = "payment") -> str:
    """A resource, of a few that are easily taken for one another."""
    return f"{kind}/{kind[0]}-{rng.randrange(1, 40)}"
