"""Triage: what people decide about findings, appended to the table `triage` and never overwritten.

Whoever writes says which version of the work each finding had when they looked at it. Where somebody else was first,
that finding is refused, and the answer says who it was and what they wrote; the others are written.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from analytics.session import open_session
from lake.store import NEVER, open_configured
from schemas.errors import CommitConflict, CounterfoilError
from schemas.findings import TRIAGE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from schemas.actor import Actor
    from schemas.settings import Settings

STATUSES = TRIAGE.column("status").values
DISPOSITIONS = ("true_positive", "expected", "false_positive", "duplicate", "not_determined")
MOST_AT_ONCE, MOST_TEXT = 1000, 4000
# Every entry moves this position on, so that of two writers at the same moment the second is refused and looks again.
_SOURCE = "triage"
_ATTEMPTS = 8


@dataclass(frozen=True)
class Change:
    """What is to hold from now on; what is None stays as it is. An empty assignee leaves the finding to nobody."""

    status: str | None = None
    assignee: str | None = None
    disposition: str | None = None
    comment: str | None = None


@dataclass
class Outcome:
    """The findings that were written, each with its new version, and those that were refused, each with the entry
    that was first: a row of `current_triage`. `version` is that of the table."""

    written: dict[str, int] = field(default_factory=dict)
    refused: dict[str, dict[str, Any]] = field(default_factory=dict)
    version: int | None = None


def record(settings: Settings, seen: Mapping[str, int], change: Change, actor: Actor) -> Outcome:
    """Write one entry for each finding whose version is still the one in `seen` (0: nobody has worked on it).

    Raises CounterfoilError for an actor who may not, for a change that is not allowed and for a finding that is not
    there or not theirs to see, LakeError where the lake cannot be written; then nothing is written at all.
    """
    actor.check("triage")
    change, who = _checked(seen, change, actor.who)
    lake = open_configured(settings.lake)
    for _ in range(_ATTEMPTS):
        position = lake.position(TRIAGE, _SOURCE)
        current = _current(settings, list(seen), actor)
        outcome = Outcome(
            refused={each: row for each, row in current.items() if row["version"] != seen[each]}
        )
        rows = [
            _entry(current[each], change, who, seen[each] + 1) for each in seen if each not in outcome.refused
        ]
        if not rows:
            return outcome
        start = NEVER if position is None else position
        try:
            outcome.version = lake.append(
                TRIAGE,
                pa.Table.from_pylist(rows, schema=_SCHEMA),
                positions={_SOURCE: (start, max(start, 0) + len(rows))},
            )
        except CommitConflict:
            continue
        outcome.written = {row["finding_id"]: row["version"] for row in rows}
        return outcome
    raise CounterfoilError("others kept writing triage at the same moment: nothing was written; try again")


# Without the partition column, which the lake computes.
_SCHEMA = pa.schema([each.with_nullable(True) for each in TRIAGE.schema if each.name != "event_date"])


def _checked(seen: Mapping[str, int], change: Change, who: str) -> tuple[Change, str]:
    given = {name: value.strip() if isinstance(value, str) else value for name, value in vars(change).items()}
    who = who.strip()
    if not who:
        raise CounterfoilError("say who you are: triage keeps who made each entry")
    if not seen or len(seen) > MOST_AT_ONCE:
        raise CounterfoilError(f"choose from 1 to {MOST_AT_ONCE:,} findings; these are {len(seen):,}")
    if given["status"] is not None and given["status"] not in STATUSES:
        raise CounterfoilError(f"status: give one of {', '.join(STATUSES)}")
    if given["disposition"] and given["disposition"] not in DISPOSITIONS:
        raise CounterfoilError(f"disposition: give one of {', '.join(DISPOSITIONS)}")
    if given["status"] == "closed" and not (given["disposition"] and given["comment"]):
        raise CounterfoilError("closing needs a disposition and a comment that says why")
    if given["disposition"] and given["status"] != "closed":
        raise CounterfoilError("a disposition goes with closing: set the status to closed")
    for name, value in {**given, "actor": who}.items():
        if value is not None and len(value) > MOST_TEXT:
            raise CounterfoilError(f"{name}: give at most {MOST_TEXT:,} characters; these are {len(value):,}")
    if all(value is None or (name == "comment" and not value) for name, value in given.items()):
        raise CounterfoilError("nothing to write: give a status, an assignee or a comment")
    return Change(**given), who


def _current(settings: Settings, ids: list[str], actor: Actor) -> dict[str, dict[str, Any]]:
    """The newest entry of each finding; version 0 and status new where nobody has made one."""
    asked = {"ids": ids}
    with open_session(settings) as session:
        session.need("current_triage")
        known = session.fetch(
            "SELECT DISTINCT finding_id, tenant_id FROM findings WHERE list_contains($ids, finding_id)", asked
        )
        worked = session.fetch("SELECT * FROM current_triage WHERE list_contains($ids, finding_id)", asked)
    fresh = {"version": 0, "status": "new", "assignee": None, "disposition": None}
    found = {each: {"finding_id": each, **fresh} for each in _seen_by(actor, known.to_pylist())}
    found |= {row["finding_id"]: row for row in worked.to_pylist() if row["finding_id"] in found}
    missing = [each for each in ids if each not in found]
    if missing:
        raise CounterfoilError(f"there is no finding {missing[0][:80]!r} in the lake: load the newest state")
    return found


def _seen_by(actor: Actor, states: list[dict[str, Any]]) -> list[str]:
    """The findings of which the actor may see every state."""
    hidden = {each["finding_id"] for each in states if not actor.sees(each["tenant_id"])}
    return [each for each in dict.fromkeys(row["finding_id"] for row in states) if each not in hidden]


def _entry(before: Mapping[str, Any], change: Change, who: str, version: int) -> dict[str, Any]:
    status = change.status or before["status"]
    assignee = before["assignee"] if change.assignee is None else change.assignee or None
    return {
        "triage_id": uuid.uuid4().hex,
        "finding_id": before["finding_id"],
        "version": version,
        "status": status,
        "assignee": assignee,
        "disposition": (change.disposition or before["disposition"]) if status == "closed" else None,
        "comment": change.comment or None,
        "actor": who,
        "triage_time": datetime.now(UTC),
    }
