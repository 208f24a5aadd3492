"""What the settings say about a finding of a rule: for its tenant, environment and agent, else for all.

Of the entries of `[[rules.NN.where]]` that match a finding, the most specific one that sets a key decides it: the one
that names more of tenant, environment and agent, then the one with fewer patterns, then the later one in the file.
"""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from schemas.rule_settings import Level, RuleOverride, RuleScope

    Given = Mapping[str, int | float | str | bool]

_COLUMNS = {"tenant": "tenant_id", "environment": "environment", "agent": "agent"}
_WILD = frozenset("*?[")


@dataclass(frozen=True)
class InForce:
    """What holds for one finding. `level` is None where that of the rule's query stands."""

    enabled: bool = True
    level: Level | None = None
    minimum_confidence: float = 0.0

    def keeps(self, confidence: float) -> bool:
        """Whether a finding of that confidence is one."""
        return self.enabled and confidence >= self.minimum_confidence


def is_on(override: RuleOverride | None) -> bool:
    """Whether the rule runs at all: it is on for all, or for some."""
    return override is None or override.enabled or any(scope.enabled for scope in override.where)


def in_force(override: RuleOverride | None, row: Mapping[str, Any]) -> InForce:
    """What holds for a finding, or the row of one, with the columns tenant_id, environment and agent."""
    if override is None:
        return InForce()
    enabled, level, least = override.enabled, override.level, override.minimum_confidence
    for scope in _matching(override, row):
        enabled = enabled if scope.enabled is None else scope.enabled
        level = scope.level or level
        least = least if scope.minimum_confidence is None else scope.minimum_confidence
    return InForce(enabled, level, least or 0.0)


def parameter_sets(override: RuleOverride | None) -> list[Given]:
    """Every set of parameters that some scope asks for, besides those that hold for all."""
    if override is None:
        return []
    sets: list[Given] = []
    for scope in override.where:
        whole = {**override.parameters, **(scope.parameters or {})}
        if whole != override.parameters and whole not in sets:
            sets.append(whole)
    return sets


def parameters_for(override: RuleOverride | None, row: Mapping[str, Any]) -> Given:
    """The parameters of the settings that a finding is judged by: those of one scope over those for all."""
    if override is None:
        return {}
    given = [scope.parameters for scope in _matching(override, row) if scope.parameters is not None]
    return {**override.parameters, **(given[-1] if given else {})}


def _matching(override: RuleOverride, row: Mapping[str, Any]) -> list[RuleScope]:
    """The scopes that a finding is in, the most specific last."""
    found = [
        (*_weight(scope), place, scope)
        for place, scope in enumerate(override.where)
        if all(
            pattern is None or (row[column] is not None and fnmatchcase(row[column], pattern))
            for pattern, column in _patterns(scope)
        )
    ]
    return [scope for *_, scope in sorted(found, key=lambda each: each[:3])]


def _weight(scope: RuleScope) -> tuple[int, int]:
    named = [pattern for pattern, _ in _patterns(scope) if pattern is not None]
    return len(named), sum(not _WILD & set(pattern) for pattern in named)


def _patterns(scope: RuleScope) -> list[tuple[str | None, str]]:
    return [(getattr(scope, name), column) for name, column in _COLUMNS.items()]
