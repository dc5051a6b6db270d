"""How lists and charts lie on every page: a page of lines at a time, tables that scroll, charts without tools."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

import pandas as pd
import streamlit as st

from wafer_core.ui.shared import state

LINES = 8
"""Lines of a list on one page."""

CHART = {"displayModeBar": False}
"""What Plotly is told of every chart: its own tools would lie over it."""

ROW_HEIGHT, HEAD_HEIGHT, MOST_ROWS = 33, 36, 12
"""Pixels of a table's row and of its head at the theme's font size, and the rows that are shown whole."""

_SCROLLING = HEAD_HEIGHT + ROW_HEIGHT * MOST_ROWS + ROW_HEIGHT // 2

Line = TypeVar("Line")


def table_height(frame: pd.DataFrame) -> int:
    """Return how many pixels a table of plain rows is high; a longer one scrolls, and half a row says so."""
    return HEAD_HEIGHT + ROW_HEIGHT * len(frame) if len(frame) <= MOST_ROWS else _SCROLLING


def opened_row(key: str, rows: Sequence[Line]) -> Line | None:
    """Return the row of a table whose button was pressed, or None, and remember the rows that are drawn now.

    What arrives meanwhile may put others in their places, and the button counts by what stood there when it was drawn.

    Args:
        key: of the buttons' column.
        rows: what each row is known by, in the order they are drawn in now.
    """
    pressed, drawn = st.session_state.get(key), st.session_state.get(f"{key}-rows", ())
    st.session_state[f"{key}-rows"] = tuple(rows)
    return drawn[pressed.row] if pressed is not None and pressed.row < len(drawn) else None


def paged(lines: Sequence[Line], parameter: str) -> tuple[Sequence[Line], Callable[[], None]]:
    """Return the lines of the page that the address asks for, and what draws the page numbers.

    Args:
        lines: all of them.
        parameter: of the address, which holds the page, counted from 1.
    """
    pages = max(1, -(-len(lines) // LINES))
    at = max(1, min(state.whole(state.address(parameter)) or 1, pages))
    key = f"{parameter}-page"

    def numbers() -> None:
        if pages > 1:
            st.session_state[key] = at
            st.pagination(pages, key=key, on_change=lambda: state.put(**{parameter: str(st.session_state[key])}))

    return lines[(at - 1) * LINES :][:LINES], numbers
