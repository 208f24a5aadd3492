"""A template's clock, its slots and its rows, and the facts about identities that it may state."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sample_data.parts import MINUTE, SECOND, Agent, Decision, Finding, Gap, Resource, Row
from sample_data.roles import TOOLS

if TYPE_CHECKING:
    from sample_data.parts import Call

CREDENTIAL_TTL = 120 * MINUTE
_APPROVAL_TTL = 240 * MINUTE
_GRANT_TTL = 60 * MINUTE


class Timeline:
    """Ticks, slots and rows of one variant of a scenario.

    `corr` is one of CLASSES; `nested` puts a receiving agent's task under the handoff, otherwise beside it;
    `missing` leaves out the authorization stream, as where it has not arrived.
    """

    def __init__(self, scenario: str, corr: str, *, nested: bool, missing: bool = False) -> None:
        """Start at tick 0 with nothing written."""
        self.scenario = scenario
        self.corr = corr
        self.nested = nested
        self.missing = missing
        self.gaps: list[Gap] = [Gap(0, 0, 0)]
        self.rows: list[Row] = []
        self.links: list[Row] = []
        self.findings: list[Finding] = []
        self.used: set[tuple[str, str]] = set()
        self.change: tuple[int, int] | None = None
        self._slots = 0
        self._resources = 0

    def slot(self) -> int:
        """A place for an id of this trace."""
        self._slots += 1
        return self._slots - 1

    @property
    def now(self) -> int:
        """The newest tick."""
        return len(self.gaps) - 1

    def wait(self, median: float = 0.0, *, floor: float = 0.0, spread: int = 2) -> int:
        """Let time pass, in seconds; returns the new tick."""
        self.gaps.append(Gap(round(floor * SECOND), round(median * SECOND), spread))
        return self.now

    def resource(
        self, of: str, *, hot: bool = False, suffix: str = "", like: Resource | None = None
    ) -> Resource:
        """A resource of that type; `like` takes its number from another one.

        A hot one is acted on by other traces too, so it needs decisions that name their trace.
        """
        if like is not None:
            return Resource(of, like.slot, like.hot, suffix)
        self._resources += 1
        return Resource(of, self._resources - 1, hot and self.corr in {"decision_id", "span"}, suffix)

    def expect(self, rule_id: str, level: str, *calls: Call) -> None:
        """A rule is expected to fire once on these actions."""
        self.findings.append(Finding(rule_id, level, tuple(call.slot for call in calls)))

    def approve(self, agent: Agent, tool: str, resource: Resource, *, digest: int | None = None) -> int:
        """A human approves one action of an agent; returns the slot of the approval's id."""
        slot = self.slot()
        slots = {
            "event_id": self.slot(),
            "approval_id": slot,
            "approver": 0,
            "trace": 0,
            "task_id": agent.task,
        }
        if digest is not None:
            slots["arguments_digest"] = digest
        tick = self.wait(4.0, floor=3.0)
        times = {"event_time": (tick, 0), "expires_time": (tick, _APPROVAL_TTL)}
        self._fact("approval", agent, slots, times, resource, **_what(tool), max_uses=1)
        return slot

    def grant(self, agent: Agent, tool: str) -> int:
        """Give a permission just in time; returns the slot of the grant's id."""
        slot = self.slot()
        tick = self.wait(8.0, floor=10.0)
        self._grant("grant", agent, tool, slot, {"event_time": (tick, 0), "expires_time": (tick, _GRANT_TTL)})
        return slot

    def withdraw(self, agent: Agent, tool: str, grant: int) -> None:
        """Take a permission back."""
        self._grant("grant_revoked", agent, tool, grant, {"event_time": (self.wait(0.2), 0)})

    def revoke(self, decision: Decision, *, after: float) -> None:
        """Take a decision back, that many seconds from now or a little more."""
        slots = {"event_id": self.slot(), "decision_id": decision.slot}
        times = {"event_time": (self.wait(1.0, floor=after), 0)}
        what = _what(decision.tool) | {"reason": "access was withdrawn"}
        self._fact("decision_revoked", decision.agent, slots, times, decision.resource, **what)

    def _credential(self, event_type: str, agent: Agent, tick: int, after: int) -> None:
        slots = {
            "event_id": self.slot(),
            "task_id": agent.task,
            "trace": 0,
            "credential_id": agent.credential,
        }
        times = {"event_time": (tick, after)}
        if event_type == "credential_issued":
            slots["credential_fingerprint"] = agent.credential
            times["credential_issued_time"] = (tick, after)
            times["credential_expires_time"] = (tick, after + CREDENTIAL_TTL)
        what = {"credential_type": "short_lived", "attestation": "verified"}
        self._fact(event_type, agent, slots, times, None, **what)

    def _grant(
        self, event_type: str, agent: Agent, tool: str, grant: int, times: dict[str, tuple[int, int]]
    ) -> None:
        slots = {"event_id": self.slot(), "grant_id": grant, "task_id": agent.task, "trace": 0}
        what = _what(tool) | {"standing": False, "scope": TOOLS[tool].scope}
        self._fact(event_type, agent, slots, times, None, **what)

    def _fact(
        self,
        event_type: str,
        agent: Agent,
        slots: dict[str, int],
        times: dict[str, tuple[int, int]],
        resource: Resource | None,
        **what: Any,
    ) -> None:
        who = {"agent_name": agent.name, "agent_id": agent.path, "principal_id": agent.path}
        self._write("identity", {"event_type": event_type, **who, **what}, slots, times, resource)

    def _write(
        self,
        table: str,
        constants: dict[str, Any],
        slots: dict[str, int],
        times: dict[str, tuple[int, int]],
        resource: Resource | None = None,
    ) -> Row:
        if resource is not None and resource.name is not None:
            constants["resource_id"] = resource.name
            resource = None
        row = Row(table, constants, slots, times, resource)
        if table == "link":
            self.links.append(row)
        elif table == "orchestration" or not self.missing:
            self.rows.append(row)
        return row


def _what(tool: str) -> dict[str, Any]:
    what = TOOLS[tool]
    return {
        "action": what.action,
        "resource_type": what.resource_type,
        "sensitivity": what.sensitivity,
    }
