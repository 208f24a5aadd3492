"""Back to the address that was asked for, after a login: the provider leads to the first page only.

The browser keeps the address for as long as its tab lives, under our own origin. These two scripts are the only ones
that pages run; nothing of a record is in them.
"""

from __future__ import annotations

import streamlit as st

_KEEP = """
<script>
if (location.search || location.pathname.length > 1)
  sessionStorage.setItem("counterfoil-asked-for", location.pathname + location.search);
</script>
"""
_GO = """
<script>
{
  const asked = sessionStorage.getItem("counterfoil-asked-for");
  sessionStorage.removeItem("counterfoil-asked-for");
  const address = asked && new URL(asked, location.origin);
  if (address && address.origin === location.origin && address.href !== location.href) location.replace(address.href);
}
</script>
"""


def keep_asked() -> None:
    """Have the browser keep the address, for one who has to log in first."""
    st.html(_KEEP, unsafe_allow_javascript=True)


def go_where_asked() -> None:
    """Have the browser go to the address that it kept, once, for one who has logged in."""
    with st.container(height=1, border=False):
        st.html(_GO, unsafe_allow_javascript=True)
