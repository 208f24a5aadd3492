"""What another version of a rule would have found: findings gained, lost and changed, over one snapshot."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from analytics.evaluate import evaluate_rule
from analytics.findings import finding_id
from analytics.session import start_session
from schemas.findings import LEVELS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from analytics.rule import Rule, RuleSet
    from schemas.settings import Settings

# What makes a finding another one for those who work on it; its words and its evidence may be put better.
JUDGED = ("level", "reason", "verdict", "confidence", "decision_ids")


@dataclass(frozen=True)
class Change:
    """A finding that only one of two versions has, or that they judge differently.

    `change` is gained, lost or changed; `before` and `after` are the finding, or None where a version has none.
    """

    change: str
    before: dict[str, Any] | None
    after: dict[str, Any] | None

    @property
    def finding(self) -> dict[str, Any]:
        """The finding as it would be, else as it was."""
        return self.after or self.before or {}

    @property
    def columns(self) -> list[str]:
        """The columns that differ, for a finding that both have."""
        if self.before is None or self.after is None:
            return []
        return [name for name in JUDGED if self.before[name] != self.after[name]]


def compare_rules(
    settings: Settings,
    old: tuple[Rule, RuleSet],
    new: tuple[Rule, RuleSet],
    *,
    closed: bool = False,
    report: Callable[[str], None] = lambda _: None,
) -> tuple[list[Change], int]:
    """The differences between two versions of a rule over the newest snapshot, and how many findings are the same.

    Each comes with the rules that stand beside it. Findings are the same when they are about the same entities and
    events; the rules' ids do not count, so a rule may be compared with one that is to take its place.
    RuleError when a query fails, LakeError when there is no lake.
    """
    report("the old rule")
    before, versions = _found(settings, *old, closed=closed, as_of=None)
    report("the new rule")
    after, _ = _found(settings, *new, closed=closed, as_of=versions)
    changes, same = [], 0
    for key in before.keys() | after.keys():
        was, would_be = before.get(key), after.get(key)
        if was is None or would_be is None:
            changes.append(Change("gained" if was is None else "lost", was, would_be))
        elif any(was[name] != would_be[name] for name in JUDGED):
            changes.append(Change("changed", was, would_be))
        else:
            same += 1
    return sorted(changes, key=_order), same


def _found(
    settings: Settings, rule: Rule, known: RuleSet, *, closed: bool, as_of: Mapping[str, int] | None
) -> tuple[dict[str, dict[str, Any]], dict[str, int]]:
    if rule.id in settings.rules:  # one that is switched off is compared all the same
        on = settings.rules[rule.id].model_copy(update={"enabled": True})
        settings = settings.model_copy(update={"rules": {**settings.rules, rule.id: on}})
    session = start_session(settings, as_of=as_of, closed=closed, known=known)
    try:
        found = evaluate_rule(rule, session, settings).values()
        versions = dict(session.snapshot.versions)
    finally:
        session.close()
    return {finding_id("", each["entity_keys"], each["anchor_event_ids"]): each for each in found}, versions


def _order(change: Change) -> tuple[Any, ...]:
    finding = change.finding
    kind = ("gained", "lost", "changed").index(change.change)
    return kind, -LEVELS.index(finding["level"]), finding["first_seen_time"], finding["finding_id"]
