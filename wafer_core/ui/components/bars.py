"""Bars of patterns with their numbers, which are text and can be read aloud."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from wafer_core.charts.bars import Row
from wafer_core.ui.components import element, stamped

_bars = element("bars", '<div class="bars"></div>')


def bars(rows: Sequence[Row], key: str, alt: str, gap: str = "0.5rem", pick: bool = False) -> str | None:
    """Draw rows of bars; with `pick` return the name of the row that was just clicked."""
    roles = list(dict.fromkeys(bar["role"] for row in rows for bar in row["bars"]))
    data = {"rows": list(rows), "roles": roles, "alt": alt, "gap": gap, "pick": pick}
    result = _bars(data=stamped(key, data), key=key, on_picked_change=lambda: None)
    return cast("str | None", result.picked)
