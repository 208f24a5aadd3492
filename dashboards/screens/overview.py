"""How things stand: what is open and how old, what changed, how far agents act on decisions of their own, and whether
the figures can be trusted."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import streamlit as st

from dashboards import data
from dashboards.charts.trend import rates, stacked
from dashboards.details import QUEUE_PAGE, show_line
from dashboards.filters import SEVEREST_FIRST
from dashboards.frame import is_dark, when_matched
from dashboards.words import LEVEL_MARKS, clock, counted, duration

DAY = timedelta(days=1)
MOST_WORST = 5


def main() -> None:
    """Draw the page."""
    _open()
    left, right = st.columns([3, 2], gap="medium")
    with left:
        _trend()
        st.subheader("Backed by a decision of their own", anchor=False)
        when_matched(_backing)
    with right:
        _changes()
        st.subheader("Excessive privilege in the fleet", anchor=False)
        when_matched(_fleet)
        _trust()


def _open() -> None:
    """Open findings by level and age."""
    rows = {row["level"]: row for row in data.rows_of("overview_open", now=data.shown().loaded_time)}
    for column, level in zip(st.columns(len(SEVEREST_FIRST)), SEVEREST_FIRST, strict=True):
        row = rows.get(level)
        column.metric(
            f"{LEVEL_MARKS[level]} {level}, open", f"{row['findings'] if row else 0:,}", border=True
        )
    ages = [
        {
            "level": f"{LEVEL_MARKS[level]} {level}", "up to a day": row["day"], "1 to 7 days": row["week"],
            "7 to 30 days": row["month"], "older": row["older"], "not begun": row["new"],
            "nobody's": row["unassigned"],
        }
        for level in SEVEREST_FIRST if (row := rows.get(level))
    ]  # fmt: skip
    if not ages:
        st.info("No finding is open.", icon=":material/check:")
        return
    left, right = st.columns([3, 2], gap="medium")
    with left:
        st.markdown("**Open findings by age** (since they were first recorded)")
        st.dataframe(ages, hide_index=True, height="content")
    with right:
        st.markdown("**The severest**")
        worst = data.rows_of(
            "queue", most=MOST_WORST, sort="severest", levels=[], rule=None, tenant=None, agent=None, work="open",
            trace=None, assignee=None, from_time=None, to_time=None,
        )  # fmt: skip
        for row in worst:
            show_line(row, f"{LEVEL_MARKS.get(row['level'], '')} {row['level']}")
        st.page_link(QUEUE_PAGE, label="All in the queue", icon=":material/arrow_forward:")


def _trend() -> None:
    st.subheader("Findings by the time of what they found", anchor=False)
    rows = data.rows_of("overview_trend")
    if not rows:
        st.caption("No findings yet.")
        return
    st.altair_chart(stacked(rows, dark=is_dark()), alt="Findings over time, by level.")


def _backing() -> None:
    rows = data.rows_of("overview_backing")
    if not rows:
        st.caption("No action can be judged yet.")
        return
    st.altair_chart(
        rates(rows, dark=is_dark()), alt="Share of actions and handoffs that are backed, over time."
    )
    parts = []
    for kind in ("actions", "handoffs"):
        n = sum(row["n"] for row in rows if row["kind"] == kind)
        backed = sum(row["backed"] for row in rows if row["kind"] == kind)
        parts.append(f"{kind} {f'{backed / n:.1%} of {n:,}' if n else 'none'}")
    st.caption(
        f"In all: {', '.join(parts)}, {clock(min(row['bucket'] for row in rows))[:-7]} to "
        f"{clock(max(row['bucket'] for row in rows))[:-7]} UTC. "
        "What cannot be told yet, and what did not run, is not in n."
    )


def _changes() -> None:
    since = data.shown().loaded_time - DAY
    changes = data.rows_of("overview_changes", since=since)[0]
    st.subheader("Since yesterday", anchor=False)
    st.caption(f"Recorded after {clock(since)[:-7]} UTC")
    figures = {
        "opened": "new", "updated": "changed", "explained": "explained since", "suppressed": "suppressed",
        "taken": "taken up", "closed": "closed",
    }  # fmt: skip
    for names in (list(figures)[:3], list(figures)[3:]):
        for column, name in zip(st.columns(3), names, strict=True):
            column.metric(figures[name], f"{changes[name]:,}")
    if not any(changes[name] for name in figures) and changes["newest_time"]:
        st.text(
            f"Nothing was recorded since. The newest state is of {clock(changes['newest_time'])[:-4]} UTC."
        )


def _fleet() -> None:
    fleet = next(iter(data.rows_of("fleet")), None)
    if fleet is None or not fleet["eligible"]:
        st.caption("No agent can be judged: no grants, or none held through the window.")
        return
    columns = st.columns([1, 1.6, 1])
    columns[0].metric("flagged", f"{fleet['rate']:.0%}")
    columns[1].metric("of judged (n)", f"{fleet['flagged']:,} of {fleet['eligible']:,}")
    window = (fleet["window_end_time"] - fleet["window_start_time"]).total_seconds()
    columns[2].metric("window", duration(window))
    st.caption(
        f"95 % interval {fleet['rate_low']:.0%} to {fleet['rate_high']:.0%}; θ {fleet['unused_threshold']:.0%}; "
        f"the window ends {clock(fleet['window_end_time'])[:-7]} UTC."
    )


def _trust() -> None:
    """Coverage and lag at a glance."""
    st.subheader("Coverage and lag", anchor=False)
    if data.tenants() is not None:
        st.caption("They are of all tenants together: those who see all are told.")
        return
    hours = data.rows_of("coverage", days=7)
    judged: dict[str, list[Any]] = {}
    for row in hours:
        judged.setdefault(row["stream"], []).append(row["status"] == "complete")
    until = {row["stream"]: row["complete_until"] for row in data.rows_of("watermarks")}
    for stream, complete in judged.items():
        at = f"complete until {clock(until[stream])[:-4]} UTC" if until.get(stream) else "never complete"
        st.text(f"{stream}: {sum(complete):,} of {counted(len(complete), 'hour')} complete; {at}")
    behind = sum(row["lag"] or 0 for row in data.rows_of("lag", most=200))
    letters = sum(row["records"] for row in data.rows_of("dead_reasons"))
    st.text(f"{counted(behind, 'record')} behind · {counted(letters, 'dead letter')}")
    runs = data.rows_of("detection_runs", most=1)
    if runs:
        st.text(f"Last run of a rule: {clock(runs[0]['start_time'])[:-4]} UTC, {runs[0]['outcome']}")
    st.page_link("screens/health.py", label="Health", icon=":material/monitor_heart:")


main()
