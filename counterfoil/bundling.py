"""Evidence bundles: what the rules, the suppressions and the coverage add to what can be proved."""

from __future__ import annotations

import json
from datetime import datetime
from typing import TYPE_CHECKING, Any

from analytics.questions import questions
from analytics.rule import frameworks, load_rules
from analytics.session import open_session
from analytics.suppressions import read_suppressions, suppression_of
from analytics.views import order
from counterfoil.output import cell
from proof.report import Told
from proof.standalone.verify import plain

if TYPE_CHECKING:
    from analytics.rule import Rule, RuleSet
    from proof.bundle_rows import Evidence, Period
    from schemas.settings import Settings

    Json = dict[str, Any]


def tell(settings: Settings, about: str | Period, evidence: Evidence) -> Told:
    """What the house knows of the evidence. SettingsError or RuleError where rules or suppressions cannot be read."""
    known = load_rules(settings.rules_folder)
    states = [plain(record) for record in evidence.records if record["table"] == "findings"]
    newest = {state["finding_id"]: state for state in states}
    rules = {}
    files: dict[str, bytes] = {}
    for rule_id in sorted({state["rule_id"] for state in states}):
        versions = sorted({state["rule_version"] for state in states if state["rule_id"] == rule_id})
        rules[rule_id] = _rule(known, rule_id, versions, files)
    index = {
        rule_id: {name: told[name] for name in ("found_by", "installed", "note")}
        for rule_id, told in rules.items()
    }
    files["rule/index.json"] = (json.dumps(index, indent=1, sort_keys=True) + "\n").encode()
    coverage = None if isinstance(about, str) else _coverage(settings, about, evidence)
    return Told(_title(about), rules, _suppressions(settings, known, list(newest.values())), coverage, files)


def _title(about: str | Period) -> str:
    if isinstance(about, str):
        return f"Evidence of the finding {about}"
    of = "" if about.tenant is None else f" of the tenant {about.tenant}"
    return f"Evidence of the findings from {cell(about.since)} to {cell(about.until)}{of}"


def _rule(known: RuleSet, rule_id: str, versions: list[str], files: dict[str, bytes]) -> Json:
    """What is said of a rule; its files go to `files` where the version that is installed found something."""
    rule: Rule | None = known.rules.get(rule_id)
    found = f"version {' and '.join(versions)}"
    if rule is None:
        return {
            "found_by": versions,
            "installed": None,
            "note": f"{found} of the rule found it; none is installed.",
        }
    names = frameworks()
    note = None
    if versions != [rule.version]:
        where = "which is in rule/" if rule.version in versions else "so its SQL is not in rule/"
        note = f"{found} of the rule found it; version {rule.version} is installed, {where}."
    told = {
        "found_by": versions, "installed": rule.version, "note": note, "rationale": rule.rationale,
        "frameworks": {names[key].name: list(ids) for key, ids in rule.frameworks.items()},
    }  # fmt: skip
    if rule.version in versions:
        for name in ("rule.toml", "rule.sql"):
            files[f"rule/{rule_id}/{name}"] = (known.folders[rule_id] / name).read_bytes()
        for view in order(rule.views):
            files[f"rule/views/{view.name}.sql"] = view.script.encode()
    return told


def _suppressions(settings: Settings, known: RuleSet, findings: list[Json]) -> list[Json]:
    """Those that were in force for a finding when its newest state was written, as the settings have them today."""
    given = read_suppressions(settings.suppressions, {*known.rules, *known.broken})
    found: dict[str, Json] = {}
    for finding in findings:
        columns = dict.fromkeys(
            ("tenant_id", "environment", "agent", "action", "resource_id", "reason", "trace_id")
        )
        one = suppression_of({**columns, **finding}, given, datetime.fromisoformat(finding["recorded_time"]))
        if one is not None:
            told = found.setdefault(
                one.name, {**one.model_dump(mode="json", exclude_none=True), "findings": []}
            )
            told["findings"].append(finding["finding_id"])
    return list(found.values())


def _coverage(settings: Settings, period: Period, evidence: Evidence) -> list[Json]:
    question = questions()["coverage"]
    with open_session(settings, as_of=evidence.versions) as session:
        session.need(*question.reads)
        rows = session.fetch(question.sql, {"since": period.since, "until": period.until}).to_pylist()
    return [
        {name: value if isinstance(value, int) else cell(value) for name, value in row.items()}
        for row in rows
    ]
