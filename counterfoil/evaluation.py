"""How right correlation and rules are on a labelled folder."""

from __future__ import annotations

import tempfile
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from analytics.evaluate import evaluate_rule
from analytics.rule import rules
from analytics.session import start_session
from counterfoil.answers import (
    BENIGN,
    FAULTY,
    Link,
    event_files,
    lines,
    read_labels,
    read_links,
    settings_file,
    trace_id,
)
from schemas.settings import load_settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

    from analytics.engine import Engine
    from schemas.settings import Settings

_HIGH = frozenset({"high", "critical"})


@dataclass
class Evaluation:
    """What was measured: the backing per correlation class, the scenarios found, the rules' precision and recall.

    `absent` counts actions of the answer key that no record tells of; they are not judged.
    """

    actions: int = 0
    absent: int = 0
    backing: dict[str, Counter[str]] = field(default_factory=dict)
    verdicts: Counter[str] = field(default_factory=Counter)
    wrong: list[dict[str, Any]] = field(default_factory=list)
    scenarios: dict[str, Counter[str]] = field(default_factory=dict)
    missed: list[dict[str, Any]] = field(default_factory=list)
    false_high: list[dict[str, Any]] = field(default_factory=list)
    rules: dict[str, Counter[str]] = field(default_factory=dict)
    findings: int = 0

    @property
    def passed(self) -> bool:
        """At least 99 % of the actions right in each class, nothing missed, no false finding of level high."""
        right = all(c["right"] >= 0.99 * c["actions"] for c in self.backing.values())
        return right and not self.missed and not self.false_high


def evaluate(
    folder: Path, settings: Settings | None = None, report: Callable[[str], None] = lambda _: None
) -> Evaluation:
    """Ingest the folder into a lake of its own, correlate, detect, compare with the answer key, remove the lake.

    Raises SourceError when the folder lacks event files or the answer key.
    """
    from ingest.run import run_files

    events = event_files(folder)
    with tempfile.TemporaryDirectory(prefix="counterfoil-evaluate-") as lake:
        base = settings or load_settings(settings_file(folder))
        chosen = base.model_copy(update={"lake": base.lake.model_copy(update={"url": lake})})
        summary = run_files(chosen, events, report=lambda p: report(f"ingesting {p.reading}"))
        # The files are all there is, unless the settings say up to when; but a set without decisions has no
        # decision stream whose end could be known, and absence is not judged in it.
        closed = chosen.correlate.complete_until is None and bool(summary.rows["authorization_decisions"])
        session = start_session(chosen, closed=closed)
        try:
            return compare(folder, session, chosen, report)
        finally:
            session.close()


def compare(
    folder: Path, session: Engine, settings: Settings, report: Callable[[str], None] = lambda _: None
) -> Evaluation:
    """Measure a session, over a lake that holds the folder's events, against the folder's answer key."""
    labels = read_labels(folder)
    result = Evaluation()
    report("comparing decisions")
    _compare_backing(result, session, read_links(folder, labels))
    found: list[dict[str, Any]] = []
    for rule in rules().values():
        report(f"rule {rule.id}")
        found += evaluate_rule(rule, session, settings).values()
    _compare_findings(result, found, labels, list(lines(folder, "privileges")))
    return result


def _compare_backing(result: Evaluation, session: Engine, links: Iterable[Link]) -> None:
    session.need("action_backing")
    rows = session.fetch(
        "SELECT event_id, span_id, native_span_id, decision_id, source_decision_id, verdict, reason, decision, "
        "decision_agent, decision_action, decision_resource_id FROM action_backing"
    ).to_pylist()
    by_span = {row["native_span_id"] or row["span_id"]: row for row in rows}
    by_event = {row["event_id"]: row for row in rows}
    for link in links:
        row = (by_event if link.by_event else by_span).get(link.action)
        if row is None and not _is_told_of(link.action, session):
            result.absent += 1
            continue
        result.actions += 1
        counts = result.backing.setdefault(link.correlation, Counter())
        counts["actions"] += 1
        problem = _problem(link, row)
        if row is not None and tuple(row[name] for name in link.by) == link.expected:
            counts["right"] += 1
            result.verdicts["wrong"] += problem is not None
        if problem:
            wrong = {"scenario": link.scenario, "trace_id": link.trace_id, "problem": problem}
            result.wrong.append(wrong | {"action": link.action})


def _is_told_of(action: str, session: Engine) -> bool:
    """Whether any record holds the action's id. The key of a set that was cut may name some that none does."""
    records = session.fetch(
        "SELECT raw FROM orchestration_events WHERE raw IS NOT NULL UNION ALL SELECT raw FROM dead_letters"
    )
    sought = action.encode()
    return any(sought in raw for raw in records["raw"].to_pylist() if raw)


def _problem(link: Link, row: Mapping[str, Any] | None) -> str | None:
    if row is None:
        return "the action is not in action_backing"
    named = tuple(row[name] for name in link.by)
    if named != link.expected:
        return f"names {_told(named)}, expected {_told(link.expected)}"
    if link.verdict and (row["verdict"], row["reason"]) != (link.verdict, link.reason or row["reason"]):
        return f"{row['verdict']}/{row['reason']}, expected {link.verdict}/{link.reason}"
    return None


def _told(values: tuple[Any, ...]) -> str:
    return " ".join("none" if value is None else str(value) for value in values)


def _compare_findings(
    result: Evaluation,
    found: list[dict[str, Any]],
    labels: Mapping[str, dict[str, Any]],
    privileges: list[dict[str, Any]],
) -> None:
    result.findings = len(found)
    _compare_privileges(result, found, privileges)
    by_trace: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for finding in found:
        if finding["trace_id"]:
            by_trace[trace_id(finding["trace_id"])].append(finding)
    for trace, label in labels.items():
        here = by_trace.get(trace, [])
        scenario = label["scenario"]
        counts = result.scenarios.setdefault(scenario, Counter())
        counts["traces"] += 1
        counts["with_finding"] += bool(here)
        high = [f for f in here if f["level"] in _HIGH]
        counts["with_high"] += bool(high)
        if "findings" in label:
            _compare_expected(result, label, here)
            benign = not label["findings"]
        else:
            benign = scenario in BENIGN
            if scenario in FAULTY and not here:
                result.missed.append(
                    {"scenario": scenario, "trace_id": label["trace_id"], "expected": "a finding"}
                )
        if benign:
            result.false_high += [_brief(f, scenario) for f in high]


def _compare_expected(result: Evaluation, label: Mapping[str, Any], here: list[dict[str, Any]]) -> None:
    """Per rule: found and expected, by the action that a finding ends in."""
    known = set(rules())
    expected = {
        (e["rule_id"], e["event_ids"][-1])
        for e in label["findings"]
        if e["rule_id"] in known and e["event_ids"]
    }
    anchors = {(f["rule_id"], anchor): f for f in here for anchor in f["anchor_event_ids"]}
    for rule_id, event_id in sorted(expected):
        hit = (rule_id, event_id) in anchors
        result.rules.setdefault(rule_id, Counter())["expected"] += 1
        result.rules[rule_id]["hit"] += hit
        if not hit:
            missed = {"scenario": label["scenario"], "trace_id": label["trace_id"]}
            result.missed.append(missed | {"expected": f"rule {rule_id} on {event_id}"})
    for finding in here:
        counts = result.rules.setdefault(finding["rule_id"], Counter())
        counts["found"] += 1
        counts["true"] += any(
            (finding["rule_id"], anchor) in expected for anchor in finding["anchor_event_ids"]
        )


def _compare_privileges(
    result: Evaluation, found: list[dict[str, Any]], privileges: list[dict[str, Any]]
) -> None:
    """Rule 07: found and expected, by tenant and agent. A set without the key expects nothing of the rule."""
    if not privileges:
        return
    expected = {(p["tenant_id"], p["agent"]) for p in privileges if p["flagged"]}
    flagged = {(f["tenant_id"], f["agent"]) for f in found if f["rule_id"] == "07"}
    both = len(expected & flagged)
    result.rules["07"] = Counter(expected=len(expected), found=len(flagged), hit=both, true=both)
    for tenant_id, agent in sorted(expected - flagged):
        result.missed.append(
            {"scenario": "privileges", "trace_id": None, "expected": f"rule 07 on {tenant_id} {agent}"}
        )
    for finding in found:
        if finding["rule_id"] == "07" and (finding["tenant_id"], finding["agent"]) not in expected:
            result.false_high.append(_brief(finding, "privileges"))


def _brief(finding: Mapping[str, Any], scenario: str) -> dict[str, Any]:
    wanted = ("rule_id", "level", "title", "trace_id", "reason")
    return {"scenario": scenario, **{name: finding[name] for name in wanted}}
