"""What stands around every page: its title, which state of the lake it shows, the way to a newer one, and
plain words where there is nothing to show."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlencode

import streamlit as st

from dashboards import data
from dashboards.access import show_visitor
from dashboards.way_back import go_where_asked
from dashboards.words import clock, visible
from schemas.errors import CounterfoilError, LakeError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from schemas.actor import Actor


# Pages that can show nothing before actions are matched with decisions.
MATCHED = frozenset({"Chain", "Agents", "Privileges", "Decisions"})


def frame(title: str, run: Callable[[], None], actor: Actor) -> None:
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
        if data.settings().dashboard.login.on:
            show_visitor(actor)
    if data.settings().dashboard.login.on:
        go_where_asked()
    if not shown.rows:
        nothing("The lake is empty.", "Nothing has been read into it.", "counterfoil ingest --files PATH")
        return
    try:
        if title in MATCHED and not data.correlated():
            _wait()
            return
        run()
    except CounterfoilError as error:
        _failed(error)


@st.fragment(run_every="2s")
def _wait() -> None:
    """In place of a page that needs all actions matched: it comes by itself, and the menu works meanwhile."""
    try:
        ready = data.correlated()
    except CounterfoilError as error:
        _failed(error)
        return
    if ready:
        st.rerun(scope="app")
    st.info(
        "Actions are being matched with decisions. The page comes by itself.", icon=":material/hourglass_top:"
    )


def nothing(heading: str, why: str, *commands: str) -> None:
    """Say that there is nothing to show, why (which may be data), and which commands change that."""
    st.info(heading, icon=":material/info:")
    st.text(visible(why))
    if commands:
        st.caption("Run" if len(commands) == 1 else "Run one of")
        for command in commands:
            st.code(command, language=None)


def when_matched(draw: Callable[[], None], *, summed_up: bool = False) -> None:
    """Draw what rests on matched actions: at once, or as soon as they are; the page is not held up by it.

    `summed_up` waits for what is made of them after that, as `data.correlated`.
    """
    if data.correlated(summed_up=summed_up):
        draw()
        return
    waiting = "Uses are being counted" if summed_up else "Actions are being matched with decisions"

    @st.fragment(run_every="2s")
    def later() -> None:
        if data.correlated(summed_up=summed_up):
            draw()
        else:
            st.caption(f":material/hourglass_top: {waiting}; this comes by itself.")

    later()


def not_for_role() -> None:
    """In place of a page that is not for the visitor's role."""
    st.info("This page is not for your role.", icon=":material/lock:")


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
    """What came since, in words of ours; None when nothing did or it cannot be told just now."""
    try:
        news = data.news()
    except CounterfoilError:
        return None
    if news is None:
        return None
    parts = [f"{number:,} new {what}" for what, number in news.items() if number > 0]
    return "Load newest: " + (", ".join(parts) or "changes")
