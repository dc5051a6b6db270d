"""The lot at a glance: its title line, what is in it, where it fails and where the models part."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache, partial

import numpy as np
import pandas as pd
import streamlit as st
from numpy.typing import NDArray
from streamlit.delta_generator import DeltaGenerator

from wafer_core.charts import Role
from wafer_core.charts.bars import pattern_bars
from wafer_core.charts.dies import stacked_map, stacked_stage
from wafer_core.charts.maps import Stack, stacks, worst_dies
from wafer_core.lot import Lot
from wafer_core.models.folder import ModelFile
from wafer_core.patterns import NORMAL, PATTERNS, SUSPECTS
from wafer_core.ui.components.bars import bars
from wafer_core.ui.components.dies import ScaleBar, alone, dies
from wafer_core.ui.shared import lot_picker, reading, state
from wafer_core.ui.shared.opinions import Opinions, opinion
from wafer_core.ui.shared.spreadsheet import csv_file
from wafer_core.ui.shared.words import UNLIKE, count, percent, plain, told_apart, wafer_name, where_it_begins
from wafer_core.verdicts_csv import verdicts_csv

MAP_WIDTH = 190
NOTHING_READ = "No wafer is read yet."
NAMED = 8
"""Wafers a card names before it only counts them."""
MEANING = (
    "The models **agree** on a wafer where both name exactly the same patterns. That is agreement, "
    "not accuracy: it needs no labels and does not say who is right.\n\n"
    "A wafer is **unlike anything known** where a model has met nothing like it: it is farther from all the wafers "
    "it was taught on than 99 in 100 ordinary wafers are. It keeps the patterns the models name, but look at the map "
    "before you trust them: such wafers may be new faults, new products or broken files, and one or two ordinary "
    "wafers in a hundred are flagged too.\n\n"
    "A model is **unsure** where its best answer is closer to the next best than on 95 % of the wafers it was "
    "tried on when it was made, which are others for a teacher than for a student.\n\n"
    "A pattern is **left out** where it is above its threshold, but no allowed set holds it together with the rest."
)


def header(hand: state.Hand) -> None:
    """Draw the lot's title line with the buttons that belong to it."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        with st.container(gap=None, width="stretch"):
            st.title(plain(hand.row.title), anchor=False)
            st.caption(summary(hand))
            reading.left_out(hand.lot)
        lot_picker.upload_button()
        _downloads(hand, hand.lot)


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
            "One row a wafer: probabilities, patterns, what was left out, margin, novelty and flag. "
            "Wafers still unread are empty."
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
    return csv_file(verdicts_csv(lot, opinion(model, lot).verdicts))


def evidence(hand: state.Hand, said: Opinions) -> DeltaGenerator:
    """Draw the three cards that answer what is in the lot, where it fails and whether the models agree.

    Return a place in the last one, under which nothing stands: what comes and goes there moves nothing.
    """
    with st.grid(3, min_column_width=196):
        with st.container(border=True, height="stretch", gap="xsmall"):
            _contents(said)
        with st.container(border=True, height="stretch", gap="xsmall"):
            _where(hand)
        with st.container(border=True, height="stretch", gap="xsmall"):
            _agreement(said)
            return st.container()


def _contents(said: Opinions) -> None:
    counts = {one.model.role: one.counts for one in (said.teacher, said.student) if one.present.any()}
    seen = [name for name in PATTERNS if any(by_role[name] for by_role in counts.values())]
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown("**What is in it**", width="content")
        st.space("stretch")
        with st.popover("Figures", type="tertiary"):
            st.table(contents(counts), hide_index=True, alt="Wafers showing each pattern, by model")
            st.caption("Wafers on which each model names the pattern; a wafer may show several.")
    if not counts:
        st.caption(NOTHING_READ)
    elif not seen:
        waiting = not said.complete
        st.caption("No pattern found so far." if waiting else "Neither model names a pattern on any wafer.")
    else:
        shown = {role: {name: by_role[name] for name in seen} for role, by_role in counts.items()}
        first = next(iter(counts))
        most = max(seen, key=counts[first].__getitem__)
        often = f"{most} on {count(counts[first][most], 'wafer')}, says the {first}"
        picked = bars(
            pattern_bars(shown),
            key="pattern-bars",
            alt=f"Wafers per pattern and model; the most frequent is {often}",
            pick=True,
        )
        if picked is not None:
            state.put(pattern=picked, page=None)
            st.rerun()
    if counts:
        normal = ", ".join(f"{by_role[NORMAL]:,} by the {role}" for role, by_role in counts.items())
        st.caption(f"Wafers called {NORMAL}: {normal}.{_read_so_far(said)}")


def _read_so_far(said: Opinions) -> str:
    """Return of how many wafers each model's counts are, until both have read all."""
    if said.complete:
        return ""
    read = [(one.model.role, int(one.present.sum())) for one in (said.teacher, said.student)]
    each = ", ".join(f"{number:,} by the {role}" for role, number in read if number)
    return f" Read so far: {each}, of {count(len(said.lot), 'wafer')}."


def contents(counts: Mapping[Role, Mapping[str, int]]) -> pd.DataFrame:
    """Return the text twin of the bars: wafers per pattern and model, and where one looks first."""
    named = [*PATTERNS, NORMAL]
    table = pd.DataFrame({"pattern": named})
    for role, by_role in counts.items():
        table[role] = [by_role[name] for name in named]
    table["usual suspects"] = [SUSPECTS.get(name, "") for name in named]
    return table


@lru_cache(maxsize=16)
def _stacks(lot_id: str) -> list[Stack]:
    """Return a lot's stacks; by its id, for a lot that is a key stays in memory with all its wafers."""
    return stacks(state.load_lot(lot_id))


def _where(hand: state.Hand) -> None:
    found = _stacks(hand.lot_id)
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown("**Where it fails**", width="content")
        st.space("stretch")
        figures = st.popover("Figures", type="tertiary")
    stack = _grid(found) if len(found) > 1 else found[0]
    with figures:
        st.table(failing_dies(stack), hide_index=True, alt="The dies that fail most often")
        st.caption(most_often(stack))
    share = stack.share
    worst = float(np.nanmax(share)) if np.isfinite(share).any() else 0.0
    map_, scale = stacked_map(stack)
    alt = f"Share of failing wafers at each die of {stack.title}; the worst die fails on {percent(worst, 0)} of them"
    dies(
        stacked_stage(stack),
        alone(map_, alt),
        key="stacked-map",
        link=stack.title,
        most=MAP_WIDTH,
        scale=ScaleBar(**scale, alt="Share of the wafers tested at a die that fail there", note=""),
    )
    left_out = f" Dies tested on fewer than {stack.least:,} wafers are left out." if stack.few.any() else ""
    st.caption(
        f"Share of the wafers tested at a die that fail there; the worst die fails on {percent(worst, 0)}.{left_out}"
    )


def failing_dies(stack: Stack) -> pd.DataFrame:
    """Return the text twin of the stacked map: the dies that fail most often, by the file's coordinates."""
    dies = [
        (f"{x}", f"{y}", f"{failing:,} of {tested:,}", percent(failing / tested, 0))
        for x, y, failing, tested in worst_dies(stack)
    ]
    return pd.DataFrame(dies, columns=["x", "y", "fails on", "share"])


def most_often(stack: Stack) -> str:
    """Return what the listed dies were chosen from, and whether others fail as often as the last of them."""
    listed, tested = worst_dies(stack), f"tested on {count(stack.least, 'wafer')} or more"
    if not listed:
        return f"{stack.title}. No die {tested} fails."
    *_, failing, wafers = listed[-1]
    alike = int(np.count_nonzero(stack.share == np.float32(failing / wafers)))
    others = alike - sum(die[2] * wafers == failing * die[3] for die in listed)
    ties = f" {count(others, 'other die')} fail{'s' if others == 1 else ''} as often as the last." if others else ""
    return f"{stack.title}. The {count(len(listed), 'die')} that fail most often, of those {tested}.{ties}"


def _grid(found: list[Stack]) -> Stack:
    grids = {f"{stack.frame.columns}x{stack.frame.rows}-{i}": stack for i, stack in enumerate(found)}
    named = told_apart(
        {name: stack.title for name, stack in grids.items()}, lambda name: where_it_begins(grids[name].frame)
    )
    key, changed = state.bound("grid", grids, next(iter(grids)))
    chosen = st.selectbox(
        "Grid",
        list(grids),
        format_func=named.__getitem__,
        key=key,
        on_change=changed,
        label_visibility="collapsed",
    )
    return grids[chosen]


def _agreement(said: Opinions) -> None:
    compared, differ = said.compared, said.differ
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown("**Models**", width="content")
        st.space("stretch")
        with st.popover("What this says", type="tertiary"):
            st.markdown(MEANING)
            for one in (said.teacher, said.student):
                excluded = int(one.verdicts.excluded.any(axis=1).sum())
                st.markdown(f"{one.model.role.capitalize()}: a pattern left out on {count(excluded, 'wafer')}.")
    if not any(one.present.any() for one in said.both):
        st.caption(NOTHING_READ)
        return
    if compared.any():
        agreed = int((compared & ~differ).sum())
        asked = "Models agree on" if said.complete else "Agree, of wafers read by both"
        st.metric(asked, f"{agreed:,} of {int(compared.sum()):,}")
    so_far = "" if said.complete else " so far"
    if said.can_flag:
        by_role = {one.model.role: one.verdicts.flagged for one in said.both}
        _wafers(said, UNLIKE, said.unlike, "unlike", f"Neither model flags a wafer{so_far}.", by_role)
    nowhere = f"Nowhere{so_far}." if compared.any() or said.complete else "No wafer is read by both yet."
    _wafers(said, "Disagree", differ, "differ", nowhere)
    unsure = {one.model.role: one.verdicts.unsure for one in said.both}
    _wafers(said, "Unsure", said.unsure, "unsure", f"Both models are sure of every wafer{so_far}.", unsure)
    if said.unscorable.any():
        st.caption(f"{count(int(said.unscorable.sum()), 'wafer')} without a tested die; nothing to recognise there.")


def _wafers(
    said: Opinions,
    label: str,
    members: NDArray[np.bool_],
    show: str,
    none: str,
    by_role: Mapping[Role, NDArray[np.bool_]] | None = None,
) -> None:
    """Draw a line on some wafers; `by_role` says which model each is told by."""
    wafers = np.flatnonzero(members).tolist()
    if not wafers:
        st.caption(f"**{label}** · {none}")
        return
    most = NAMED if len(said.lot.lots) == 1 else NAMED // 3
    named = {i: wafer_name(said.lot, said.lot.wafers[i]) for i in wafers}
    listed = _listed(list(named.values()), most) if by_role is None else _by_role(named, by_role, most, said.complete)
    with st.container(horizontal=True, vertical_alignment="center", wrap=False):
        st.markdown(f"**{label} {len(wafers):,}**  \n:small[:gray[{plain(listed)}]]", width="stretch")
        st.button("See", key=f"see-{show}", on_click=_see, args=(show,), help="Show only these wafers below.")


def _listed(names: Sequence[str], most: int) -> str:
    """Return `02, 11 and 5 more`; a lone number is called a wafer, as it would be read as a count."""
    if len(names) == 1 and names[0].isdecimal() and not names[0].startswith("0"):
        return f"wafer {names[0]}"
    more = f" and {len(names) - most:,} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def _by_role(named: Mapping[int, str], by_role: Mapping[Role, NDArray[np.bool_]], most: int, complete: bool) -> str:
    """Return whose word some wafers are, of their names by their positions.

    `by both: 02, 11 · by the student: 05`, and of more than `most` wafers how many each, and a few of them:
    `by both 32: 0003, 0021 … · by the teacher alone 237: 0001, 0007 …`. Before the
    opinions are `complete` nothing is told by one alone: the other may not have read these wafers yet.
    """
    groups: dict[str, list[str]] = {"both": [], **{f"the {role}": [] for role in sorted(by_role, reverse=True)}}
    for i, wafer in named.items():
        roles = [role for role, those in by_role.items() if those[i]]
        groups["both" if len(roles) == len(by_role) else f"the {roles[0]}"].append(wafer)
    found = {whose: names for whose, names in groups.items() if names}
    if len(named) <= most:
        return " · ".join(f"by {whose}: {_listed(names, most)}" for whose, names in found.items())
    few, lone = max(1, most // len(found)), " alone" if complete else ""
    return " · ".join(
        f"by {whose}{'' if whose == 'both' else lone} {len(names):,}: "
        f"{', '.join(names[:few])}{' …' if len(names) > few else ''}"
        for whose, names in found.items()
    )


def _see(show: str) -> None:
    state.put(show=show, page=None, pattern=None)
