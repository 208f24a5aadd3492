"""One agent: what it did, what it was granted and used, its credentials, its handoffs, its findings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import streamlit as st

from dashboards import data
from dashboards.details import show_line
from dashboards.frame import nothing, when_matched
from dashboards.grids import grid, minutes, number, text, time_column
from dashboards.words import LEVEL_MARKS, clock, counted, one_line

if TYPE_CHECKING:
    import pyarrow as pa

MOST, HALF = 2000, 625


def main() -> None:
    """Draw the page."""
    agents = {
        (row["tenant_id"] or "", row["agent"]): row for row in data.rows_of("agents_to_choose", most=MOST)
    }
    if not agents:
        nothing(
            "There is no agent to show.",
            "No action, decision or grant that names an agent has been read.",
            "counterfoil ingest --files PATH",
        )
        return
    tenant, agent = _choose(agents)
    asked = {"tenant": tenant, "agent": agent}
    held = next(iter(data.rows_of("agent_privileges", **asked)), None)
    acted = data.ask("agent_actions", **asked)
    found = data.rows_of("agent_findings", **asked)
    _figures(acted, held, found)
    # Side by side where both fit whole, else one under the other: no column of a grid is out of sight.
    with st.container(horizontal=True, gap="medium"):
        with st.container(width=HALF):
            _actions(acted)
            _grants(asked, held)
            _proposal(asked)
        with st.container(width=HALF):
            _findings(found)
            _handoffs(asked)
    st.subheader("Credentials", anchor=False)
    when_matched(lambda: _credentials(asked), summed_up=True)


def _choose(agents: dict[tuple[str, str], dict[str, Any]]) -> tuple[str, str]:
    """The agent that the address names, else the first, which has the severest findings."""
    named = (st.query_params.get("of", ""), st.query_params.get("who", ""))
    options = list(agents)
    if named[1] and named not in agents:
        options.insert(0, named)
    if "identity" not in st.session_state or (named[1] and st.session_state.get("identity_named") != named):
        st.session_state["identity"] = named if named[1] else options[0]
        st.session_state["identity_named"] = named

    def moved() -> None:
        chosen = st.session_state["identity"]
        st.session_state["identity_named"] = chosen
        st.query_params.from_dict({"who": chosen[1], "of": chosen[0]})

    chosen: tuple[str, str] = st.selectbox(
        "Agent", options, key="identity", on_change=moved,
        format_func=lambda each: _in_words(each, agents.get(each)),
        help="Those with open findings come first.",
    )  # fmt: skip
    return chosen


def _in_words(identity: tuple[str, str], row: dict[str, Any] | None) -> str:
    name = (
        f"{one_line(identity[1], cut=80)} · {one_line(identity[0], cut=40) if identity[0] else 'no tenant'}"
    )
    if row is None:
        return name
    found = (
        f" · {LEVEL_MARKS.get(row['level'], '')} {counted(row['findings'], 'open finding')}"
        if row["findings"]
        else ""
    )
    return f"{name} · {counted(row['actions'], 'action')}{found}"


def _figures(acted: pa.Table, held: dict[str, Any] | None, found: list[dict[str, Any]]) -> None:
    ran, backed, unknown = (sum(acted[name].to_pylist()) for name in ("ran", "backed", "unknown"))
    judged = ran - unknown
    is_open = [
        row for row in found if row["status"] in ("open", "updated") and row["triage_status"] != "closed"
    ]
    figures = {
        "open findings": f"{len(is_open):,}",
        "actions that ran": f"{ran:,}",
        "backed, of judged": f"{backed:,} of {judged:,}",
        "permissions unused": f"{held['unused']} of {held['granted']}" if held and held["granted"] else "–",
        "standing share": f"{held['standing_share']:.0%}"
        if held and held["standing_share"] is not None
        else "–",
    }
    for column, (name, value) in zip(st.columns(len(figures)), figures.items(), strict=True):
        column.metric(name, value, border=True)


def _actions(acted: pa.Table) -> None:
    st.subheader("What it did", anchor=False)
    if not acted.num_rows:
        st.caption("No action of this agent has been read.")
        return
    grid(
        acted,
        {
            "action": text("action", 80), "resource_type": text("on", 86), "ran": number("ran", 44),
            "not_backed": number("not backed", 82), "backed": number("backed", 62), "refused": number("refused", 64),
            "last_time": time_column("last (UTC)"),
        },
    )  # fmt: skip


def _grants(asked: dict[str, str], held: dict[str, Any] | None) -> None:
    st.subheader("What it may do", anchor=False)
    grants = data.ask("agent_grants", **asked)
    if held is not None:
        st.caption(
            f"Window {clock(held['window_start_time'])[:-7]} to {clock(held['window_end_time'])[:-7]} UTC · "
            f"{held['eligibility'].replace('_', ' ')} · {counted(held['permitted_actions'], 'permitted action')}"
        )
        if held["credential_scopes"]:
            st.caption("Scopes of its credentials")
            st.code(
                "\n".join(one_line(each, cut=100) for each in held["credential_scopes"][:40]), language=None
            )
    if not grants.num_rows:
        st.caption("No grant is known.")
        return
    grid(
        grants,
        {
            "permission": text("permission", 146), "use": text("use", 90),
            "standing": st.column_config.CheckboxColumn("standing", width=68), "sensitivity": number("weight", 56),
            "from_time": minutes("from (UTC)"), "until_time": minutes("until (UTC)"),
        },
    )  # fmt: skip


def _proposal(asked: dict[str, str]) -> None:
    """What would be enough, and what taking the rest away would have broken."""
    st.subheader("Least privilege, proposed", anchor=False)
    proposed = data.ask("least_privilege_of", **asked)
    if not proposed.num_rows:
        st.caption("It holds nothing that could be taken away.")
        return
    first = proposed.slice(0, 1).to_pylist()[0]
    st.caption(
        f"Replayed against what would be left: {first['broken_actions']:,} of "
        f"{counted(first['replayed_actions'], 'action')} of the window would have been refused."
    )
    grid(
        proposed,
        {
            "permission": text("permission", 120), "proposal": text("proposal", 66), "narrowed_to": text("to", 104),
            "uses": number("uses", 44), "would_break": number("breaks", 54), "reason": text("because", 90),
            "last_used_time": minutes("last used (UTC)"),
        },
    )  # fmt: skip


def _findings(found: list[dict[str, Any]]) -> None:
    st.subheader("Findings", anchor=False)
    if not found:
        st.caption("No rule found anything about it.")
    for row in found[:6]:
        closed = row["status"] in ("closed", "suppressed") or row["triage_status"] == "closed"
        show_line(row, f"{LEVEL_MARKS.get(row['level'], '')} {'closed' if closed else row['level']}")
    if len(found) > 6:
        st.caption(f"… and {found[0]['total'] - 6:,} more: filter the queue by the agent.")


def _handoffs(asked: dict[str, str]) -> None:
    st.subheader("Handoffs", anchor=False)
    handoffs = data.ask("agent_handoffs", **asked)
    if not handoffs.num_rows:
        st.caption("None, neither in nor out.")
        return
    grid(
        handoffs,
        {
            "direction": text("", 40), "peer": text("from or to", 150), "handoffs": number("handoffs", 72),
            "backed": number("backed", 62), "not_backed": number("not backed", 82),
            "last_time": time_column("last (UTC)"),
        },
    )  # fmt: skip


def _credentials(asked: dict[str, str]) -> None:
    credentials = data.ask("agent_credentials", now=data.shown().loaded_time, **asked)
    if not credentials.num_rows:
        st.caption("No record names a credential of it.")
        return
    total = credentials["total"][0].as_py()
    st.caption(f"{counted(total, 'credential')}{', the newest 100' if total > 100 else ''}")
    grid(
        credentials,
        {
            "credential_id": text("credential", 142), "type": text("type", 84),
            "age_hours": number("life (h)", 58, "%.1f"), "actions": number("actions", 58),
            "issued_time": minutes("issued (UTC)"), "expires_time": minutes("expires (UTC)"),
            "revoked_time": minutes("revoked (UTC)"), "last_used_time": minutes("last used (UTC)"),
            "attestation": text("attestation", 62),
        },
    )  # fmt: skip


main()
