"""A finding told in whole: what it says, what it rests on, what to do, and how it came to be what it is."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from analytics.findings import ROW_COLUMNS, words_of
from analytics.rule import load_rules
from analytics.session import open_session
from counterfoil.output import cell, visible
from counterfoil.queries import ask
from schemas.errors import QueryError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from analytics.rule import Rule
    from schemas.settings import Settings

    Row = dict[str, Any]


@dataclass(frozen=True)
class Explained:
    """A finding's states, oldest first, with its rule (None when it is gone), events and decisions."""

    states: list[Row]
    rule: Rule | None
    events: list[Row]
    decisions: list[Row]

    @property
    def finding(self) -> Row:
        """The newest state."""
        return self.states[-1]

    @property
    def runbook(self) -> list[str]:
        """The steps of the rule's runbook, filled in, each with the values of the fields that it names."""
        if self.rule is None:
            return []
        evidence = json.loads(self.finding["evidence"])
        row = {name: self.finding.get(name) for name in ROW_COLUMNS}
        words = words_of(row, evidence)
        values = {name: text for name, value in {**row, **evidence}.items() if (text := _short(value))}
        return [_step(text, words, values) for text in self.rule.runbook]


def find(settings: Settings, identity: str) -> Explained:
    """The finding with that id, or the one whose id begins so. QueryError when it is none, or one of several."""
    with open_session(settings) as session:
        session.need("findings", "events", "authorization_decisions")
        states = ask(session, "finding_history", identity=identity).to_pylist() if identity else []
        ids = sorted({row["finding_id"] for row in states})
        if not ids:
            raise QueryError(
                f"there is no finding {identity!r}; `counterfoil detect --dry-run` lists those that hold"
            )
        if len(ids) > 1:
            raise QueryError(
                f"{len(ids)} findings begin with {identity!r}: {', '.join(ids[:3])}…; give more of the id"
            )
        newest, tenant = states[-1], states[-1]["tenant_id"]
        events = ask(session, "finding_events", events=newest["anchor_event_ids"], tenant=tenant)
        decisions = ask(session, "finding_decisions", decisions=newest["decision_ids"], tenant=tenant)
    rule = load_rules(settings.rules_folder).rules.get(newest["rule_id"])
    return Explained(states, rule, events.to_pylist(), decisions.to_pylist())


def lines(told: Explained) -> Iterator[str]:
    """The finding as text; what comes from logs has its control characters written out."""
    finding, rule = told.finding, told.rule
    yield from (visible(finding["title"]), "")
    yield from (visible(finding["explanation"]), "")
    yield from _facts(
        {
            "finding": finding["finding_id"],
            "status": f"{finding['status']}{_because(finding)}",
            "rule": f"{finding['rule_id']} {finding['rule_name']} {finding['rule_version']}",
            "level": f"{finding['level']}, confidence {cell(finding['confidence'])}",
            "tenant": finding["tenant_id"],
            "environment": finding["environment"],
            "agent": finding["agent"],
            "trace": finding["trace_id"],
            "seen": f"{cell(finding['first_seen_time'])} to {cell(finding['last_seen_time'])}",
        }
    )
    if evidence := json.loads(finding["evidence"]):
        yield from ("", "Evidence", *_facts(evidence, margin="  "))
    yield from ("", "Events that it rests on", *_rows(told.events, finding["anchor_event_ids"], "event_id"))
    if finding["decision_ids"]:
        yield from (
            "",
            "Decisions that it names",
            *_rows(told.decisions, finding["decision_ids"], "decision_id"),
        )
    if rule is None:
        yield from ("", f"The rule {visible(finding['rule_id'])} is not among the rules any more.")
    else:
        yield from ("", "Why it matters", f"  {rule.rationale}", "", "What to do")
        yield from (f"  {number}. {visible(step)}" for number, step in enumerate(told.runbook, start=1))
        yield from ("", "When it may be a false alarm", *(f"  - {each}" for each in rule.false_positives))
    yield from ("", "History")
    for state in told.states:
        recorded = f"{cell(state['recorded_time'])}  revision {state['revision']}: {state['status']}"
        yield f"  {recorded}, {state['level']}{visible(_because(state))} (run {state['run_id'][:8]})"


def as_row(told: Explained) -> Row:
    """The same as one object, for machines."""
    rule = told.rule
    return {
        **told.finding,
        "evidence": json.loads(told.finding["evidence"]),
        "rationale": rule.rationale if rule else None,
        "runbook": told.runbook,
        "events": told.events,
        "decisions": told.decisions,
        "history": [
            {
                name: state[name]
                for name in ("revision", "status", "status_reason", "level", "recorded_time", "run_id")
            }
            for state in told.states
        ],
    }


def _because(state: Mapping[str, Any]) -> str:
    return f" ({state['status_reason']})" if state["status_reason"] else ""


def _facts(facts: Mapping[str, Any], margin: str = "") -> Iterator[str]:
    known = {name: value for name, value in facts.items() if value is not None}
    width = max((len(name) for name in known), default=0)
    for name, value in known.items():
        yield f"{margin}{visible(name):{width}}  {visible(cell(value))}"


def _rows(rows: list[Row], named: Iterable[str], key: str) -> Iterator[str]:
    for row in rows:
        parts = [f"{name} {cell(value)}" for name, value in row.items() if value is not None and name != key]
        yield f"  {visible(row[key])}: {visible(', '.join(parts))}"
    for name in sorted(set(named) - {row[key] for row in rows}):
        yield f"  {visible(name)}: not in the lake (any more)"


def _step(text: str, words: Mapping[str, str], values: Mapping[str, str]) -> str:
    """A step with its braces filled in and the values of the fields that it names behind it."""
    # Only words of the rule's author are read as a template, and each name in it is one of ours.
    filled = re.sub(r"\{(\w+)\}", lambda match: words.get(match[1], match[0]), text)
    named = [name for name in dict.fromkeys(re.findall(r"\w+", text)) if "_" in name and name in values]
    return filled + (f" [{', '.join(f'{name}: {values[name]}' for name in named)}]" if named else "")


def _short(value: Any) -> str:
    text = "" if value is None or value == [] else cell(value)
    return text if len(text) <= 120 else f"{text[:119]}…"
