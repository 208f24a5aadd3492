"""Agents in a template: how they start, pass a task on, call each other, and end."""

from __future__ import annotations

from typing import Any

from sample_data.parts import TENANT, Agent, spiffe
from sample_data.timeline import CREDENTIAL_TTL, Timeline


class Cast(Timeline):
    """A timeline on which agents come and go."""

    def __init__(self, scenario: str, corr: str, *, nested: bool, missing: bool = False) -> None:
        """Start with an empty stage."""
        super().__init__(scenario, corr, nested=nested, missing=missing)
        self._agents: list[Agent] = []

    def run(self, name: str, scopes: tuple[str, ...], *, replica: int | None = None) -> Agent:
        """Start a run: its root task, given those permissions."""
        task = self.slot()
        self._write(
            "orchestration",
            {"event_type": "run_start", "agent_name": name, "task_scopes": list(scopes), "status": "ok"},
            {"span_id": self.slot(), "task_id": task},
            {"event_time": (self.wait(0.01), 0)},
        )
        return self.start(name, (), None, task, replica=replica, scopes=scopes)

    def join(self, agent: Agent, replica: int) -> Agent:
        """Another instance of the same agent takes a share of its task."""
        return self.start(agent.name, agent.chain[1:], None, agent.task, replica=replica)

    def handoff(self, source: Agent, name: str, *, proven: bool = True) -> Agent:
        """Pass the task on. `proven` false: the receiver's token does not tell whom it works for."""
        row = self._write(
            "orchestration",
            {
                **who(source),
                "event_type": "handoff",
                "target_agent_id": spiffe(name),
                "target_agent_name": name,
                "tool_name": f"transfer_to_{name}",
                "status": "ok",
            },
            {"span_id": self.slot(), "parent_span_id": source.span, "task_id": source.task},
            {"event_time": (self.wait(0.6), 0), "end_time": (self.wait(0.004), 0)},
        )
        if not self.nested:
            self.end(source)
        parent = row.slots["span_id"] if self.nested else None
        chain = source.chain if proven else ()
        if spiffe(name) in chain:  # handed back: the agent works for whom it worked before
            chain = chain[chain.index(spiffe(name)) + 1 :]
        return self.start(name, chain, parent, source.task)

    def end(self, agent: Agent) -> None:
        """Close an agent's task and revoke its credential."""
        if not agent.open:
            return
        agent.open = False
        tick = self.wait(0.05)
        agent.row.times["end_time"] = (tick, 0)
        self._credential("credential_revoked", agent, tick, 200_000)

    def finish(self) -> None:
        """Close what is open, the newest first."""
        for agent in reversed(self._agents):
            self.end(agent)

    def think(self, agent: Agent) -> None:
        """A call of the model, between one action and the next."""
        self._write(
            "orchestration",
            {**who(agent), "event_type": "model_call", "status": "ok"},
            {"span_id": self.slot(), "parent_span_id": agent.span, "task_id": agent.task},
            {"event_time": (self.wait(0.02), 0), "end_time": (self.wait(1.1), 0)},
        )

    def note(self, agent: Agent, event_type: str, status: str, error: str | None = None) -> None:
        """A step of the agent's own: a guardrail, a wait for somebody."""
        constants = {**who(agent), "event_type": event_type, "status": status}
        if error is not None:
            constants["error_type"] = error
        self._write(
            "orchestration",
            constants,
            {"span_id": self.slot(), "parent_span_id": agent.span, "task_id": agent.task},
            {"event_time": (self.wait(0.05), 0), "end_time": (self.wait(0.05), 0)},
        )

    def start(
        self,
        name: str,
        chain: tuple[str, ...],
        parent: int | None,
        task: int,
        *,
        replica: int | None = None,
        parent_task: int | None = None,
        scopes: tuple[str, ...] | None = None,
    ) -> Agent:
        """Start an agent's task, with a fresh credential; `chain` is whom it works for, the nearest first."""
        tick = self.wait(0.03)
        path = spiffe(name, replica)
        slots = {"span_id": self.slot(), "task_id": task, "agent_instance_id": self.slot()}
        slots["credential_id"] = self.slot()
        slots["credential_fingerprint"] = slots["credential_id"]
        if parent is not None:
            slots["parent_span_id"] = parent
        if parent_task is not None:
            slots["parent_task_id"] = parent_task
        constants: dict[str, Any] = {
            "event_type": "task_start",
            "agent_name": name,
            "agent_id": path,
            "act_chain": [path, *chain],
            "credential_type": "short_lived",
            "attestation": "verified",
            "attestation_issuer": f"https://spire.{TENANT}.example",
            "status": "ok",
        }
        if scopes is not None:
            constants["task_scopes"] = list(scopes)
        times = {
            "event_time": (tick, 0),
            "credential_issued_time": (tick, -20_000),
            "credential_expires_time": (tick, -20_000 + CREDENTIAL_TTL),
        }
        row = self._write("orchestration", constants, slots, times)
        agent = Agent(
            name,
            path,
            (path, *chain),
            slots["span_id"],
            task,
            slots["agent_instance_id"],
            slots["credential_id"],
            row,
        )
        self._agents.append(agent)
        self._credential("credential_issued", agent, tick, -20_000)
        return agent


def who(agent: Agent) -> dict[str, Any]:
    """The constants that say who acts."""
    return {"agent_name": agent.name, "agent_id": agent.path}
