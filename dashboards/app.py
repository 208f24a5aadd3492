"""The entry of the dashboard, which `counterfoil dashboard` starts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from dashboards import data
from dashboards.access import turn_away
from dashboards.frame import frame, not_for_role
from schemas.errors import CounterfoilError

if TYPE_CHECKING:
    from streamlit.navigation.page import StreamlitPage

    from schemas.actor import Actor

# A picture of our own: an icon by name, or an emoji, would be fetched from a host elsewhere.
ICON = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16"><rect x="1" y="2" width="14" height="12" rx="2" '
    'fill="#0b5fb0"/><path d="M6 2v12" stroke="#fff" stroke-dasharray="2 1.4"/></svg>'
)

# The file of each page, and its icon in the menu; one without is reached by links.
PAGES = {
    "overview": ":material/dashboard:",
    "queue": ":material/flag:",
    "finding": None,
    "chain": ":material/account_tree:",
    "agents": ":material/smart_toy:",
    "privileges": ":material/key:",
    "decisions": ":material/gavel:",
    "rules": ":material/rule:",
    "health": ":material/monitor_heart:",
    "sql": ":material/database:",
}

st.set_page_config(page_title="Counterfoil", page_icon=ICON, layout="wide")


def allowed(title: str, actor: Actor) -> bool:
    """Whether a page is for that visitor. What a page reads is guarded by itself; this spares them an empty one."""
    if title == "SQL":
        return actor.may("sql")
    return title != "Health" or actor.tenants is None


def pages(actor: Actor | None) -> list[StreamlitPage]:
    """All pages, so that every address leads somewhere; in the menu are those that are for the visitor."""
    found = []
    for name, icon in PAGES.items():
        title = name.upper() if name == "sql" else name.title()
        shown = icon is not None and actor is not None and allowed(title, actor)
        found.append(
            st.Page(
                f"screens/{name}.py", title=title, icon=icon, url_path=name, default=name == "queue",
                visibility="visible" if shown else "hidden",
            )
        )  # fmt: skip
    return found


try:
    visitor = data.actor()
except CounterfoilError as error:
    st.navigation(pages(None), position="hidden")
    turn_away(error)
else:
    page = st.navigation(pages(visitor), position="top")
    frame(page.title, page.run if allowed(page.title, visitor) else not_for_role, visitor)
