"""What a lot allows: whether it is enough for a student, and what that student can and cannot learn of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from wafer_core.distill_lot.judged import judging, so_many
from wafer_core.distill_lot.watched import affordable
from wafer_core.held_out import held_out
from wafer_core.lot import Lot
from wafer_core.models.folder import ModelFile
from wafer_core.patterns import NORMAL, PATTERNS
from wafer_core.ui.distill import run_settings
from wafer_core.ui.shared import opinions, state
from wafer_core.ui.shared.opinions import Opinion
from wafer_core.ui.shared.words import count, share

FEW = 100
"""Wafers under which a lot alone would teach too little."""

LEARNABLE = 10
"""Wafers with a pattern from which on it is learned from the lot itself, and checked on some of them."""


@dataclass(frozen=True)
class Seen:
    """What the teacher says of the wafers a run would use.

    Args:
        counts: wafers each pattern is named on, `Normal` those it names none on; only what is there.
        unsure: how many it is unsure of.
        wafers: how many there are.
        unlike: how many are unlike anything it was taught on; None where it does not know.
    """

    counts: dict[str, int]
    unsure: int
    wafers: int
    unlike: int | None = None


def draw(hand: state.Hand, size: str, seconds: float) -> None:
    """Draw the sentences, asking teacher and starting student for what they have not said of the lot yet."""
    begins = run_settings.start(size)
    said = opinions.opinion(hand.teacher, hand.lot)
    begun = opinions.opinion(begins, hand.lot) if begins else None
    there, learned = sentences(hand, said, begun, size, seconds)
    for column, title, lines in zip(
        st.columns(2), ("What the lot allows", "What a student learns of it"), (there, learned), strict=True
    ):
        column.markdown(f"**{title}**")
        column.caption("\n".join(f"- {line}" for line in lines))
    if waiting := [one for one in (said, begun) if one and not one.complete]:
        _await(hand, waiting)


def sentences(
    hand: state.Hand, said: Opinion, begun: Opinion | None, size: str, seconds: float
) -> tuple[list[str], list[str]]:
    """Return what there is to say of the lot, and of what a student of that size can and cannot learn of it.

    Args:
        hand: the lot in hand.
        said: what the teacher says of it, as far as it has.
        begun: what the student says that a run starts from; None for random weights.
        size: the student's size.
        seconds: the run's budget.
    """
    left = run_settings.left_out(hand)
    used, withheld = _used(hand.lot, left)
    begins, pool, wafers = run_settings.start(size), run_settings.pool(), int(used.sum())
    kept = _kept(hand.lot_id, used.tobytes())
    there, learned = [_enough(wafers, begins, pool), _wafers(wafers, len(left), kept, affordable(seconds))], []
    there += [f"{so_many(withheld)}, {'is' if withheld == 1 else 'are'} not learned from."] if withheld else []
    if said.complete:
        seen = _seen(said, used)
        there.append(_teacher(seen))
        there += [] if seen.unlike is None else [_unlike(seen.unlike, seen.wafers)]
        if begun and begun.complete and wafers:
            learned.append(_headroom(begun.model.name, _alike(said, begun, used), wafers))
        learned += _patterns(seen, pool)
    else:
        there.append("The teacher still reads the lot; what it sees in it is told here then.")
    learned += [] if begins else [_RANDOM]
    learned.append(
        "It learns the teacher's answers and cannot mend its errors: where the teacher is wrong, so will it be. "
        "No labels are read."
    )
    return there, learned


_RANDOM = (
    "It starts from random weights and has to learn everything within its time: "
    "expect less of it than of one that starts from a student."
)


def _enough(wafers: int, begins: ModelFile | None, pool: str) -> str:
    """Say whether the lot is enough for a student, by itself or with what is learned beside it."""
    if not wafers:
        return "**Nothing to learn from**: no wafer with a tested die is left."
    if wafers >= FEW:
        return "**Enough wafers** to teach a student."
    helpers = [f"the student it starts from ({begins.name})"] if begins else []
    helpers += [] if pool == "none" else [run_settings.POOLS[pool]]
    if not helpers:
        return "**Not enough**: so few wafers teach little, and nothing carries the rest. Expect a poor student."
    carry = "carries" if pool == "none" else "carry"
    return f"**Enough with help**: so few wafers teach little by themselves; {' and '.join(helpers)} {carry} the rest."


def _wafers(wafers: int, left: int, kept: int, checked: int) -> str:
    without = f"; {left:,} left out" if left else ""
    if not kept:
        return f"{count(wafers, 'wafer')} to learn from{without}. None can be held out to check the student on."
    check = "to check the student on" if kept <= checked else f"and {checked:,} of these to check the student on"
    return f"{count(wafers, 'wafer')}, {kept:,} of them held out {check}{without}."


def _teacher(seen: Seen) -> str:
    named = [f"{name} on {number:,}" for name, number in seen.counts.items() if name != NORMAL]
    named += [f"no pattern on {seen.counts[NORMAL]:,}"] if NORMAL in seen.counts else []
    return f"The teacher sees {', '.join(named) or 'nothing'}; it is unsure of {share(seen.unsure, seen.wafers)}."


def _unlike(unlike: int, wafers: int) -> str:
    if not unlike:
        return "No wafer is unlike anything the teacher knows; the Lot page tells what a student flags as well."
    guesses = "its answers there are guesses, and the student learns them all the same"
    return f"Unlike anything the teacher was taught on: {share(unlike, wafers)}; {guesses}."


def _headroom(name: str, alike: int, wafers: int) -> str:
    """Say on how many wafers the student as it comes answers like the teacher already, and what is left to gain."""
    if alike == wafers:
        return f"Nothing that its answers would show: {name} names what the teacher does on all {wafers:,} already."
    return (
        f"At most what is missing: {name}, from which it starts, names what the teacher does on "
        f"{share(alike, wafers)} already."
    )


def _patterns(seen: Seen, pool: str) -> list[str]:
    """Say what a student learns of the lot itself, what it sees too little of, and what is not there at all."""
    there = {name: number for name, number in seen.counts.items() if name != NORMAL}
    many = [name for name, number in there.items() if number >= LEARNABLE]
    few = [name for name, number in there.items() if number < LEARNABLE]
    absent = [name for name in PATTERNS if name not in there]
    found = [f"How the teacher answers on {', '.join(many)}, as this lot shows them."] if many else []
    if few:
        found.append(f"Little of {', '.join(few)}: fewer than {LEARNABLE} wafers, so little checks it either.")
    if absent:
        kept = (
            "nothing keeps it from forgetting them" if pool == "none" else "what is learned beside it keeps them alive"
        )
        found.append(f"Nothing of {', '.join(absent)}, which the teacher does not see in this lot; {kept}.")
    return found


def _used(lot: Lot, left_out: Sequence[str]) -> tuple[NDArray[np.bool_], int]:
    """Return bool (wafers,), those a run would learn from or hold out, and how many others students are judged by.

    Equal maps count once.
    """
    judged = judging(wafer for wafer in lot if wafer.scorable)
    left, maps = set(left_out), set(judged)
    used = np.zeros(len(lot), dtype=np.bool_)
    for place, wafer in enumerate(lot):
        if wafer.scorable and wafer.name not in left and wafer.map_hash not in maps:
            maps.add(wafer.map_hash)
            used[place] = True
    return used, sum(wafer.scorable and wafer.map_hash in judged for wafer in lot)


@lru_cache(maxsize=16)
def _kept(lot_id: str, used: bytes) -> int:
    """Return how many of the wafers used are held out; by the lot's id, for a lot that is a key stays in memory."""
    lot = state.load_lot(lot_id)
    return int(held_out([lot.wafers[i] for i in np.flatnonzero(np.frombuffer(used, dtype=bool))]).sum())


def _seen(said: Opinion, used: NDArray[np.bool_]) -> Seen:
    named = said.verdicts.detected[used]
    counts = {name: int(column.sum()) for name, column in zip(PATTERNS, named.T, strict=True)}
    counts[NORMAL] = int((~named.any(axis=1)).sum())
    unsure = int((said.verdicts.unsure & said.verdicts.scored)[used].sum())
    known = bool(np.isfinite(said.verdicts.novelty[used]).any())
    unlike = int(said.verdicts.flagged[used].sum()) if known else None
    return Seen({name: number for name, number in counts.items() if number}, unsure, int(used.sum()), unlike)


def _alike(said: Opinion, begun: Opinion, used: NDArray[np.bool_]) -> int:
    apart = (said.verdicts.detected != begun.verdicts.detected).any(axis=1)
    return int((used & ~apart).sum())


def _await(hand: state.Hand, missing: Sequence[Opinion]) -> None:
    """Ask models for the rest of the lot, and redraw the page as soon as one of them has read it all."""
    asked = opinions.ask_all(hand.lot_id, [one.model for one in missing])
    opinions.problems(asked)
    opinions.watch(
        lambda: ([bool(opinions.has_read(one.model, hand.lot).all()) for one in missing], opinions.states(asked)),
        drawn=([one.complete for one in missing], [job.state for job in asked]),
    )
