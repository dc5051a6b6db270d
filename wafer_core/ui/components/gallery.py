"""The gallery's clickable cards.

Each card is a link, so it is reached by keyboard, opens in a new tab, and says its name to a
screen reader; a plain click opens the wafer in place.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypedDict, cast

from wafer_core.ui.components import element, stamped


class Card(TypedDict):
    """One wafer as the gallery shows it; the pictures are `data:` addresses for both themes.

    `flag` stands before all that is said of the wafer, and is empty for most. `teacher` and `student`
    are a verdict as text, or None while there is none; `marks` holds `differ` and `unsure` where they
    make a wafer worth a look.
    """

    id: str
    href: str
    light: str
    dark: str
    title: str
    figure: str
    flag: str
    teacher: str | None
    student: str | None
    marks: list[str]


_gallery = element("gallery", '<div class="gallery" role="group" aria-label="Wafers"></div>')


def cards(wafers: Sequence[Card], key: str) -> str | None:
    """Draw wafers as cards and return the id of the one that was just clicked."""
    result = _gallery(data=stamped(key, {"cards": list(wafers)}), key=key, on_opened_change=lambda: None)
    return cast("str | None", result.opened)
