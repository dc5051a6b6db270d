"""What most runs leave alone: where a student starts, how views vary, what joins the lot, what is left out, the seed.

Each choice stands in the address. Wafers left out are named there by their places in the lot, behind
the head of its id, so that they mean nothing once another lot is in hand.
"""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from wafer_core.models.folder import ModelFile
from wafer_core.ui.compare.comparison import measured_on
from wafer_core.ui.distill import sizes
from wafer_core.ui.shared import lot_picker, state
from wafer_core.ui.shared.words import count, wafer_name
from wafer_core.workspace import LotRow

VIEWS = {"0": "none", "0.5": "weak", "1": "usual", "2": "strong"}
"""How strongly views differ from the wafers they are of, and what that is called."""

POOLS = {
    "shipped": "shipped wafers",
    "lots": "other lots",
    "both": "other lots and shipped wafers",
    "none": "nothing",
}
"""What can be learned beside a lot."""

BESIDE = (
    "So that a small lot does not make the student forget. "
    "512 real wafers ship, without labels, and simulated ones are drawn."
)

BELOW = {"0": "none", "10": "under 10 %", "25": "under 25 %", "50": "under 50 %", "75": "under 75 %"}
"""Yields, in percent, under which wafers are left out."""

SHIPPED, RANDOM = "shipped", "random"
"""Where a student starts unless told otherwise, and where one starts that is to know nothing."""

SEEDS = [str(seed) for seed in range(10)]
HEAD = 6
"""Letters of a lot's id that stand before the places of its wafers."""


def draw(hand: state.Hand, size: str) -> None:
    """Draw the choices."""
    with st.container(horizontal=True):
        _choice("Starts from", _starts(size), "start", SHIPPED, width=250)
        _choice("Variation of the wafers", VIEWS, "views", "1", width=190)
        _choice("Learned beside the lot", POOLS, "pool", "shipped", width=280, help=BESIDE)
        key, changed = state.bound("seed", SEEDS, "0")
        help_ = "The same seed and steps repeat a run."
        st.selectbox("Seed", SEEDS, key=key, on_change=changed, help=help_, width=100)
    if pool() in ("lots", "both"):
        _other_lots(hand)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        _wafers(hand)
        _choice("Leave out yields", BELOW, "below", "0", width=170)
    left = left_out(hand)
    if left:
        st.caption(f"{count(len(left), 'wafer')} left out: neither learned from nor held out to check the student.")


def chosen(hand: state.Hand, size: str) -> dict[str, object]:
    """Return the settings of the address that differ from what is usual."""
    found: dict[str, object] = {}
    begins, shipped = start(size), sizes.shipped(size)
    if begins is None and shipped is not None:
        found["fresh"] = True
    elif begins is not None and begins != shipped:
        found["start"] = str(begins.folder)
    if (views := state.address("views")) in VIEWS and views != "1":
        found["augmentation"] = float(views)
    if pool() != "shipped":
        found["pool"] = pool()
    if pool() in ("lots", "both"):
        found["pool_lots"] = beside(hand)
    if names := left_out(hand):
        found["without"] = list(names)
    if (seed := state.address("seed")) in SEEDS and seed != "0":
        found["seed"] = int(seed)
    return found


def start(size: str) -> ModelFile | None:
    """Return the student that a run of this size goes on from, as the address has it; None is random weights."""
    asked = state.address("start", SHIPPED)
    if asked == RANDOM:
        return None
    named = next((model for model in sizes.beginnings(size) if model.folder.name == asked), None)
    return named or sizes.shipped(size)


def usual_start(size: str) -> str:
    """Return where a student of this size starts unless another start is chosen, in words."""
    shipped = sizes.shipped(size)
    return f"the shipped {_called(size, shipped)}" if shipped else "random weights"


def start_not_offered(size: str) -> str | None:
    """Return the start that the address names and no run of this size can have, or None where it names none such."""
    asked = state.address("start", SHIPPED)
    return None if asked in _starts(size) else asked


def pool() -> str:
    """Return what is learned beside the lot, a key of `POOLS`."""
    asked = state.address("pool")
    return asked if asked in POOLS else "shipped"


def beside(hand: state.Hand) -> list[str]:
    """Return the other lots the address names, by id, whether a pool takes them or not."""
    asked = (state.address("beside") or "").split(".")
    known = {row.id for row in _others(hand)}
    return [lot_id for lot_id in dict.fromkeys(asked) if lot_id in known]


def left_out(hand: state.Hand) -> tuple[str, ...]:
    """Return the names of the wafers that are left out, one by one or for their yield."""
    lot, below = hand.lot, state.address("below")
    limit = int(below) / 100 if below in BELOW else 0.0
    single = set(_places(hand))
    return tuple(
        wafer.name
        for place, wafer in enumerate(lot)
        if wafer.scorable and (place in single or (wafer.yield_fraction or 0.0) < limit)
    )


def _starts(size: str) -> dict[str, str]:
    """Return where a student of this size can start, by what the address says, in words."""
    shipped = sizes.shipped(size)
    made = {model.folder.name: _called(size, model) for model in sizes.beginnings(size) if model != shipped}
    return {SHIPPED: usual_start(size), **made, **({RANDOM: "random weights"} if shipped else {})}


def _called(size: str, begins: ModelFile) -> str:
    return f"{begins.name}, grown" if sizes.grows(size, begins) else begins.name


def _other_lots(hand: state.Hand) -> None:
    rows = _others(hand)
    named, wafers = lot_picker.labels(rows), {row.id: row.wafers for row in rows}
    key = "beside"
    st.session_state[key] = beside(hand)
    st.multiselect(
        "Other lots",
        [row.id for row in rows],
        format_func=lambda lot_id: f"{named[lot_id]} · {count(wafers[lot_id], 'wafer')}",
        key=key,
        on_change=lambda: state.put(beside=".".join(st.session_state[key]) or None),
        placeholder="Choose at least one",
        help="No label of theirs is read, and no wafer of theirs that is also in the lot in hand is learned from.",
    )


def _others(hand: state.Hand) -> list[LotRow]:
    """Return the lots that a student may learn from beside the one in hand: none by whose wafers it is judged."""
    barred = {hand.lot_id, *measured_on()}
    return [row for row in state.workspace().lots() if row.id not in barred]


def _wafers(hand: state.Hand) -> None:
    lot, key = hand.lot, f"without-{hand.lot_id}"
    st.session_state[key] = _places(hand)
    st.multiselect(
        "Leave wafers out",
        [place for place, wafer in enumerate(lot) if wafer.scorable],
        format_func=lambda place: wafer_name(lot, lot.wafers[place]),
        key=key,
        on_change=lambda: state.put(without=_written(hand.lot_id, st.session_state[key])),
        placeholder="None",
        width=520,
        help="Neither learned from nor held out: a wafer of another product, an aborted test.",
    )


def _places(hand: state.Hand) -> list[int]:
    """Return the places in the lot that the address leaves out one by one."""
    head, _, places = (state.address("without") or "").partition("-")
    if head != hand.lot_id[:HEAD]:
        return []
    found = {place for text in places.split(".") if (place := state.whole(text)) is not None}
    wafers = hand.lot.wafers
    return sorted(place for place in found if place < len(wafers) and wafers[place].scorable)


def _written(lot_id: str, places: Sequence[int]) -> str | None:
    return f"{lot_id[:HEAD]}-{'.'.join(map(str, sorted(places)))}" if places else None


def _choice(label: str, words: dict[str, str], parameter: str, usual: str, width: int, help: str | None = None) -> None:
    key, changed = state.bound(parameter, words, usual)
    st.selectbox(label, list(words), format_func=words.__getitem__, key=key, on_change=changed, width=width, help=help)
