"""What stands under an overlay: what its strongest dies mean, how often it points rightly, where the pattern is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from wafer_core.errors import BrokenModel
from wafer_core.lot import Wafer
from wafer_core.models.folder import ModelFile
from wafer_core.patterns import PATTERNS
from wafer_core.trust.altered import TakenAway, taken_away
from wafer_core.trust.record import OVERLAYS, RECORD, SIMULATED, Record
from wafer_core.trust.tally import Reached
from wafer_core.trust.whereabouts import HOLDS, Whereabouts
from wafer_core.ui.components.dies import Fact
from wafer_core.ui.shared import state
from wafer_core.ui.shared.words import percent

SETS = {
    OVERLAYS: ("real wafers", "wafers laid over each other from two real ones"),
    SIMULATED: ("simulated", "simulated wafers"),
}
"""What the screen calls the wafers that explanations are scored on, in short and in a sentence, the real ones first."""

POINTING = "pointing"

AWAITED = Fact(label="Without its strongest dies", text="…", hint="The model is being asked.", grave=False)


# What its dies mean ------------------------------------------------------------------------------


def measured(model: ModelFile, wafer: Wafer, credits: Mapping[int, NDArray[np.float32]]) -> dict[int, TakenAway]:
    """Return what the strongest dies of each overlay mean to the model, as far as the store holds its answers."""
    store = state.workspace()
    return taken_away(
        lambda wafers: store.scores(model.sha256, [each.map_hash for each in wafers]).logits, wafer, credits
    )


def removal(pattern: str, told: TakenAway, named: bool = True) -> list[Fact]:
    """Return how a pattern's probability moves without the strongest dies, and without as many random ones.

    Where it does not fall, or no further than without random ones, that is marked; not so where the model does not
    name the pattern, which has nowhere to fall.
    """
    mark, doubt = _doubt(told) if named else ("", "")
    moved = f"moves {pattern} from {told.before:.2f} to {told.after:.2f}"
    moves = f"{told.before:.2f} → {told.after:.2f}{mark}"
    if told.at_random is None:
        taken = "its only failing die" if told.count == 1 else f"all its {told.count} failing dies"
        return [_fact(f"Without {taken}", moves, f"Taking away {taken} {moved}.{doubt}", grave=bool(mark))]
    hint = (
        f"Taking away its {told.count} strongest of {told.failing:,} failing dies {moved}; "
        f"{told.count} random failing dies: {told.at_random:.2f}.{doubt}"
    )
    return [
        _fact(f"Without its {told.count} strongest dies", moves, hint, grave=bool(mark)),
        _fact(f"Without {told.count} random ones", f"{told.before:.2f} → {told.at_random:.2f}", hint),
    ]


def _doubt(told: TakenAway) -> tuple[str, str]:
    """Return what makes the strongest dies doubtful as a reason, behind their figures and as a sentence.

    Figures are compared as they are shown.
    """
    after = round(told.after, 2)
    if after >= round(told.before, 2):
        return ", no lower", " The answer does not fall, so it does not rest on these dies alone."
    if told.at_random is not None and after >= round(told.at_random, 2):
        return (
            ", no more than random dies",
            " The answer falls no more than without random dies, so these do not mean more to it than others.",
        )
    return "", ""


# How often it points rightly ---------------------------------------------------------------------


def record(model: ModelFile) -> Record:
    """Return what was measured of a model's explanations; nothing where the file cannot be read."""
    path = model.folder / RECORD
    return _read(str(model.folder), path.stat().st_mtime_ns) if path.exists() else Record()


@st.cache_resource(show_spinner=False, max_entries=16)
def _read(folder: str, changed: int) -> Record:
    try:
        return Record.read(Path(folder))
    except BrokenModel:
        return Record()


def scored(known: Record, sha256: str, method: str) -> bool:
    """Return whether a method was scored on these weights."""
    return any((each.sha256, each.method) == (sha256, method) for each in known.figures)


def pointing(known: Record, sha256: str, method: str, pattern: str) -> list[Fact]:
    """Return how often a method points rightly at a pattern, beside chance: a line for each kind of wafers."""
    if not scored(known, sha256, method):
        return []
    figures = {each: known.figure(sha256, method, POINTING, each, pattern) for each in SETS}
    found = {name: reached for name, reached in figures.items() if reached is not None}
    if not found:
        return [_fact("Points rightly", "not scored", f"This method was not scored for {pattern} with these weights.")]
    return [
        _fact(
            f"Points rightly, {SETS[name][0]}",
            _beside_chance(each),
            _in_a_sentence(name, each, pattern),
            grave=not each.beats_chance,
        )
        for name, each in found.items()
    ]


def unscored(models: Sequence[ModelFile], method: str) -> str:
    """Return a sentence that says for which models a method was not scored; nothing where it was for all."""
    missing = [model.role for model in models if not scored(record(model), model.sha256, method)]
    if not missing:
        return ""
    whose = "these weights" if len(missing) == len(models) else f"this {missing[0]}'s weights"
    return f"How often it points rightly was not measured for {whose}."


def _beside_chance(reached: Reached) -> str:
    share, chance = percent(reached.value, 0), percent(reached.chance, 0)
    return f"{share} (chance {chance})" if reached.beats_chance else f"{share}, no better than chance ({chance})"


def _in_a_sentence(name: str, reached: Reached, pattern: str) -> str:
    often, chance, wafers = percent(reached.value, 0), percent(reached.chance, 0), SETS[name][1]
    return (
        f"On {reached.n:,} {wafers} this method points at {pattern} rightly {often} of the time (chance {chance}; "
        f"95 % interval {100 * reached.low:.0f} to {100 * reached.high:.0f})"
        f"{'' if reached.beats_chance else ': no better than chance'}."
    )


# Where it is -------------------------------------------------------------------------------------


def place(pattern: str, found: Whereabouts) -> list[Fact]:
    """Return where a pattern is, named as the estimate it is."""
    side = "all around" if found.clock is None else f"{found.clock} o'clock"
    towards = "on no side" if found.clock is None else f"towards {side}"
    hint = (
        f"Estimated from this overlay: {pattern} stands on the {found.dies:,} strongest of {found.failing:,} failing "
        f"dies, outlined on it, which hold {percent(HOLDS, 0)} of what speaks for it; they lie "
        f"{percent(found.radius, 0)} of the wafer's radius out on average, {towards} as drawn."
    )
    return [
        _fact("Estimate: stands on", f"{found.dies:,} dies, {percent(found.share, 0)} of the fails", hint),
        _fact("Estimate: mean radius", f"{percent(found.radius, 0)}, {side}", hint),
    ]


# All of it ---------------------------------------------------------------------------------------


def facts(
    model: ModelFile,
    method: str,
    pattern: int,
    told: TakenAway | None,
    named: bool,
    found: Whereabouts | None,
    awaited: bool,
) -> list[Fact]:
    """Return everything that stands under one overlay.

    Args:
        model: whose overlay it is.
        method: how it was made.
        pattern: its column of `PATTERNS`.
        told: what its strongest dies mean.
        named: whether the model names the pattern.
        found: where it is; None where the model does not name the pattern, or no failing die speaks for it.
        awaited: whether `told` may still come.
    """
    name = PATTERNS[pattern]
    return [
        *(removal(name, told, named=named) if told else [AWAITED] if awaited else []),
        *pointing(record(model), model.sha256, method, name),
        *(place(name, found) if found else []),
    ]


def _fact(label: str, text: str, hint: str, grave: bool = False) -> Fact:
    return Fact(label=label, text=text, hint=hint, grave=grave)
