"""Questions in SQL: read-only, of the state shown or that of a moment; beside it the words of the tables."""

from __future__ import annotations

import time
from datetime import UTC
from typing import TYPE_CHECKING

import streamlit as st

from analytics.ask import tables
from dashboards import data
from dashboards.console import MOST_EXPORTED, MOST_ROWS, columns_of, run, saved, unseen, versions_at
from dashboards.export import download, to_csv
from dashboards.grids import text
from dashboards.words import clock, inert, visible
from schemas.errors import LakeError, QueryError

if TYPE_CHECKING:
    from datetime import datetime

    import pyarrow as pa

FIRST = (
    "SELECT verdict, reason, count(*) AS actions\nFROM action_backing\nGROUP BY ALL\nORDER BY actions DESC"
)
MOST_TEXT = 20_000


def main() -> None:
    """Draw the page."""
    left, right = st.columns([3, 2], gap="medium")
    with left:
        _ask()
    with right:
        _dictionary()


def _ask() -> None:
    ready = saved()

    def take() -> None:
        chosen = st.session_state["saved"]
        if chosen:
            st.session_state["sql"] = ready[chosen]

    st.selectbox(
        "Saved queries",
        list(ready),
        index=None,
        key="saved",
        on_change=take,
        placeholder="take one to begin with",
    )
    query = st.text_area(
        "Query", FIRST, key="sql", bind="query-params", height=220, max_chars=MOST_TEXT,
        help="One SELECT. Ctrl+Enter takes it over. It stands in the address, so a bookmark keeps it.",
    )  # fmt: skip
    with st.container(horizontal=True, vertical_alignment="bottom"):
        asked = st.datetime_input(
            "As of (UTC)", None, key="as_of", bind="query-params", step=60, width=230,
            help="The state of every table at that moment; empty: the state that is shown.",
        )  # fmt: skip
        go = st.button("Run", icon=":material/play_arrow:", key="run-sql")
        st.download_button(
            "Save the query", query, file_name="query.sql", mime="application/sql", on_click="ignore",
            icon=":material/save:",
        )  # fmt: skip
    if go:
        st.session_state["sql_ran"] = (query, asked)
        st.session_state.pop("sql_answer", None)
    ran = st.session_state.get("sql_ran")
    if ran is None:
        st.caption("Run shows the first rows here; the export has up to 100,000.")
        return
    if ran != (query, asked):
        st.caption("The query was changed since: these are the rows of the one before.")
    _answer(*ran)


def _answer(query: str, asked: datetime | None) -> None:
    try:
        versions = versions_at(asked.replace(tzinfo=UTC)) if asked else data.shown().versions
        rows, took = _asked_once(query, versions)
    except (QueryError, LakeError) as error:
        st.error("The query was not answered.", icon=":material/error:")
        st.text(visible(str(error)))
        return
    shown = rows.slice(0, MOST_ROWS)
    st.dataframe(
        inert(_flat(shown)),
        hide_index=True,
        placeholder="–",
        height="content" if shown.num_rows <= 12 else 420,
    )
    more = (
        f"the first {MOST_ROWS:,} rows, and there are more"
        if rows.num_rows > MOST_ROWS
        else f"{rows.num_rows:,} rows"
    )
    state = f"as of {clock(asked.replace(tzinfo=UTC))[:-4]} UTC" if asked else "of the state shown"
    st.caption(f"{more} in {took:.2f} s, {state}")
    if hidden := unseen(query):
        st.caption(
            f"No rows of {', '.join(hidden)}: they say nothing of tenants, and you see those of some only."
        )
    download(
        "Export as CSV",
        lambda: to_csv(run(query, versions, MOST_EXPORTED).slice(0, MOST_EXPORTED)),
        "answer.csv",
    )


def _asked_once(query: str, versions: data.Versions) -> tuple[pa.Table, float]:
    """The first rows of the answer and the seconds it took; kept while the question, the state and the role stay.

    So what else is done on the page asks nothing anew. Raises as `dashboards.console.run`.
    """
    data.actor().check("sql")
    key = (query, versions, data.tenants())
    kept = st.session_state.get("sql_answer")
    if kept is not None and kept[0] == key:
        return kept[1], kept[2]
    began = time.perf_counter()
    with st.spinner("Asking …"):
        rows = run(query, versions)
    took = time.perf_counter() - began
    st.session_state["sql_answer"] = (key, rows, took)
    return rows, took


def _flat(rows: pa.Table) -> pa.Table:
    """The rows with what a grid cannot show (bytes, lists, structs) as text, and with names that differ."""
    import pyarrow as pa

    columns, names = [], []
    for index, name in enumerate(rows.column_names):
        column = rows.column(index)
        if (
            pa.types.is_nested(column.type)
            or pa.types.is_binary(column.type)
            or pa.types.is_decimal(column.type)
        ):
            column = pa.array(
                [None if each is None else _text(each) for each in column.to_pylist()], pa.string()
            )
        columns.append(column)
        names.append(
            visible(name)[:80] if visible(name)[:80] not in names else f"{visible(name)[:70]} ({index})"
        )
    return pa.Table.from_arrays(columns, names=names)


def _text(value: object) -> str:
    if isinstance(value, bytes):
        return value[:200].decode("utf-8", "backslashreplace")
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _dictionary() -> None:
    """What a query may name."""
    known = {name: (kind, about) for name, kind, about in tables()}
    name = st.selectbox(
        "Data dictionary",
        list(known),
        key="dictionary",
        format_func=lambda each: f"{each} ({known[each][0]})",
    )
    st.text(known[name][1])
    st.dataframe(
        [vars(each) for each in columns_of(name)], hide_index=True, height=560,
        column_order=("column", "about", "type"),
        column_config={"column": text("column", 130), "about": text("what it holds", 360), "type": text("type", 70)},
    )  # fmt: skip


main()
