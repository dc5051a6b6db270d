"""All wafers of a lot, found and shown: filters, order, pages of small maps, and the table."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

import numpy as np
import pandas as pd
import streamlit as st
from numpy.typing import NDArray

from wafer_core.charts import Theme
from wafer_core.charts.maps import map_pngs
from wafer_core.lot import Wafer
from wafer_core.patterns import NORMAL, PATTERNS
from wafer_core.ui.components.gallery import Card, cards
from wafer_core.ui.shared import layout, state
from wafer_core.ui.shared.choices import segmented
from wafer_core.ui.shared.opinions import Opinions
from wafer_core.ui.shared.state import BY_MAP
from wafer_core.ui.shared.words import UNLIKE, percent, wafer_name
from wafer_core.verdicts_csv import inert

A_PAGE = 24
"""Wafers on one page of maps."""

SHOWS = {"all": "All", "unlike": UNLIKE, "differ": "Disagree", "unsure": "Unsure"}
SORTS = {
    "wafer": "As in the file",
    "id": "By lot and wafer",
    "yield": "Lowest yield first",
    "best": "Highest yield first",
    "margin": "Least certain first",
}
VIEWS = {"maps": "Maps", "table": "Table"}
ANY = "any"

PART = "wafers"
"""The part of the page with the filters and what they find."""

PAGES_SHOWN = 7
PAGER_PIXELS = 50
"""What Streamlit reckons for a number, and for an arrow, before it leaves numbers out."""
CARD_PIXELS = 208
ID_LETTER = 8
"""Pixels of a letter of an id, which are capitals and digits."""
ROW_HEIGHT = 42
HEAD_HEIGHT = 38
MOST_ROWS = 25
"""Rows of the table before it scrolls: a full cassette."""
OPENED = "table-opened"
"""Where the button of a row in the table leaves which row it is."""
_MOST_DIGITS = 19
"""Of a number within an id; a longer one is a text."""
MARKS = {"differ": "≠ the models differ", "unsure": "? a model is unsure"}
ROW_PIXELS = 72
MOST_PIXELS = 1_000 * ROW_PIXELS**2
"""Of all maps in the table together: every redraw makes the table anew, and sends it as one message."""


def browse(said: Opinions) -> NDArray[np.intp]:
    """Draw controls and wafers, and return the positions of the wafers in view.

    Once both models have answered, filters and pages redraw this part alone.
    """
    if not said.complete:
        # A fragment draws into a container of its own; what is there already stays where it is when one takes over.
        with st.container():
            return _browse(said, None)
    return st.fragment(_browse, key=PART)(said, PART)


def _browse(said: Opinions, part: str | None) -> NDArray[np.intp]:
    view, order = _controls(said, part)
    if not len(order):
        _nothing(said)
        return order
    if view == "table":
        _table(said, order)
        return order[:A_PAGE]
    slot = st.container()
    shown = _page(said, order, part)
    with slot:
        # Signs come as the models answer, and move no card from its place.
        signs = st.container()
        drawn = _cards(said, shown)
        if told := [told for mark, told in MARKS.items() if any(mark in card["marks"] for card in drawn)]:
            signs.caption(" · ".join(told))
        opened = cards(drawn, key="gallery")
    if opened is not None:
        state.go("wafer", wafer=opened)
    return shown


def select(said: Opinions, show: str, pattern: str, sort: str) -> NDArray[np.intp]:
    """Return the positions of the wafers that a choice of filters leaves, in the order chosen."""
    chosen = {"unlike": said.unlike, "differ": said.differ, "unsure": said.unsure}
    keep = chosen.get(show, np.ones(len(said.lot), dtype=bool))
    if pattern != ANY:
        keep = keep & said.detects(pattern)
    positions = np.flatnonzero(keep)
    if sort == "id":
        return np.array(sorted(positions, key=lambda i: _as_counted(said.lot.wafers[i].name)), dtype=np.intp)
    if sort in ("yield", "best"):
        yields = np.array([said.lot.wafers[i].yield_fraction for i in positions], dtype=float)
        return positions[np.argsort(yields if sort == "yield" else -yields, kind="stable")]
    if sort == "margin":
        margins = np.fmin(said.teacher.verdicts.margin, said.student.verdicts.margin)[positions]
        return positions[np.argsort(margins, kind="stable")]
    return positions


def _as_counted(name: str) -> list[tuple[int, str]]:
    """Return a key by which wafer 2 comes before wafer 10, whatever stands around their numbers."""
    parts = re.split(r"(\d+)", name)
    return [(int(part), "") if part.isdecimal() and len(part) < _MOST_DIGITS else (-1, part) for part in parts]


def chosen_order(said: Opinions) -> NDArray[np.intp]:
    """Return the positions that the filters in the address leave, for stepping from wafer to wafer."""
    pattern = state.address("pattern", ANY)
    return select(
        said,
        state.address("show", "all") or "all",
        pattern if pattern in (*PATTERNS, NORMAL) else ANY,
        state.address("sort", "wafer") or "wafer",
    )


# Controls ----------------------------------------------------------------------------------------


def _controls(said: Opinions, part: str | None) -> tuple[str, NDArray[np.intp]]:
    with st.container(horizontal=True, vertical_alignment="center", gap="xsmall"):
        show = segmented("Show", SHOWS, "show", "all", resets=("page",), part=part)
        key, changed = state.bound("pattern", [ANY, *PATTERNS, NORMAL], ANY, resets=("page",), part=part)
        pattern = st.selectbox(
            "Pattern",
            [ANY, *PATTERNS, NORMAL],
            format_func=lambda name: "Any pattern" if name == ANY else name,
            key=key,
            on_change=changed,
            width=134,
            label_visibility="collapsed",
            help="Wafers on which at least one of the two models names it.",
        )
        key, changed = state.bound("sort", SORTS, "wafer", resets=("page",), part=part)
        sort = st.selectbox(
            "Sort",
            list(SORTS),
            format_func=SORTS.__getitem__,
            key=key,
            on_change=changed,
            width=152,
            label_visibility="collapsed",
        )
        view = segmented("View", VIEWS, "view", "maps", part=part)
    return view, select(said, show, pattern, sort)


def _page(said: Opinions, order: NDArray[np.intp], part: str | None) -> NDArray[np.intp]:
    """Draw the page numbers and return the wafers of the page in view, whatever the address asks for."""
    pages = -(-len(order) // A_PAGE)
    page = min(state.whole(state.address("page")) or 1, pages)
    start, end = (page - 1) * A_PAGE, min(page * A_PAGE, len(order))
    key = f"page-{page}-of-{pages}"

    def changed() -> None:
        chosen = st.session_state[key]
        state.put(page=None if chosen == 1 else str(chosen))
        state.redraw(part)

    with st.container(horizontal=True, vertical_alignment="center"):
        found = f"of {len(order):,}" + (f" found among {len(said.lot):,}" if len(order) < len(said.lot) else "")
        st.caption(f"Wafers {start + 1:,} to {end:,} {found}", width="content")
        st.space("stretch")
        if pages > 1:
            # Left to its content, it takes the row for too narrow and shows one number alone.
            room = PAGER_PIXELS * (2 + min(pages, PAGES_SHOWN))
            st.pagination(pages, default=page, max_visible_pages=PAGES_SHOWN, width=room, key=key, on_change=changed)
    return order[start:end]


def _nothing(said: Opinions) -> None:
    if not said.complete:
        st.info("No wafer so far. The models are still reading the lot; wafers appear here as they are found.")
    elif state.address("show") == "differ" and state.address("pattern") is None:
        st.info("The models name the same patterns on every wafer of this lot.", title="No disagreements")
    elif state.address("show") == "unlike" and not said.can_flag:
        st.info("These models were made before WaferDistill could tell; choose others on the left.", title=UNLIKE)
    elif state.address("show") == "unlike" and state.address("pattern") is None:
        st.info("Neither model flags a wafer of this lot. That does not prove them ordinary.", title="Nothing flagged")
    else:
        st.info("No wafer of this lot fits these filters. Show all wafers, or any pattern, to see more.")


# Maps --------------------------------------------------------------------------------------------


# As resources: a cache of data would copy every picture of a table at each redraw.
@st.cache_resource(show_spinner=False, max_entries=2048, hash_funcs=BY_MAP)
def _pictures(wafer: Wafer, pixels: int, themes: tuple[Theme, ...], square: bool = False) -> tuple[str, ...]:
    """Return a map's pictures as `data:` addresses."""
    pictures = map_pngs(wafer.states, themes, pixels, square)
    return tuple("data:image/png;base64," + base64.b64encode(picture).decode() for picture in pictures)


def _cards(said: Opinions, shown: NDArray[np.intp]) -> list[Card]:
    address = {name: value for name, value in state.carried().items() if name != "wafer"}
    return [_card(said, int(i), address) for i in shown]


def _card(said: Opinions, i: int, address: Mapping[str, str]) -> Card:
    wafer = said.lot.wafers[i]
    light, dark = _pictures(wafer, CARD_PIXELS, ("light", "dark"))
    return Card(
        id=wafer.name,
        href="wafer?" + urlencode({**address, "wafer": wafer.name}),
        light=light,
        dark=dark,
        title=wafer_name(said.lot, wafer),
        figure=percent(wafer.yield_fraction),
        teacher=_verdict(said, i, "teacher"),
        student=_verdict(said, i, "student"),
        flag=UNLIKE if said.unlike[i] else "",
        marks=[mark for mark, on in (("differ", said.differ[i]), ("unsure", said.unsure[i])) if on],
    )


def _verdict(said: Opinions, i: int, role: str) -> str | None:
    one = said.teacher if role == "teacher" else said.student
    if not one.present[i]:
        return None
    return one.titles[i] or "no die tested"


# Table -------------------------------------------------------------------------------------------


def _table(said: Opinions, order: NDArray[np.intp]) -> None:
    opened = layout.opened_row(OPENED, [said.lot.wafers[i].name for i in order])
    frame = table(said, order, state.theme())
    if "map" not in frame:
        st.caption("The table has no maps of so many dies: find fewer wafers with the filters, or look at Maps.")
    st.dataframe(
        frame,
        hide_index=True,
        column_order=_shown(said, frame),
        height=HEAD_HEIGHT + ROW_HEIGHT * min(MOST_ROWS, len(frame)),
        row_height=ROW_HEIGHT,
        alt="Wafers of the lot with yield and the patterns both models name",
        column_config=_columns(frame),
    )
    if opened is not None:
        state.go("wafer", wafer=opened)


def _columns(frame: pd.DataFrame) -> dict[str, Any]:
    """Return how the columns are drawn, those of ids and answers as wide as what stands in them."""
    answers = wide(frame[["teacher", "student"]])
    return {
        # A selected cell would not do to open a wafer: sorting by a column selects one as well.
        "open": st.column_config.ButtonColumn("", key=OPENED, type="tertiary", pinned=True, width=70),
        # Narrow enough for a small screen; on a larger one each grows as much.
        "lot": st.column_config.TextColumn("Lot", pinned=True, width=wide(frame[["lot"]], 78, ID_LETTER)),
        "wafer": st.column_config.TextColumn("Wafer", pinned=True, width=wide(frame[["wafer"]], 52, ID_LETTER)),
        "map": st.column_config.ImageColumn("Map", width=46),
        "yield": st.column_config.NumberColumn("Yield", format="%.1f %%", width=66),
        "flag": st.column_config.TextColumn(
            "Flag", width=58, help=f"{UNLIKE}: look at the map before you trust the patterns."
        ),
        "teacher": st.column_config.TextColumn("Teacher", width=answers),
        "student": st.column_config.TextColumn("Student", width=answers),
        "agreement": st.column_config.TextColumn("Models", width=104),
        "margin": st.column_config.NumberColumn(
            "Margin",
            format="%.2f",
            width=60,
            help="The smaller of both models' margins, in logits: how far the answer is from the next best.",
        ),
        "novelty": st.column_config.NumberColumn(
            "Novelty",
            format="%.2f",
            width=64,
            help="The larger of both models': how far the wafer is from all they were taught on. "
            "One ordinary wafer in a hundred is above 1, where the flag begins.",
        ),
        "dies": st.column_config.NumberColumn("Dies", format="localized", width=64),
    }


def _shown(said: Opinions, frame: pd.DataFrame) -> list[str]:
    """Return the columns worth their width in this lot."""
    idle = {"lot": len(said.lot.lots) == 1, "flag": not frame["flag"].any(), "novelty": not said.can_flag}
    return [str(name) for name in frame if not idle.get(str(name))]


def wide(texts: pd.DataFrame, least: int = 80, letter: int = 6) -> int:
    """Return how many pixels a column needs for the longest of these texts, within what two of them may take.

    Args:
        texts: what stands in it.
        least: pixels that its title needs.
        letter: pixels of a letter.
    """
    longest = max((len(text) for text in texts.fillna("").to_numpy().ravel()), default=0)
    return min(max(least, 18 + letter * longest), 190)


def table(said: Opinions, order: NDArray[np.intp], theme: Theme) -> pd.DataFrame:
    """Return the wafers in view as rows: ids, picture, yield and what both models say.

    There are no pictures where they would have more than `MOST_PIXELS` together.
    """
    wafers = [said.lot.wafers[i] for i in order]
    margins = np.fmin(said.teacher.verdicts.margin, said.student.verdicts.margin)[order]
    few = sum(max(ROW_PIXELS, *wafer.frame.shape) ** 2 for wafer in wafers) <= MOST_PIXELS
    pictures = {"map": [_pictures(wafer, ROW_PIXELS, (theme,), square=True)[0] for wafer in wafers]} if few else {}
    return pd.DataFrame(
        {
            "open": [":material/open_in_new: Open"] * len(wafers),
            # The table can be downloaded as it is.
            "lot": [inert(wafer.lot) for wafer in wafers],
            "wafer": [inert(wafer.wafer) for wafer in wafers],
            **pictures,
            "yield": [None if wafer.yield_fraction is None else 100 * wafer.yield_fraction for wafer in wafers],
            "flag": ["unlike" if said.unlike[i] else "" for i in order],
            "teacher": [_verdict(said, int(i), "teacher") for i in order],
            "student": [_verdict(said, int(i), "student") for i in order],
            "agreement": [_agreement(said, int(i)) for i in order],
            "margin": margins,
            "novelty": np.fmax(said.teacher.verdicts.novelty, said.student.verdicts.novelty)[order],
            "dies": [wafer.dies for wafer in wafers],
        }
    )


def _agreement(said: Opinions, i: int) -> str:
    if not said.compared[i]:
        return ""
    return ("differ" if said.differ[i] else "agree") + (", unsure" if said.unsure[i] else "")
