"""The Streamlit dashboard: one entry, one file per page, charts as pure functions."""
