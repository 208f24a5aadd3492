"""One finding: what happened and on whose authority, what to do, what was decided, and its way into other tools."""

from __future__ import annotations

from typing import Any

import streamlit as st

from dashboards.details import (
    FINDING_PAGE,
    LAST_QUEUE,
    QUEUE_PAGE,
    actions_of,
    find,
    show_evidence,
    show_head,
    show_links,
    show_next_steps,
    show_raw,
)
from dashboards.finding_parts import show_authority, show_exports, show_history, show_identity, show_related
from dashboards.frame import link_to_copy, when_matched
from dashboards.suppress_form import show_suppress
from dashboards.triage_form import OUTCOMES, WORDS, actions, work_on
from dashboards.words import clock, one_line


def main() -> None:
    """Draw the page of the finding that the address names."""
    named = st.query_params.get("finding")
    st.page_link(
        QUEUE_PAGE, label="Back to the queue", icon=":material/arrow_back:",
        query_params=st.session_state.get(LAST_QUEUE, {}),
    )  # fmt: skip
    if not named:
        st.info(
            "Choose a finding in the queue, or name one in the address: finding=ID.", icon=":material/info:"
        )
        return
    asked = st.query_params.get("revision", "")
    finding = find(named, int(asked) if asked.isascii() and asked.isdigit() and len(asked) < 10 else None)
    if finding is None:
        return
    left, right = st.columns([3, 2], gap="large")
    with left:
        show_head(finding)
        _times(finding)
        when_matched(lambda: _rests_on(finding))
        show_raw(finding["anchor_event_ids"], finding["decision_ids"], key=f"raw-{finding['finding_id']}")
    with right:
        _work(finding["finding_id"])
        with st.container(horizontal=True, gap="small"):
            show_links(finding)
        show_next_steps(finding)
        show_related(finding["finding_id"])
        show_history(finding["finding_id"])
        show_identity(finding)
        show_suppress(finding)
        show_exports(finding)


def _rests_on(finding: dict[str, Any]) -> None:
    show_evidence(finding, actions_of(finding))
    show_authority(finding)


def _times(finding: dict[str, Any]) -> None:
    st.caption(
        f"Seen {clock(finding['first_seen_time'])} to {clock(finding['last_seen_time'])} UTC. "
        f"State {finding['revision']} of {finding['revisions']}, recorded {clock(finding['recorded_time'])} UTC."
    )
    wanted = {"finding": finding["finding_id"], "revision": str(finding["revision"])}
    with st.container(horizontal=True, gap="small"):
        link_to_copy("Link to this state", wanted)
        if finding["revision"] != finding["revisions"]:
            st.page_link(
                FINDING_PAGE, label="Newest state", icon=":material/update:",
                query_params={"finding": finding["finding_id"]},
            )  # fmt: skip


def _work(finding_id: str) -> None:
    work = work_on([finding_id])
    row = work[finding_id]
    with st.container(border=True, gap="small"):
        outcome = OUTCOMES.get(row["disposition"] or "", "").split(":")[0]
        st.text(
            f"{WORDS[row['status']]}{f', {outcome}' if outcome else ''} · "
            f"assigned to {one_line(row['assignee']) if row['assignee'] else 'nobody'}"
        )
        actions(work, key="finding")


main()
