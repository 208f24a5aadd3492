"""The filters of the queue. They stand in the page's address, so that a link shows the same rows."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import streamlit as st

from dashboards import data
from dashboards.words import clock, one_line
from schemas.findings import LEVELS

if TYPE_CHECKING:
    from collections.abc import Sequence

DAY = timedelta(days=1)
WINDOWS = {"24h": ("24 hours", DAY), "7d": ("7 days", 7 * DAY), "30d": ("30 days", 30 * DAY)}
# The address has these words, as it has those of the other filters.
SPANS = {name: f"last {text}" for name, (text, _) in WINDOWS.items()}
SPANS |= {"all": "at any time", "between": "between two times"}
WORK = {
    "open": "open", "new": "new", "in_progress": "in progress", "closed": "closed", "suppressed": "suppressed",
    "any": "any state",
}  # fmt: skip
SORTS = {
    "severest": "severest first", "newest": "newest first", "oldest": "oldest first", "agent": "by agent",
    "rule": "by rule",
}  # fmt: skip
GROUPS = {"rule": "rule", "agent": "agent", "in_run": "run", "tenant": "tenant"}
SEVEREST_FIRST = LEVELS[::-1]
COLUMNS = (2.6, 1.6, 1.3, 1.4, 1.4)
NOBODY = "(nobody)"


@dataclass(frozen=True)
class Wanted:
    """What was chosen. `values` are the parameters of the queue's queries."""

    values: dict[str, Any]
    sort: str
    group: str | None
    window: str
    measured_from: datetime | None

    @property
    def levels(self) -> list[str]:
        """The levels that were chosen; none means all."""
        levels: list[str] = self.values["levels"]
        return levels


def filters(choices: dict[str, Any]) -> Wanted:
    """Draw them over a row of `dashboards/sql/queue_choices.sql`."""
    first = st.columns(COLUMNS)
    levels = first[0].pills(
        "Level", SEVEREST_FIRST, selection_mode="multi", key="level", bind="query-params", wrap=True
    )
    rule = first[1].selectbox(
        "Rule", choices["rules"], index=None, key="rule", bind="query-params", placeholder="all rules",
        format_func=words_of_rule,
    )  # fmt: skip
    tenant = _choice(first[2], "Tenant", choices["tenants"], "all tenants")
    agent = _choice(first[3], "Agent", choices["agents"], "all agents")
    work = first[4].selectbox(
        "State", list(WORK), key="state", bind="query-params", format_func=WORK.__getitem__
    )
    second = st.columns(COLUMNS)
    window = second[4].selectbox(
        "Last seen", list(SPANS), key="window", bind="query-params", format_func=SPANS.__getitem__
    )
    group = second[0].segmented_control(
        "Group by", list(GROUPS), key="group", bind="query-params", format_func=GROUPS.__getitem__, wrap=True
    )
    sort = second[1].selectbox(
        "Order", list(SORTS), key="sort", bind="query-params", format_func=SORTS.__getitem__
    )
    assignee = _choice(second[2], "Assignee", [NOBODY, *choices["assignees"]], "anybody")
    trace = second[3].text_input(
        "Run", key="in_run", bind="query-params", placeholder="a trace id", max_chars=300
    )
    start, end, measured_from = _window(window, choices)
    values = {
        "levels": [level for level in SEVEREST_FIRST if level in levels],
        "rule": rule, "tenant": tenant, "agent": agent, "work": work, "trace": trace or None,
        "assignee": "" if assignee == NOBODY else assignee, "from_time": start, "to_time": end,
    }  # fmt: skip
    return Wanted(values, sort, group, window, measured_from)


def words_of_rule(rule_id: str) -> str:
    """What the filter, and the address, call a rule."""
    known = data.known_rules()
    return f"{rule_id} {known[rule_id].name}" if rule_id in known else one_line(rule_id, cut=60)


def _choice(place: Any, label: str, options: Sequence[str], none: str) -> str | None:
    chosen: str | None = place.selectbox(
        label, options, index=None, key=label.lower(), bind="query-params", placeholder=none,
        format_func=lambda each: one_line(each, cut=60),
    )  # fmt: skip
    return chosen


def _window(window: str, choices: dict[str, Any]) -> tuple[datetime | None, datetime | None, datetime | None]:
    """From, to, and the moment that a number of hours was counted back from where that is not now.

    Where nothing was found in the last hours by the clock, they end at the newest finding: an empty page would mislead.
    """
    if window in WINDOWS:
        length = WINDOWS[window][1]
        now, last = data.shown().loaded_time, choices["last_time"]
        if last >= now - length:
            return now - length, None, None
        return last - length, None, last
    if window != "between":
        return None, None, None
    first, last = choices["first_time"], choices["last_time"]
    left, right, _ = st.columns([1, 1, 2])
    start = left.datetime_input("From (UTC)", minute(first), key="from", bind="query-params", step=60)
    end = right.datetime_input(
        "To (UTC)", minute(last + timedelta(minutes=1)), key="to", bind="query-params", step=60
    )
    return (start and start.replace(tzinfo=UTC)), (end and end.replace(tzinfo=UTC)), None


def minute(time: datetime) -> datetime:
    """The minute that a time is in, as the inputs of Streamlit take it."""
    return time.astimezone(UTC).replace(second=0, microsecond=0, tzinfo=None)


def say_window(wanted: Wanted) -> None:
    """Say where the hours are counted from when that is not now, and offer all."""
    if wanted.measured_from is None:
        return

    def show_all() -> None:
        st.session_state["window"] = "all"

    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.text(
            f"Nothing was found in the last {WINDOWS[wanted.window][0]} by the clock. These are the "
            f"{WINDOWS[wanted.window][0]} before the newest finding, {clock(wanted.measured_from)[:-4]} UTC.",
            width="content",
        )
        st.button("Show all", key="show-all", on_click=show_all, icon=":material/all_inclusive:")


def absolute_link(wanted: Wanted, choices: dict[str, Any]) -> dict[str, str]:
    """The query of an address that shows the same rows later: what is asked for now, with times that stay."""
    query = {name: value for name, value in st.query_params.to_dict().items() if isinstance(value, str)}
    # `to` is compared with when a finding was first seen, so that the newest of now are in and later ones are not.
    start = wanted.values["from_time"] or choices["first_time"]
    end = wanted.values["to_time"] or max(choices["last_time"], data.shown().loaded_time)
    query |= {"window": SPANS["between"], "from": _stamp(start), "to": _stamp(end + timedelta(minutes=1))}
    return query


def _stamp(time: datetime) -> str:
    return f"{minute(time):%Y-%m-%dT%H:%M}"
