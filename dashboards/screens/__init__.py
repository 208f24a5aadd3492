"""The pages, one file each; `dashboards/app.py` is the entry.

Not called `pages`: Streamlit runs the files of a folder of that name by itself, outside the entry's frame, for whoever
opens the address of a page before the entry has run once.
"""
