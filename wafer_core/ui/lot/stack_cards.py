"""One pattern of a lot as a card: its stacked map, how many of its wafers are mixed, and the wafers behind it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import pandas as pd
import streamlit as st
from numpy.typing import NDArray

from wafer_core.charts.dies import DieMap, Scale, Stage, evidence_map, evidence_stage
from wafer_core.explain import DEFAULT
from wafer_core.explain.stacking import EvidenceStack, companions, strongest_dies
from wafer_core.lot import Lot
from wafer_core.patterns import PATTERNS, SUSPECTS
from wafer_core.ui.components.dies import ScaleBar, alone, dies
from wafer_core.ui.shared import evidence, state
from wafer_core.ui.shared.opinions import Opinion
from wafer_core.ui.shared.words import count, percent, plain, told_apart, wafer_name, where_it_begins

MAP_WIDTH = 230
FIGURES_WIDTH = 330
LISTED = 24
"""Wafers that are listed behind a map; the gallery has the others."""


@dataclass(frozen=True, eq=False)
class Stacked:
    """A pattern of the lot as a card shows it.

    Args:
        one: what the model says of the lot.
        method: how it was explained.
        pattern: which one.
        stack: the stack in view.
        all: its stacks on all grids.
    """

    one: Opinion
    method: str
    pattern: int
    stack: EvidenceStack
    all: Sequence[EvidenceStack]

    @property
    def name(self) -> str:
        """What the pattern is called."""
        return PATTERNS[self.pattern]

    @property
    def asked(self) -> str | None:
        """The method as the address names it."""
        return None if self.method == DEFAULT else self.method

    @property
    def carriers(self) -> NDArray[np.intp]:
        """Positions of all wafers on which the model calls it."""
        return np.flatnonzero(self.one.verdicts.detected[:, self.pattern])


def card(lot: Lot, stacked: Stacked) -> None:
    """Draw a pattern's stacked map with its title, how far it can be trusted, its wafers and its figures."""
    stack, name = stacked.stack, stacked.name
    st.markdown("**{}**  \n{}".format(*title(stacked)))
    stage, map_, scale = _map(stack)
    model = stacked.one.model
    dies(
        stage,
        alone(map_, in_words(stacked), evidence.pointing(evidence.record(model), model.sha256, stacked.method, name)),
        key=f"stack-{name}",
        link=f"stack {stack.frame}",
        most=MAP_WIDTH,
        scale=ScaleBar(**scale, alt=f"Share of the evidence for {name} that a die holds", note=""),
    )
    with st.container(horizontal=True):
        _wafers(lot, stacked)
        _figures(name, stack)
    st.caption(standing(stacked))


@lru_cache(maxsize=64)
def _map(stack: EvidenceStack) -> tuple[Stage, DieMap, Scale]:
    return evidence_stage(stack), *evidence_map(stack)


def title(stacked: Stacked) -> tuple[str, str]:
    """Return `The Edge-Ring of this lot` and `12 wafers, 4 mixed`, or `9 of 12 wafers` where some are missing."""
    inside, all_ = stacked.stack.wafers, stacked.carriers.size
    wafers = count(all_, "wafer") if len(inside) == all_ else f"{len(inside):,} of {count(all_, 'wafer')}"
    mixed = int((stacked.one.verdicts.detected[list(inside)].sum(axis=1) > 1).sum())
    return f"The {stacked.name} of this lot", f"{wafers}, {mixed or 'none'} mixed"


def standing(stacked: Stacked) -> str:
    """Return in words which grid a map is of, what else its wafers carry, and which are not in it."""
    stack = stacked.stack
    told = [f"{stack.frame.columns} × {stack.frame.rows} dies"]
    if beside := companions(stacked.one.verdicts.detected, stack.wafers, stacked.pattern):
        named = ", ".join(f"{PATTERNS[pattern]} of {count(wafers, 'wafer')}" for pattern, wafers in beside.items())
        told.append(f"without the {named}")
    elsewhere = [each for each in stacked.all if each is not stack]
    if others := sum(len(each.wafers) for each in elsewhere):
        told.append(f"{others:,} on {count(len(elsewhere), 'other grid')}")
    if silent := sum(len(each.silent) for each in stacked.all):
        told.append(f"on {silent:,} no failing die speaks for it")
    explained = sum(len(each.wafers) + len(each.silent) for each in stacked.all)
    if waiting := stacked.carriers.size - explained:
        told.append(f"{waiting:,} not explained yet")
    return " · ".join(told)


def in_words(stacked: Stacked) -> str:
    """Return what a map shows to someone who cannot see it."""
    stack, name, role = stacked.stack, stacked.name, stacked.one.model.role
    told = f"Where the {role}'s evidence for {name} lies on {count(len(stack.wafers), 'wafer')}"
    strongest = strongest_dies(stack, most=1)
    if not strongest:
        return f"{told}: on no failing die"
    x, y, share, _ = strongest[0]
    return f"{told}; the strongest die is {x}, {y} with {percent(share, 2)}"


def share_table(stacks: Mapping[str, EvidenceStack]) -> pd.DataFrame:
    """Return one row a die: its grid, its file's coordinates, and the share of the evidence for each pattern it holds.

    A share, 0 to 1, is missing where no wafer of the pattern's stack has the die. Grids come one after the other,
    those of one size told apart as on the screen.
    """
    tables = []
    sizes = {stack.frame: f"{stack.frame.columns} x {stack.frame.rows}" for stack in stacks.values()}
    for frame, grid in told_apart(sizes, where_it_begins).items():
        here = {name: stack for name, stack in stacks.items() if stack.frame == frame}
        rows, columns = np.nonzero(np.any([stack.there for stack in here.values()], axis=0))
        x, y = frame.coordinates(rows, columns)
        shares = {name: np.where(stack.there, stack.share, np.nan)[rows, columns] for name, stack in here.items()}
        tables.append(pd.DataFrame({"grid": grid, "x": x, "y": y, **shares}))
    return pd.concat(tables, ignore_index=True)[["grid", "x", "y", *stacks]]


def strongest(stack: EvidenceStack) -> pd.DataFrame:
    """Return the text twin of a map: the dies that hold most of the evidence, by the file's coordinates."""
    rows = [
        (f"{x}", f"{y}", percent(share, 2), f"{wafers:,} of {len(stack.wafers):,}")
        for x, y, share, wafers in strongest_dies(stack)
    ]
    return pd.DataFrame(rows, columns=["x", "y", "share", "speaks on"])


def _figures(name: str, stack: EvidenceStack) -> None:
    figures = st.popover("Figures", type="tertiary", key=f"figures-{name}", on_change="rerun")
    if figures.open:
        with figures, st.container(width=FIGURES_WIDTH):
            st.table(strongest(stack), hide_index=True, alt=f"The dies that hold most of the evidence for {name}")
            even = percent(1 / max(1, int(stack.there.sum())), 2)
            st.caption(
                f"The dies that hold most of the evidence; spread evenly, each would hold {even}. "
                f"Usual suspects: {SUSPECTS[name]}."
            )


def _wafers(lot: Lot, stacked: Stacked) -> None:
    """Draw the wafers behind a map: links to each, and the gallery filtered by the pattern."""
    name, stack = stacked.name, stacked.stack
    behind = st.popover("Wafers", type="tertiary", key=f"behind-{name}", on_change="rerun")
    if not behind.open:
        return
    members = sorted((*stack.wafers, *stack.silent))
    with behind:
        if st.button(
            f"Show {name} below",
            key=f"filter-{name}",
            icon=":material/filter_alt:",
            on_click=state.put,
            kwargs={"pattern": name, "show": None, "page": None},
            help="All wafers below on which one of the two models names it.",
        ):
            st.rerun()
        with st.container(gap=None):
            for position in members[:LISTED]:
                wafer = lot.wafers[position]
                told = f"{wafer_name(lot, wafer)} · {stacked.one.titles[position]}"
                state.link("wafer", plain(told), quiet=True, wafer=wafer.name, method=stacked.asked, pattern=name)
        if len(members) > LISTED:
            st.caption(f"and {len(members) - LISTED:,} more")
