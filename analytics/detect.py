"""A detection run: what changed is judged by every rule, and how the findings changed is appended to their history.

The work of a run follows what is new. A rule goes on from where its last run ended: over the rows that came since,
those that time has made ripe, and all that these can be joined with (`analytics.reach`). Its first run, and one on
another basis (another version of the rule, other settings), is over the whole lake, and so is every run of a rule of
that reach.
"""

from __future__ import annotations

import json
import logging
import time
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

import duckdb

from analytics.engine import open_engine
from analytics.evaluate import evaluate_rule
from analytics.gathered.gather import gather, keep
from analytics.history import (
    Judged,
    count_open,
    hidden_by,
    on_record,
    open_findings,
    read_record,
    record,
)
from analytics.reach.narrow import (
    NARROWED,
    SHARED,
    complete_until,
    judged,
    judged_on_record,
    narrow,
    widen_again,
)
from analytics.rule import Rule, load_rules
from analytics.run_record import (
    INPUTS,
    Standing,
    append_runs,
    basis_of,
    input_versions,
    last_standings,
    longest_wait,
)
from analytics.scopes import is_on
from analytics.session import start_session
from analytics.suppressions import read_suppressions
from lake.duck import told
from lake.snapshot import Snapshot
from lake.store import open_configured
from schemas.errors import RuleError, SettingsError
from schemas.findings import FINDINGS, LEVELS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from analytics.engine import Engine
    from analytics.rule import RuleSet
    from analytics.session import Session
    from analytics.suppressions import Suppression
    from lake.store import Lake
    from schemas.settings import Settings

_LOG = logging.getLogger(__name__)
# Under so many rows in the lake, finding out what is new costs more than judging them all.
_FEW_ROWS = 500_000
_ON_RECORD = ("current_findings", "runs")


@dataclass
class Detection:
    """What a run found: every finding that holds, what was written, and the rules that failed.

    `suppressed` has the ids of the findings that hold and are suppressed, each with what suppresses it. `rows` says how
    many rows of the inputs each rule read, `reach` how far it looked; a rule for which nothing was new is in neither.
    """

    run_id: str
    findings: list[dict[str, Any]] = field(default_factory=list)
    suppressed: dict[str, str] = field(default_factory=dict)
    written: int = 0
    closed: int = 0
    failed: dict[str, str] = field(default_factory=dict)
    rows: dict[str, int] = field(default_factory=dict)
    reach: dict[str, str] = field(default_factory=dict)


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
    whole: bool = False,
    as_of: datetime | None = None,
    changes_only: bool = False,
    engine: str = "duckdb",
    report: Callable[[str], None] = lambda _: None,
) -> Detection:
    """Run the rules over what is new in the lake and write what changed; with `dry_run` nothing is written.

    `closed` says that no more will come on the streams, so that absence is judged without waiting for the watermark.
    `whole` judges everything anew. `as_of` judges the lake as it was at that moment, for a run that was missed.
    With `changes_only` the findings that were not judged again are not told, which spares reading them.
    A rule that fails does not stop the others. Running again over the same lake writes nothing.
    With the `engine` spark all is judged anew, by Apache Spark.
    """
    names = list(only)
    known = load_rules(settings.rules_folder)
    chosen = _chosen(known, settings, names)
    suppressions = read_suppressions(settings.suppressions, {*known.rules, *known.broken})
    lake = open_configured(settings.lake, read_only=dry_run)
    session = start_session(settings, closed=closed, known=known, snapshot=_snapshot(lake, as_of))
    try:
        with open_engine(engine, session, settings, closed=closed, known=known) as judging:
            run = _Run(
                settings,
                known,
                suppressions,
                lake,
                session,
                judging,
                as_of or datetime.now(UTC),
                dry_run=dry_run,
                changes_only=changes_only,
                whole=whole,
            )
            for rule_id, error in known.broken.items():
                if rule_id in names or not names:
                    run.fail(rule_id, "unknown", error)
            run.judge(chosen, report)
    finally:
        session.close()
    run.detection.findings.sort(key=_severest_first)
    return run.detection


def _snapshot(lake: Lake, as_of: datetime | None) -> Snapshot:
    """The inputs as they were at the moment, and what earlier runs left, which is taken as it is now."""
    newest = lake.snapshot()
    if as_of is None:
        return newest
    then = lake.snapshot(as_of)
    left = {name: pinned for name, pinned in newest.tables.items() if name not in INPUTS}
    return Snapshot(
        newest.url, {**left, **{name: then.tables[name] for name in INPUTS if name in then.tables}}
    )


class _Run:
    """One run of some rules over one snapshot, and what it leaves on record."""

    def __init__(
        self,
        settings: Settings,
        known: RuleSet,
        suppressions: list[Suppression],
        lake: Lake,
        session: Session,
        engine: Engine,
        window_end: datetime,
        *,
        dry_run: bool,
        changes_only: bool,
        whole: bool,
    ) -> None:
        self._changes_only = changes_only
        self._engine = engine
        # What is known of earlier runs, and of what is new since, is DuckDB's.
        self._elsewhere = engine is not session
        self._whole = whole or self._elsewhere
        self._settings = settings
        self._known = known
        self._suppressions = suppressions
        self._lake = lake
        self._session = session
        self._window_end = window_end
        self._dry_run = dry_run
        self._versions = input_versions(session.snapshot)
        self._findings_version = session.snapshot.versions.get(FINDINGS.name)
        self._few = self._rows_of_all() < _FEW_ROWS
        self._gather()
        self._complete = complete_until(engine)
        self._rows: list[dict[str, Any]] = []
        self._longest = timedelta()
        self.detection = Detection(run_id=uuid.uuid4().hex)

    def _gather(self) -> None:
        """Look up what is known of the whole lake; where few rows are in it, it is read as it is."""
        if self._few or self._elsewhere:
            return
        new = gather(self._session, self._lake, self._settings.correlate.lookback, anew=self._whole)
        if not self._dry_run:
            keep(self._lake, new)

    def judge(self, rules: list[Rule], report: Callable[[str], None]) -> None:
        """Run the rules, those that go on from the same place together, and write what they change."""
        groups: dict[tuple[str, str], list[tuple[Rule, Standing, str]]] = {}
        read_record(self._session)
        standings = last_standings(self._session)
        unchanged = []
        for rule in rules:
            # Without a basis, the next run of DuckDB goes on from where the one before it stood.
            basis = "" if self._elsewhere else basis_of(rule, self._settings, self._session, self._known)
            standing = standings.get(rule.id, Standing())
            anew = self._whole or self._few or standing.window_end is None or standing.basis != basis
            reach: str = "whole" if anew else rule.reach
            if not self._whole and standing.basis == basis and self._is_the_same(standing):
                unchanged.append(rule)
                continue
            groups.setdefault((reach, standing.key() if reach != "whole" else ""), []).append(
                (rule, standing, basis)
            )
        going_on = [rule for (reach, _), group in groups.items() if reach != "whole" for rule, _, _ in group]
        self._longest = max((longest_wait(rule, self._settings) for rule in going_on), default=timedelta())
        for (reach, _), group in sorted(groups.items(), key=lambda item: item[0][0] != "whole"):
            self._judge_group(group, reach, report)
        self._stand(unchanged)
        append_runs(self._lake, self._rows)

    def fail(self, rule_id: str, version: str, error: str) -> None:
        """Note that a rule failed."""
        self.detection.failed[rule_id] = error
        _LOG.error("rule failed", extra={"rule": rule_id, "error": error})
        self._note(rule_id, version, datetime.now(UTC), 0.0, outcome="failed", error=error)

    def _rows_of_all(self) -> int:
        return sum(self._session.snapshot.rows(name) or 0 for name in NARROWED)

    def _is_the_same(self, standing: Standing) -> bool:
        return dict(standing.versions) == self._versions and dict(standing.complete_until) == self._complete

    def _stand(self, rules: list[Rule]) -> None:
        """Nothing is new for the rules; only their suppressions may have changed."""
        suppressed = bool(self._suppressions)
        states = {
            rule.id: on_record(self._session, rule.id, (), set(), suppressed=suppressed) for rule in rules
        }
        stood = [Judged(rule, {}, states[rule.id], scope=set()) for rule in rules]
        self._write(stood)
        for one in stood:
            self._tell(one)

    def _narrow(self, group: list[tuple[Rule, Standing, str]], reach: str) -> int | None:
        """Narrow the session to what is new for the group; how many rows that is, None where all is to be judged."""
        standing = group[0][1]
        return narrow(
            self._session,
            self._lake,
            reach,
            standing.versions,
            standing.complete_until,
            skew=self._settings.correlate.skew,
            settle=self._settings.correlate.settle,
            wait=max(longest_wait(rule, self._settings) for rule, _, _ in group),
            longest=self._longest,
            lookback=self._settings.correlate.lookback,
        )

    def _judge_group(
        self, group: list[tuple[Rule, Standing, str]], reach: str, report: Callable[[str], None]
    ) -> None:
        start, clock = datetime.now(UTC), time.perf_counter()
        rows = None
        if reach != "whole":
            report(f"what is new, for {len(group)} rules")
            try:
                rows = self._narrow(group, reach)
            except duckdb.Error as error:
                widen_again(self._session)
                for rule, _, _ in group:
                    said = f"rule {rule.id} {rule.name}: what is new cannot be looked up: {told(error)}"
                    self.fail(rule.id, rule.version, said)
                return
        narrowed = rows is not None
        if rows is None:
            reach, rows = "whole", self._rows_of_all()
        judges = partial(judged, self._session) if narrowed else None
        known = judged_on_record(self._session, [rule.id for rule, _, _ in group], reach) if narrowed else {}
        done: list[tuple[Judged, Standing, str, float]] = []
        shared = (time.perf_counter() - clock) / len(group)
        for place, (rule, standing, basis) in enumerate(group):
            report(f"rule {rule.id} {rule.name}")
            # What no later rule reads would be in the way of what is made now.
            later = {view for each, _, _ in group[place:] for view in each.views}
            self._session.release(but=(*SHARED, *_ON_RECORD, *later))
            clock = time.perf_counter()
            try:
                found = evaluate_rule(rule, self._engine, self._settings)
            except RuleError as error:
                self.fail(rule.id, rule.version, str(error))
                continue
            scope = None
            if narrowed:
                scope = known.get(rule.id, set())
                held = judged(self._session, found.values())
                found = {identity: finding for identity, finding in found.items() if identity in held}
            current = on_record(self._session, rule.id, found, scope, suppressed=bool(self._suppressions))
            self.detection.rows[rule.id], self.detection.reach[rule.id] = rows, reach
            taken = shared + time.perf_counter() - clock
            done.append((Judged(rule, found, current, scope, judges), standing, basis, taken))
        self._write([each[0] for each in done])
        for one, standing, basis, taken in done:
            holding = self._tell(one)
            self._note(
                one.rule.id, one.rule.version, start, taken * 1000,
                outcome="superseded" if one.superseded else "ok", error=None,
                window_start_time=standing.window_end, reach=reach, rows=rows, basis=basis or None,
                from_versions=json.dumps(dict(standing.versions), sort_keys=True) if narrowed else None,
                findings=holding, written=one.written,
            )  # fmt: skip
        if narrowed:
            widen_again(self._session)

    def _write(self, found: list[Judged]) -> None:
        if self._dry_run or not found:
            return
        self._findings_version = record(
            found,
            self._suppressions,
            self._lake,
            self._settings,
            version=self._findings_version,
            judged_until=sum(self._versions.values()),
            run_id=self.detection.run_id,
        )

    def _tell(self, one: Judged) -> int:
        """Add what holds by a rule to the detection; how many findings that are."""
        standing, untouched = dict(one.found), 0
        if one.scope is not None and self._changes_only:
            untouched = count_open(self._session, one.rule.id, but=one.scope | one.found.keys())
        elif one.scope is not None:
            standing |= open_findings(self._session, one.rule.id, but=one.scope | one.found.keys())
        self.detection.findings += standing.values()
        self.detection.suppressed |= hidden_by(standing, self._suppressions)
        self.detection.written += one.written
        self.detection.closed += one.closed
        return len(standing) + untouched

    def _note(
        self, rule_id: str, version: str, start: datetime, milliseconds: float, *, outcome: str, error: str | None,
        **more: Any,
    ) -> None:  # fmt: skip
        if self._dry_run:
            return
        complete = (
            {name: when.isoformat() for name, when in self._complete.items()} if outcome == "ok" else {}
        )
        self._rows.append(
            {
                "run_id": f"{self.detection.run_id}-{rule_id}",
                "rule_id": rule_id,
                "rule_version": version,
                "start_time": start,
                "duration_ms": milliseconds,
                "window_end_time": self._window_end,
                "input_versions": json.dumps(self._versions, sort_keys=True),
                "complete_until": json.dumps(complete, sort_keys=True),
                "findings": 0,
                "written": 0,
                "outcome": outcome,
                "error": error,
                "event_date": start.date(),
                **more,
            }
        )


def _severest_first(finding: Mapping[str, Any]) -> tuple[Any, ...]:
    return (
        -LEVELS.index(finding["level"]),
        finding["rule_id"],
        finding["first_seen_time"],
        finding["finding_id"],
    )
