"""What stands around every page: its title, which state of the lake it shows, the way to a newer one, and
plain words where there is nothing to show."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlencode

import streamlit as st

from dashboards import data
from dashboards.words import clock, visible
from schemas.errors import CounterfoilError, LakeError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


def frame(title: str, run: Callable[[], None]) -> None:
    """Run a page within the frame; an error of ours becomes a sentence, and the page ends there."""
    try:
        shown = data.shown()
    except LakeError as error:
        st.title(title, anchor=False)
        nothing("There is no lake to read yet.", str(error), "counterfoil demo", "counterfoil ingest")
        return
    except CounterfoilError as error:
        st.title(title, anchor=False)
        _failed(error)
        return
    left, right = st.columns([3, 2], vertical_alignment="bottom")
    left.title(title, anchor=False)
    with right:
        _freshness(shown.key)
    if not shown.rows:
        nothing("The lake is empty.", "Nothing has been read into it.", "counterfoil ingest --files PATH")
        return
    try:
        run()
    except CounterfoilError as error:
        _failed(error)


def nothing(heading: str, why: str, *commands: str) -> None:
    """Say that there is nothing to show, why (which may be data), and which commands change that."""
    st.info(heading, icon=":material/info:")
    st.text(visible(why))
    if commands:
        st.caption("Run" if len(commands) == 1 else "Run one of")
        for command in commands:
            st.code(command, language=None)


def link_to_copy(label: str, query: Mapping[str, str]) -> None:
    """A button that opens the address of this page with that query, to be copied."""
    with st.popover(label, icon=":material/link:"):
        address = (st.context.url or "").split("?")[0].split("#")[0]
        st.code(f"{address}?{urlencode(query)}", language=None, wrap_lines=True)


def is_dark() -> bool:
    """Whether the visitor sees the dark theme."""
    return st.context.theme.type == "dark"


def _failed(error: CounterfoilError) -> None:
    st.error("This page cannot be shown.", icon=":material/error:")
    st.text(visible(str(error)))
    st.button("Try again with the newest state", key="retry", on_click=data.load_newest)


@st.fragment(run_every="30s")
def _freshness(key: str) -> None:
    """Which state is shown, and a button where there is a newer one; the rest of the page stays as it is."""
    shown = data.shown()
    with st.container(horizontal=True, horizontal_alignment="right", vertical_alignment="center"):
        st.caption(f"as loaded {clock(shown.loaded_time)[:-4]} UTC", width="content")
        newer = _newer()
        if st.button(
            newer or "Refresh",
            key=f"newest-{key}",
            icon=":material/refresh:",
        ):
            data.load_newest()
            st.rerun(scope="app")


def _newer() -> str | None:
    """What came since, in words of ours; None when nothing did or the lake cannot be read just now."""
    shown = data.shown()
    try:
        newest = data.newest()
    except LakeError:
        return None
    if dict(newest.versions) == {**dict(shown.versions), **dict(shown.written)}:
        return None
    findings = newest.count("findings") - shown.count("findings")
    events = sum(
        newest.count(name) - shown.count(name) for name in ("orchestration_events", "authorization_decisions")
    )
    parts = [
        f"{findings:,} new findings" if findings > 0 else "",
        f"{events:,} new events" if events > 0 else "",
    ]
    return "Load newest: " + (", ".join(part for part in parts if part) or "changes")
