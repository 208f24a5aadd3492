"""What one finding, or one step of a chain, rests on. Text of records goes through `text` and `code` only."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import streamlit as st

from dashboards import data
from dashboards.charts.sequence import LABELS, mark_of
from dashboards.facts import compare, gap_in_words
from dashboards.frame import when_matched
from dashboards.words import (
    DANGER,
    LEVEL_MARKS,
    REASONS,
    VERDICTS,
    clock,
    from_bytes,
    one_line,
    visible,
    what,
    words_for,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

QUEUE_PAGE = "screens/queue.py"
FINDING_PAGE = "screens/finding.py"
CHAIN_PAGE = "screens/chain.py"
AGENTS_PAGE = "screens/agents.py"
RULES_PAGE = "screens/rules.py"
# The address of the queue as it was last seen, for the way back to it.
LAST_QUEUE = "last_queue"
LINE_COLUMNS = (1, 3.6)
FACT_COLUMNS = (1.3, 2, 2)


def find(finding_id: str, revision: int | None = None) -> dict[str, Any] | None:
    """A finding in its newest state, or in another; says so and returns None where it is not there."""
    found: list[dict[str, Any]] = data.ask("finding", finding_id=finding_id, revision=revision).to_pylist()
    if found:
        return found[0]
    st.warning("There is no finding of this id in the state of the lake that is shown.")
    st.code(visible(finding_id[:200]), language=None)
    return None


def show_brief(finding_id: str) -> None:
    """A finding beside a list: what happened, the evidence, what to do, and the way to all else."""
    finding = find(finding_id)
    if finding is None:
        return
    show_head(finding)
    with st.container(horizontal=True, gap="small"):
        st.page_link(
            FINDING_PAGE,
            label="Open the finding",
            icon=":material/flag:",
            query_params={"finding": finding_id},
        )
        show_links(finding)
    when_matched(lambda: show_evidence(finding, actions_of(finding)))
    show_next_steps(finding)


def actions_of(finding: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The actions that a finding rests on."""
    return data.rows_of(
        "actions_by_id",
        event_ids=finding["anchor_event_ids"],
        trace_id=finding["trace_id"],
        tenant_id=finding["tenant_id"],
    )


def show_head(finding: Mapping[str, Any]) -> None:
    """Level, verdict, confidence, title and explanation."""
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


def show_links(finding: Mapping[str, Any]) -> None:
    """The ways from a finding to its run and its agent."""
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
    if finding["agent"]:
        wanted = {"who": finding["agent"], "of": finding["tenant_id"] or ""}
        st.page_link(AGENTS_PAGE, label="Open the agent", icon=":material/smart_toy:", query_params=wanted)


def show_evidence(finding: Mapping[str, Any], actions: Sequence[Mapping[str, Any]]) -> None:
    """The actions beside their decisions, and the rule's figures."""
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


def show_next_steps(finding: Mapping[str, Any]) -> None:
    """The rule's runbook, and when it may be wrong."""
    rule = data.known_rules().get(finding["rule_id"])
    if rule is None:
        return
    with st.expander("What to do next", icon=":material/checklist:"):
        for number, step in enumerate(rule.runbook, start=1):
            st.text(f"{number}. {step}")
        st.caption("When it may be a false alarm")
        for sentence in rule.false_positives:
            st.text(f"· {sentence}")


def show_line(finding: Mapping[str, Any], label: str) -> None:
    """A finding on one line of a list: the way to it, with words of ours, and its title."""
    left, right = st.columns(LINE_COLUMNS, gap="xsmall", vertical_alignment="center")
    left.page_link(FINDING_PAGE, label=label, query_params={"finding": finding["finding_id"]})
    right.text(one_line(finding["title"], cut=100))


def show_findings_of(event_id: str) -> None:
    """Links to the findings that rest on an event."""
    for finding in data.rows_of("findings_of_event", event_id=event_id):
        level = finding["level"] if finding["level"] in LEVEL_MARKS else "informational"
        rule = data.known_rules().get(finding["rule_id"])
        if rule is not None:
            st.page_link(
                FINDING_PAGE,
                label=f"{LEVEL_MARKS[level]} {level}: {rule.name} ({rule.id})",
                icon=":material/flag:",
                query_params={"finding": finding["finding_id"]},
            )


def show_raw(event_ids: Sequence[str], decision_ids: Sequence[str], key: str) -> None:
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
