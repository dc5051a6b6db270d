"""The engineer's own check: dies flipped on the map, never in the stored lot, and both models answering at once.

The flips stand in the address, step by step, as long as they are short enough for one; longer ones
live in the session alone. Stepping to another wafer leaves them behind.
"""

from __future__ import annotations

from collections.abc import Sequence
from secrets import token_hex

import streamlit as st

from wafer_core import jobs
from wafer_core.charts.dies import flip_colours, flipped_key
from wafer_core.decode import Verdicts
from wafer_core.lot import Wafer
from wafer_core.ui.components.dies import Trial
from wafer_core.ui.shared import opinions, state
from wafer_core.ui.shared.opinions import Opinions
from wafer_core.ui.shared.words import plain, shortened
from wafer_core.ui.wafer import patience
from wafer_core.ui.wafer.attempt import Attempt, named_dies
from wafer_core.workspace import ENDED, JobRow

ADDRESS = "flips"
MAP = "die-map"
"""The element whose dies are flipped."""

TYPED, MISSED = "flip-typed", "flip-missed"
MOST_MISSED = 80
"""Letters of what names no die that are said again."""

HELP = (
    "Try what the models would say. Click a die: a failing one passes, a passing one fails. Drag over dies: all "
    "failing ones pass; drag again and they fail again. Shift and drag looks closer. On the keyboard, arrow keys "
    "choose a die and Enter flips it."
)
STAYS = "The stored lot stays as it is, and so do the overlays below, which explain it."


# The flips ---------------------------------------------------------------------------------------


def attempt(wafer: Wafer) -> Attempt | None:
    """Return what is flipped on a wafer by now, or None where dies are not to be flipped."""
    found = Attempt.read(state.address(ADDRESS), wafer)
    kept: Attempt | None = st.session_state.get(ADDRESS)
    if found is not None and not found.steps and kept is not None and kept.wafer.map_hash == wafer.map_hash:
        return kept
    return found


def keep(made: Attempt | None) -> None:
    """Let flips stand in the address, or in the session where they are too long; None ends the check."""
    too_long = made is not None and not made.fits
    st.session_state[ADDRESS] = made if too_long else None
    st.session_state.pop(MISSED, None)
    state.put(flips=None if made is None else Attempt(made.wafer).text if too_long else made.text)


def trial(made: Attempt, colouring: str) -> Trial:
    """Return the flips as the map takes them, which is coloured by `state` or `bin`."""
    return Trial(
        session=st.session_state.setdefault("flip-session", token_hex(8)),
        turn=st.session_state.get("flip-turn", 0),
        steps=[list(s) for s in made.steps],
        colours=flip_colours(),
        key=flipped_key(made.wafer, made.altered, colouring),
    )


def heard(wafer: Wafer) -> None:
    """Take over what was flipped on the map."""
    told = st.session_state[MAP].flipped
    if told is not None and attempt(wafer) is not None:
        st.session_state["flip-turn"] = int(told["turn"])
        keep(Attempt(wafer).taken(told["steps"]))


# The controls ------------------------------------------------------------------------------------


def switch(wafer: Wafer) -> None:
    """Draw the switch that lets dies be flipped; turning it off forgets the flips."""
    key = "flip-dies"
    st.session_state[key] = attempt(wafer) is not None
    st.toggle(
        "Flip dies",
        key=key,
        on_change=lambda: keep(Attempt(wafer) if st.session_state[key] else None),
        help=HELP,
    )


def controls(made: Attempt) -> None:
    """Draw what was flipped, the way back, and flipping by coordinates."""
    nothing = not made.steps
    # On a line of its own: whatever it says, what is pressed stays in its place.
    st.caption(in_words(made))
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.button(
            "Undo",
            icon=":material/undo:",
            key="flip-undo",
            type="tertiary",
            shortcut="Ctrl+Z",
            disabled=nothing,
            on_click=_undo,
            args=(made.wafer,),
        )
        st.button(
            "Reset",
            key="flip-reset",
            type="tertiary",
            disabled=nothing,
            on_click=keep,
            args=(Attempt(made.wafer),),
        )
        with st.popover("By x, y", type="tertiary"):
            _by_coordinates(made)
    st.caption(STAYS)
    if not made.fits:
        st.caption("So many steps do not fit into the address: a refresh forgets them.")


def in_words(made: Attempt) -> str:
    """Return what was flipped, and how many dies fail since."""
    if not made.dies:
        return "No die is flipped."
    parts = {"pass": made.mended, "fail": made.broken}
    told = [f"{number:,} made to {what}" for what, number in parts.items() if number]
    failing = made.wafer.failing - made.mended + made.broken
    return f"{' and '.join(told)}. Now {failing:,} of {made.wafer.passing + made.wafer.failing:,} fail."


def _by_coordinates(made: Attempt) -> None:
    with st.form("flip-form", border=False):
        st.text_input("Dies to flip", key=TYPED, placeholder="12,34 13,34", help="x,y of each die, as its file counts.")
        st.form_submit_button("Flip", on_click=_typed, args=(made.wafer,))
    if MISSED in st.session_state:
        missed = plain(shortened(st.session_state[MISSED], MOST_MISSED))
        st.warning(f"No tested die has these coordinates: {missed}. Point at a die on the map to see its x,y.")


def _undo(wafer: Wafer) -> None:
    """Take the last step back: of those that stand by now, which may be more than were drawn when it was pressed."""
    state.catch_up()
    if (made := attempt(wafer)) is not None:
        keep(made.undone())


def _typed(wafer: Wafer) -> None:
    """Flip the dies that were typed, and keep what names none, to be told; where none is flipped it can be mended."""
    state.catch_up()
    made = attempt(wafer)
    if made is None:
        return
    cells, missed = named_dies(st.session_state[TYPED], wafer)
    keep(made.then(cells))
    if cells:
        st.session_state[TYPED] = ""
    if missed or not cells:
        st.session_state[MISSED] = " ".join(missed)


# The answers -------------------------------------------------------------------------------------


def ask(hand: state.Hand, said: Opinions, here: int, made: Attempt) -> list[JobRow]:
    """Queue what the store misses to answer on a wafer with flipped dies, and return the jobs that will bring it."""
    store, found = state.workspace(), answers(said, made)
    missing = [one.model for one in said.both if found[one.model.role] is None]
    return opinions.queued(jobs.submit_altered(store, hand.lot_id, here, model, made.dies) for model in missing)


def answers(said: Opinions, made: Attempt) -> dict[str, Verdicts | None]:
    """Return by role the verdict on a wafer with flipped dies, one row, or None where it is missing."""
    found: dict[str, Verdicts | None] = {}
    for one in said.both:
        verdicts, present = opinions.stored_verdicts(one.model, [made.altered.map_hash])
        found[one.model.role] = verdicts if present.all() else None
    return found


def wait(said: Opinions, made: Attempt, asked: Sequence[JobRow]) -> dict[str, Verdicts | None]:
    """Return the answers after the moment that the worker usually needs, and redraw the page if more arrive."""
    if not asked:
        return answers(said, made)

    def settled() -> bool:
        return all(each in ENDED for each in opinions.states(asked))

    patience.wait(settled)
    states, found = opinions.states(asked), answers(said, made)
    opinions.problems(opinions.by_now(asked))
    if not all(each in ENDED for each in states):
        opinions.watch(lambda: opinions.states(asked), states, every=0.3)
    return found
