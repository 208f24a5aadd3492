"""What the pages read: one snapshot of the lake per visitor, frozen until the visitor loads a newer one.

A session of DuckDB is shared by all who look at the same versions of the tables; each query has a cursor of
its own. Queries are the files of `dashboards/sql/`, with the views that they need at their head, and their
results are kept per snapshot. Those that read only what people and rules wrote have a session of their own, so that
an entry of triage does not make the correlation begin anew.
"""

from __future__ import annotations

import threading
from concurrent.futures import Future
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import duckdb
import streamlit as st

from analytics.ask import said
from analytics.rule import Rule, RuleSet, load_rules
from analytics.session import Session, start_session
from dashboards.access import visitor
from dashboards.queries import WRITTEN, Query, read_query
from dashboards.scope import ScopedSession
from schemas.catalogue import TABLES
from schemas.errors import QueryError
from schemas.settings import Settings, load_settings

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import pyarrow as pa

    from schemas.actor import Actor

_HERE = "lake_shown"

Versions = tuple[tuple[str, int], ...]
_making_macros = threading.Lock()
# What the pages that wait for the correlation ask for first, and what only parts of them wait for.
_MATCHED = ("action_backing", "handoff_backing", "authority_trace", "traces", "agent_activity")
_SUMMED_UP = ("decision_uses", "reused_decisions", "credential_uses")
# Seconds for which a page is held up by what it waits for.
PATIENCE = 0.3
_STREAMS = ("orchestration_events", "authorization_decisions")
# Whose rows may be seen, in order; None is everybody's. It is part of every key under which something is kept.
Tenants = tuple[str, ...] | None


@dataclass(frozen=True)
class Shown:
    """The snapshot that a visitor sees: each table's version and number of rows, and when it was loaded.

    `triage` is the version that the visitor's own entries have led to; the rows of a list stay those of `versions`.
    """

    versions: Versions
    rows: tuple[tuple[str, int | None], ...]
    loaded_time: datetime
    triage: int | None = None

    @property
    def written(self) -> Versions:
        """The versions of what people and rules wrote, with the visitor's own entries."""
        kept = {name: version for name, version in self.versions if name in WRITTEN}
        if self.triage is not None:
            kept["triage"] = max(self.triage, kept.get("triage", -1))
        return tuple(sorted(kept.items()))

    @property
    def key(self) -> str:
        """Short text that differs between snapshots, for the keys of widgets."""
        return "-".join(str(version) for _, version in self.versions)

    def count(self, table: str) -> int:
        """Rows of a table, 0 where it is not there."""
        return dict(self.rows).get(table) or 0


@st.cache_resource(show_spinner=False)
def settings() -> Settings:
    """The settings, read once; SettingsError for what is wrong."""
    return load_settings()


def actor(name: str = "") -> Actor:
    """Who looks at the page, as our settings have it at this moment; without a login, somebody of that name.

    Raises NoAccess, AccessFileError as `dashboards.access.visitor`.
    """
    return visitor(settings().dashboard.login, name)


def tenants() -> Tenants:
    """Whose rows the visitor may see."""
    seen = actor().tenants
    return None if seen is None else tuple(sorted(seen))


@st.cache_resource(show_spinner=False)
def rule_set() -> RuleSet:
    """The rules that ship and the deployment's own, with their folders, and those that could not be read."""
    return load_rules(settings().rules_folder)


def known_rules() -> Mapping[str, Rule]:
    """The rules that ship and the deployment's own, by id."""
    return rule_set().rules


@st.cache_resource(ttl=10, max_entries=1, show_spinner=False)
def newest() -> Shown:
    """The newest snapshot, looked up every ten seconds at most. LakeError when there is no lake."""
    session = start_session(settings())
    try:
        snapshot = session.snapshot
        versions = tuple(sorted(snapshot.versions.items()))
        rows = tuple((name, snapshot.rows(name)) for name, _ in versions)
    finally:
        session.close()
    return Shown(versions, rows, datetime.now(UTC))


def shown() -> Shown:
    """The snapshot that this visitor sees: the newest at the first visit, then that one until `load_newest`."""
    if _HERE not in st.session_state:
        load_newest()
    frozen: Shown = st.session_state[_HERE]
    return frozen


def load_newest() -> None:
    """Show the newest snapshot from now on."""
    newest.clear()
    st.session_state[_HERE] = newest()


def news() -> dict[str, int] | None:
    """How many findings and events came since, of those that the visitor may see; None when nothing changed.

    LakeError where the lake cannot be read just now.
    """
    here, there = shown(), newest()
    if dict(there.versions) == {**dict(here.versions), **dict(here.written)}:
        return None
    whose = tenants()
    if whose is not None:
        return {"findings": _states(there.versions, whose) - _states(here.versions, whose)}
    return {
        "findings": there.count("findings") - here.count("findings"),
        "events": sum(there.count(name) - here.count(name) for name in _STREAMS),
    }


def _states(versions: Versions, whose: tuple[str, ...]) -> int:
    """Rows of the table of findings that are of these tenants."""
    written = tuple(each for each in versions if each[0] in WRITTEN)
    rows = _ask(settings().lake.url, written, whose, "count_findings", ())
    return int(rows["findings"][0].as_py())


def note_triage(version: int) -> None:
    """Show what was written about findings up to this version of the table, and leave the lists as they are."""
    st.session_state[_HERE] = replace(shown(), triage=version)


@st.cache_resource(max_entries=2, show_spinner=False)
def _session(url: str, versions: Versions) -> Session:  # noqa: ARG001 - part of what it is kept by
    return start_session(settings(), as_of=dict(versions))


def session_of(versions: Versions) -> Session:
    """The session in which the pages match actions with decisions, over those versions."""
    return _session(settings().lake.url, versions)


@st.cache_resource(max_entries=8, show_spinner=False)
def _written_session(url: str, versions: Versions) -> Session:  # noqa: ARG001 - part of what it is kept by
    return start_session(settings(), as_of=dict(versions))


def correlated(*, summed_up: bool = False) -> bool:
    """Whether actions are matched with decisions, of the state shown; the first who asks begins it, in the background.

    `summed_up` asks whether the uses of decisions and credentials are made of it too, which comes after it. It waits a
    moment, which is all that a small lake takes. QueryError where it failed.
    """
    key = (settings().lake.url, shown().versions)
    matched, summed = _matching(*key)
    try:
        (summed if summed_up else matched).result(timeout=PATIENCE)
    except TimeoutError:
        return False
    except duckdb.Error as error:
        _matching.clear(*key)
        raise QueryError(f"actions cannot be matched with decisions: {said(error)}") from error
    return True


@st.cache_resource(max_entries=2, show_spinner=False)
def _matching(url: str, versions: Versions) -> tuple[Future[None], Future[None]]:
    session, stages = _session(url, versions), (Future[None](), Future[None]())

    def match() -> None:
        failed: duckdb.Error | None = None
        for stage, names in zip(stages, (_MATCHED, _SUMMED_UP), strict=True):
            try:
                if failed is None:
                    session.need(*names)
            except duckdb.Error as error:
                failed = error
            if failed is None:
                stage.set_result(None)
            else:
                stage.set_exception(failed)

    threading.Thread(target=match, name="matching", daemon=True).start()
    return stages


@st.cache_resource(max_entries=2, show_spinner=False)
def _plain_session(url: str, versions: Versions) -> Session:  # noqa: ARG001 - part of what it is kept by
    return start_session(settings(), as_of=dict(versions))


@st.cache_resource(max_entries=8, show_spinner=False)
def _scoped_session(url: str, versions: Versions, whose: tuple[str, ...]) -> ScopedSession:
    return ScopedSession(_session(url, versions), whose, settings())


@st.cache_resource(max_entries=8, show_spinner=False)
def _scoped_plain_session(url: str, versions: Versions, whose: tuple[str, ...]) -> ScopedSession:
    return ScopedSession(_plain_session(url, versions), whose, settings())


@st.cache_resource(max_entries=16, show_spinner=False)
def _scoped_written_session(url: str, versions: Versions, whose: tuple[str, ...]) -> ScopedSession:
    return ScopedSession(_written_session(url, versions), whose, settings())


def _kept_by(query: Query) -> tuple[Callable[..., Session], Callable[..., ScopedSession]]:
    """What gives the session that answers a query: to those who see all, and to those who see some tenants."""
    if query.light:
        return _written_session, _scoped_written_session
    return (_plain_session, _scoped_plain_session) if query.plain else (_session, _scoped_session)


def ask(name: str, **values: Any) -> pa.Table:
    """The rows of a query over the snapshot shown; `values` are its parameters. QueryError when it fails."""
    return _ask_of(shown().versions, name, values)


def ask_work(name: str, **values: Any) -> pa.Table:
    """As `ask`, with the visitor's own entries of triage: for what is shown beside a list, and not for a list."""
    return _ask_of(shown().written, name, values)


def _ask_of(versions: Versions, name: str, values: Mapping[str, Any]) -> pa.Table:
    if read_query(name).light:
        versions = tuple(each for each in versions if each[0] in WRITTEN)
    return _ask(settings().lake.url, versions, tenants(), name, tuple(sorted(values.items())))


@st.cache_data(max_entries=300, show_spinner=False)
def _ask(
    url: str, versions: Versions, whose: Tenants, name: str, values: tuple[tuple[str, Any], ...]
) -> pa.Table:
    query = read_query(name)
    try:
        whole, scoped = _kept_by(query)
        if whose is None:
            session = whole(url, versions)
            session.need(*query.needs)
            return _fetch(session, query, values)
        theirs = scoped(url, versions, whose)
        theirs.need(*query.needs, *(query.words & TABLES.keys()))
        theirs.need_beside(query.words)
        return _fetch(theirs, query, values)
    except duckdb.Error as error:
        raise QueryError(f"the query {name} failed: {said(error)}") from error


def _fetch(session: Session, query: Query, values: tuple[tuple[str, Any], ...]) -> pa.Table:
    if query.macro:
        # On a cursor, as a view that is being made has the session's own connection for as long.
        with _making_macros, session.cursor() as cursor:
            cursor.execute(query.macro)
    return session.fetch(query.sql, dict(values))


def rows_of(name: str, **values: Any) -> list[dict[str, Any]]:
    """As `ask`, as one dictionary per row."""
    rows: list[dict[str, Any]] = ask(name, **values).to_pylist()
    return rows


def triage_version() -> int | None:
    """The newest version of the table of triage; None where there is none yet."""
    newest.clear()
    return dict(newest().versions).get("triage")
