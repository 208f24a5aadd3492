"""How the schedule stands: of each rule the last run and the next, and the system alerts."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING

from analytics.session import start_session
from jobs.alerts import Alert, alerts
from jobs.stands import LastRun, last_runs, schedule_of
from jobs.windows import due, next_slot
from lake.store import open_configured
from proof.health import chain_state

if TYPE_CHECKING:
    from datetime import datetime, timedelta

    from analytics.session import Session
    from schemas.settings import Settings


@dataclass(frozen=True)
class RuleState:
    """Of one rule: its last run, the next slot, how many windows wait, and its open findings by level."""

    last: LastRun
    every: timedelta
    next_time: datetime
    waiting: int
    open: dict[str, int]


@dataclass(frozen=True)
class State:
    """One moment's state of the schedule."""

    time: datetime
    rules: dict[str, RuleState]
    alerts: list[Alert]


def state_of(settings: Settings, now: datetime) -> State:
    """Read the state from the lake. LakeError when there is none."""
    every = schedule_of(settings)
    lake = open_configured(settings.lake, read_only=True)
    with closing(start_session(settings, snapshot=lake.snapshot())) as session:
        runs = last_runs(session, lake, every)
        counts = _open(session)
        wrong = alerts(session, now, settings.schedule, runs, chain_state(settings).broken)
    rules = {}
    for rule, last in runs.items():
        windows = due(rule, every[rule], last.stand, now, settings.schedule.catch_up)
        rules[rule] = RuleState(
            last,
            every[rule],
            windows[0].end if windows else next_slot(now, every[rule]),
            sum(window.slots for window in windows),
            counts.get(rule, {}),
        )
    return State(now, rules, wrong)


def _open(session: Session) -> dict[str, dict[str, int]]:
    session.need("current_findings")
    found: dict[str, dict[str, int]] = {}
    query = (
        "SELECT rule_id, level, count(*) AS n FROM current_findings WHERE status IN ('open', 'updated') "
        "GROUP BY ALL ORDER BY ALL"
    )
    for row in session.fetch(query).to_pylist():
        found.setdefault(row["rule_id"], {})[row["level"]] = row["n"]
    return found
