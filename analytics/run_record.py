"""The record of runs: from where the next run of a rule goes on, and what it leaves for the one after it."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from analytics.reach.narrow import NARROWED
from analytics.rule import rule_parameters
from analytics.scopes import parameter_sets
from analytics.views import order
from schemas.findings import RUNS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from analytics.rule import Rule, RuleSet
    from analytics.session import Session
    from lake.snapshot import Snapshot
    from lake.store import Lake
    from schemas.settings import Settings

# The tables that findings are made from.
INPUTS = (*NARROWED, "stream_progress")
_NOT_A_BASIS = {"memory_limit", "threads", "complete_until", "lookback"}


@dataclass(frozen=True)
class Standing:
    """Up to where a rule has judged: versions of the inputs, completeness of the streams, and on what basis.

    `window_end` is when that was; None for a rule that has never run.
    """

    versions: Mapping[str, int] = field(default_factory=dict)
    complete_until: Mapping[str, datetime] = field(default_factory=dict)
    basis: str = ""
    window_end: datetime | None = None

    def key(self) -> str:
        """The same for rules that can go on together."""
        complete = {name: when.isoformat() for name, when in self.complete_until.items()}
        return json.dumps([dict(self.versions), complete, self.window_end is None], sort_keys=True)


def input_versions(snapshot: Snapshot) -> dict[str, int]:
    """The version of each table that findings are made from; tables that do not exist are left out."""
    return {name: version for name, version in snapshot.versions.items() if name in INPUTS}


def last_standings(session: Session) -> dict[str, Standing]:
    """Where each rule stands by its newest run that went well, by the rule's id."""
    session.need("runs")
    rows = session.fetch(
        """
        SELECT rule_id, input_versions, complete_until, basis, window_end_time
        FROM runs
        WHERE outcome = 'ok' AND basis IS NOT NULL
        QUALIFY row_number() OVER (PARTITION BY rule_id ORDER BY window_end_time DESC, start_time DESC, run_id DESC) = 1
        """
    ).to_pylist()
    return {
        row["rule_id"]: Standing(
            versions=json.loads(row["input_versions"]),
            complete_until={
                name: datetime.fromisoformat(when) for name, when in json.loads(row["complete_until"]).items()
            },
            basis=row["basis"],
            window_end=row["window_end_time"],
        )
        for row in rows
    }


def basis_of(rule: Rule, settings: Settings, session: Session, known: RuleSet) -> str:
    """A digest of all that a rule's findings rest on besides events and decisions; with another one all is judged anew.

    The rule and the views that it reads, the settings and the catalogue, the holes in the streams, and what was learned
    of tools.
    """
    session.need("learned_tools", "stream_holes")
    learned = session.fetch("SELECT list(l ORDER BY l) AS l FROM learned_tools AS l")["l"][0].as_py()
    holes = session.fetch("SELECT list(h ORDER BY h) AS h FROM stream_holes AS h")["h"][0].as_py()
    override = settings.rules.get(rule.id)
    owners = {name: each for each in known.rules.values() for name in each.parameters}
    parts: list[Any] = [
        rule.model_dump(mode="json"),
        {view.name: view.sql for view in order(rule.views)},
        settings.correlate.model_dump(mode="json", exclude=_NOT_A_BASIS),
        override.model_dump(mode="json") if override else None,
        # A view may read a parameter of another rule.
        {
            each.id: settings.rules[each.id].parameters
            for each in owners.values()
            if each.id in settings.rules
        },
        session.fetch("SELECT catalogue FROM params").to_pylist(),
        learned,
        holes,
    ]
    text = json.dumps(parts, sort_keys=True, default=str)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def longest_wait(rule: Rule, settings: Settings) -> timedelta:
    """How long after an event the rule may wait before it judges it, in any scope."""
    override = settings.rules.get(rule.id)
    usual = override.parameters if override else {}
    waits = [
        value
        for given in (usual, *parameter_sets(override))
        for name, value in rule_parameters(rule, given).items()
        if isinstance(value, timedelta) and name.endswith(("_grace", "_wait"))
    ]
    correlate = settings.correlate
    longest = max([*waits, correlate.max_age if rule.reach == "hour" else correlate.skew])
    return correlate.settle + correlate.skew + longest


def append_runs(lake: Lake, runs: list[dict[str, Any]]) -> None:
    """Record runs, in one commit; nothing where there are none."""
    if runs:
        lake.append(RUNS, pa.Table.from_pylist(runs, schema=RUNS.schema))
