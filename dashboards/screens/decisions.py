"""The decision history: what was asked and answered, how often it was denied, and what each answer was used for."""

from __future__ import annotations

from typing import Any

import streamlit as st

from dashboards import data
from dashboards.details import CHAIN_PAGE, show_raw
from dashboards.export import download, to_csv
from dashboards.frame import nothing, when_matched
from dashboards.grids import choosing_grid, grid, number, text, time_column
from dashboards.words import REASONS, VERDICTS, clock, counted, one_line, visible, words_for

ANSWERS = ("allow", "deny", "indeterminate")
MOST, MOST_EXPORTED = 500, 100_000
FACETS = {
    "agent": "agent",
    "action": "action",
    "resource": "type of resource",
    "policy": "policy revision",
    "tenant": "tenant",
}


def main() -> None:
    """Draw the page."""
    choices = data.rows_of("decision_choices")[0]
    if not choices["decisions"]:
        nothing(
            "There are no decisions.",
            "No authorization decision has been read.",
            "counterfoil ingest --files PATH",
        )
        return
    wanted = _filters(choices)
    total = _rates(wanted)
    left, right = st.columns([5, 3], gap="medium")
    with left:
        listed, facets, ledger = st.tabs(["Decisions", "Rates", "Reuse ledger"])
        with listed:
            first = _list(wanted, total)
        with facets:
            _facets(wanted)
        with ledger:
            when_matched(lambda: _ledger(wanted), summed_up=True)
    with right:
        named = st.query_params.get("decision") or first
        if named:
            _decision(named)


def _filters(choices: dict[str, Any]) -> dict[str, Any]:
    row = st.columns([2.4, 1.2, 1.4, 1.2, 1.4, 1.6])
    answers = row[0].pills(
        "Answer", ANSWERS, selection_mode="multi", key="answer", bind="query-params", wrap=True
    )
    return {
        "answers": answers,
        "tenant": _choice(row[1], "Tenant", choices["tenants"], "of_tenant"),
        "agent": _choice(row[2], "Agent", choices["agents"], "of_agent"),
        "action": _choice(row[3], "Action", choices["actions"], "action"),
        "resource_type": _choice(row[4], "Type of resource", choices["resource_types"], "type"),
        "text": row[5].text_input(
            "Contains", key="text", bind="query-params", placeholder="id or resource", max_chars=300,
            help="In the id, the resource or the approver.",
        ) or None,
    }  # fmt: skip


def _choice(place: Any, label: str, options: list[str], key: str) -> str | None:
    chosen: str | None = place.selectbox(
        label, options, index=None, key=key, bind="query-params", placeholder="all",
        format_func=lambda each: one_line(each, cut=60),
    )  # fmt: skip
    return chosen


def _rates(wanted: dict[str, Any]) -> int:
    """The figures above the list; returns how many decisions pass the filters."""
    row = next(iter(data.rows_of("decision_facets", by="all", **wanted)), None)
    if row is None:
        st.info("No decision passes these filters.", icon=":material/filter_alt_off:")
        return 0
    figures = {
        "decisions (n)": f"{row['decisions']:,}",
        "allow rate": f"{row['allow_percent']:.1f}%",
        "deny rate": f"{row['deny_percent']:.1f}%",
        "indeterminate": f"{row['indeterminate']:,}",
        "approved by a human": f"{row['approved']:,}",
    }
    for column, (name, value) in zip(st.columns(len(figures)), figures.items(), strict=True):
        column.metric(name, value, border=True)
    return int(row["decisions"])


def _list(wanted: dict[str, Any], total: int) -> str | None:
    found = data.ask("decisions_list", most=MOST, **wanted)
    ids = found["decision_id"].to_pylist()
    if not ids:
        return None

    def choose(row: int) -> None:
        st.query_params["decision"] = ids[row]

    choosing_grid(
        found,
        {
            "decision_time": time_column("time (UTC)"), "decision": text("answer", 58), "agent": text("agent", 88),
            "action": text("action", 70), "resource_type": text("type", 80), "resource_id": text("resource", 120),
            "approver": text("approver", 100), "policy_version": text("policy", 80), "tenant_id": text("tenant", 60),
            "decision_id": text("id", 140),
        },
        f"decisions-{data.shown().key}-{hash(repr(wanted))}",
        choose,
    )  # fmt: skip
    shown = counted(total, "decision")
    st.caption(shown if total <= len(ids) else f"The newest {len(ids):,} of {shown}: narrow the filters.")
    download(
        "Export as CSV",
        lambda: to_csv(data.ask("decisions_list", most=MOST_EXPORTED, **wanted)),
        "decisions.csv",
    )
    return str(ids[0])


def _facets(wanted: dict[str, Any]) -> None:
    by = st.segmented_control(
        "By",
        list(FACETS),
        default="agent",
        key="by",
        format_func=FACETS.__getitem__,
        required=True,
        wrap=True,
    )
    grid(
        data.ask("decision_facets", by=by, **wanted),
        {
            "value": text(FACETS[by or "agent"], 170), "decisions": number("n", 60), "allow": number("allow", 60),
            "deny": number("deny", 60), "indeterminate": number("indeterminate", 96),
            "allow_percent": number("allow rate", 80, "%.1f %%"), "deny_percent": number("deny rate", 80, "%.1f %%"),
            "approved": number("approved", 74),
        },
        height=420,
    )  # fmt: skip


def _ledger(wanted: dict[str, Any]) -> None:
    st.caption(
        "Decisions that were used more than once, or for more than they were made for. Tenant and agent filter it."
    )
    found = data.ask("reuse_ledger", most=MOST, tenant=wanted["tenant"], agent=wanted["agent"])
    if not found.num_rows:
        st.caption("None.")
        return
    ids = found["decision_id"].to_pylist()

    def choose(row: int) -> None:
        st.query_params["decision"] = ids[row]

    choosing_grid(
        found,
        {
            "beyond": number("beyond", 62), "uses": number("uses", 50), "max_uses": number("of", 40),
            "out_of_scope": number("scope", 54), "other_arguments": number("arguments", 76),
            "out_of_time": number("late", 46), "over_uses": number("too often", 70), "agent": text("made for", 88),
            "action": text("action", 70), "resource_id": text("resource", 120), "decision_id": text("id", 140),
        },
        f"ledger-{data.shown().key}-{hash(repr(wanted))}",
        choose,
    )  # fmt: skip
    st.caption("beyond: uses outside scope, with other arguments, too late, or more often than permitted.")


def _decision(decision_id: str) -> None:
    st.markdown("**Chosen decision**")
    found = data.rows_of("decision_by_id", decision_id=decision_id)
    if not found:
        st.warning("There is no decision of this id in the state of the lake that is shown.")
        st.code(visible(decision_id[:200]), language=None)
        return
    for row in found[:1]:
        with st.container(border=True, gap="xxsmall"):
            for name, value in _facts(row):
                left, right = st.columns([2, 5], gap="xsmall")
                left.caption(name)
                right.text(value)
        if row["trace_id"]:
            st.page_link(
                CHAIN_PAGE, label="Open the chain of its run", icon=":material/account_tree:",
                query_params={"trace": row["trace_id"]},
            )  # fmt: skip
    when_matched(lambda: _uses(decision_id), summed_up=True)
    show_raw([], [decision_id], key=f"raw-{decision_id}")


def _uses(decision_id: str) -> None:
    uses = data.ask("uses_of_decision", decision_id=decision_id)
    st.caption(f"Used {counted(uses.num_rows, 'time')}" if uses.num_rows else "Never used")
    for use in uses.to_pylist()[:12]:
        beyond = [
            name
            for key, name in (
                ("in_scope", "outside its scope"), ("same_arguments", "other arguments"), ("in_time", "too late"),
                ("within_max_uses", "too often"),
            )
            if use[key] is False
        ]  # fmt: skip
        kind = ", ".join(beyond) or "within it"
        st.text(
            f"{clock(use['event_time'])} · {one_line(use['agent'], cut=60)} · {one_line(use['action'], cut=40)} "
            f"{one_line(use['resource_id'], cut=60)}: {kind} ({words_for(use['verdict'], VERDICTS)}, "
            f"{words_for(use['reason'], REASONS)})"
        )


def _facts(row: dict[str, Any]) -> list[tuple[str, str]]:
    resource = row["resource_id"] or (
        f"{row['resource_prefix']}*" if row["resource_prefix"] is not None else None
    )
    facts = [
        ("id", one_line(row["decision_id"])),
        ("answer", one_line(row["decision"])),
        ("at", f"{clock(row['decision_time'])} UTC"),
        ("agent", one_line(row["agent"])),
        ("for", one_line(row["on_behalf_of"])),
        ("action", one_line(row["action"])),
        ("resource", one_line(" ".join(each for each in (row["resource_type"], resource) if each))),
        ("approved by", one_line(row["approver"])),
        ("policy", one_line(" ".join([*(row["policy_ids"] or []), row["policy_version"] or ""]).strip())),
        ("decided by", one_line(row["pdp_id"])),
        ("good for", counted(row["max_uses"], "use") if row["max_uses"] is not None else "–"),
        ("expires", clock(row["expires_time"])),
        ("revoked", clock(row["revoked_time"])),
        ("credential", one_line(row["credential_id"])),
        ("tenant", one_line(row["tenant_id"])),
    ]
    return [(name, value) for name, value in facts if value != "–"]


main()
