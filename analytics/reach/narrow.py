"""Narrowing a session to what is new, what time has made ripe, and all rows that these can be joined with.

A run over a narrowed session costs what is new and its surroundings, and finds what a run over the whole lake would
find about them; what it `judged` says which findings those are.
"""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import pyarrow as pa

from analytics.gathered.gather import GATHERED_STEPS
from lake.duck import quote, quote_name, view_sql
from schemas.catalogue import TABLES

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from analytics.engine import Engine
    from analytics.session import Session
    from lake.store import Lake

# The tables that a run is narrowed to; the rest of what rules read is small.
NARROWED = ("orchestration_events", "authorization_decisions", "identity_events")
# What is made from the whole lake, by queries of few columns, before the tables are narrowed.
SHARED = (*GATHERED_STEPS, "watermark", "stream_holes", "policy_epochs", "learned_tools", "agent_names")

_FOLDER = Path(__file__).parent
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@cache
def reach_sql(name: str) -> str:
    """The text of a file of this folder."""
    return (_FOLDER / f"{name}.sql").read_text(encoding="utf-8")


def complete_until(engine: Engine) -> dict[str, datetime]:
    """Up to when each stream is complete, by its name; a stream that cannot tell is left out."""
    engine.need("watermark")
    rows = engine.fetch(
        "SELECT w.stream, coalesce(p.complete_until, w.complete_until) AS until FROM watermark AS w, params AS p"
    ).to_pylist()
    return {row["stream"]: row["until"].astimezone(UTC) for row in rows if row["until"] is not None}


def narrow(
    session: Session,
    lake: Lake,
    reach: str,
    before: Mapping[str, int],
    complete_before: Mapping[str, datetime],
    *,
    skew: timedelta,
    settle: timedelta,
    wait: timedelta,
    longest: timedelta,
    lookback: timedelta,
) -> int | None:
    """Narrow the session's tables to what a rule of this reach must look at again; how many rows that is.

    `before` has the versions of the tables that were judged already, `complete_before` up to when the streams were
    complete then. `skew` is how far clocks may differ; `settle` and `wait` are the shortest and the longest time that
    the rules wait before they judge, and `longest` that of all rules of the run, so that the keys that are read for
    some of them serve the others.
    Rows that lie further back than `lookback` from the oldest of what is to be judged are not joined with it, but for
    decisions that are named or still hold, and what is said of identities. None, and nothing is narrowed, where it
    can no longer be told what is new: then the whole lake is to be judged.
    """
    now = complete_until(session)
    if now.keys() - complete_before.keys():
        return None
    session.need(*SHARED)
    moments = [*now.values(), *complete_before.values()]
    nothing = datetime(1, 1, 1, tzinfo=UTC)
    ripe = (
        (min(moments) - wait, max(moments) - settle)
        if moments and now != complete_before
        else (nothing, nothing)
    )
    # Variables, and not a table: as constants they spare the files that they rule out.
    for name, moment in zip(("ripe_from", "ripe_to"), ripe, strict=True):
        session.run(f"SET VARIABLE {name} = {quote(moment.isoformat())}::TIMESTAMPTZ")
    earliest = ripe[0] - (longest - wait) if ripe[0] > nothing else nothing
    if not _read_keys(session, lake, before, earliest, lookback, skew):
        return None
    session.run(reach_sql("seeds"))
    if reach == "hour":
        session.run(reach_sql("hours"))
    if reach == "credential":
        session.run(reach_sql("credentials"))
        _follow(session, once=True)
    else:
        _follow(session)
        if _any_without_run(session):
            _widen(session, skew)
    session.run(reach_sql("judged"))
    if reach == "hour":
        session.run(
            "INSERT INTO judged SELECT 'hour', key_of(CAST(CAST(epoch(hour) AS BIGINT) AS VARCHAR)) FROM seed_hours"
        )
    if reach == "credential":
        session.run(
            "CREATE OR REPLACE TABLE judged AS SELECT 'credential' AS kind, credential_id AS key FROM seed_credentials"
        )
    elif _any_without_run(session):
        _widen(session, skew)
    session.forget(but=SHARED)
    for name in NARROWED:
        session.run(f"DROP VIEW IF EXISTS {name}")
    session.run(reach_sql("narrow"))
    if _any(session, "older_hits"):
        session.run(reach_sql("narrow_older"))
    counts = " + ".join(f"(SELECT count(*) FROM {name})" for name in NARROWED)
    return int(session.fetch(f"SELECT {counts} AS n")["n"][0].as_py())


def _read_keys(
    session: Session,
    lake: Lake,
    before: Mapping[str, int],
    ripe_from: datetime,
    lookback: timedelta,
    skew: timedelta,
) -> bool:
    """Read the keys of the rows that a run may join, unless an earlier call has; false where it cannot be told."""
    told = json.dumps([dict(before), ripe_from.isoformat()], sort_keys=True)
    session.run("CREATE TABLE IF NOT EXISTS keys_read AS SELECT NULL::VARCHAR AS told LIMIT 0")
    if session.fetch("FROM keys_read")["told"].to_pylist() == [told]:
        return True
    session.run("DELETE FROM keys_read")
    if not _register(session, lake, before):
        return False
    oldest = _oldest(session, ripe_from) - lookback
    # Both: the date spares folders, the time rows.
    session.run(f"SET VARIABLE oldest_date = {quote(oldest.date().isoformat())}::DATE")
    session.run(f"SET VARIABLE oldest_time = {quote(oldest.isoformat())}::TIMESTAMPTZ")
    # No earlier than `loose` looks for any row of these.
    lasting = oldest - timedelta(minutes=_minutes(skew))
    session.run(f"SET VARIABLE lasting_from = {quote(lasting.isoformat())}::TIMESTAMPTZ")
    session.run(reach_sql("keys"))
    session.run(f"INSERT INTO keys_read SELECT {quote(told)}")
    return True


def _oldest(session: Session, ripe_from: datetime) -> datetime:
    """The oldest of the times that a run sets out from."""
    times = " UNION ALL ".join(
        f"SELECT min({TABLES[name].time_column}) AS oldest FROM {quote_name(f'added_{name}')}"
        for name in NARROWED
    )
    added: datetime | None = session.fetch(f"SELECT min(oldest) AS oldest FROM ({times})")["oldest"][
        0
    ].as_py()
    found = [each.astimezone(UTC) for each in (added,) if each is not None]
    if ripe_from.year > 1:
        found.append(ripe_from)
    return max(min(found, default=_EPOCH), _EPOCH)


def widen_again(session: Session) -> None:
    """Give the session the whole tables back, also where narrowing them failed on the way."""
    session.forget(but=SHARED)
    made = session.fetch("SELECT table_name FROM duckdb_tables() WHERE NOT internal")[
        "table_name"
    ].to_pylist()
    for name in NARROWED:
        if name in made:
            session.run(f"DROP TABLE {name}")
        whole = view_sql(TABLES[name], session.snapshot.files(name))
        session.run(f"CREATE OR REPLACE VIEW {name} AS {whole}")


_TOLD = pa.schema(
    [
        ("finding_id", pa.string()),
        ("anchor_event_ids", pa.list_(pa.string())),
        ("decision_ids", pa.list_(pa.string())),
        ("entity_keys", pa.list_(pa.string())),
        ("first_seen_time", pa.timestamp("us", tz="UTC")),
    ]
)


def judged(session: Session, findings: Iterable[Mapping[str, Any]]) -> set[str]:
    """The ids of those findings that the narrowed session has judged."""
    rows = [{name: finding[name] for name in _TOLD.names} for finding in findings]
    with session.cursor() as cursor:
        cursor.register("told", pa.Table.from_pylist(rows, schema=_TOLD))
        found = cursor.sql(reach_sql("judged_findings")).fetchall()
        cursor.unregister("told")
    return {row[0] for row in found}


def judged_on_record(session: Session, rule_ids: Iterable[str], reach: str) -> dict[str, set[str]]:
    """As `judged`, of what is on record of these rules (`findings_on_record`), by rule; `reach` is that of `narrow`."""
    rules = ", ".join(map(quote, rule_ids))
    told = "SELECT *, NULL::VARCHAR[] AS entity_keys FROM findings_on_record"
    if reach == "credential":
        told = reach_sql("told_by_credential")
    with session.cursor() as cursor:
        cursor.execute(f"CREATE OR REPLACE TEMP VIEW told AS {told} WHERE rule_id IN ({rules})")
        found = cursor.sql(
            f"SELECT rule_id, list(finding_id) FROM findings_on_record "
            f"WHERE finding_id IN ({reach_sql('judged_findings')}) GROUP BY rule_id"
        ).fetchall()
    return {rule_id: set(identities) for rule_id, identities in found}


def _register(session: Session, lake: Lake, before: Mapping[str, int]) -> bool:
    """Views of the whole tables and of the rows that came since; false where what came can no longer be told."""
    for name in NARROWED:
        pinned = session.snapshot.tables.get(name)
        files = [] if pinned is None else lake.added_between(TABLES[name], before.get(name), pinned.version)
        if files is None:
            return False
        session.run(
            f"CREATE OR REPLACE VIEW {quote_name(f'added_{name}')} AS {view_sql(TABLES[name], files)}"
        )
        try:
            session.fetch(f"SELECT max(event_date) FROM {quote_name(f'added_{name}')}")
        except duckdb.Error:  # compacted away, and expired since
            return False
        whole = view_sql(TABLES[name], session.snapshot.files(name))
        session.run(f"CREATE OR REPLACE VIEW {quote_name(f'whole_{name}')} AS {whole}")
    return True


def _follow(session: Session, done: int = -1, *, once: bool = False) -> None:
    """From key to row to key, beginning with the keys after round `done`, until nothing more is reached."""
    for _ in range(1 if once else 1_000_000):
        session.run(f"CREATE OR REPLACE TABLE frontier AS SELECT kind, key FROM reached WHERE round > {done}")
        done = _rounds(session)
        if not session.fetch("SELECT count(*) AS n FROM frontier")["n"][0].as_py():
            return
        session.run(reach_sql("follow"))
        if _any(session, "missing"):
            session.run(reach_sql("older"))


def _any(session: Session, table: str) -> bool:
    return bool(session.fetch(f"SELECT count(*) AS n FROM {table}")["n"][0].as_py())


def _rounds(session: Session) -> int:
    return int(session.fetch("SELECT coalesce(max(round), 0) AS n FROM reached")["n"][0].as_py())


def _widen(session: Session, clocks: timedelta) -> None:
    """Reach what may be matched with what was reached, and what in its turn may be matched with that."""
    session.run(f"CREATE OR REPLACE TABLE around AS SELECT {_minutes(clocks)} AS steps")
    for _ in range(2):
        done = _rounds(session)
        session.run(reach_sql("loose"))
        # A variable, as for the time that has made rows ripe.
        session.run("SET VARIABLE span_from = (SELECT from_time FROM span)")
        session.run(reach_sql("older_loose"))
        _follow(session, done)


def _minutes(clocks: timedelta) -> int:
    """The whole minutes within which a row may lie that clocks put this far away."""
    return 1 + math.ceil(clocks / timedelta(minutes=1))


def _any_without_run(session: Session) -> bool:
    found = session.fetch(
        "SELECT EXISTS (FROM decision_keys WHERE trace_id IS NULL AND agent IS NOT NULL) OR EXISTS (FROM event_keys "
        "WHERE trace_id IS NULL AND is_action) OR EXISTS (FROM lasting_decisions) AS any"
    )
    return bool(found["any"][0].as_py())
