"""The pieces of a template: gaps of time, rows, and what a scenario refers to while it is being written."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

CLASSES = ("decision_id", "request_id", "span", "trace_key", "key")
"""Which rung of the join ladder a trace's decisions can be found by, the strongest first."""

SECOND = 1_000_000
MINUTE = 60 * SECOND
TENANT = "\x01"
ENVIRONMENT = "\x02"
"""Placeholders in constants, replaced per tenant and environment; no text of ours holds these characters."""

Ids = tuple[int, int, int]
"""The slots of a call's span, tool call and request."""


@dataclass
class Gap:
    """Microseconds from one tick to the next: `floor` and a log-normal part with that median and spread."""

    floor: int
    median: int
    spread: int


@dataclass
class Resource:
    """Something acted on. `hot` ones recur from trace to trace, others belong to one trace only.

    `suffix` follows the number, as in `database-00042/part-1`; `name` is a whole id, the same in every trace.
    """

    type: str
    slot: int
    hot: bool = False
    suffix: str = ""
    name: str | None = None


@dataclass
class Row:
    """One record: constants, slots by column, times by column as (tick, microseconds after it)."""

    table: str
    constants: dict[str, Any]
    slots: dict[str, int] = field(default_factory=dict)
    times: dict[str, tuple[int, int]] = field(default_factory=dict)
    resource: Resource | None = None


@dataclass
class Agent:
    """One activation of an agent: a task span of its own, an instance, a credential.

    `chain` is the token's chain of actors, the agent itself first.
    """

    name: str
    path: str
    chain: tuple[str, ...]
    span: int
    task: int
    instance: int
    credential: int
    row: Row
    open: bool = True


@dataclass
class Decision:
    """A decision made in the template, for the call with those ids."""

    slot: int
    agent: Agent
    tool: str
    resource: Resource
    effect: str
    tick: int
    call: Ids


@dataclass
class Call:
    """An action in the template; `slot` is that of its span and event."""

    slot: int
    row: Row
    decision: Decision | None


@dataclass
class Finding:
    """What a rule is expected to say about a trace, and on which events it rests."""

    rule_id: str
    level: str
    slots: tuple[int, ...]


def spiffe(name: str, replica: int | None = None) -> str:
    """The agent's SPIFFE id, with placeholders for tenant and environment."""
    suffix = f"/replica/{replica}" if replica else ""
    return f"spiffe://{TENANT}.example/{ENVIRONMENT}/agent/{name}{suffix}"
