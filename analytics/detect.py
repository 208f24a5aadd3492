"""A detection run: every rule over one snapshot; what changed is appended to the history of findings."""

from __future__ import annotations

import json
import logging
import time
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import duckdb
import pyarrow as pa

from analytics.findings import STATE_COLUMNS, to_findings
from analytics.rule import Rule, line_of_query, load_rules, rule_parameters
from analytics.scopes import in_force, is_on, parameter_sets, parameters_for
from analytics.session import start_session
from analytics.suppressions import Suppression, read_suppressions, suppression_of
from lake.store import open_configured
from schemas.errors import CommitConflict, RuleError, SettingsError
from schemas.findings import FINDINGS, LEVELS, RUNS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from analytics.rule import RuleSet
    from analytics.session import Session
    from lake.store import Lake
    from schemas.rule_settings import RuleOverride
    from schemas.settings import Settings

_LOG = logging.getLogger(__name__)
_ATTEMPTS = 5


@dataclass
class Detection:
    """What a run found: every finding that holds, what was written, and the rules that failed.

    `suppressed` has the ids of the findings that hold and are suppressed, each with what suppresses it.
    """

    run_id: str
    findings: list[dict[str, Any]] = field(default_factory=list)
    suppressed: dict[str, str] = field(default_factory=dict)
    written: int = 0
    closed: int = 0
    failed: dict[str, str] = field(default_factory=dict)


def chosen_rules(settings: Settings, only: Iterable[str] = ()) -> list[Rule]:
    """The rules to run: those named, else all that are enabled. SettingsError for one that is not there."""
    return _chosen(load_rules(settings.rules_folder), settings, list(only))


def _chosen(known: RuleSet, settings: Settings, names: list[str]) -> list[Rule]:
    for name in names:
        if name not in known.rules and name not in known.broken:
            raise SettingsError(f"there is no rule {name!r}; known are {', '.join(known.rules)}")
    return [
        rule
        for rule in known.rules.values()
        if (rule.id in names or not names) and is_on(settings.rules.get(rule.id))
    ]


def detect(
    settings: Settings,
    *,
    only: Iterable[str] = (),
    closed: bool = False,
    dry_run: bool = False,
    report: Callable[[str], None] = lambda _: None,
) -> Detection:
    """Run the rules over the newest snapshot and write what changed; with `dry_run` nothing is written.

    `closed` says that no more will come on the streams, so that absence is judged without waiting for the watermark.
    A rule that fails does not stop the others. Running again over the same lake writes nothing.
    """
    names = list(only)
    known = load_rules(settings.rules_folder)
    chosen = _chosen(known, settings, names)
    suppressions = read_suppressions(settings.suppressions, {*known.rules, *known.broken})
    lake = open_configured(settings.lake, read_only=dry_run)
    session = start_session(settings, closed=closed, known=known)
    detection = Detection(run_id=uuid.uuid4().hex)
    try:
        for rule_id, error in known.broken.items():
            if rule_id in names or not names:
                _note_broken(rule_id, error, session, lake, detection, dry_run=dry_run)
        for rule in chosen:
            report(f"rule {rule.id} {rule.name}")
            _run_rule(rule, suppressions, session, lake, settings, detection, dry_run=dry_run)
    finally:
        session.close()
    detection.findings.sort(key=_severest_first)
    return detection


def evaluate_rule(rule: Rule, session: Session, settings: Settings) -> dict[str, dict[str, Any]]:
    """The findings of one rule over a session, by id. RuleError when its query fails."""
    override = settings.rules.get(rule.id)
    usual = parameters_for(override, dict.fromkeys(("tenant_id", "environment", "agent")))
    found: dict[str, dict[str, Any]] = {}
    # Where a scope has figures of its own, the rule is asked again with them, and answers for that scope only.
    for given in [usual, *parameter_sets(override)]:
        values = {} if given == usual else rule_parameters(rule, given)
        try:
            with session.with_parameters(values):
                session.need(*rule.views)
                rows = session.fetch(rule.sql).to_pylist()
        except duckdb.Error as error:
            where = _place(rule, session)
            raise RuleError(f"rule {rule.id} {rule.name}: {str(error).splitlines()[0]}{where}") from error
        found |= to_findings(rule, [row for row in rows if parameters_for(override, row) == given], override)
    return found


def _place(rule: Rule, session: Session) -> str:
    """Where in its query a rule fails, as far as DuckDB says."""
    try:
        with session.cursor() as cursor:
            cursor.execute(f"EXPLAIN {rule.sql}")
    except duckdb.Error as error:
        return f" (rule.sql, line {line_of_query(error)})" if "\nLINE " in str(error) else ""
    return ""


def _run_rule(
    rule: Rule,
    suppressions: Sequence[Suppression],
    session: Session,
    lake: Lake,
    settings: Settings,
    detection: Detection,
    *,
    dry_run: bool,
) -> None:
    start, clock = datetime.now(UTC), time.perf_counter()
    written = held = 0
    error: str | None = None
    try:
        found = evaluate_rule(rule, session, settings)
        held = len(found)
        detection.findings += found.values()
        hidden = _hidden(found, suppressions)
        detection.suppressed |= hidden
        if not dry_run:
            written, gone = _record(rule, found, hidden, session, lake, settings, detection.run_id)
            detection.written += written
            detection.closed += gone
    except RuleError as failure:
        error = str(failure)
        detection.failed[rule.id] = error
        _LOG.error("rule failed", extra={"rule": rule.id, "error": error})
    if not dry_run and (written or error):
        run = {
            "run_id": f"{detection.run_id}-{rule.id}",
            "rule_id": rule.id,
            "rule_version": rule.version,
            "start_time": start,
            "duration_ms": (time.perf_counter() - clock) * 1000,
            "input_versions": json.dumps(session.snapshot.versions, sort_keys=True),
            "findings": held,
            "written": written,
            "outcome": "failed" if error else "ok",
            "error": error,
            "event_date": start.date(),
        }
        lake.append(RUNS, pa.Table.from_pylist([run], schema=RUNS.schema))


def _note_broken(
    rule_id: str, error: str, session: Session, lake: Lake, detection: Detection, *, dry_run: bool
) -> None:
    detection.failed[rule_id] = error
    _LOG.error("rule failed", extra={"rule": rule_id, "error": error})
    if not dry_run:
        now = datetime.now(UTC)
        run = {
            "run_id": f"{detection.run_id}-{rule_id}",
            "rule_id": rule_id,
            "rule_version": "unknown",
            "start_time": now,
            "duration_ms": 0.0,
            "input_versions": json.dumps(session.snapshot.versions, sort_keys=True),
            "findings": 0,
            "written": 0,
            "outcome": "failed",
            "error": error,
            "event_date": now.date(),
        }
        lake.append(RUNS, pa.Table.from_pylist([run], schema=RUNS.schema))


def _record(
    rule: Rule,
    found: Mapping[str, dict[str, Any]],
    hidden: Mapping[str, str],
    session: Session,
    lake: Lake,
    settings: Settings,
    run_id: str,
) -> tuple[int, int]:
    """Append the states that differ from the newest on record; how many, and how many of them closed a finding.

    The number of states on record is kept as a position of the table, so that of two overlapping runs the second is
    refused and looks again at what the first wrote.
    """
    source = f"detect-{rule.id}"
    current = _current(rule, session)
    for attempt in range(_ATTEMPTS):
        recorded = lake.position(FINDINGS, source)
        if attempt or recorded != _states_seen(rule, session):
            fresh = start_session(settings)
            try:
                recorded, current = lake.position(FINDINGS, source), _current(rule, fresh)
            finally:
                fresh.close()
        states, gone = _changes(rule, found, hidden, current, run_id, settings.rules.get(rule.id))
        if not states:
            return 0, 0
        rows = pa.Table.from_pylist(states, schema=FINDINGS.schema)
        start = -1 if recorded is None else recorded
        try:
            lake.append(FINDINGS, rows, positions={source: (start, max(start, 0) + len(states))})
        except CommitConflict:
            continue
        return len(states), gone
    raise RuleError(f"rule {rule.id}: other runs kept writing findings; run detect again")


def _states_seen(rule: Rule, session: Session) -> int | None:
    session.need("findings")
    count = session.fetch("SELECT count(*) AS n FROM findings WHERE rule_id = ?", [rule.id])["n"][0].as_py()
    return count or None


def _current(rule: Rule, session: Session) -> dict[str, dict[str, Any]]:
    session.need("current_findings")
    rows = session.fetch("SELECT * FROM current_findings WHERE rule_id = ?", [rule.id])
    return {row["finding_id"]: row for row in rows.to_pylist()}


def _changes(
    rule: Rule,
    found: Mapping[str, dict[str, Any]],
    hidden: Mapping[str, str],
    current: Mapping[str, dict[str, Any]],
    run_id: str,
    override: RuleOverride | None,
) -> tuple[list[dict[str, Any]], int]:
    now = datetime.now(UTC)
    mark = {"recorded_time": now, "run_id": run_id, "event_date": now.date()}
    states = []
    for identity, finding in sorted(found.items()):
        before = current.get(identity)
        if (now_is := _state(finding, before, hidden.get(identity))) is None:
            continue
        revision = before["revision"] + 1 if before else 1
        state = {"revision": revision, "status": now_is[0], "status_reason": now_is[1]}
        states.append({**finding, **state, **mark})
    gone = [
        row
        for identity, row in sorted(current.items())
        if identity not in found and row["status"] != "closed"
    ]
    for row in gone:
        kept = {name: row[name] for name in (*STATE_COLUMNS, "finding_id", "rule_id")}
        reason = "evidence that came later explains it: the rule no longer fires"
        if not in_force(override, row).keeps(row["confidence"]):
            reason = f"the settings (rules.{rule.id}) leave it out"
        state = {"revision": row["revision"] + 1, "status": "closed", "status_reason": reason}
        states.append({**kept, "rule_version": rule.version, **state, **mark})
    return states, len(gone)


def _state(
    finding: Mapping[str, Any], before: Mapping[str, Any] | None, suppressed_by: str | None
) -> tuple[str, str | None] | None:
    """The status to record for a finding that holds, and why; None when what is on record says it already."""
    changed = before is not None and any(finding[name] != before[name] for name in STATE_COLUMNS)
    if suppressed_by is not None:
        known = before is not None and (before["status"], before["status_reason"]) == (
            "suppressed",
            suppressed_by,
        )
        return None if known and not changed else ("suppressed", suppressed_by)
    if before is None:
        return "open", None
    if before["status"] == "closed":
        return "open", "it holds again"
    if before["status"] == "suppressed":
        return "open", "its suppression has ended"
    return ("updated", "the evidence changed") if changed else None


def _hidden(found: Mapping[str, dict[str, Any]], suppressions: Sequence[Suppression]) -> dict[str, str]:
    """What suppresses each of the findings that are suppressed now, by id."""
    now = datetime.now(UTC)
    by = {identity: suppression_of(finding, suppressions, now) for identity, finding in found.items()}
    return {identity: one.words for identity, one in by.items() if one is not None}


def _severest_first(finding: Mapping[str, Any]) -> tuple[Any, ...]:
    return (
        -LEVELS.index(finding["level"]),
        finding["rule_id"],
        finding["first_seen_time"],
        finding["finding_id"],
    )
