"""The wafers behind a bar: where a model misses a pattern, names it wrongly, or parts from the teacher."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from wafer_core.decode import set_titles
from wafer_core.patterns import PATTERNS
from wafer_core.ui.compare import wafer_list
from wafer_core.ui.compare.comparison import Comparison, Standing
from wafer_core.ui.shared import state
from wafer_core.ui.shared.opinions import spaced
from wafer_core.ui.shared.words import count, plain


def draw(comparison: Comparison) -> None:
    """Draw the choice of a pattern and a model, and the wafers on which that model goes wrong or its own way."""
    standing = {one.name: one for one in comparison.all if one.said.complete}
    if not comparison.ground.labelled:
        standing.pop(comparison.teacher.name, None)
    if not standing:
        return
    first = _first(comparison, standing)
    st.markdown("**The wafers behind a bar**")
    with st.container(horizontal=True, vertical_alignment="bottom"):
        key, changed = state.bound("bar", PATTERNS, _pattern(comparison, standing[first]))
        pattern = st.selectbox("Pattern", PATTERNS, key=key, on_change=changed, width=180)
        key, changed = state.bound("who", standing, first)
        who = st.selectbox("Model", list(standing), key=key, on_change=changed, width=240)
    unread = {one.name for one in comparison.all if not one.said.complete}
    if (asked := state.address("who")) in unread:
        st.caption(f"{plain(asked)} has not read these wafers yet, so which are behind its bars is not known.")
    one = standing[who]
    column = PATTERNS.index(pattern)
    if comparison.ground.labelled:
        _against_labels(comparison, one, column)
    else:
        _against_teacher(comparison, one, column)


def _first(comparison: Comparison, standing: Mapping[str, Standing]) -> str:
    """Return which model is begun with: the student in hand, else another file of it, any student, the teacher."""
    hand = state.model_in_hand("student")
    marks = (
        lambda one: one.model.sha256 == hand.sha256,
        lambda one: one.model.folder == hand.folder,
        lambda one: one.name != comparison.teacher.name,
        lambda one: True,
    )
    return next(name for fits in marks for name, one in standing.items() if fits(one))


def _pattern(comparison: Comparison, one: Standing) -> str:
    """Return the pattern that is begun with: the first with a bar and wafers behind it, or what comes next to that."""
    labelled, said = comparison.ground.labelled, one.said.verdicts
    truth = _labels(comparison) if labelled else comparison.teacher.said.verdicts.detected
    behind = (said.scored[:, None] & (truth != said.detected)).any(axis=0)
    drawn = (truth if labelled else truth | said.detected).any(axis=0)
    return PATTERNS[int(np.argmax(2 * behind + drawn))]


def _labels(comparison: Comparison) -> NDArray[np.bool_]:
    return np.array([wafer.labels for wafer in comparison.ground.lot], dtype=bool)


def _against_labels(comparison: Comparison, one: Standing, column: int) -> None:
    labels = _labels(comparison)
    called, scored = one.said.verdicts.detected[:, column], one.said.verdicts.scored
    missed, added = scored & labels[:, column] & ~called, scored & ~labels[:, column] & called
    pattern = PATTERNS[column]
    st.caption(
        f"{plain(one.name)} misses {pattern} on {count(int(missed.sum()), 'wafer')} labelled with it, "
        f"and names it on {count(int(added.sum()), 'wafer')} labelled without."
    )
    _list(comparison, one, missed | added, np.where(missed, "missed", "named wrongly"), spaced(set_titles(labels)))


def _against_teacher(comparison: Comparison, one: Standing, column: int) -> None:
    teacher = comparison.teacher.said.verdicts
    if not comparison.teacher.said.complete:
        st.caption("The teacher has not read every wafer yet.")
        return
    ours, theirs = teacher.detected[:, column], one.said.verdicts.detected[:, column]
    both, teachers, own = (int(each.sum()) for each in (ours & theirs, ours & ~theirs, theirs & ~ours))
    st.caption(
        f"Both name {PATTERNS[column]} on {count(both, 'wafer')}, only the teacher on {teachers:,}, "
        f"only {plain(one.name)} on {own:,}."
    )
    _list(comparison, one, ours != theirs, np.where(ours, "only the teacher", f"only {one.name}"), None)


def _list(
    comparison: Comparison, one: Standing, members: NDArray[np.bool_], why: NDArray[np.str_], labels: list[str] | None
) -> None:
    teacher = comparison.teacher.said
    wafer_list.draw(
        comparison.ground,
        members,
        {
            "what": lambda place: str(why[place]),
            **({"labelled": labels.__getitem__} if labels else {}),
            f"{teacher.model.name} says": lambda place: teacher.titles[place] or "not yet read",
            f"{one.name} says": one.said.titles.__getitem__,
        },
        key="open-wafer",
        alt="Wafers behind the chosen bar",
        student=one.name if one.model.role == "student" else None,
    )
