"""What agents may do and do not use: the rate over the fleet, each agent, and those that cannot be judged."""

from __future__ import annotations

from typing import Any

import streamlit as st

from dashboards import data
from dashboards.charts.privileges import SELECTION, bars, identity
from dashboards.frame import is_dark, nothing
from dashboards.words import clock, duration, one_line

MOST, BARS = 2000, 30
NOT_JUDGED = {
    "dormant": "no permitted action in the window",
    "too_new": "granted within the window",
    "scopes_only": "no grants are known, only the scopes of its credential",
}


def main() -> None:
    """Draw the page."""
    agents = data.rows_of("privileges", most=MOST)
    if not agents:
        nothing(
            "No grants and no credential scopes are known.",
            "Send grant events, or let the decisions carry the scopes of the credential; then ingest them.",
            "counterfoil ingest --files PATH",
        )
        return
    for fleet in data.rows_of("fleet"):
        _fleet(fleet)
    judged = [agent for agent in agents if agent["eligibility"] == "eligible"]
    if judged:
        left, right = st.columns([3, 2], gap="medium")
        with left:
            chosen = _bars(judged)
        with right:
            _agent(chosen)
    st.subheader("All agents", anchor=False)
    _table(agents)


def _fleet(fleet: dict[str, Any]) -> None:
    """The fleet's rate, never without what it is a rate of."""
    window = (fleet["window_end_time"] - fleet["window_start_time"]).total_seconds()
    rate, threshold = fleet["rate"], fleet["unused_threshold"]
    columns = st.columns(5)
    columns[0].metric("over-privileged agents", "–" if rate is None else f"{rate:.0%}", border=True)
    between = "–" if rate is None else f"{fleet['rate_low'] * 100:.0f}–{fleet['rate_high']:.0%}"
    columns[1].metric("95 % interval", between, border=True)
    columns[2].metric("flagged of judged (n)", f"{fleet['flagged']:,} of {fleet['eligible']:,}", border=True)
    columns[3].metric("window", duration(window), border=True)
    columns[4].metric("threshold θ", f"{threshold:.0%}", border=True)
    apart = ", ".join(f"{fleet[name]:,} {name.replace('_', ' ')}" for name in NOT_JUDGED)
    st.caption(
        f"An agent is flagged when at least θ of the permissions that it held through the whole window "
        f"({clock(fleet['window_start_time'])[:-7]} to {clock(fleet['window_end_time'])[:-7]} UTC) went unused, "
        f"or any unused one is of high risk. Not judged, and not in n: {apart}."
    )


def _bars(judged: list[dict[str, Any]]) -> dict[str, Any]:
    known = {identity(agent): agent for agent in judged}
    event: Any = st.altair_chart(
        bars(judged[:BARS], dark=is_dark()),
        key=f"privileges-{data.shown().key}",
        on_select="rerun",
        selection_mode=SELECTION,
        alt="Permissions held and used, a bar per agent; the table below has the figures.",
    )
    if len(judged) > BARS:
        st.caption(f"The {BARS} agents with most unused of {len(judged):,}; the table below has all.")
    clicked = event["selection"].get(SELECTION) or []
    chosen = clicked[0].get("who") if clicked else None
    named = f"{st.query_params.get('of', '')}\x1f{st.query_params.get('who', '')}"
    return known.get(str(chosen)) or known.get(named) or judged[0]


def _agent(agent: dict[str, Any]) -> None:
    st.markdown("**Chosen agent**")
    of = f"tenant {one_line(agent['tenant_id'])}" if agent["tenant_id"] else "no tenant"
    st.text(f"{one_line(agent['agent'])} · {of}")
    share = agent["standing_share"]
    columns = st.columns(3)
    columns[0].metric("unused", f"{agent['unused']} of {agent['granted']}")
    columns[1].metric("unused by weight", _percent(agent["weighted_unused_rate"]))
    columns[2].metric(
        "standing share", _percent(share), help="Share of the grant-hours that stand until revoked."
    )
    for heading, names in (
        ("Unused, high risk", agent["unused_high_risk"]),
        ("Unused", [each for each in agent["unused_permissions"] if each not in agent["unused_high_risk"]]),
        ("Used", agent["used_permissions"]),
    ):
        if names:
            st.caption(f"{heading} ({len(names)})")
            cut = names[:40]
            more = [f"… {len(names) - 40:,} more"] if len(names) > 40 else []
            st.code(
                "\n".join([one_line(each, cut=100) for each in cut] + more), language=None, wrap_lines=True
            )
    st.text(f"{agent['permitted_actions']:,} permitted actions in the window.")


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{share:.0%}"


def _table(agents: list[dict[str, Any]]) -> None:
    rows = [
        {
            "agent": one_line(agent["agent"]),
            "tenant": one_line(agent["tenant_id"]),
            "judged": ("flagged" if agent["flagged"] else "fine")
            if agent["eligibility"] == "eligible"
            else agent["eligibility"].replace("_", " "),
            "granted": agent["granted"],
            "used": agent["used"],
            "unused": agent["unused"],
            "unused %": None if agent["unused_rate"] is None else 100 * agent["unused_rate"],
            "high risk": agent["unused_high"],
            "standing %": None if agent["standing_share"] is None else 100 * float(agent["standing_share"]),
            "permitted actions": agent["permitted_actions"],
        }
        for agent in agents
    ]
    percent = st.column_config.NumberColumn(format="%.0f %%")
    st.dataframe(
        rows,
        hide_index=True,
        placeholder="–",
        height="content" if len(rows) <= 14 else 520,
        column_config={
            "agent": st.column_config.TextColumn(width=150),
            "unused %": percent,
            "standing %": percent,
        },
    )
    st.caption(" · ".join(f"{name.replace('_', ' ')}: {means}" for name, means in NOT_JUDGED.items()))


main()
