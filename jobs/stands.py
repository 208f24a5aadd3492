"""Where the rules stand, as the lake has it: the record of runs, and the slots in which nothing was new.

A run that finds nothing new leaves no record. So that its slot is not taken for missed, it is kept as a position of
the table `runs`, one for each rule, which never moves back.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from analytics.rule import load_rules
from analytics.scopes import is_on
from jobs.windows import Stand
from schemas.errors import CommitConflict, SettingsError
from schemas.findings import RUNS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from analytics.rule import RuleSet
    from analytics.session import Session
    from lake.store import Lake
    from schemas.settings import Settings

SQL = Path(__file__).parent / "sql"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class LastRun:
    """The newest run of a rule on record, and where the rule stands."""

    rule_id: str
    stand: Stand
    start_time: datetime | None = None
    outcome: str | None = None
    error: str | None = None
    duration_ms: float | None = None
    findings: int | None = None


def schedule_of(settings: Settings, known: RuleSet | None = None) -> dict[str, timedelta]:
    """How often each rule runs that is on, by id: as the settings say, else as the rule does.

    Rules that cannot be read are in it, so that they fail and are told of. SettingsError for an unknown rule.
    """
    known = known or load_rules(settings.rules_folder)
    given = settings.schedule.every
    for rule_id in given:
        if rule_id not in known.rules and not known.broken:
            names = ", ".join(known.rules)
            raise SettingsError(f"schedule.every.{rule_id}: there is no such rule; known are {names}")
    found = {
        rule.id: given.get(rule.id, rule.schedule.every)
        for rule in known.rules.values()
        if is_on(settings.rules.get(rule.id))
    }
    return found | {rule_id: given.get(rule_id, timedelta(minutes=15)) for rule_id in known.broken}


def last_runs(session: Session, lake: Lake, rules: Iterable[str]) -> dict[str, LastRun]:
    """The newest run of each of those rules, by id; of one that never ran, an empty one."""
    session.need("runs")
    found: dict[str, dict[str, Any]] = {}
    if RUNS.name in session.snapshot.tables:
        query = (SQL / "last_runs.sql").read_text(encoding="utf-8")
        found = {row["rule_id"]: row for row in session.fetch(query).to_pylist()}
    names = list(rules)
    slots = lake.positions(RUNS, [_source(rule) for rule in names])
    return {rule: _last(rule, found.get(rule, {}), slots[_source(rule)]) for rule in names}


def _last(rule: str, row: Mapping[str, Any], slot: int | None) -> LastRun:
    ends = [row.get("done_time"), None if slot is None else _EPOCH + timedelta(seconds=slot)]
    done = max((end for end in ends if end is not None), default=None)
    failed, well = row.get("failed_time"), row.get("well_time")
    since = failed if failed is not None and (well is None or failed > well) else None
    told = {name: row.get(name) for name in ("start_time", "outcome", "error", "duration_ms", "findings")}
    return LastRun(rule, Stand(done, since), **told)


def keep_slots(lake: Lake, done: Mapping[str, datetime]) -> None:
    """Keep until where each of the rules is done. One that another scheduler has brought further stays so."""
    import pyarrow as pa

    nothing = pa.Table.from_pylist([], schema=RUNS.schema)
    for rule, end in done.items():
        moved = {_source(rule): (None, int((end - _EPOCH).total_seconds()))}
        try:
            lake.append(RUNS, nothing, positions=moved)
        except CommitConflict:
            continue


def _source(rule: str) -> str:
    return f"slot-{rule}"
