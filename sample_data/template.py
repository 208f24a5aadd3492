"""A scenario, written once with places to fill, and replicated column by column into any number of traces.

A template is a line of *ticks*, each a random gap after the one before, and rows that name ticks for their
times and *slots* for their ids. What does not differ between two traces of a template is a constant of its
row.
"""

from __future__ import annotations

from typing import Any

from sample_data.cast import Cast, who
from sample_data.parts import ENVIRONMENT, MINUTE, TENANT, Agent, Call, Decision, Ids, Resource
from sample_data.roles import TOOLS, Tool

_REASONS = {
    "allow": "the role permits it",
    "deny": "the role does not permit it",
    "indeterminate": "it needs an approval",
}
_OF_CALL = ("status", "verdict", "reason", "fault", "attempt", "error", "reads", "writes")


class Template(Cast):
    """One variant of a scenario, being written: the decisions and the actions."""

    def __init__(self, scenario: str, corr: str, *, nested: bool, missing: bool = False) -> None:
        """Start with nothing done."""
        super().__init__(scenario, corr, nested=nested, missing=missing)
        self._acts = 0

    def ids(self, *, again: Ids | None = None) -> Ids:
        """Ids for a call; `again` makes it a retry of that call, with a span of its own."""
        return (self.slot(), again[1], again[2]) if again else (self.slot(), self.slot(), self.slot())

    def decide(
        self,
        agent: Agent,
        tool: str,
        resource: Resource,
        effect: str = "allow",
        *,
        corr: str | None = None,
        ids: Ids | None = None,
        ttl: int | None = 5 * MINUTE,
        max_uses: int | None = None,
        approval: int | None = None,
        parent: Decision | None = None,
        digest: int | None = None,
        pattern: str | None = None,
    ) -> Decision:
        """Write a decision for the call with those ids.

        `ttl` in microseconds, None leaves its age to max_age; `digest` binds it to arguments; `pattern` is
        what follows the resource's number, as in `/*`.
        """
        corr = corr or self.corr
        ids = ids or self.ids()
        what = TOOLS[tool]
        tick = self.wait(0.02, spread=1)
        slots = {"decision_id": self.slot(), "credential_id": agent.credential}
        if corr in {"decision_id", "span", "trace_key"}:
            slots["trace"] = 0
        if corr in {"decision_id", "trace_key"}:
            slots["task_id"] = agent.task
        if corr == "span":
            slots["span_id"] = ids[0]
        if corr == "request_id":
            slots["request_id"] = ids[2]
            if (
                self.nested and pattern is None
            ):  # some enforcement points know the call, some only the request
                slots["tool_call_id"] = ids[1]
        if approval is not None:
            slots |= {"approval_id": approval, "approver": 0}
        if parent is not None:
            slots["parent_decision_id"] = parent.slot
        if digest is not None:
            slots["arguments_digest"] = digest
        times = {"decision_time": (tick, 0)}
        if ttl is not None and effect == "allow":
            times["expires_time"] = (tick, ttl)
        constants: dict[str, Any] = {
            **who(agent),
            "principal_id": agent.path,
            "principal_type": "agent",
            "decision": effect,
            "determination": "conditional" if effect == "indeterminate" else "explicit",
            "reason": _REASONS[effect],
            "action": what.action,
            "resource_type": what.resource_type,
            "sensitivity": what.sensitivity,
            "policy_ids": [f"resource.{what.resource_type}"],
            "credential_type": "short_lived",
            "attestation": "verified",
            "attestation_issuer": f"https://spire.{TENANT}.example",
            "pdp_id": f"pdp.{TENANT}.{ENVIRONMENT}",
            "delegation_chain": list(reversed(agent.chain)),
        }
        if max_uses is not None:
            constants["max_uses"] = max_uses
        target = resource
        if pattern is not None:
            target = Resource(resource.type, resource.slot, resource.hot, pattern)
        self._write("authorization", constants, slots, times, target)
        return Decision(slots["decision_id"], agent, tool, resource, effect, tick, ids)

    def call(
        self,
        agent: Agent,
        tool: str,
        resource: Resource,
        decision: Decision | None = None,
        *,
        ids: Ids | None = None,
        start: int | None = None,
        digest: int | None = None,
        corr: str | None = None,
        status: str = "ok",
        error: str | None = None,
        attempt: int = 1,
        verdict: str = "backed",
        reason: str | None = None,
        fault: str | None = None,
        reads: int | None = None,
        writes: int | None = None,
    ) -> Call:
        """An action, and the verdict that it deserves.

        It takes the ids that its decision was made for unless others are given; in the class decision_id it
        names its decision. `reads` and `writes` are slots of references.
        """
        corr = corr or self.corr
        what = TOOLS[tool]
        span, tool_call, request = ids or (decision.call if decision else self.ids())
        start = self.wait(0.01, spread=1) if start is None else start
        end = self.wait(0.002 if status == "rejected" else what.seconds)
        slots = {
            "span_id": span,
            "parent_span_id": agent.span,
            "task_id": agent.task,
            "tool_call_id": tool_call,
            "agent_instance_id": agent.instance,
            "credential_id": agent.credential,
            "arguments_digest": self.slot() if digest is None else digest,
        }
        if corr == "request_id":
            slots["request_id"] = request
        if corr == "decision_id" and decision is not None:
            slots["decision_id"] = decision.slot
        if reads is not None:
            slots["input_refs"] = reads
        if writes is not None:
            slots["output_refs"] = writes
        constants = {**who(agent), **_tool_constants(tool, what), "attempt": attempt, "status": status}
        if error is not None:
            constants["error_type"] = error
        times = {"event_time": (start, 0), "end_time": (end, 0)}
        row = self._write("orchestration", constants, slots, times, resource)

        ran = status != "rejected"
        reason = reason if ran else "deny_enforced"
        names_one = decision is not None and verdict not in {"unbacked", "unknown"}
        self._write(
            "link",
            {
                "agent": agent.name,
                "tool": tool,
                "action": what.action,
                "resource_type": what.resource_type,
                "corr": corr,
                "executed": ran,
                "verdict": verdict,
                "reason": reason,
                "scenario": self.scenario,
                "fault": fault,
            },
            {"span_id": span, **({"decision_id": decision.slot} if decision and names_one else {})},
            {},
            resource,
        )
        if ran and verdict == "backed" and decision is not None:
            self.used.add((agent.name, what.scope))
        return Call(span, row, decision)

    def act(self, agent: Agent, tool: str, resource: Resource, *, bind: bool = True, **how: Any) -> Call:
        """An action with a decision of its own, made inside its span or shortly before it.

        In the classes of echoed ids the decision is bound to the arguments, unless `bind` is false. `how` is
        shared out: what `call` takes goes there, the rest to `decide`.
        """
        of_call = {key: how.pop(key) for key in _OF_CALL if key in how}
        ids = how.pop("ids", None) or self.ids()
        digest = how.pop("digest") if "digest" in how else self.slot()
        bound = digest if bind and self.corr in {"decision_id", "request_id"} else None
        self.think(agent)
        self._acts += 1
        start = self.wait(0.01, spread=1) if self._acts % 3 else None
        decision = self.decide(agent, tool, resource, ids=ids, digest=bound, **how)
        if self.missing:
            of_call |= {"verdict": "unknown"}
        corr = how.get("corr")
        return self.call(agent, tool, resource, decision, start=start, digest=digest, corr=corr, **of_call)

    def refused(self, agent: Agent, tool: str, resource: Resource) -> Call:
        """An attempt that was denied, and for that did not run."""
        return self.act(agent, tool, resource, effect="deny", status="rejected")

    def delegate(self, source: Agent, name: str, scopes: tuple[str, ...]) -> tuple[Agent, Call]:
        """Call another agent as a tool, by a decision of its own; close it with `finish_delegate`."""
        target = Resource("agent", -1, name=name)
        # Every trace asks the same few agents: only a decision that names its trace tells two of them apart.
        corr = "trace_key" if self.corr == "key" else self.corr
        call = self.act(source, "ask_agent", target, corr=corr)
        task = self.slot()
        agent = self.start(name, source.chain, call.slot, task, parent_task=source.task, scopes=scopes)
        call.row.constants |= {"target_agent_id": agent.path, "target_agent_name": name}
        return agent, call

    def finish_delegate(self, agent: Agent, call: Call) -> None:
        """Close the sub-agent's task and the call that it ran under."""
        self.end(agent)
        call.row.times["end_time"] = (self.wait(0.005), 0)


def _tool_constants(tool: str, what: Tool) -> dict[str, Any]:
    found: dict[str, Any] = {
        "event_type": "tool_call",
        "tool_name": tool,
        "action": what.action,
        "resource_type": what.resource_type,
        "sensitivity": what.sensitivity,
        "trust_zone": what.trust_zone,
    }
    if what.labels:
        found["labels"] = list(what.labels)
    if what.destination is not None:
        found["destination"] = what.destination
    return found
