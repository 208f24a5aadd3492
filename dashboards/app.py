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
        st.Page("screens/overview.py", title="Overview", icon=":material/dashboard:", url_path="overview"),
        st.Page("screens/queue.py", title="Queue", icon=":material/flag:", default=True),
        st.Page("screens/finding.py", title="Finding", url_path="finding", visibility="hidden"),
        st.Page("screens/chain.py", title="Chain", icon=":material/account_tree:", url_path="chain"),
        st.Page("screens/agents.py", title="Agents", icon=":material/smart_toy:", url_path="agents"),
        st.Page("screens/privileges.py", title="Privileges", icon=":material/key:", url_path="privileges"),
        st.Page("screens/decisions.py", title="Decisions", icon=":material/gavel:", url_path="decisions"),
        st.Page("screens/rules.py", title="Rules", icon=":material/rule:", url_path="rules"),
        st.Page("screens/health.py", title="Health", icon=":material/monitor_heart:", url_path="health"),
        st.Page("screens/sql.py", title="SQL", icon=":material/database:", url_path="sql"),
    ],
    position="top",
)
frame(page.title, page.run)
