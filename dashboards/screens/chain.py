"""One run as a sequence of actions and handoffs, each with the decision behind it."""

from __future__ import annotations

from typing import Any

import streamlit as st

from dashboards import data
from dashboards.charts.sequence import HEADER_EVERY, ROW_HEIGHT, SELECTION, Layout, draw, is_danger, lay_out
from dashboards.details import show_action, show_findings_of, show_handoff, show_raw
from dashboards.frame import is_dark, nothing
from dashboards.words import LEVEL_MARKS, clock, counted, duration, one_line, visible

MOST_TRACES, MOST_STEPS = 500, 400
HIGHEST = 26 * ROW_HEIGHT
_FIRST, _SEEN = "first_step", "step_seen"


def main() -> None:
    """Draw the page."""
    traces = {row["trace_id"]: row for row in data.rows_of("traces_to_choose", most=MOST_TRACES)}
    if not traces:
        nothing(
            "There is no run to show.",
            "No action with a trace id has been read. Health shows what was read and what could not be.",
            "counterfoil ingest --files PATH",
        )
        return
    trace_id = _choose(traces)
    if trace_id is None:
        return
    steps = data.rows_of("chain", trace_id=trace_id, most=MOST_STEPS)
    if not steps:
        st.info("This run has no actions and no handoffs.")
        st.code(visible(trace_id), language=None)
        return
    layout = lay_out(steps)
    _summary(trace_id, steps)
    left, right = st.columns([2, 1], gap="medium")
    with left:
        chosen = _sequence(trace_id, layout, steps)
    with right:
        _step(trace_id, chosen)


def _choose(traces: dict[str, dict[str, Any]]) -> str | None:
    """The run that the address names, else the first, with the severest findings; any id can be typed."""
    named = st.query_params.get("trace")
    options = list(traces)
    if named and named not in traces:
        options.insert(0, named)
    if "run" not in st.session_state or (named and st.session_state.get("run_named") != named):
        st.session_state["run"] = named or options[0]
        st.session_state["run_named"] = named

    def moved() -> None:
        chosen = st.session_state["run"]
        if chosen:
            st.session_state["run_named"] = chosen
            st.query_params.from_dict({"trace": chosen})

    chosen: str | None = st.selectbox(
        "Run",
        options,
        key="run",
        on_change=moved,
        accept_new_options=True,
        format_func=lambda each: _run_in_words(each, traces.get(each)),
        help="Runs with findings come first. Paste a trace id to open any other.",
    )
    return chosen


def _run_in_words(trace_id: str, trace: dict[str, Any] | None) -> str:
    if trace is None:
        return one_line(trace_id, cut=80)
    found = trace["findings"]
    parts = [
        f"{LEVEL_MARKS.get(trace['level'], '')} {found} finding{'s' if found != 1 else ''}"
        if found
        else "no findings",
        clock(trace["start_time"])[:-4],
        one_line(trace["tenant_id"], cut=30),
        f"{counted(trace['agents'], 'acting agent')}, {counted(trace['actions'], 'action')}",
        one_line(trace_id, cut=40),
    ]
    return " · ".join(parts)


def _summary(trace_id: str, steps: list[dict[str, Any]]) -> None:
    about = next(iter(data.rows_of("chain_about", trace_id=trace_id)), None)
    took = (max(step["end_time"] or step["time"] for step in steps) - steps[0]["time"]).total_seconds()
    acts = [step for step in steps if step["kind"] == "action"]
    figures = {
        "actions": f"{len(acts):,}",
        "on no decision of their own": f"{sum(map(is_danger, acts)):,}",
        "handoffs": f"{len(steps) - len(acts):,}",
        "agents": f"{len({step[side] for step in steps for side in ('agent', 'to_agent')} - {None}):,}",
        "took": duration(took),
    }
    for column, (name, value) in zip(st.columns([1, 1.5, 1, 1, 1]), figures.items(), strict=True):
        column.metric(name, value)
    whose = one_line(about["on_behalf_of"]) if about else "–"
    tenant = one_line(about["tenant_id"]) if about else "–"
    st.text(f"On behalf of {whose} · tenant {tenant} · started {clock(steps[0]['time'])} UTC")
    if steps[0]["total"] > len(steps):
        st.caption(f"The first {len(steps):,} of {steps[0]['total']:,} steps.")


def _sequence(trace_id: str, layout: Layout, steps: list[dict[str, Any]]) -> str:
    """The chart; returns the event id of the chosen step."""
    known = {step["event_id"] for step in steps}
    named = st.query_params.get("step")
    first, entry = _first_step(trace_id, named if named in known else None, steps)
    chart = draw(layout, dark=is_dark(), chosen=first)
    tall = ROW_HEIGHT * layout.height + 60
    with st.container(height=HIGHEST if tall > HIGHEST else "content", border=tall > HIGHEST):
        event: Any = st.altair_chart(
            chart,
            key=f"chain-{data.shown().key}-{trace_id}-{entry}",
            on_select="rerun",
            selection_mode=SELECTION,
            alt="The run as a sequence: a row per step, a column per agent.",
        )
    if layout.height > HEADER_EVERY:
        st.caption("Scroll within the chart; the agents' names come again every 20 rows.")
    clicked = event["selection"].get(SELECTION) or []
    chosen = clicked[0].get("event_id") if clicked else None
    if chosen in known:
        # What the chart selects by itself when it opens is no click: an address on its way here is not overwritten.
        if named != chosen and not (named is None and chosen == first):
            st.session_state[_SEEN] = (trace_id, chosen)
            st.query_params.from_dict({"trace": trace_id, "step": str(chosen)})
        return str(chosen)
    return first


def _first_step(trace_id: str, named: str | None, steps: list[dict[str, Any]]) -> tuple[str, int]:
    """The step that is selected at first, and how often that was asked for.

    It is part of the chart, so it stays while the visitor clicks (else each click would draw the chart anew), and
    changes when the address names another run or, not by a click, another step.
    """
    if st.session_state.get(_SEEN) != (trace_id, named) or _FIRST not in st.session_state:
        worst = next((step["event_id"] for step in steps if is_danger(step)), steps[0]["event_id"])
        entry = st.session_state.get(_FIRST, ("", 0))[1] + 1
        st.session_state[_FIRST] = (named or worst, entry)
        st.session_state[_SEEN] = (trace_id, named)
    first: tuple[str, int] = st.session_state[_FIRST]
    return first


def _step(trace_id: str, event_id: str) -> None:
    actions = data.rows_of("actions_by_id", event_ids=[event_id], trace_id=trace_id, tenant_id=None)
    decisions: list[str] = []
    if actions:
        show_action(actions[0])
        decisions = [each for each in (actions[0]["closest_decision_id"],) if each]
    else:
        for handoff in data.rows_of("handoff_by_id", event_id=event_id, trace_id=trace_id):
            show_handoff(handoff)
            both = (handoff["upstream_decision_id"], handoff["downstream_decision_id"])
            decisions += [each for each in both if each]
    show_findings_of(event_id)
    show_raw([event_id], decisions, key=f"raw-{event_id}")
    st.caption("Event id")
    st.code(visible(event_id), language=None)


main()
