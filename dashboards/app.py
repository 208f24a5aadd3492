"""The entry of the dashboard, which `counterfoil dashboard` starts."""

from __future__ import annotations

import streamlit as st

from dashboards.frame import frame

# A picture of our own: an icon by name, or an emoji, would be fetched from a host elsewhere.
ICON = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16"><rect x="1" y="2" width="14" height="12" rx="2" '
    'fill="#0b5fb0"/><path d="M6 2v12" stroke="#fff" stroke-dasharray="2 1.4"/></svg>'
)

st.set_page_config(page_title="Counterfoil", page_icon=ICON, layout="wide")

page = st.navigation(
    [
        st.Page("screens/findings.py", title="Findings", icon=":material/flag:", default=True),
        st.Page("screens/chain.py", title="Chain", icon=":material/account_tree:", url_path="chain"),
        st.Page("screens/privileges.py", title="Privileges", icon=":material/key:", url_path="privileges"),
        st.Page("screens/health.py", title="Health", icon=":material/monitor_heart:", url_path="health"),
    ],
    position="top",
)
frame(page.title, page.run)
