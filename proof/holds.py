"""Legal holds: what must stay, whatever the rules of retention say, until the hold is released.

A hold is an entry of the table `holds`, which is a chain of its own. It covers the rows that agree with all that it
names. What a row does not say, or its table has no column for, counts as agreeing: in doubt the row stays.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

import pyarrow as pa

from lake.duck import quote, view_sql
from lake.store import NEVER
from proof.chain import clock
from schemas.catalogue import TABLES
from schemas.digests import HOLDS
from schemas.errors import LakeError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from lake.snapshot import Snapshot
    from lake.store import Lake
    from proof.reader import Reader

# By which columns a table says what a hold may name.
_COLUMNS = {"tenant_id": ("tenant_id",), "trace_id": ("trace_id",), "agent": ("agent_name", "agent")}


@dataclass(frozen=True)
class Scope:
    """What a hold covers; None stands for all. Times are of events, from the first up to below the second."""

    tenant_id: str | None = None
    trace_id: str | None = None
    agent: str | None = None
    from_time: datetime | None = None
    until_time: datetime | None = None


@dataclass(frozen=True)
class Hold:
    """A hold as it stands: when it was placed, by whom and why, and when it was released, if it was."""

    hold_id: str
    scope: Scope
    owner: str
    reason: str
    placed: datetime
    released: datetime | None = None


def place(lake: Lake, scope: Scope, *, owner: str, reason: str, actor: str, now: datetime) -> str:
    """Place a hold, and return its id. LakeError where it would cover everything: name at least one thing."""
    if all(getattr(scope, each.name) is None for each in fields(scope)):
        raise LakeError("the hold names nothing: give a tenant, a trace, an agent or a time")
    hold_id = f"hold-{uuid.uuid4().hex[:12]}"
    _append(lake, hold_id, 1, "held", scope, owner, reason, actor, now)
    return hold_id


def release(lake: Lake, hold: Hold, *, reason: str, actor: str, now: datetime) -> None:
    """Release a hold. LakeError when it is released already; CommitConflict when another does at the same time."""
    if hold.released is not None:
        raise LakeError(f"{hold.hold_id} was released already")
    _append(lake, hold.hold_id, 2, "released", hold.scope, hold.owner, reason, actor, now)


def read_holds(snapshot: Snapshot, reader: Reader) -> list[Hold]:
    """All holds, oldest first."""
    files = snapshot.files(HOLDS.name)
    if not files:
        return []
    names = [each.name for each in fields(Scope)]
    query = (
        f"SELECT hold_id, entry, {', '.join(names)}, owner, reason, hold_time FROM ({view_sql(HOLDS, files)}) "
        "ORDER BY entry, hold_time, hold_id"
    )
    found: dict[str, Hold] = {}
    for hold_id, entry, *scope, owner, reason, moment in reader.rows(query):
        if entry == 1:
            found[hold_id] = Hold(
                hold_id, Scope(**dict(zip(names, scope, strict=True))), owner, reason, moment
            )
        elif hold_id in found:
            held = found[hold_id]
            found[hold_id] = Hold(hold_id, held.scope, held.owner, held.reason, held.placed, moment)
    return list(found.values())


def covers_sql(table: str, holds: Iterable[Hold]) -> str:
    """Whether a row of the table is under one of these holds that is not released, in DuckDB."""
    held = [_scope_sql(table, hold.scope) for hold in holds if hold.released is None]
    return f"({' OR '.join(held)})" if held else "false"


def _scope_sql(table: str, scope: Scope) -> str:
    columns = TABLES[table].names
    parts = []
    for name, ours in _COLUMNS.items():
        value = getattr(scope, name)
        column = next((each for each in ours if each in columns), None)
        if value is not None and column is not None:
            parts.append(f"coalesce({column} = {quote(value)}, true)")
    time = TABLES[table].time_column
    if scope.from_time is not None:
        parts.append(f"{time} >= {_time(scope.from_time)}")
    if scope.until_time is not None:
        parts.append(f"{time} < {_time(scope.until_time)}")
    return f"({' AND '.join(parts)})" if parts else "true"


def _time(moment: datetime) -> str:
    return f"TIMESTAMPTZ {quote(clock(moment))}"


def _append(
    lake: Lake,
    hold_id: str,
    entry: int,
    state: str,
    scope: Scope,
    owner: str,
    reason: str,
    actor: str,
    now: datetime,
) -> None:
    row = {
        "hold_id": hold_id, "entry": entry, "state": state, "owner": owner, "reason": reason, "actor": actor,
        "hold_time": now, "event_date": now.date(), **{each.name: getattr(scope, each.name) for each in fields(scope)},
    }  # fmt: skip
    start = NEVER if entry == 1 else entry - 1
    rows = pa.Table.from_pylist([row], schema=HOLDS.schema)
    lake.append(HOLDS, rows, positions={hold_id: (start, entry)}, message=f"{state} {hold_id}")
