"""The lot at a glance: its title line, what is in it, where it fails and where the models part."""

from __future__ import annotations

from functools import partial

import numpy as np
import pandas as pd
import streamlit as st
from numpy.typing import NDArray

from wafer_core.charts.bars import pattern_bars
from wafer_core.charts.maps import Stack, stacked_map, stacks
from wafer_core.lot import Lot
from wafer_core.models.folder import ModelFile
from wafer_core.patterns import NORMAL, PATTERNS, SUSPECTS
from wafer_core.ui import lot_picker, state
from wafer_core.ui.opinions import Opinion, Opinions, opinion
from wafer_core.ui.words import count, percent, plain
from wafer_core.verdicts_csv import verdicts_csv

PLAIN = {"displayModeBar": False}
CARD_HEIGHT = 268
NAMED = 8
"""Wafers a card names before it only counts them."""


def header(hand: state.Hand) -> None:
    """Draw the lot's title line with the buttons that belong to it."""
    lot = hand.lot
    left, right = st.columns([3, 2], vertical_alignment="bottom")
    with left:
        st.title(hand.row.title, anchor=False)
        st.caption(summary(hand))
    with right.container(horizontal=True, horizontal_alignment="right", vertical_alignment="bottom"):
        lot_picker.upload_button()
        _downloads(hand, lot)


def summary(hand: state.Hand) -> str:
    """Return one line on a lot: wafers, yield, dies, grids and where it came from."""
    lot = hand.lot
    grids = len({wafer.frame for wafer in lot})
    parts = [
        count(len(lot), "wafer"),
        f"yield {percent(lot.yield_fraction)}",
        count(sum(wafer.dies for wafer in lot), "die"),
        count(grids, "grid"),
    ]
    if len(lot.lots) > 1:
        parts.insert(1, f"{len(lot.lots):,} fab lots")
    return " · ".join([*parts, lot_picker.SOURCES[hand.row.source], *(["labelled"] if lot.labelled else [])])


def _downloads(hand: state.Hand, lot: Lot) -> None:
    with st.popover("Verdicts CSV", icon=":material/download:"):
        st.caption(
            "One row a wafer: probabilities, patterns, what was left out, margin. Wafers still unread are empty."
        )
        for model in (hand.teacher, hand.student):
            st.download_button(
                f"{model.role.capitalize()} · {model.name}",
                data=partial(_csv, model, lot),
                file_name=f"{lot.title}-{model.name}.csv".replace("/", "-"),
                mime="text/csv",
                key=f"csv-{model.role}",
                on_click="ignore",
                width="stretch",
            )


def _csv(model: ModelFile, lot: Lot) -> bytes:
    return verdicts_csv(lot, opinion(model, lot).verdicts).encode()


def evidence(hand: state.Hand, said: Opinions) -> None:
    """Draw the three cards that answer what is in the lot, where it fails and whether the models agree."""
    contents, fails, models = st.columns([5, 4, 4])
    with contents.container(border=True, height="stretch"):
        _contents(said)
    with fails.container(border=True, height="stretch"):
        _where(hand)
    with models.container(border=True, height="stretch"):
        _agreement(said)


def _contents(said: Opinions) -> None:
    counts = {"teacher": said.teacher.counts, "student": said.student.counts}
    seen = [name for name in PATTERNS if any(by_role[name] for by_role in counts.values())]
    frame = pd.DataFrame(counts).rename_axis("pattern")
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown("**What is in it**")
        st.space("stretch")
        with st.popover("Figures", type="tertiary"):
            st.table(frame, alt="Wafers showing each pattern, by model")
            st.caption("Wafers on which each model names the pattern; a wafer may show several.")
    if not seen:
        waiting = not said.complete
        st.caption("No pattern found so far." if waiting else "Neither model names a pattern on any wafer.")
    else:
        shown = {role: {name: by_role[name] for name in seen} for role, by_role in counts.items()}
        most = max(seen, key=lambda name: counts["teacher"][name])
        st.plotly_chart(
            pattern_bars(shown, state.theme(), max(150, 44 + 30 * len(seen))),
            config=PLAIN,
            key="pattern-bars",
            alt=f"Wafers per pattern and model; the most frequent is {most} on {counts['teacher'][most]} wafers",
        )
        st.caption(f"{most}: usual suspects are {SUSPECTS[most]}.")
    normal = " · ".join(f"{by_role[NORMAL]:,} {role}" for role, by_role in counts.items())
    st.caption(f"Without any pattern: {normal}.")


@st.cache_resource(show_spinner=False, max_entries=16)
def _stacks(lot_id: str, _lot: Lot) -> list[Stack]:
    return stacks(_lot)


def _where(hand: state.Hand) -> None:
    found = _stacks(hand.lot_id, hand.lot)
    st.markdown("**Where it fails**")
    stack = found[0]
    if len(found) > 1:
        grids = {f"{stack.frame.columns}x{stack.frame.rows}-{i}": stack for i, stack in enumerate(found)}
        key, changed = state.bound("grid", list(grids), next(iter(grids)))
        chosen = st.selectbox(
            "Grid",
            list(grids),
            format_func=lambda name: grids[name].title,
            key=key,
            on_change=changed,
            label_visibility="collapsed",
        )
        stack = grids[chosen]
    share = stack.share
    worst = float(np.nanmax(share)) if np.isfinite(share).any() else 0.0
    st.plotly_chart(
        stacked_map(stack, state.theme(), CARD_HEIGHT - 30 * (len(found) > 1)),
        config=PLAIN,
        key="stacked-map",
        alt=f"Share of failing wafers at each die of {stack.title}; the worst die fails on {percent(worst, 0)}",
    )
    st.caption(f"Share of {count(stack.wafers, 'wafer')} failing at each die; the worst die: {percent(worst, 0)}.")


def _agreement(said: Opinions) -> None:
    compared, differ, unsure = said.compared, said.differ, said.unsure
    st.markdown("**Models**")
    agreed = int((compared & ~differ).sum())
    if compared.any():
        st.metric(
            "Student answers as the teacher does",
            f"{agreed:,} of {int(compared.sum()):,}",
            help="Wafers on which both name exactly the same patterns. This is agreement, not accuracy: "
            "it needs no labels and says nothing about who is right.",
        )
    _wafers(said, "Disagree", differ, "differ", "Nowhere so far." if not said.complete else "Nowhere.")
    _wafers(said, "Unsure", unsure, "unsure", "Neither model is near its limit.")
    if said.unscorable.any():
        st.caption(f"{count(int(said.unscorable.sum()), 'wafer')} without a tested die; nothing to recognise there.")
    for one in (said.teacher, said.student):
        _left_out(one)


def _wafers(said: Opinions, label: str, members: NDArray[np.bool_], show: str, none: str) -> None:
    names = [said.lot.wafers[i].wafer for i in np.flatnonzero(members)]
    if not names:
        st.caption(f"**{label}** · {none}")
        return
    listed = ", ".join(names[:NAMED]) + (f" and {len(names) - NAMED:,} more" if len(names) > NAMED else "")
    with st.container(horizontal=True, vertical_alignment="center", wrap=False):
        st.markdown(f"**{label} {len(names):,}**  \n:small[{plain(listed)}]")
        st.button("See", key=f"see-{show}", on_click=_see, args=(show,), help="Show only these wafers below.")


def _see(show: str) -> None:
    state.put(show=show, page=None, pattern=None)


def _left_out(one: Opinion) -> None:
    excluded = int(one.verdicts.excluded.any(axis=1).sum())
    if excluded:
        st.caption(
            f"{one.model.role.capitalize()}: on {count(excluded, 'wafer')} a pattern above its threshold was left out, "
            "because no allowed set holds it together with the others."
        )
