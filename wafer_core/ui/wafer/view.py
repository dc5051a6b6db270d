"""One wafer: its title line and steps, its die map, and what both models say of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from itertools import pairwise

import numpy as np
import pandas as pd
import streamlit as st
from numpy.typing import NDArray
from streamlit.delta_generator import DeltaGenerator

from wafer_core.charts.bars import probability_bars
from wafer_core.charts.dies import die_map, stage
from wafer_core.decode import Verdicts
from wafer_core.errors import UnknownWafer
from wafer_core.lot import Wafer
from wafer_core.patterns import PATTERNS, names
from wafer_core.ui.components.bars import bars
from wafer_core.ui.components.dies import alone, dies
from wafer_core.ui.lot import gallery
from wafer_core.ui.shared import opinions, state
from wafer_core.ui.shared.choices import segmented
from wafer_core.ui.shared.opinions import Opinion, Opinions
from wafer_core.ui.shared.words import UNLIKE, count, human_bytes, percent, plain, wafer_name
from wafer_core.ui.wafer import check
from wafer_core.ui.wafer.attempt import Attempt
from wafer_core.workspace import JobRow

PART = "answers"
"""The part of the page that flipped dies redraw."""

COLOURS = {"state": "Pass and fail", "bin": "Bins"}
MAP_WIDTH = 360
WAITING_HEIGHT = 336
UNSURE = "Unsure: its answer is closer to the next best than on 95 % of the wafers it was tried on when made."


def position(hand: state.Hand, said: Opinions) -> int:
    """Return which wafer the address names; without one, the first that the filters in it find.

    That one is not written into the address: the browser's way back would lead through there again
    and again. Stops the page with a sentence where there is no such wafer.
    """
    asked = state.address("wafer")
    if asked is None:
        found = gallery.chosen_order(said)
        return int(found[0]) if len(found) else 0
    try:
        return hand.lot.position(asked)
    except UnknownWafer as problem:
        st.error(plain(problem), title="This wafer is not in the lot in hand")
        state.link("lot", "Back to the lot", wafer=None)
        st.stop()


# Title and steps ---------------------------------------------------------------------------------


def header(hand: state.Hand, said: Opinions, here: int) -> None:
    """Draw the wafer's title line and the steps to its neighbours in the order it was found in."""
    wafer = hand.lot.wafers[here]
    order = [int(i) for i in gallery.chosen_order(said)]
    found = here in order and len(order) < len(hand.lot)
    if here not in order:
        order = list(range(len(hand.lot)))
    at = order.index(here)
    left, right = st.columns([11, 10], vertical_alignment="bottom")
    with left, st.container(gap=None):
        st.title(f"Wafer {plain(wafer_name(hand.lot, wafer))}", anchor=False)
        place = f"{at + 1:,} of {len(order):,}{' found' if found else ''} in"
        st.caption(f"{place} **{plain(hand.row.title)}** · {facts(wafer)}")
    with right.container(horizontal=True, horizontal_alignment="right", vertical_alignment="bottom"):
        after, before = dict(pairwise(order)), dict(pairwise(reversed(order)))
        _step(hand, here, "Previous", before, ":material/chevron_left:", "Left")
        _step(hand, here, "Next", after, ":material/chevron_right:", "Right")
        _step(hand, here, "Next disagreement", next_of(order, said.differ), ":material/difference:", "D")


def facts(wafer: Wafer) -> str:
    """Return one line on a wafer: dies, yield, grid, notch and what the file says is on it."""
    parts = [
        count(wafer.dies, "die"),
        f"{wafer.failing:,} failing",
        f"yield {percent(wafer.yield_fraction)}",
        f"grid {wafer.frame.columns} × {wafer.frame.rows}",
    ]
    if wafer.notch != "unknown":
        parts.append(f"notch {wafer.notch}")
    if wafer.labels is not None:
        parts.append(f"labelled {opinions.set_title(wafer.labels)} in its file")
    return " · ".join(parts)


def next_of(order: Sequence[int], members: NDArray[np.bool_]) -> dict[int, int]:
    """Return where each position of `order` leads to: the next of `members`, bool (wafers,), round and round."""
    leads: dict[int, int] = {}
    ahead: int | None = None
    for i in reversed([*order, *order]):
        if ahead is not None and ahead != i:
            leads[i] = ahead
        if members[i]:
            ahead = i
    return leads


def _step(hand: state.Hand, here: int, label: str, leads: Mapping[int, int], icon: str, key: str) -> None:
    target = leads.get(here)
    st.button(
        label,
        icon=icon,
        key=f"step-{label}",
        shortcut=key,
        disabled=target is None,
        on_click=_stepped,
        args=(hand, here, leads),
        help=None if target is None else f"Wafer {plain(hand.lot.wafers[target].name)}",
    )


def _stepped(hand: state.Hand, here: int, leads: Mapping[int, int]) -> None:
    """Step on from the wafer that was stepped to last: a key pressed again may come before that one is drawn."""
    state.catch_up()
    named = state.address("wafer")
    with suppress(UnknownWafer):
        target = leads.get(here if named is None else hand.lot.position(named))
        if target is not None:
            state.put(wafer=hand.lot.wafers[target].name, **{check.ADDRESS: None})


# The map and the verdicts ------------------------------------------------------------------------


@st.fragment(key=PART)
def answers(hand: state.Hand, said: Opinions, here: int) -> None:
    """Draw the wafer beside what both models say of it; flipping its dies redraws no more than this."""
    wafer = hand.lot.wafers[here]
    made = check.attempt(wafer)
    asked = check.ask(hand, said, here, made) if made and made.dies else []
    with st.grid(2, min_column_width=420):
        with st.container(border=True, height="stretch"):
            wafer_card(wafer, made)
        with st.container(border=True, height="stretch"):
            tried = check.wait(said, made, asked) if made and made.dies else None
            # Heads in a row of their own, so a flag or a title on two lines moves the bars of both.
            heads, bodies = st.columns(2, gap="medium"), st.columns(2, gap="medium")
            for head, body, one in zip(heads, bodies, (said.teacher, said.student), strict=True):
                with body:
                    verdict(one, here, head, tried)


def wafer_card(wafer: Wafer, made: Attempt | None) -> None:
    """Draw the wafer on its own die grid, by state or, where the file has bins, by bin; its dies may be flipped."""
    colouring = "state"
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown("**The wafer**", width="content")
        st.space("stretch")
        if wafer.scorable:
            check.switch(wafer)
        if wafer.bins is not None:
            colouring = segmented("Colour by", COLOURS, "colour", "state")
    tested = wafer.passing + wafer.failing
    alt = f"Die map of wafer {wafer.name}: {wafer.failing:,} of {tested:,} tested dies fail"
    dies(
        stage(wafer),
        alone(die_map(wafer, colouring), alt),
        key=check.MAP,
        link=wafer.name,
        most=MAP_WIDTH,
        trial=None if made is None else check.trial(made, colouring),
        on_flipped=lambda: check.heard(wafer),
    )
    if made is not None:
        check.controls(made)


def verdict(one: Opinion, here: int, above: DeltaGenerator, tried: Mapping[str, Verdicts | None] | None = None) -> None:
    """Draw what one model says of the wafer: its answer, and below every probability against its threshold.

    Args:
        one: what it says.
        here: the wafer's position.
        above: where the answer stands.
        tried: by role, what is said of the wafer with flipped dies, one row; that is drawn instead, beside
            what was said before.
    """
    entry, role = one.model.entry, one.model.role
    head = above.container(gap=None)
    head.markdown(
        f"**{role.capitalize()}** :small[:gray[{count(entry.parameters, 'parameter')}]]",
        help=f"{plain(one.model.label)}: {human_bytes(entry.bytes)} on disk, {entry.engine}, {entry.precision}.",
    )
    now, row = (one.verdicts, here) if tried is None else (tried[role], 0)
    if not one.present[here] or now is None:
        st.skeleton(height=WAITING_HEIGHT)
        return
    if not one.verdicts.scored[here]:
        st.info("No die of this wafer was tested, so there is nothing to recognise.")
        return
    detected, before = now.detected[row], one.verdicts.detected[here]
    if now.flagged[row]:
        head.markdown(f":orange-badge[:material/warning: {UNLIKE}]", help=_unlike(now, row, role))
    doubt = " :orange-badge[unsure]" if now.unsure[row] else ""
    head.subheader(opinions.set_title(detected) + doubt, anchor=False, help=UNSURE if doubt else None)
    if tried is not None:
        same = bool((detected == before).all())
        head.caption("as before the flips" if same else f"before the flips: {opinions.set_title(before)}")
    bars(
        probability_bars(
            now.probabilities[row],
            entry.thresholds,
            detected,
            role,
            before=None if tried is None else one.verdicts.probabilities[here],
        ),
        key=f"bars-{role}",
        alt=f"The {role} says {opinions.set_title(detected)}; probability of each pattern against its threshold",
        gap="1.08rem",
    )
    _small_print(now, row, probabilities(one, here, now, row))


def _unlike(now: Verdicts, row: int, role: str) -> str:
    return (
        f"Novelty {now.novelty[row]:.2f}: the {role} has met nothing like this wafer. "
        "It names patterns as for any other, but look at the map before you trust them."
    )


def _small_print(now: Verdicts, row: int, figures: pd.DataFrame) -> None:
    excluded = names(now.excluded[row])
    if excluded:
        st.caption(
            f"{' and '.join(excluded)} above the threshold but left out: "
            "no allowed set holds it together with the rest."
        )
    with st.container(horizontal=True, vertical_alignment="center"):
        margin = float(now.margin[row])
        st.caption(
            f"Margin {margin:.2f} logits",
            help="How far this set of patterns is ahead of the next best one.",
        )
        if np.isfinite(novelty := float(now.novelty[row])):
            st.caption(
                f"Novelty {novelty:.2f}",
                help="How far the wafer is from all that the model was taught on. One ordinary wafer in a hundred "
                "is above 1, where it is called unlike anything known.",
            )
        st.space("stretch")
        with st.popover("Figures", type="tertiary"):
            st.table(figures, hide_index=True, alt="Probability and threshold of every pattern")


def probabilities(one: Opinion, here: int, now: Verdicts, row: int) -> pd.DataFrame:
    """Return a model's probabilities and thresholds on one wafer, the text twin of its bars.

    `now` is what counts, the model's own verdicts or those on the wafer with flipped dies.
    """
    before = {} if now is one.verdicts else {"before": _four(one.verdicts.probabilities[here])}
    return pd.DataFrame(
        {
            "pattern": PATTERNS,
            **before,
            "probability": _four(now.probabilities[row]),
            "threshold": _four(one.model.entry.thresholds),
            "named": np.where(now.detected[row], "yes", np.where(now.excluded[row], "left out", "")),
        }
    )


def _four(values: Sequence[float] | NDArray[np.float32]) -> list[str]:
    return [f"{value:.4f}" for value in values]


def watch(hand: state.Hand, said: Opinions, here: int, asked: Sequence[JobRow]) -> None:
    """Redraw the page when a verdict it still waits for arrives."""
    if not all(one.present[here] for one in said.both):
        drawn = [*(bool(one.present[here]) for one in said.both), [job.state for job in asked]]
        opinions.watch(lambda: _answered(hand, here, asked), drawn, every=0.3)


def _answered(hand: state.Hand, here: int, asked: Sequence[JobRow]) -> list[object]:
    there = [bool(opinions.has_read(model, [hand.lot.wafers[here]])[0]) for model in (hand.student, hand.teacher)]
    return [*there, opinions.states(asked)]
