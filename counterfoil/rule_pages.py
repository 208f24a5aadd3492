"""What the commands about rules print: the list, the page of one rule, and the differences between two."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import click
import pyarrow as pa

from analytics.cases import read_cases
from analytics.rule import RULES, parameters
from analytics.scopes import is_on
from counterfoil.output import cell, to_json, visible, write_table

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from analytics.rule import Rule, RuleSet
    from analytics.rule_diff import Change
    from schemas.settings import Settings


def listed(known: RuleSet, settings: Settings) -> pa.Table:
    """A row for each rule, with what is in force for it."""
    values = parameters(settings, known)
    rows = [
        {
            "id": rule.id,
            "name": rule.name,
            "level": _level(rule, settings),
            "status": rule.status,
            "on": _on(rule, settings),
            "from": _source(known, rule),
            "parameters": ", ".join(f"{name} = {_plain(values[name])}" for name in rule.parameters) or None,
        }
        for rule in known.rules.values()
    ]
    return pa.Table.from_pylist(rows)


def page_row(rule: Rule, known: RuleSet, settings: Settings) -> dict[str, Any]:
    """All about a rule as one object."""
    values = parameters(settings, known)
    override = settings.rules.get(rule.id)
    return {
        **rule.model_dump(mode="json", exclude={"parameters", "schedule"}),
        "schedule": {name: _plain(value) for name, value in dict(rule.schedule).items()},
        "folder": str(known.folders[rule.id]),
        "on": _on(rule, settings),
        "level_in_force": _level(rule, settings),
        "parameters": {
            name: {**parameter.model_dump(), "in_force": _plain(values[name])}
            for name, parameter in rule.parameters.items()
        },
        "where": [part.model_dump(exclude_none=True) for part in override.where] if override else [],
        "cases": [
            {"name": case.name, "fires": bool(case.fires), "why": case.why}
            for case in read_cases(known.folders[rule.id])
        ],
    }


def page(rule: Rule, known: RuleSet, settings: Settings) -> Iterator[str]:
    """All about a rule as text."""
    shown = page_row(rule, known, settings)
    yield from (f"{rule.id} {rule.name}: {rule.title}", "", rule.description, f"Why: {rule.rationale}", "")
    for name, value in {
        "version": f"{rule.version}, {rule.status}",
        "level": shown["level_in_force"],
        "on": shown["on"],
        "confidence": rule.confidence,
        "from": f"{_source(known, rule)} ({shown['folder']})",
        "reads": "; ".join(f"{one.view} ({one.coverage})" for one in rule.inputs),
        "entities": ", ".join(rule.entity_keys),
        "suppress by": ", ".join(rule.suppression_key),
        "schedule": ", ".join(f"{name} {value}" for name, value in shown["schedule"].items()),
        "frameworks": "; ".join(f"{name} {', '.join(ids)}" for name, ids in rule.frameworks.items() if ids),
    }.items():
        yield f"{name:12} {value}"
    for title, texts in (
        ("Parameters", [_parameter(name, one) for name, one in shown["parameters"].items()]),
        ("In a part of the estate", [to_json(one) for one in shown["where"]]),
        ("Reasons", [f"{reason}: {title}" for reason, title in rule.titles.items()]),
        ("What to do", [f"{number}. {step}" for number, step in enumerate(rule.runbook, start=1)]),
        ("False positives", rule.false_positives),
        ("Blind spots", rule.blind_spots),
        ("Cases", [f"{'fires' if one['fires'] else 'not'}: {one['name']}" for one in shown["cases"]]),
    ):
        if texts:
            yield from ("", title, *(f"  {visible(text)}" for text in texts))
    yield from ("", "SQL", rule.sql.rstrip("\n"))


def write_changes(changes: Sequence[Change], form: str) -> None:
    """The differences between two rules, a row or an object each."""
    if form == "json":
        for one in changes:
            click.echo(
                to_json(
                    {"change": one.change, "columns": one.columns, "before": one.before, "after": one.after}
                )
            )
        return
    write_table(
        ("change", "level", "reason", "differs in", "title", "tenant", "seen", "finding"),
        [
            (
                one.change,
                _from_to(one, "level"),
                _from_to(one, "reason"),
                ", ".join(one.columns) or None,
                one.finding["title"],
                one.finding["tenant_id"],
                one.finding["last_seen_time"],
                one.finding["finding_id"],
            )
            for one in changes
        ],
    )


def _from_to(one: Change, name: str) -> str:
    if name in one.columns and one.before and one.after:
        return f"{one.before[name]} → {one.after[name]}"
    return cell(one.finding[name])


def _parameter(name: str, one: dict[str, Any]) -> str:
    bounds = f"{one['minimum']} to {one['maximum']}, by default {one['default']}"
    return f"{name} = {one['in_force']} ({bounds}): {one['about']}"


def _source(known: RuleSet, rule: Rule) -> str:
    folder = known.folders[rule.id]
    return "ships" if folder.parent == RULES else str(folder.parent)


def _level(rule: Rule, settings: Settings) -> str:
    override = settings.rules.get(rule.id)
    return override.level if override and override.level else rule.level


def _on(rule: Rule, settings: Settings) -> str:
    override = settings.rules.get(rule.id)
    if not is_on(override):
        return "off"
    partly = override is not None and any(scope.enabled is not None for scope in override.where)
    return "partly" if partly else "on"


def _plain(value: Any) -> Any:
    """A value as the settings have it: a duration in its largest whole unit."""
    if not isinstance(value, timedelta):
        return value
    seconds = value.total_seconds()
    for unit, length in (("d", 86400), ("h", 3600), ("m", 60), ("s", 1)):
        if seconds and seconds % length == 0:
            return f"{seconds // length:.0f}{unit}"
    return f"{seconds * 1000:g}ms"
