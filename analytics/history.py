"""The history of findings: the states that a run adds, and none where what is on record says it already."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from analytics.findings import STATE_COLUMNS
from analytics.reach.narrow import reach_sql as _sql
from analytics.scopes import in_force
from analytics.session import start_session
from analytics.suppressions import Suppression, suppression_of
from lake.store import NEVER
from schemas.errors import CommitConflict, RuleError
from schemas.findings import FINDINGS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from analytics.rule import Rule
    from analytics.session import Session
    from lake.store import Lake
    from schemas.rule_settings import RuleOverride
    from schemas.settings import Settings

_ATTEMPTS = 5
_EVER = datetime(1, 1, 1, tzinfo=UTC)
_OPEN = "rule_id = $rule AND status <> 'closed' AND finding_id NOT IN (SELECT unnest($ids::VARCHAR[]))"

Finding = dict[str, Any]


@dataclass
class Judged:
    """What a run found by one rule. `scope` has the ids of the findings on record that it judged; None: all there are.

    `found` holds of those in scope; the others stand as they are, but for their suppressions. `current` has what is on
    record of those that the run may change: see `on_record`. After `record`: how many states were `written`, how many
    of them `closed` a finding, and whether newer data were judged in the meantime.
    """

    rule: Rule
    found: dict[str, Finding]
    current: dict[str, Finding]
    scope: set[str] | None = None
    # Tells which of some findings the run has judged; needed where others may write some meanwhile.
    judges: Callable[[Iterable[Finding]], set[str]] | None = None
    written: int = 0
    closed: int = 0
    superseded: bool = False

    def standing(self) -> dict[str, Finding]:
        """The findings that hold: those found, and the others on record that were not judged and are not closed."""
        kept = {
            identity: {name: row[name] for name in ("finding_id", "rule_id", *STATE_COLUMNS)}
            for identity, row in self.current.items()
            if self.scope is not None and identity not in self.scope and row["status"] != "closed"
        }
        return {**kept, **self.found}


def read_record(session: Session) -> None:
    """Make the table `findings_on_record` of the session, which what follows here looks things up in."""
    session.need("current_findings")
    session.run(_sql("record"))


def on_record(
    session: Session, rule_id: str, found: Iterable[str], scope: set[str] | None, *, suppressed: bool
) -> dict[str, Finding]:
    """The newest state of each finding of a rule that a run may change, by id.

    Those found and those in scope; all of them where the scope is None, or where suppressions may come or go.
    """
    if scope is None or suppressed or _any_suppressed(session, rule_id):
        return _newest_states(session, rule_id, None)
    return _newest_states(session, rule_id, {*found, *scope})


def count_open(session: Session, rule_id: str, *, but: set[str]) -> int:
    """How many of a rule's findings on record are not closed, apart from those with the given ids."""
    query = f"SELECT count(*) AS n FROM findings_on_record WHERE {_OPEN}"
    return int(session.fetch(query, {"rule": rule_id, "ids": sorted(but)})["n"][0].as_py())


def open_findings(session: Session, rule_id: str, *, but: set[str]) -> dict[str, Finding]:
    """The findings that `count_open` counts, by id, in the columns of one that was just found."""
    query = f"SELECT finding_id FROM findings_on_record WHERE {_OPEN}"
    ids = session.fetch(query, {"rule": rule_id, "ids": sorted(but)})["finding_id"].to_pylist()
    columns = ("finding_id", "rule_id", *STATE_COLUMNS)
    states = _newest_states(session, rule_id, set(ids)).items()
    return {identity: {name: state[name] for name in columns} for identity, state in states}


def _newest_states(session: Session, rule_id: str, ids: set[str] | None) -> dict[str, Finding]:
    """The newest state of a rule's findings with these ids (None: of all), by id."""
    wanted = None if ids is None else sorted(ids)
    since = _EVER if wanted is None else _first_seen(session, rule_id, wanted)
    if since is None:
        return {}
    rows = session.fetch(_sql("newest_states"), {"rule": rule_id, "ids": wanted, "since": since})
    return {row["finding_id"]: row for row in rows.to_pylist()}


def _first_seen(session: Session, rule_id: str, ids: Sequence[str]) -> datetime | None:
    """When the first of these findings of the rule was seen; None where none of them is on record."""
    query = (
        "SELECT min(first_seen_time) AS since FROM findings_on_record "
        "WHERE rule_id = $rule AND finding_id IN (SELECT unnest($ids::VARCHAR[]))"
    )
    since: datetime | None = session.fetch(query, {"rule": rule_id, "ids": ids})["since"][0].as_py()
    return since


def _any_suppressed(session: Session, rule_id: str) -> bool:
    query = "SELECT count(*) AS n FROM findings_on_record WHERE rule_id = ? AND status = 'suppressed'"
    return bool(session.fetch(query, [rule_id])["n"][0].as_py())


def record(
    judged: Sequence[Judged],
    suppressions: Sequence[Suppression],
    lake: Lake,
    settings: Settings,
    *,
    version: int | None,
    judged_until: int,
    run_id: str,
) -> int | None:
    """Append, in one commit, the states that differ from the newest on record.

    `version` is that of the table from which the findings on record were read, and `judged_until` says how new the
    judged data are. Returned is the version for the next call: a newer one where nothing but this was written since.

    Of two overlapping runs the second to write is refused by the lake, and looks again at what the first wrote: each
    write moves a position of the table by one for each of its rules, and another one to how new the data are that were
    judged. A rule about which newer data were judged is superseded, and writes nothing.
    """
    known = version
    for _ in range(_ATTEMPTS):
        counts, newest = _positions(judged, lake)
        if newest != known:
            _read_again(judged, settings, suppressed=bool(suppressions))
            known = newest
            continue
        positions: dict[str, tuple[int, int]] = {}
        rows: list[Finding] = []
        for each in judged:
            count, seen = counts[f"detect-{each.rule.id}"], counts[f"seen-{each.rule.id}"]
            each.superseded = seen is not None and seen > judged_until
            if each.superseded:
                continue
            states, each.closed = _changes(each, suppressions, settings.rules.get(each.rule.id), run_id)
            each.written = len(states)
            rows += states
            if states or seen != judged_until:
                positions[f"detect-{each.rule.id}"] = (NEVER if count is None else count, (count or 0) + 1)
                positions[f"seen-{each.rule.id}"] = (NEVER if seen is None else seen, judged_until)
        if not positions:
            return version
        try:
            written = lake.append(
                FINDINGS, pa.Table.from_pylist(rows, schema=FINDINGS.schema), positions=positions
            )
        except CommitConflict:
            known = -1
            continue
        # What another run wrote meanwhile about the rules of a later call has not been read.
        alone = version is not None and known == version and written == version + 1
        return written if alone else version
    raise RuleError("other runs kept writing findings; run detect again")


def _positions(judged: Sequence[Judged], lake: Lake) -> tuple[dict[str, int | None], int | None]:
    names = [f"{kind}-{each.rule.id}" for each in judged for kind in ("detect", "seen")]
    newest = lake.snapshot(only=[FINDINGS.name]).tables.get(FINDINGS.name)
    # Read after the version, so that a write in between is noticed when it is appended to.
    return lake.positions(FINDINGS, names), None if newest is None else newest.version


def _read_again(judged: Sequence[Judged], settings: Settings, *, suppressed: bool) -> None:
    """Read what is on record now: another run may have written findings about what this one has judged."""
    fresh = start_session(settings)
    try:
        read_record(fresh)
        for each in judged:
            if each.scope is not None and each.judges is not None:
                everything = on_record(fresh, each.rule.id, (), None, suppressed=suppressed)
                each.scope = each.judges(everything.values())
            each.current = on_record(fresh, each.rule.id, each.found, each.scope, suppressed=suppressed)
    finally:
        fresh.close()


def _changes(
    judged: Judged, suppressions: Sequence[Suppression], override: RuleOverride | None, run_id: str
) -> tuple[list[Finding], int]:
    now = datetime.now(UTC)
    mark = {"recorded_time": now, "run_id": f"{run_id}-{judged.rule.id}", "event_date": now.date()}
    states = []
    standing = judged.standing()
    hidden = hidden_by(standing, suppressions)
    for identity, finding in sorted(standing.items()):
        before = judged.current.get(identity)
        if (now_is := _state(finding, before, hidden.get(identity))) is None:
            continue
        revision = before["revision"] + 1 if before else 1
        states.append(
            {**finding, "revision": revision, "status": now_is[0], "status_reason": now_is[1], **mark}
        )
    gone = [
        row
        for identity, row in sorted(judged.current.items())
        if identity not in standing and row["status"] != "closed"
    ]
    states += [_closed(row, judged.rule, override) | mark for row in gone]
    return states, len(gone)


def _closed(row: Finding, rule: Rule, override: RuleOverride | None) -> Finding:
    kept = {name: row[name] for name in (*STATE_COLUMNS, "finding_id", "rule_id")}
    reason = "evidence that came later explains it: the rule no longer fires"
    if not in_force(override, row).keeps(row["confidence"]):
        reason = f"the settings (rules.{rule.id}) leave it out"
    state = {"revision": row["revision"] + 1, "status": "closed", "status_reason": reason}
    return {**kept, "rule_version": rule.version, **state}


def hidden_by(findings: Mapping[str, Finding], suppressions: Iterable[Suppression]) -> dict[str, str]:
    """What suppresses each of the findings that are suppressed now, by id."""
    now, known = datetime.now(UTC), list(suppressions)
    by = {identity: suppression_of(finding, known, now) for identity, finding in findings.items()}
    return {identity: one.words for identity, one in by.items() if one is not None}


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
