"""Who looks at a page: asked anew at each look, since the login itself is not.

A login lasts in the browser as a signed cookie, with the claims of the moment at which it was made. So the role is not
kept with it: it comes from the access file, as that is now.
"""

from __future__ import annotations

import logging
import time
from functools import cache
from typing import TYPE_CHECKING

import streamlit as st

from dashboards.roles import AccessFileError, NoAccess, actor_of
from dashboards.way_back import keep_asked
from dashboards.words import one_line, visible
from schemas.actor import Actor, local_operator

if TYPE_CHECKING:
    from dashboards.roles import Claims
    from schemas.dashboard_settings import LoginSettings
    from schemas.errors import CounterfoilError


def visitor(login: LoginSettings, name: str = "") -> Actor:
    """Who looks at the page. Without a login that is the local operator, by the name that they gave.

    Raises NoAccess for one who may see nothing, AccessFileError where nobody may.
    """
    return actor_of(_claims(), login, time.time()) if login.on else local_operator(name)


def turn_away(error: CounterfoilError) -> None:
    """The page of one who may see nothing: why, and the way in, or out."""
    st.title("Counterfoil", anchor=False)
    if isinstance(error, AccessFileError):
        _tell_operator(str(error))
        st.error("Nobody can come in just now: the access file cannot be used.", icon=":material/error:")
        return
    if not isinstance(error, NoAccess):
        st.error("This page cannot be shown.", icon=":material/error:")
        st.text(visible(str(error)))
        return
    if not _claims():
        st.text("Log in to see findings.")
        keep_asked()
        if st.button("Log in", key="log-in", icon=":material/login:"):
            st.login()
        return
    st.warning("You may not see anything here.", icon=":material/lock:")
    st.text(visible(str(error)))
    _log_out()


def show_visitor(actor: Actor) -> None:
    """Who is logged in, as what, and the way out."""
    with st.popover(actor.role, icon=":material/person:"):
        st.text(one_line(actor.who))
        if actor.tenants is not None:
            st.text(f"tenants: {', '.join(one_line(each, cut=60) for each in sorted(actor.tenants))}")
        _log_out()


def _log_out() -> None:
    if st.button("Log out", key="log-out", icon=":material/logout:"):
        st.logout()


@cache
def _tell_operator(message: str) -> None:
    """Say it once where the dashboard was started, since a visitor is shown no internals."""
    logging.getLogger("counterfoil").log(logging.ERROR, "%s", message)


def _claims() -> Claims:
    claims: Claims = st.user.to_dict()
    return claims if claims.get("is_logged_in") is True else {}
