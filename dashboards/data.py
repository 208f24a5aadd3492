"""What the pages read: one snapshot of the lake per visitor, frozen until the visitor loads a newer one.

A session of DuckDB is shared by all who look at the same versions of the tables; each query has a cursor of
its own. Queries are the files of `dashboards/sql/`, with the views that they need at their head, and their
results are kept per snapshot.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import streamlit as st

from analytics.rule import Rule, load_rules
from analytics.session import Session, start_session
from schemas.errors import QueryError
from schemas.settings import Settings, load_settings

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pyarrow as pa

_SQL = Path(__file__).parent / "sql"
_NEEDS = re.compile(r"^-- needs: (.*)$", re.MULTILINE)
_HERE = "lake_shown"

Versions = tuple[tuple[str, int], ...]


@dataclass(frozen=True)
class Shown:
    """The snapshot that a visitor sees: each table's version and number of rows, and when it was loaded."""

    versions: Versions
    rows: tuple[tuple[str, int | None], ...]
    loaded_time: datetime

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
def known_rules() -> Mapping[str, Rule]:
    """The rules that ship and the deployment's own, by id."""
    return load_rules(settings().rules_folder).rules


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


@st.cache_resource(max_entries=2, show_spinner="Reading the lake and matching actions with decisions …")
def _session(url: str, versions: Versions) -> Session:  # noqa: ARG001 - part of what it is kept by
    return start_session(settings(), as_of=dict(versions))


@cache
def _query(name: str) -> tuple[str, tuple[str, ...]]:
    sql = (_SQL / f"{name}.sql").read_text(encoding="utf-8")
    head = _NEEDS.search(sql)
    return sql, tuple(head[1].split(", ")) if head else ()


def ask(name: str, **values: Any) -> pa.Table:
    """The rows of a query over the snapshot shown; `values` are its parameters. QueryError when it fails."""
    return _ask(settings().lake.url, shown().versions, name, tuple(sorted(values.items())))


@st.cache_data(max_entries=200, show_spinner=False)
def _ask(url: str, versions: Versions, name: str, values: tuple[tuple[str, Any], ...]) -> pa.Table:
    sql, needs = _query(name)
    session = _session(url, versions)
    try:
        session.need(*needs)
        return session.fetch(sql, dict(values))
    except duckdb.Error as error:
        raise QueryError(f"the query {name} failed: {str(error).splitlines()[0]}") from error


def rows_of(name: str, **values: Any) -> list[dict[str, Any]]:
    """As `ask`, as one dictionary per row."""
    rows: list[dict[str, Any]] = ask(name, **values).to_pylist()
    return rows
