"""What the pages read: one snapshot of the lake per visitor, frozen until the visitor loads a newer one.

A session of DuckDB is shared by all who look at the same versions of the tables; each query has a cursor of
its own. Queries are the files of `dashboards/sql/`, with the views that they need at their head, and their
results are kept per snapshot. Those that read only what people and rules wrote have a session of their own, so that
an entry of triage does not make the correlation begin anew.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import streamlit as st

from analytics.rule import Rule, RuleSet, load_rules
from analytics.session import Session, start_session
from analytics.views import order
from schemas.catalogue import TABLES
from schemas.errors import QueryError
from schemas.settings import Settings, load_settings

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pyarrow as pa

_SQL = Path(__file__).parent / "sql"
_NEEDS = re.compile(r"^-- needs: (.*)$", re.MULTILINE)
_HERE = "lake_shown"
# What analytics and people write; the rest is read by the correlation, which takes long.
_WRITTEN = frozenset({"findings", "triage", "runs"})

Versions = tuple[tuple[str, int], ...]


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
        kept = {name: version for name, version in self.versions if name in _WRITTEN}
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


def note_triage(version: int) -> None:
    """Show what was written about findings up to this version of the table, and leave the lists as they are."""
    st.session_state[_HERE] = replace(shown(), triage=version)


@st.cache_resource(max_entries=2, show_spinner="Reading the lake and matching actions with decisions …")
def _session(url: str, versions: Versions) -> Session:  # noqa: ARG001 - part of what it is kept by
    return start_session(settings(), as_of=dict(versions))


@st.cache_resource(max_entries=8, show_spinner=False)
def _written_session(url: str, versions: Versions) -> Session:  # noqa: ARG001 - part of what it is kept by
    return start_session(settings(), as_of=dict(versions))


@cache
def _query(name: str) -> tuple[str, tuple[str, ...], bool]:
    """A query, the views that it needs, and whether it reads only what people and rules wrote."""
    sql = (_SQL / f"{name}.sql").read_text(encoding="utf-8")
    head = _NEEDS.search(sql)
    needs = tuple(head[1].split(", ")) if head else ()
    read = {each for view in order(needs) for each in view.needs} | set(re.findall(r"\w+", sql)) | set(needs)
    return sql, needs, (read & TABLES.keys()) <= _WRITTEN


def ask(name: str, **values: Any) -> pa.Table:
    """The rows of a query over the snapshot shown; `values` are its parameters. QueryError when it fails."""
    here = shown()
    versions = here.versions
    if _query(name)[2]:
        versions = tuple(each for each in versions if each[0] in _WRITTEN)
    return _ask(settings().lake.url, versions, name, tuple(sorted(values.items())))


def ask_work(name: str, **values: Any) -> pa.Table:
    """As `ask`, with the visitor's own entries of triage: for what is shown beside a list, and not for a list."""
    return _ask(settings().lake.url, shown().written, name, tuple(sorted(values.items())))


@st.cache_data(max_entries=300, show_spinner=False)
def _ask(url: str, versions: Versions, name: str, values: tuple[tuple[str, Any], ...]) -> pa.Table:
    sql, needs, light = _query(name)
    session = (_written_session if light else _session)(url, versions)
    try:
        session.need(*needs)
        return session.fetch(sql, dict(values))
    except duckdb.Error as error:
        raise QueryError(f"the query {name} failed: {str(error).splitlines()[0]}") from error


def rows_of(name: str, **values: Any) -> list[dict[str, Any]]:
    """As `ask`, as one dictionary per row."""
    rows: list[dict[str, Any]] = ask(name, **values).to_pylist()
    return rows


def triage_version() -> int | None:
    """The newest version of the table of triage; None where there is none yet."""
    newest.clear()
    return dict(newest().versions).get("triage")
