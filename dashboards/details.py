"""What one finding, or one step of a chain, rests on. Text of records goes through `text` and `code` only."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import streamlit as st

from analytics.rule import frameworks
from dashboards import data
from dashboards.charts.sequence import LABELS, mark_of
from dashboards.facts import compare, gap_in_words
from dashboards.words import (
    DANGER,
    LEVEL_MARKS,
    REASONS,
    VERDICTS,
    clock,
    from_bytes,
    inert,
    one_line,
    visible,
    what,
    words_for,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

FINDINGS_PAGE = "screens/findings.py"
CHAIN_PAGE = "screens/chain.py"
FACT_COLUMNS = (1.3, 2, 2)
PRIVILEGES_PAGE = "screens/privileges.py"


def show_finding(finding_id: str) -> None:
    """Everything about one finding, under where it is called."""
    found = data.rows_of("finding", finding_id=finding_id)
    if not found:
        st.warning("There is no finding of this id in the state of the lake that is shown.")
        st.code(visible(finding_id), language=None)
        return
    finding = found[0]
    with st.container(horizontal=True, gap="xsmall"):
        level = finding["level"] if finding["level"] in LEVEL_MARKS else "informational"
        st.badge(f"{LEVEL_MARKS[level]} {level}", color="orange" if level in ("critical", "high") else "gray")
        if finding["verdict"] in VERDICTS:
            st.badge(VERDICTS[finding["verdict"]], color="gray")
        st.badge(f"confidence {finding['confidence']:.0%}", color="gray")
        if finding["status"] in ("closed", "suppressed"):
            st.badge(finding["status"], color="green")
    st.text(visible(finding["title"]))
    st.text(visible(finding["explanation"]))
    if finding["status_reason"]:
        st.text(visible(f"{finding['status']}: {finding['status_reason']}"))
    actions = data.rows_of(
        "actions_by_id",
        event_ids=finding["anchor_event_ids"],
        trace_id=finding["trace_id"],
        tenant_id=finding["tenant_id"],
    )
    _links(finding)
    _evidence(finding, actions)
    _next_steps(finding)
    _raw(finding["anchor_event_ids"], finding["decision_ids"], key=f"raw-{finding_id}")
    _identities(finding)


def _links(finding: Mapping[str, Any]) -> None:
    if finding["trace_id"]:
        wanted = {"trace": finding["trace_id"]}
        if finding["anchor_event_ids"]:
            wanted["step"] = finding["anchor_event_ids"][-1]
        st.page_link(
            CHAIN_PAGE,
            label="Open the chain of this run",
            icon=":material/account_tree:",
            query_params=wanted,
        )
    elif finding["agent"] and finding["rule_id"] == "07":
        wanted = {"who": finding["agent"], "of": finding["tenant_id"] or ""}
        st.page_link(
            PRIVILEGES_PAGE, label="Open this agent's privileges", icon=":material/key:", query_params=wanted
        )


def _evidence(finding: Mapping[str, Any], actions: Sequence[Mapping[str, Any]]) -> None:
    st.markdown("**Evidence**")
    if len(actions) == 1:
        show_action(actions[0], badge=False)
    elif actions:
        st.dataframe(
            [
                {
                    "time (UTC)": clock(action["event_time"], date=False),
                    "agent": one_line(action["agent"]),
                    "action": what(action),
                    "verdict": words_for(action["verdict"], VERDICTS),
                    "decision": one_line(action["decision"]),
                }
                for action in actions
            ],
            hide_index=True,
        )
        for action in actions[:6]:
            with st.expander(f"Step at {clock(action['event_time'], date=False)}"):
                show_action(action)
    figures = _figures(finding["evidence"])
    if figures and len(actions) != 1:
        st.dataframe(
            figures, hide_index=True, column_config={"value": st.column_config.TextColumn(width="large")}
        )
    if not actions and not figures:
        st.caption("The rule names no action and no figures.")


def _figures(evidence: str) -> list[dict[str, str]]:
    try:
        values = json.loads(evidence)
    except ValueError:
        return []
    if not isinstance(values, dict):
        return []
    return [
        {"figure": one_line(name.replace("_", " ")), "value": one_line(_figure(value))}
        for name, value in values.items()
        if value not in (None, [], {})
    ]


def _figure(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, list) and all(isinstance(each, str) for each in value):
        return ", ".join(value)
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def show_action(action: Mapping[str, Any], *, badge: bool = True) -> None:
    """An action beside the decision that came closest, fact by fact; `≠` where they disagree."""
    mark = mark_of({**action, "kind": "action"}) or "unknown"
    if badge:
        st.badge(
            LABELS[mark],
            color="orange" if mark in DANGER else "blue" if mark in ("backed", "stopped") else "gray",
        )
    why = words_for(action["reason"], REASONS)
    st.text(f"{why[:1].upper()}{why[1:]}.")
    decided = action["closest_decision_id"] is not None
    with st.container(border=True, gap="xxsmall"):
        head = st.columns(FACT_COLUMNS, gap="xsmall")
        head[1].markdown("**the action**")
        head[2].markdown("**closest decision**" if decided else "**no decision found**")
        for fact in compare(action):
            row = st.columns(FACT_COLUMNS, gap="xsmall")
            row[0].caption(fact.name)
            row[1].text(fact.action)
            row[2].text(f"≠ {fact.decision}" if fact.differs else fact.decision)
    st.text(gap_in_words(action))


def show_handoff(handoff: Mapping[str, Any]) -> None:
    """A handoff, with the decision before it and the one behind the receiver's first action."""
    refused = handoff["status"] in ("rejected", "error", "canceled")
    kind = "delegation" if handoff["kind"] == "delegation" else "handoff"
    st.badge(f"refused {kind}" if refused else kind, color="gray")
    for name, value in (
        ("from", handoff["from_agent"]),
        ("to", handoff["to_agent"]),
        ("at", f"{clock(handoff['handoff_time'])} UTC"),
        ("decision upstream", handoff["upstream_decision_id"] or "none"),
        ("decision of the receiver", handoff["downstream_decision_id"] or "none"),
        ("its first action", words_for(handoff["verdict"], VERDICTS)),
        ("because", words_for(handoff["reason"], REASONS)),
    ):
        row = st.columns([2, 3], gap="small")
        row[0].caption(name)
        row[1].text(one_line(value))


def _next_steps(finding: Mapping[str, Any]) -> None:
    rule = data.known_rules().get(finding["rule_id"])
    if rule is None:
        return
    with st.expander("What to do next", icon=":material/checklist:"):
        for number, step in enumerate(rule.runbook, start=1):
            st.text(f"{number}. {step}")
        st.caption("When it may be a false alarm")
        for sentence in rule.false_positives:
            st.text(f"· {sentence}")


def show_findings_of(event_id: str) -> None:
    """Links to the findings that rest on an event."""
    for finding in data.rows_of("findings_of_event", event_id=event_id):
        level = finding["level"] if finding["level"] in LEVEL_MARKS else "informational"
        rule = data.known_rules().get(finding["rule_id"])
        if rule is not None:
            st.page_link(
                FINDINGS_PAGE,
                label=f"{LEVEL_MARKS[level]} {level}: {rule.name} ({rule.id})",
                icon=":material/flag:",
                query_params={"finding": finding["finding_id"]},
            )


def _raw(event_ids: Sequence[str], decision_ids: Sequence[str], key: str) -> None:
    """The records as they arrived, read only when asked for."""
    records = st.expander("Raw records", icon=":material/data_object:", key=key, on_change="rerun")
    if not records.open:
        return
    with records:
        found = data.rows_of(
            "raw_records", event_ids=list(event_ids)[:20], decision_ids=list(decision_ids)[:20]
        )
        if not found:
            st.caption("The records are not in the lake (any more).")
        for record in found:
            st.caption("Event" if record["kind"] == "event" else "Decision")
            where = (record["source_topic"], record["source_partition"], record["source_offset"])
            place = "{} partition {} offset {}".format(*where)
            st.text(f"{one_line(record['id'])} · {one_line(place)}\nSHA-256 {record['sha256'].lower()}")
            kept = record["raw"] is not None
            st.code(from_bytes(record["raw"]) if kept else "(not kept)", language=None, wrap_lines=True)


def show_raw(event_ids: Sequence[str], decision_ids: Sequence[str], key: str) -> None:
    """As for a finding, for a step."""
    _raw(event_ids, decision_ids, key)


def _identities(finding: Mapping[str, Any]) -> None:
    with st.expander("Ids, frameworks and history", icon=":material/fingerprint:"):
        rule = data.known_rules().get(finding["rule_id"])
        st.caption("Finding, trace, events, decisions")
        ids = [
            f"finding   {finding['finding_id']}",
            f"rule      {finding['rule_id']} {finding['rule_name']} {finding['rule_version']}",
            f"trace     {one_line(finding['trace_id'])}",
            *(f"event     {one_line(each)}" for each in finding["anchor_event_ids"][:20]),
            *(f"decision  {one_line(each)}" for each in finding["decision_ids"][:20]),
        ]
        st.code("\n".join(ids), language=None, wrap_lines=True)
        if rule is not None:
            st.caption("Frameworks")
            known = frameworks()
            st.text(
                "\n".join(f"{known[key].name}: {', '.join(each)}" for key, each in rule.frameworks.items())
            )
        st.caption("History")
        states = data.ask("finding_history", finding_id=finding["finding_id"])
        st.dataframe(
            inert(states.drop_columns(["run_id"])),
            hide_index=True,
            column_config={
                "recorded_time": st.column_config.DatetimeColumn("recorded (UTC)", timezone="UTC"),
                "status_reason": "reason",
            },
        )
