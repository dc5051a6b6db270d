"""What a page stands on: the address, the workspace, the lot in hand and the two models compared.

The address is the only memory of a view. Every widget that changes one reads its value from the
address before it is drawn and writes it back when it is turned, so a link, a refresh and the
browser's back button all reopen the same view.
"""

from __future__ import annotations

import gc
from collections import deque
from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import dataclass
from operator import attrgetter
from typing import Any, Literal, NoReturn

import streamlit as st
from streamlit.errors import StreamlitAPIException

from wafer_core.charts import Role, Theme
from wafer_core.errors import UnknownModel, WaferDistillError
from wafer_core.lot import Lot, Wafer
from wafer_core.models.folder import ModelFile
from wafer_core.ui.shared.words import plain
from wafer_core.workspace import LotRow, Workspace

Page = Literal["lot", "wafer", "compare", "distill"]

PAGES: dict[Page, tuple[str, str, str]] = {
    "lot": ("pages/lot.py", "Lot", ":material/grid_view:"),
    "wafer": ("pages/wafer.py", "Wafer", ":material/blur_circular:"),
    "compare": ("pages/compare.py", "Compare", ":material/balance:"),
    "distill": ("pages/distill.py", "Distill", ":material/science:"),
}
"""Every page: its script, its title and its icon."""

IN_HAND = ("lot", "wafer", "teacher", "student")
"""What every page stands on, in the address."""

CHOSEN: dict[Page, tuple[str, ...]] = {
    "lot": ("show", "pattern", "sort", "view", "page", "grid", "stack", "stackgrid"),
    "wafer": ("method", "strength", "colour"),
    "compare": ("set", "students", "score", "bar", "who", "archived"),
    "distill": (
        "size",
        "time",
        "start",
        "views",
        "pool",
        "beside",
        "seed",
        "below",
        "without",
        "run",
        "beside-runs",
        "file",
        "changed",
        "than",
    ),
}
"""What is chosen on each page and stands in the address on all, so that coming back finds it; no name means two things.

Left where it was: what is being asked (`upload`, `approve`), flipped dies, which may be long, and pages of short lists.
"""

CARRIED = (*IN_HAND, *(name for names in CHOSEN.values() for name in names))
"""The parameters that go along from page to page."""

OF_A_LOT = ("wafer", "page", "pattern", "show", "grid", "stackgrid")
"""Those that say something of one lot alone, and are reset when another is taken in hand."""

LINKS = "links"
"""The part of the page whose links carry the address along."""

MOST_DIGITS = 9
"""Of a number in the address; none that is counted here has more."""

UNHEARD = 8
"""So many of the last addresses are remembered, for a browser that has not heard of the newest."""

DEFAULTS: dict[Role, str] = {"teacher": "teacher", "student": "approved"}
"""The models a page compares unless the address names others."""


def navigation() -> st.Page:
    """Tell Streamlit the pages and return the one that the address asks for."""
    st.session_state["entered"] = True
    _arrive()
    pages = [_page(name) for name in PAGES]
    # The default page answers to the bare address alone, whatever path it has, but `/lot` is what one types.
    typed = st.Page(PAGES["lot"][0], title="Lot", url_path="lot")
    asked = st.navigation([*pages, typed], position="hidden")
    if asked == typed:
        st.switch_page(pages[0], query_params=st.query_params.to_dict())
    return asked


def _page(name: Page) -> st.Page:
    script, title, _ = PAGES[name]
    path = "start" if name == "lot" else name
    # No icon here: it would become the tab's, which a browser fetches from an outside font host.
    return st.Page(script, title=title, url_path=path, default=name == "lot")


def _enter() -> None:
    """Go through `app.py` where a page was run without it.

    Streamlit takes a folder named `pages` for its older kind of app until a server's first
    `st.navigation`, and until then runs the page of an address alone.
    """
    if "entered" not in st.session_state:
        navigation()
        st.rerun()


# The address -------------------------------------------------------------------------------------


def address(name: str, default: str | None = None) -> str | None:
    """Return a parameter of the address, or `default` where it is absent or empty."""
    return st.query_params.get(name) or default


def whole(text: str | None) -> int | None:
    """Return the whole number from 0 on that a part of the address is, or None where it is none.

    Of more digits than any page, place or run has it is none either: Python refuses to read thousands of them.
    """
    return int(text) if text is not None and text.isdecimal() and len(text) <= MOST_DIGITS else None


def put(**parameters: str | None) -> None:
    """Write parameters into the address, all at once; None takes one out."""
    catch_up()
    before = st.query_params.to_dict()
    after = {name: value for name, value in {**before, **parameters}.items() if value is not None}
    if after != before:
        _unheard().append(before)
        # First, as Streamlit may end a run where the address is told.
        st.session_state["address"] = after
        st.query_params.from_dict(after)


def turn(*resets: str, **chosen: str | None) -> None:
    """In a widget's callback: put what it was turned to, and take the parameters in `resets` away.

    A browser that lags sends all its widgets as they were, and those that have changed meanwhile call back as
    well. What the address that came along says already was not turned.
    """
    sent = _sent()
    catch_up()
    if any((sent.get(name) or None) != value for name, value in chosen.items()) and not left_behind():
        put(**chosen, **dict.fromkeys(resets))


def _sent() -> dict[str, str]:
    """Return the address that the callbacks of this run came with."""
    sent: dict[str, str] = st.session_state.setdefault("sent", st.query_params.to_dict())
    return sent


def _arrive() -> None:
    """Begin to draw at an address: where it is none that a callback caught up with, the engineer went there himself."""
    _drawn()
    if left_behind():
        _unheard().clear()
    st.session_state["address"] = st.query_params.to_dict()


def _drawn() -> None:
    """Forget the address that callbacks came with: they are through once something is drawn."""
    st.session_state.pop("sent", None)


def _unheard() -> deque[dict[str, str]]:
    """Return the addresses that the newest one replaced since the engineer last went to one himself, oldest first."""
    addresses: deque[dict[str, str]] = st.session_state.setdefault("unheard", deque(maxlen=UNHEARD))
    return addresses


def catch_up() -> None:
    """In a widget's callback, go back to the address that was put last if the browser had not heard of it yet.

    Of two quick choices the second one comes with the address from before the first. One that is made so soon after
    the browser's way back that both arrive as one looks the same, and undoes that way.
    """
    if left_behind() and st.query_params.to_dict() in _unheard():
        _sent()
        st.query_params.from_dict(st.session_state["address"])


def left_behind() -> bool:
    """Return whether this run was asked for by a page that has been left meanwhile.

    A timer in the browser may fire just before the browser hears of a new address. What it then
    brings, the address and the widgets' values, is the old page's, and must not bring that page back.
    """
    return bool(st.session_state.get("address") != st.query_params.to_dict())


def carried(**changes: str | None) -> dict[str, str]:
    """Return what a link takes along, with `changes` applied; None leaves one out, another lot all of `OF_A_LOT`."""
    kept = {name: st.query_params.get(name) for name in CARRIED}
    if changes.get("lot", kept["lot"]) != kept["lot"]:
        kept |= dict.fromkeys(OF_A_LOT)
    return {name: value for name, value in {**kept, **changes}.items() if value}


def link(page: Page, label: str | None = None, quiet: bool = False, **changes: str | None) -> None:
    """Draw a link to a page that keeps what is in hand and what was chosen, with `changes` applied.

    A `quiet` one is words alone, for lists of many.
    """
    _, title, icon = PAGES[page]
    sign = None if quiet else icon
    st.page_link(_page(page), label=label or title, icon=sign, query_params=carried(**changes))


def go(page: Page, **changes: str | None) -> NoReturn:
    """Open a page, keeping what is in hand and what was chosen, with `changes` applied."""
    st.switch_page(PAGES[page][0], query_params=carried(**changes))


def bound(
    name: str,
    allowed: Collection[str],
    default: str,
    resets: tuple[str, ...] = (),
    part: str | None = None,
    strict: bool = False,
) -> tuple[str, Callable[[], None]]:
    """Tie a widget to the parameter `name`: return its key and its `on_change`.

    The widget's options are the strings of `allowed`; anything else in the address falls back to
    `default`, which itself is not written out. A change takes the parameters in `resets` away and
    redraws the page, or only one `part` of it. Where it is `strict`, an address that says anything
    else leaves nothing chosen: the page cannot be drawn then, and even the default is a choice to make.

    ```python
    key, changed = bound("sort", SORTS, "wafer", resets=("page",))
    sort = st.selectbox("Sort", list(SORTS), format_func=SORTS.get, key=key, on_change=changed)
    ```
    """
    _drawn()
    key = f"address-{name}"
    asked = address(name, default)
    st.session_state[key] = asked if asked in allowed else None if strict else default

    def changed() -> None:
        chosen = st.session_state[key] or default
        wanted = None if chosen == default else str(chosen)
        if chosen in allowed:
            turn(*resets, **{name: wanted})
        redraw(part)

    return key, changed


def redraw(part: str | None) -> None:
    """End a widget's callback by redrawing one part of the page, a keyed fragment, and the links that lead on.

    Without a part, or where the page was not drawn to its end and does not know it yet, all is redrawn.
    """
    if part is not None:
        with suppress(StreamlitAPIException):
            st.rerun([part, LINKS])


def theme() -> Theme:
    """Return whether the page is light or dark."""
    return "dark" if st.context.theme.type == "dark" else "light"


# What lasts --------------------------------------------------------------------------------------


@st.cache_resource(show_spinner=False)
def workspace() -> Workspace:
    """Return the one workspace of this server."""
    opened = Workspace()
    _spare()
    return opened


def check_workspace() -> None:
    """Stop the page with a sentence where the workspace cannot be opened."""
    try:
        workspace()
    except WaferDistillError as problem:
        st.error(plain(problem), title="The workspace cannot be opened")
        st.stop()


def _spare() -> None:
    """Keep what is loaded by now out of the garbage collection that Streamlit runs after every rerun.

    What was kept out before and has been let go since is freed: sessions end, and lots make place for others.
    """
    gc.unfreeze()
    gc.collect()
    gc.freeze()


def load_lot(lot_id: str) -> Lot:
    """Return a lot of the workspace, read once; again where labels came meanwhile, which are outside its id."""
    return _lot(lot_id, workspace().lot_file(lot_id))


@st.cache_resource(show_spinner=False, max_entries=8)
def _lot(lot_id: str, file: str) -> Lot:
    lot = workspace().lot(lot_id)
    _spare()
    return lot


BY_MAP: dict[str | type[Any], Callable[[Any], Any]] = {Wafer: attrgetter("map_hash")}
"""How a cache knows the wafers it is asked for: one that is a key itself stays in memory with all its cells."""


@dataclass(frozen=True)
class Hand:
    """What the engineer holds: a lot, the teacher and the student it is looked at with."""

    lot_id: str
    row: LotRow
    teacher: ModelFile
    student: ModelFile

    @property
    def lot(self) -> Lot:
        """The lot itself."""
        return load_lot(self.lot_id)


def in_hand() -> Hand:
    """Return the lot and models the address names; without a lot in it, the first bundled one.

    Stops the page with a sentence where one of them cannot be found.
    """
    _enter()
    _arrive()
    store = workspace()
    rows = {row.id: row for row in store.lots()}
    asked = address("lot")
    if asked is not None and asked not in rows:
        st.error(
            f"No lot in this workspace has the id {plain(asked)}. It may have been opened on another machine; "
            "choose a lot on the left or upload the files again there.",
            title="This lot is not here",
        )
        st.stop()
    if not rows:
        st.info("Upload a wafer lot on the left to begin: die lists, grids or arrays.", title="There is no lot yet")
        st.stop()
    row = rows[asked] if asked else next(iter(rows.values()))
    put(lot=row.id)
    _check_whole(row)
    return Hand(row.id, row, model_in_hand("teacher"), model_in_hand("student"))


def _check_whole(row: LotRow) -> None:
    """Stop the page with a sentence where the lot's stored copy cannot be read."""
    try:
        load_lot(row.id)
    except WaferDistillError as problem:
        st.error(plain(problem), title="This lot cannot be read")
        st.stop()


def model_in_hand(role: Role) -> ModelFile:
    """Return the model file the address names for a role, or the role's default.

    Stops the page with a sentence where it cannot be used.
    """
    try:
        asked = address(role)
        model = workspace().model(asked or DEFAULTS[role])
        if model.role != role:
            raise UnknownModel(f"{asked} is no {role}; choose one on the left.")
        model.known()  # a damaged reference is told here, and not where a verdict is drawn
    except WaferDistillError as problem:
        st.error(plain(problem), title=f"The {role} cannot be used")
        st.stop()
    return model
