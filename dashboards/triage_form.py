"""Working on findings: taking, assigning, closing. It goes to findings by id, with the version that was seen."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import streamlit as st

from analytics.triage import DISPOSITIONS, MOST_TEXT, STATUSES, Change, Outcome, record
from dashboards import data
from dashboards.words import clock, counted, one_line, visible
from schemas.errors import CounterfoilError

if TYPE_CHECKING:
    from collections.abc import Mapping

WORDS = {"new": "new", "in_progress": "in progress", "closed": "closed"}
OUTCOMES = {
    "true_positive": "true positive: it happened, and should not have",
    "expected": "expected: it happened, and may",
    "false_positive": "false positive: it did not happen so",
    "duplicate": "duplicate of another finding",
    "not_determined": "not determined",
}
_ME, _SAID = "analyst", "triage_said"


def work_on(finding_ids: list[str]) -> dict[str, dict[str, Any]]:
    """How the work on each finding stands, with the visitor's own entries; version 0 where nobody has begun."""
    fresh = {"version": 0, "status": "new", "assignee": None, "disposition": None}
    rows = data.ask_work("triage_of", finding_ids=finding_ids).to_pylist()
    found = {each: {"finding_id": each, **fresh} for each in finding_ids}
    return found | {row["finding_id"]: row for row in rows}


def actions(work: Mapping[str, Mapping[str, Any]], key: str) -> None:
    """Buttons that act on the findings of `work`, and what came of the last one."""
    if not data.actor().may("triage"):
        st.caption(f"The role {data.actor().role} reads: it does not take, assign or close.")
        return
    seen = {each: int(row["version"]) for each, row in work.items()}
    number = counted(len(seen), "finding")
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        if st.button(
            "Take", key=f"take-{key}", icon=":material/person_add:", help=f"Assign {number} to yourself."
        ):
            if _me():
                _take(seen, _me())
            else:
                _dialog(seen, "in_progress")
        if st.button(
            "Assign …",
            key=f"assign-{key}",
            icon=":material/edit:",
            help=f"Assign {number}, or set its state.",
        ):
            _dialog(seen, None)
        if st.button("Close …", key=f"close-{key}", icon=":material/check_circle:", help=f"Close {number}."):
            _dialog(seen, "closed")
        st.caption(f"acts on {number}", width="content")
    _say()


def _me() -> str:
    """Who the visitor is: proven by the login where there is one, else as they said."""
    said: str = st.session_state.get(_ME, "")
    return data.actor(said).who


def _take(seen: Mapping[str, int], me: str) -> None:
    try:
        _write(seen, Change("in_progress", me), me)
    except CounterfoilError as error:
        st.text(visible(str(error)))
        return
    st.rerun()


@st.dialog("Work on findings", width="medium")
def _dialog(seen: Mapping[str, int], status: str | None) -> None:
    """The form. What was seen is fixed as it opens: an entry that somebody else makes meanwhile is not overwritten."""
    st.text(f"For {counted(len(seen), 'finding')}.")
    with st.form("triage", border=False):
        me = _me()
        if not data.settings().dashboard.login.on:
            me = st.text_input("Your name", value=me, max_chars=200)
        taking = status == "in_progress"
        assignee = st.text_input(
            "Assignee", value="", max_chars=200, placeholder="yourself" if taking else "leave as it is",
            disabled=status == "closed",
        )  # fmt: skip
        states = [None, *STATUSES]
        chosen = st.selectbox(
            "State", states, index=states.index(status),
            format_func=lambda each: WORDS.get(each or "", "leave as it is"),
        )  # fmt: skip
        disposition = st.selectbox(
            "Disposition, on closing", DISPOSITIONS, index=None, format_func=OUTCOMES.__getitem__,
            placeholder="choose what it turned out to be",
        )  # fmt: skip
        comment = st.text_area("Comment, required on closing", max_chars=MOST_TEXT, height=110)
        if not st.form_submit_button("Save"):
            return
    given = assignee or (me if taking else None)
    try:
        _write(seen, Change(chosen, given, disposition, comment or None), me)
    except CounterfoilError as error:
        st.text(visible(str(error)))
        return
    st.session_state[_ME] = me.strip()
    st.rerun()


def _write(seen: Mapping[str, int], change: Change, me: str) -> None:
    outcome = record(data.settings(), seen, change, data.actor(me))
    newest = data.triage_version()
    if newest is not None:
        data.note_triage(newest)
    st.session_state[_SAID] = outcome


def _say() -> None:
    """What came of the last entry, once, and where it moves nothing on the page."""
    outcome: Outcome | None = st.session_state.pop(_SAID, None)
    if outcome is None:
        return
    if outcome.written:
        st.toast(f"Saved: {counted(len(outcome.written), 'finding')}", icon=":material/check:")
    if outcome.refused:
        _refused(outcome)


@st.dialog("Somebody else was first", width="medium")
def _refused(outcome: Outcome) -> None:
    """Who was, and what they wrote; the page shows that state now."""
    st.warning("Not saved, so that nothing is overwritten. Look at it anew.", icon=":material/sync_problem:")
    for row in list(outcome.refused.values())[:5]:
        whose = f", assigned to {one_line(row['assignee'], cut=60)}" if row["assignee"] else ""
        who, when = one_line(row.get("actor"), cut=60), clock(row.get("triage_time"))
        st.text(f"{who} set it to {WORDS[row['status']]}{whose} at {when} UTC")
        if row.get("comment"):
            st.text(one_line(row["comment"]))
    if len(outcome.refused) > 5:
        st.caption(f"… and {len(outcome.refused) - 5:,} more")
    if outcome.written:
        st.text(f"{counted(len(outcome.written), 'other finding')} were saved.")
