"""Tables of data as grids: text made inert, times in UTC, as high as their rows up to a few."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import streamlit as st

from dashboards.words import inert

if TYPE_CHECKING:
    from collections.abc import Callable

    import pyarrow as pa

MOST_ROWS_HIGH, MOST_CHOICES_HIGH = 10, 18


def time_column(label: str, width: int = 136) -> Any:
    """A column of times, in UTC."""
    return st.column_config.DatetimeColumn(label, format="YYYY-MM-DD HH:mm:ss", timezone="UTC", width=width)


def minutes(label: str) -> Any:
    """A column of times to the minute, in UTC, for where many stand side by side."""
    return st.column_config.DatetimeColumn(label, format="YYYY-MM-DD HH:mm", timezone="UTC", width=116)


def number(label: str, width: int = 70, form: str = "localized") -> Any:
    """A column of numbers."""
    return st.column_config.NumberColumn(label, format=form, width=width)


def text(label: str, width: int) -> Any:
    """A column of text."""
    return st.column_config.TextColumn(label, width=width)


def grid(table: pa.Table, config: dict[str, Any], *, height: int = 320) -> None:
    """Show the columns that `config` names, in its order."""
    high: Any = "content" if table.num_rows <= MOST_ROWS_HIGH else height
    st.dataframe(
        inert(table),
        hide_index=True,
        placeholder="–",
        height=high,
        column_order=list(config),
        column_config=config,
    )


def choosing_grid(
    table: pa.Table, config: dict[str, Any], key: str, chosen: Callable[[int], None], *, height: int = 420
) -> None:
    """As `grid`; a click on a row, or the arrow keys, calls `chosen` with its place in the table."""

    def choose() -> None:
        cells = st.session_state[key]["selection"]["cells"]
        if cells:
            chosen(cells[0][0])

    high: Any = "content" if table.num_rows <= MOST_CHOICES_HIGH else height
    st.dataframe(
        inert(table), key=key, on_select=choose, selection_mode="single-cell", hide_index=True, placeholder="–",
        height=high, column_order=list(config), column_config=config,
    )  # fmt: skip
