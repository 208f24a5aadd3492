"""Findings in words, for people. What comes from a log is made one visible line first."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from schemas.findings import LEVELS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

# C0 and C1 controls, line and paragraph ends, the marks that turn text, what has no width, and halves of pairs.
_UNSEEN = re.compile("[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff]")


def line(text: Any, most: int = 300) -> str:
    """The text in one line of at most that length, with what cannot be seen written out."""
    shown = _UNSEEN.sub(lambda m: f"\\u{ord(m[0]):04x}", str(text))
    return shown if len(shown) <= most else f"{shown[: most - 1]}…"


def highest(states: Sequence[Mapping[str, Any]]) -> str:
    """The highest level among them."""
    return LEVELS[max(LEVELS.index(state["level"]) for state in states)]


def count(states: Sequence[Any]) -> str:
    """How many findings."""
    return f"{len(states)} finding{'' if len(states) == 1 else 's'}"


def by_rule_and_agent(
    states: Sequence[Mapping[str, Any]],
) -> dict[tuple[str, str, str | None], list[Mapping[str, Any]]]:
    """The states by rule id, rule name and agent, in the order in which each first comes."""
    groups: dict[tuple[str, str, str | None], list[Mapping[str, Any]]] = {}
    for state in states:
        groups.setdefault((state["rule_id"], state["rule_name"], state["agent"]), []).append(state)
    return groups
