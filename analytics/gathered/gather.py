"""What is known of the whole lake: gathered once, and from then on by each run from the rows that came since.

Four steps read the whole lake: how new each source is, which policies were seen, what agents are called, what tools
without a mapping do. What each tells of two parts of the lake can be put together, so a run makes them over the rows
that came since, adds what earlier runs kept in the table `gathered`, and keeps what is new in its turn.
"""

from __future__ import annotations

import math
import uuid
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import pyarrow as pa

from analytics.views import views
from lake.duck import is_unreadable, quote_name, view_sql
from schemas.catalogue import TABLES
from schemas.gathered import GATHERED, KINDS

if TYPE_CHECKING:
    from analytics.session import Session
    from lake.store import Lake

# The steps that are gathered.
GATHERED_STEPS = tuple(kind for kind in KINDS if kind != "covered")

_FOLDER = Path(__file__).parent
_EVENTS, _DECISIONS = "orchestration_events", "authorization_decisions"
# The column that has the version of each table.
_VERSION_OF = {
    _EVENTS: "orchestration_version",
    _DECISIONS: "authorization_version",
    "identity_events": "identity_version",
}


@cache
def _sql(name: str) -> str:
    return (_FOLDER / f"{name}.sql").read_text(encoding="utf-8")


def gather(session: Session, lake: Lake, lookback: timedelta, *, anew: bool = False) -> pa.Table:
    """Make the gathered steps of the session, and return the rows of `gathered` that say what is new in them.

    With `anew`, and where nothing was gathered or can be gone on from, they are made from the whole lake. The rows are
    for `keep`; none of them where nothing came since.
    """
    versions = {name: session.snapshot.versions.get(name, -1) for name in _VERSION_OF}
    for name, version in versions.items():
        session.run(f"SET VARIABLE {_VERSION_OF[name]} = {version}")
    session.run(_sql("known"))
    base = None if anew else _base(session)
    files = None if base is None else _files_since(session, lake, base)
    try:
        if files is not None and any(files.values()):
            _make_over(session, files, lookback)
    except duckdb.Error as error:
        if not is_unreadable(error):
            raise
        files = None  # compacted away, and expired since
    if base is None or files is None:
        session.run("DELETE FROM known")
        session.run("DELETE FROM fresh")
        session.need(*GATHERED_STEPS)
        session.run(_sql("fresh"))
        session.run(_sql("fresh_tools"))
        return _rows(session, versions, uuid.uuid4().hex)
    session.run(_sql("merged"))
    session.given(*GATHERED_STEPS)
    if versions == {name: base[column] for name, column in _VERSION_OF.items()}:
        return GATHERED.schema.empty_table()
    today = base["event_date"] == datetime.now(UTC).date()
    return _rows(session, versions, base["set_id"] if today else uuid.uuid4().hex, everything=not today)


def keep(lake: Lake, rows: pa.Table) -> None:
    """Append what `gather` returned, in one commit."""
    if rows.num_rows:
        lake.append(GATHERED, rows)


def _base(session: Session) -> dict[str, Any] | None:
    found: list[dict[str, Any]] = session.fetch("FROM covered").to_pylist()
    return found[0] if found else None


def _files_since(session: Session, lake: Lake, base: dict[str, Any]) -> dict[str, list[str]] | None:
    """The files of each table with rows that came after the base; None where that can no longer be told."""
    files = {}
    for name, column in _VERSION_OF.items():
        pinned = session.snapshot.tables.get(name)
        before = base[column] if base[column] >= 0 else None
        added = [] if pinned is None else lake.added_between(TABLES[name], before, pinned.version)
        if added is None:
            return None
        files[name] = added
    return files


def _make_over(session: Session, files: dict[str, list[str]], lookback: timedelta) -> None:
    """Make the steps over the rows of these files, into `fresh`.

    A call and the decisions that its ids are tied to need not come together: new calls are put beside the decisions of
    their days, and new decisions beside the calls of theirs.
    """
    whole = {name: session.snapshot.files(name) for name in files}
    try:
        for name, added in files.items():
            _stand_over(session, name, added)
        for step in ("newest_by_source", "policies_seen", "names_told"):
            session.run(views()[step].sql)
        session.run(_sql("fresh"))
        for new, other in ((_EVENTS, _DECISIONS), (_DECISIONS, _EVENTS)):
            _stand_over(session, new, files[new])
            days = session.fetch(
                f"SELECT min(event_date) AS first, max(event_date) AS last FROM {new}"
            ).to_pylist()[0]
            if days["first"] is None:
                continue
            # In whole days and by DuckDB: Python's dates know neither hours nor the year after 9999.
            around = math.ceil(lookback / timedelta(days=1))
            within = f"DATE '{days['first']}' - {around} AND DATE '{days['last']}' + {around}"
            _stand_over(session, other, whole[other], within)
            session.run(views()["tools_told"].sql)
            session.run(_sql("fresh_tools"))
    finally:
        for name in files:
            _stand_over(session, name, whole[name])


def _stand_over(session: Session, name: str, files: list[str], within: str | None = None) -> None:
    where = "" if within is None else f" WHERE event_date BETWEEN {within}"
    session.run(f"CREATE OR REPLACE VIEW {quote_name(name)} AS FROM ({view_sql(TABLES[name], files)}){where}")


def _rows(session: Session, versions: dict[str, int], set_id: str, *, everything: bool = False) -> pa.Table:
    """The rows of `gathered` for what is fresh, or for all that is known, and one that says what they cover."""
    if everything:
        session.run("INSERT INTO fresh SELECT * FROM known")
        session.run("DELETE FROM known")
    now = datetime.now(UTC)
    told = [*session.fetch(_sql("new")).to_pylist(), {"kind": "covered"}]
    common: dict[str, Any] = {column: versions[name] for name, column in _VERSION_OF.items()}
    common |= {"set_id": set_id, "recorded_time": now, "event_date": now.date()}
    rows = [{**row, **common, "gathered_id": uuid.uuid4().hex} for row in told]
    return pa.Table.from_pylist(rows, schema=GATHERED.schema)
