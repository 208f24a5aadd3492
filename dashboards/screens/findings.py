"""The queue of findings, and beside it what the chosen one rests on."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa
import streamlit as st

from dashboards import data
from dashboards.details import show_finding
from dashboards.export import to_csv
from dashboards.frame import nothing
from dashboards.words import LEVEL_MARKS, clock, inert, one_line
from schemas.findings import LEVELS

MOST_SHOWN, MOST_EXPORTED = 1000, 100_000
DAY = timedelta(days=1)
WINDOWS = {"24h": ("in 24 hours", DAY), "7d": ("in 7 days", 7 * DAY), "30d": ("in 30 days", 30 * DAY)}
WORK = {"open": "open", "closed": "closed", "suppressed": "suppressed", "any": "any state"}
SEVEREST_FIRST = LEVELS[::-1]
COLUMNS = ("finding", "title", "agent", "last_seen_time", "rule_id", "tenant_id")


def main() -> None:
    """Draw the page."""
    choices = data.rows_of("queue_choices")[0]
    if not choices["findings"]:
        nothing(
            "There are no findings.",
            "Either no rule has run yet over what was ingested, or none fired. Health shows the last runs.",
            "counterfoil detect",
        )
        return
    wanted = _filters(choices)
    counts = {row["level"]: row["findings"] for row in data.rows_of("queue_counts", **wanted)}
    for column, level in zip(st.columns(len(SEVEREST_FIRST)), SEVEREST_FIRST, strict=True):
        column.metric(f"{LEVEL_MARKS[level]} {level}", f"{counts.get(level, 0):,}", border=True)
    levels = [level for level in SEVEREST_FIRST if level in (st.session_state.get("level") or [])]
    found = data.ask("queue", levels=levels, most=MOST_SHOWN, **wanted)
    left, right = st.columns([5, 3], gap="medium")
    with left:
        chosen = _queue(found, levels, wanted)
    with right:
        if chosen is None:
            st.caption("Choose a finding in the queue to see what it rests on.")
        else:
            show_finding(chosen)


def _filters(choices: dict[str, Any]) -> dict[str, Any]:
    """The filters above the queue; they stand in the page's address, so that a link shows the same rows."""
    known = data.known_rules()
    usual = _usual_window(choices["last_time"])
    row = st.columns([2, 1.5, 1.5, 1.5, 1.4, 1.4])
    row[0].multiselect(
        "Level", SEVEREST_FIRST, key="level", bind="query-params", placeholder="all levels", wrap=True
    )
    rule = row[1].selectbox(
        "Rule",
        choices["rules"],
        index=None,
        key="rule",
        bind="query-params",
        placeholder="all rules",
        format_func=lambda each: f"{each} {known[each].name}" if each in known else one_line(each, cut=60),
    )
    tenant = row[2].selectbox(
        "Tenant", choices["tenants"], index=None, key="tenant", bind="query-params", placeholder="all tenants",
        format_func=lambda each: one_line(each, cut=60),
    )  # fmt: skip
    agent = row[3].selectbox(
        "Agent", choices["agents"], index=None, key="agent", bind="query-params", placeholder="all agents",
        format_func=lambda each: one_line(each, cut=60),
    )  # fmt: skip
    work = row[4].selectbox(
        "State", list(WORK), key="state", bind="query-params", format_func=WORK.__getitem__
    )
    windows = {name: text for name, (text, _) in WINDOWS.items()} | {
        "all": "at any time",
        "between": "between …",
    }
    window = row[5].selectbox(
        "Last seen", list(windows), index=list(windows).index(usual), key="window", bind="query-params",
        format_func=windows.__getitem__,
    )  # fmt: skip
    start, end = _window(window, choices)
    return {"rule": rule, "tenant": tenant, "agent": agent, "work": work, "from_time": start, "to_time": end}


def _usual_window(last: datetime | None) -> str:
    """The last 24 hours, unless nothing was found in them: then an empty queue would mislead."""
    return "24h" if last and last >= data.shown().loaded_time - DAY else "all"


def _window(window: str, choices: dict[str, Any]) -> tuple[datetime | None, datetime | None]:
    if window in WINDOWS:
        return data.shown().loaded_time - WINDOWS[window][1], None
    if window != "between":
        return None, None
    first, last = choices["first_time"], choices["last_time"]
    left, right, _ = st.columns([1, 1, 2])
    start = left.datetime_input("From (UTC)", _minute(first), key="from", bind="query-params", step=60)
    end = right.datetime_input(
        "To (UTC)", _minute(last + timedelta(minutes=1)), key="to", bind="query-params", step=60
    )
    return (start and start.replace(tzinfo=UTC)), (end and end.replace(tzinfo=UTC))


def _minute(time: datetime) -> datetime:
    return time.astimezone(UTC).replace(second=0, microsecond=0, tzinfo=None)


def _queue(found: pa.Table, levels: list[str], wanted: dict[str, Any]) -> str | None:
    """The grid; returns the id of the chosen finding, which an address may name as well."""
    ids = found["finding_id"].to_pylist()
    named = st.query_params.get("finding")
    if not ids:
        st.info("No finding passes these filters.", icon=":material/filter_alt_off:")
        return named
    # A grid's selection is a row's place. So the key names everything that the places depend on, and what is
    # kept and put into the address is the id.
    key = f"queue-{data.shown().key}-{hash((*levels, *wanted.values()))}"

    def choose() -> None:
        # A click beside the round button chooses a cell: its row is then marked as well.
        chosen = st.session_state[key]["selection"]
        row = chosen["cells"][0][0] if chosen["cells"] else chosen["rows"][0] if chosen["rows"] else None
        if row is not None:
            st.session_state[key] = {"selection": {"rows": [row], "columns": [], "cells": []}}
            st.query_params["finding"] = ids[row]

    st.dataframe(
        _grid(found),
        key=key,
        on_select=choose,
        selection_mode=["single-row-required", "single-cell"],
        selection_default={"selection": {"rows": [ids.index(named) if named in ids else 0]}},
        hide_index=True,
        height="content" if len(ids) <= 16 else 600,
        column_order=COLUMNS,
        column_config={
            "finding": st.column_config.TextColumn("level", width=90),
            "title": st.column_config.TextColumn("finding", width=355),
            "agent": st.column_config.TextColumn("agent", width=100),
            "last_seen_time": st.column_config.DatetimeColumn(
                "last seen (UTC)", format="MM-DD HH:mm:ss", timezone="UTC", width=112
            ),
            "rule_id": st.column_config.TextColumn("rule", width=42),
            "tenant_id": st.column_config.TextColumn("tenant", width=62),
        },
    )
    total = found["total"][0].as_py()
    shown = (
        f"{total:,} findings"
        if total <= len(ids)
        else f"the first {len(ids):,} of {total:,}: narrow the filters"
    )
    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption(f"{shown} · {_window_in_words(found)}")
        st.download_button(
            "Export as CSV",
            lambda: to_csv(
                data.ask("queue", levels=levels, most=MOST_EXPORTED, **wanted).drop_columns(["total"])
            ),
            file_name="findings.csv",
            mime="text/csv",
            on_click="ignore",
            icon=":material/download:",
        )
    if named and named not in ids:
        st.caption("The finding on the right is named by the address and is not among these rows.")
    return named or str(ids[0])


def _window_in_words(found: pa.Table) -> str:
    times = [time for time in found["last_seen_time"].to_pylist() if time]
    return f"last seen {clock(min(times))[:-7]} to {clock(max(times))[:-7]} UTC"


def _grid(found: pa.Table) -> pa.Table:
    marks = [f"{LEVEL_MARKS.get(level, '')} {level}" for level in found["level"].to_pylist()]
    grid = found.select(["title", "agent", "tenant_id", "last_seen_time", "rule_id"])
    return inert(grid.append_column("finding", pa.array(marks)))


main()
