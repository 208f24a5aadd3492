"""Handoffs that are written as calls of a tool, as most frameworks write them: transfer_to_billing."""

from __future__ import annotations

import re
from typing import Any

from ingest.jsonrecord import text_of

_TOOL = re.compile(r"(?:transfer|hand_?off|handover)_to_(.+)", re.DOTALL)
# A tool for every handoff, which is given the agent's name.
_ANY_AGENT = ("agent", "another_agent", "sub_agent")
_ARGUMENTS = ("agent_name", "agent", "to_agent", "target_agent", "recipient_agent")
# To ask a person is not to hand work to an agent.
_PEOPLE = ("user", "human")


def is_handoff(tool: str | None) -> bool:
    """Whether a tool of this name passes the work to another agent."""
    match = _TOOL.fullmatch(tool) if tool else None
    return match is not None and match[1] not in _PEOPLE


def target_of(tool: str | None, arguments: dict[str, Any]) -> str | None:
    """Whom such a call passes the work to: the agent in the tool's name, else the one that it was given."""
    match = _TOOL.fullmatch(tool) if tool else None
    if match is not None and match[1] not in _ANY_AGENT:
        return match[1]
    return next((name for key in _ARGUMENTS if (name := text_of(arguments.get(key)))), None)
