"""Read-only SQL for the browser: what `counterfoil sql` lets through, over the snapshot shown or that of a moment."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import streamlit as st

from analytics.ask import Limits, ask
from analytics.session import Session, open_session, start_session
from analytics.views import views
from dashboards import data
from dashboards.scope import ScopedSession, says_whose
from schemas.catalogue import TABLES

if TYPE_CHECKING:
    from datetime import datetime

_SAVED = Path(__file__).parent / "saved"
_EXPLAIN = re.compile(r"\s*explain\b", re.IGNORECASE)
MOST_ROWS, MOST_EXPORTED = 1000, 100_000


@dataclass(frozen=True)
class Column:
    """A column as the dictionary shows it."""

    column: str
    type: str
    about: str


@st.cache_resource(max_entries=2, show_spinner=False)
def _other_session(url: str, versions: data.Versions) -> Session:  # noqa: ARG001 - part of what it is kept by
    """A session over a state that is not shown."""
    return start_session(data.settings(), as_of=dict(versions))


def _session(url: str, versions: data.Versions) -> Session:
    """The pages' own session where it is of that state, so that nothing is matched twice. A question locks it for good,
    and so the pages too can read no file but the lake's."""
    return data.session_of(versions) if versions == data.shown().versions else _other_session(url, versions)


@st.cache_data(max_entries=50, show_spinner=False)
def versions_at(moment: datetime) -> data.Versions:
    """The versions that the tables had at a moment. LakeError where the log does not reach back so far."""
    with open_session(data.settings(), as_of=moment) as session:
        return tuple(sorted(session.snapshot.versions.items()))


@st.cache_resource(max_entries=4, show_spinner=False)
def _scoped_session(url: str, versions: data.Versions, whose: tuple[str, ...]) -> ScopedSession:
    """The same for one who may see some tenants only: it holds copies of their rows, and can open no file."""
    return ScopedSession(_session(url, versions), whose, data.settings())


def run(query: str, versions: data.Versions, most: int = MOST_ROWS) -> pa.Table:
    """The first rows of a query, at most one more than `most`. QueryError for what is not one reading statement.

    CounterfoilError for a visitor whose role may not ask.
    """
    data.actor().check("sql")
    whose, url = data.tenants(), data.settings().lake.url
    asked = query.strip().rstrip(";").rstrip()
    if not _EXPLAIN.match(asked):
        # On lines of its own, so that a comment at its end does not swallow ours.
        asked = f"SELECT * FROM (\n{asked}\n) LIMIT {most + 1}"
    limits = Limits(seconds=data.settings().sql.timeout.total_seconds())
    if whose is None:
        return ask(_session(url, versions), asked, limits=limits)
    session = _scoped_session(url, versions, whose)
    session.need(*(_words(query) & TABLES.keys()))
    return ask(session, asked, limits=limits)


def unseen(query: str) -> list[str]:
    """The tables and views in a query that say nothing of tenants, so that one who sees some has no rows of them."""
    if data.tenants() is None:
        return []
    named = _words(query) & (TABLES.keys() | views().keys())
    return sorted(
        name for name in named if says_whose(name, [each.column for each in columns_of(name)]) is None
    )


def _words(query: str) -> set[str]:
    return set(re.findall(r"\w+", query.lower()))


def saved() -> dict[str, str]:
    """Ready-made queries by title: the files of `dashboards/saved/`, whose first line is the title."""
    found = {}
    for path in sorted(_SAVED.glob("*.sql")):
        head, _, sql = path.read_text(encoding="utf-8").partition("\n")
        found[head.removeprefix("-- ").strip()] = sql.strip()
    return found


@cache
def columns_of(name: str) -> tuple[Column, ...]:
    """The columns of a table or view, found over no data at all."""
    if name in TABLES:
        return tuple(Column(each.name, _type(each.type), each.description) for each in TABLES[name].columns)
    with open_session(data.settings(), as_of={}) as empty:
        empty.need(name)
        fields = empty.fetch(f'SELECT * FROM "{name}" LIMIT 0').schema
    # What a view says nothing about is a column of a table, carried along.
    said = {each.name: each.description for table in TABLES.values() for each in table.columns}
    said |= views()[name].columns
    return tuple(Column(each.name, _type(each.type), said.get(each.name, "")) for each in fields)


def _type(kind: pa.DataType) -> str:
    return "time" if pa.types.is_timestamp(kind) else str(kind).replace("list<element: string>", "strings")
