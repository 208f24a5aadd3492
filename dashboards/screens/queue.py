"""The queue of findings: counts on top, the list, and beside it what the chosen one rests on."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import streamlit as st

from dashboards import data
from dashboards.details import LAST_QUEUE, show_brief
from dashboards.export import download, to_csv
from dashboards.filters import (
    GROUPS,
    SEVEREST_FIRST,
    Wanted,
    absolute_link,
    filters,
    say_window,
    words_of_rule,
)
from dashboards.frame import link_to_copy, nothing
from dashboards.triage_form import WORDS, actions, work_on
from dashboards.words import LEVEL_MARKS, clock, inert, one_line

MOST_SHOWN, MOST_EXPORTED, MOST_GROUPS = 1000, 100_000, 200
# The agent stands in the title too, so it comes last.
COLUMNS = ("finding", "title", "work", "last_seen_time", "assignee", "rule_id", "tenant_id", "agent")  # fmt: skip


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
    wanted = filters(choices)
    st.session_state[LAST_QUEUE] = st.query_params.to_dict()
    _counts(wanted)
    say_window(wanted)
    if wanted.group:
        _groups(wanted, wanted.group)
    found = data.ask("queue", most=MOST_SHOWN, sort=wanted.sort, **wanted.values)
    left, right = st.columns([5, 3], gap="medium")
    with left:
        chosen = _queue(found, wanted, choices)
    with right:
        if chosen is None:
            st.caption("Choose a finding in the queue to see what it rests on.")
        else:
            show_brief(chosen)


def _counts(wanted: Wanted) -> None:
    values = {**wanted.values, "levels": []}
    rows = data.rows_of("queue_groups", by="level", most=10, **values)
    counts = {row["value"]: row["findings"] for row in rows}
    for column, level in zip(st.columns(len(SEVEREST_FIRST)), SEVEREST_FIRST, strict=True):
        column.metric(f"{LEVEL_MARKS[level]} {level}", f"{counts.get(level, 0):,}", border=True)


def _groups(wanted: Wanted, by: str) -> None:
    """A row per group; choosing one filters the queue by it."""
    rows = data.ask("queue_groups", by=by, most=MOST_GROUPS, **wanted.values)
    values = rows["value"].to_pylist()
    key = f"groups-{data.shown().key}-{by}-{hash(repr(wanted.values))}"

    def choose() -> None:
        chosen = st.session_state[key]["selection"]
        row = chosen["cells"][0][0] if chosen["cells"] else chosen["rows"][0] if chosen["rows"] else None
        if row is not None and values[row] is not None:
            st.session_state[by] = values[row]
            st.session_state["group"] = None

    if by == "rule":
        names = [words_of_rule(each) for each in values]
        rows = rows.set_column(0, "value", pa.array(names, pa.string()))
    st.dataframe(
        inert(rows), key=key, on_select=choose, selection_mode=["single-row", "single-cell"], hide_index=True,
        height="content" if len(values) <= 8 else 300,
        column_config={
            "value": st.column_config.TextColumn(GROUPS[by], width=320),
            "last_seen_time": st.column_config.DatetimeColumn(
                "last seen (UTC)", format="MM-DD HH:mm:ss", timezone="UTC"
            ),
        },
    )  # fmt: skip
    st.caption("Choose a row to see its findings only.")


def _queue(found: pa.Table, wanted: Wanted, choices: dict[str, Any]) -> str | None:
    """The list; returns the id of the finding to show, which an address may name as well."""
    ids: list[str] = found["finding_id"].to_pylist()
    named = st.query_params.get("finding")
    if not ids:
        st.info("No finding passes these filters.", icon=":material/filter_alt_off:")
        return named
    # A grid's selection is a row's place. So the key names everything that the places depend on, and what is
    # kept, put into the address and acted on is the id.
    key = f"queue-{data.shown().key}-{hash(repr((wanted.values, wanted.sort)))}"

    def choose() -> None:
        cells = st.session_state[key]["selection"]["cells"]
        if cells:
            st.query_params["finding"] = ids[cells[0][0]]

    chosen = named or ids[0]
    marked = st.session_state.get(key, {}).get("selection", {}).get("rows", [])
    picked = [ids[row] for row in marked if row < len(ids)]
    work = work_on(ids)
    actions({each: work[each] for each in picked} or _of_one(chosen, work), key="queue")
    st.dataframe(
        _grid(found, work),
        key=key,
        on_select=choose,
        selection_mode=["multi-row", "single-cell"],
        hide_index=True,
        height="content" if len(ids) <= 16 else 600,
        column_order=COLUMNS,
        column_config={
            "finding": st.column_config.TextColumn("level", width=76),
            "title": st.column_config.TextColumn("finding", width=345),
            "agent": st.column_config.TextColumn("agent", width=74),
            "last_seen_time": st.column_config.DatetimeColumn(
                "last seen (UTC)", format="MM-DD HH:mm", timezone="UTC", width=92
            ),
            "work": st.column_config.TextColumn("state", width=74),
            "assignee": st.column_config.TextColumn("assignee", width=72),
            "rule_id": st.column_config.TextColumn("rule", width=42),
            "tenant_id": st.column_config.TextColumn("tenant", width=62),
        },
    )
    _below(found, wanted, choices, len(ids))
    if named and named not in ids:
        st.caption("The finding on the right is named by the address and is not among these rows.")
    return chosen


def _of_one(finding_id: str, work: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {finding_id: work[finding_id]} if finding_id in work else work_on([finding_id])


def _below(found: pa.Table, wanted: Wanted, choices: dict[str, Any], rows: int) -> None:
    """What the list covers, a link that stays, and the list as a file."""
    total = found["total"][0].as_py()
    shown = f"{total:,} findings" if total <= rows else f"the first {rows:,} of {total:,}: narrow the filters"
    times = [time for time in found["last_seen_time"].to_pylist() if time]
    st.caption(f"{shown} · last seen {clock(min(times))[:-7]} to {clock(max(times))[:-7]} UTC")
    with st.container(horizontal=True, vertical_alignment="center"):
        link_to_copy("Link with fixed times", absolute_link(wanted, choices))
        download(
            "Export as CSV",
            lambda: to_csv(
                data.ask("queue", most=MOST_EXPORTED, sort=wanted.sort, **wanted.values).drop_columns(
                    ["total"]
                )
            ),
            "findings.csv",
        )


def _grid(found: pa.Table, work: dict[str, dict[str, Any]]) -> pa.Table:
    marks = [f"{LEVEL_MARKS.get(level, '')} {level}" for level in found["level"].to_pylist()]
    states = [work[each] for each in found["finding_id"].to_pylist()]
    grid = found.select(["title", "agent", "tenant_id", "last_seen_time", "rule_id"])
    grid = grid.append_column("finding", pa.array(marks))
    grid = grid.append_column("work", pa.array([WORDS[row["status"]] for row in states]))
    names = [row["assignee"] and one_line(row["assignee"], cut=60) for row in states]
    return inert(grid.append_column("assignee", pa.array(names, pa.string())))


main()
