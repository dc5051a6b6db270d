"""The same wafer, some of its dies read otherwise, and what taking away the strongest dies does to an answer."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.random import default_rng
from numpy.typing import NDArray

from wafer_core.decode import sigmoid
from wafer_core.lot import FAIL, PASS, Wafer
from wafer_core.trust.scores import by_credit

COUNT = 10
"""So many dies are taken away at once."""

DRAWS = 10
"""Random choices of as many failing dies, which chance is the mean of; they follow from the wafer alone."""

Dies = NDArray[np.float32]
Answers = Callable[[Sequence[Wafer]], NDArray[np.float32]]
"""Wafers to logits float32 (n, 8); a row of NaN is not known."""


@dataclass(frozen=True)
class TakenAway:
    """What a few dies mean to a pattern: its probability with them, without them, and without as many others.

    Args:
        count: how many dies were taken away; all failing ones where there are no more than `COUNT`.
        failing: how many dies fail.
        before: probability of the pattern on the wafer as it is.
        after: without the dies most credited with the pattern.
        at_random: mean over random choices among all failing dies; None where all were taken away.
    """

    count: int
    failing: int
    before: float
    after: float
    at_random: float | None


def flipped(wafer: Wafer, dies: Iterable[int]) -> Wafer:
    """Return the wafer with some failing dies passing and some passing dies failing; others stay as they are.

    Args:
        wafer: stays as it is.
        dies: their cells, counted along the rows from the upper left one; each counts once.
    """
    states = wafer.states.copy()
    chosen = np.zeros(states.shape, dtype=bool)
    chosen.flat[[die for die in dies if 0 <= die < states.size]] = True
    states[chosen & (wafer.states == FAIL)] = PASS
    states[chosen & (wafer.states == PASS)] = FAIL
    return replace(wafer, states=states, bins=None, labels=None)


def alterations(wafer: Wafer, credits: Sequence[Dies]) -> list[Wafer]:
    """Return the wafers that a model is asked about to check attributions: one each, then the random choices.

    Args:
        wafer: as it is.
        credits: attributions float32 (rows, columns), one a pattern.
    """
    failing = np.flatnonzero(wafer.states == FAIL)
    strongest = [_strongest(failing, credit) for credit in credits]
    random = default_rng(0)
    draws = DRAWS if len(failing) > COUNT else 0
    others = [random.choice(failing, COUNT, replace=False) for _ in range(draws)]
    return [flipped(wafer, dies.tolist()) for dies in (*strongest, *others)]


def taken_away(answers: Answers, wafer: Wafer, credits: Mapping[int, Dies]) -> dict[int, TakenAway]:
    """Return what the strongest dies mean to each pattern, by column, as far as the answers are known.

    Args:
        answers: what one model says; asked once, about the wafer and its `alterations`.
        wafer: as it is.
        credits: the attributions float32 (rows, columns) of each pattern, by column.
    """
    if not wafer.failing:
        return {}
    altered = alterations(wafer, list(credits.values()))
    before, *after = sigmoid(answers([wafer, *altered]))
    others = np.array(after[len(credits) :])
    found = {}
    for pattern, without in zip(credits, after, strict=False):
        chances = np.array([before[pattern], without[pattern], *(others[:, pattern] if len(others) else ())])
        if not np.isnan(chances).any():
            at_random = float(chances[2:].mean()) if len(others) else None
            count = min(COUNT, wafer.failing)
            found[pattern] = TakenAway(count, wafer.failing, float(chances[0]), float(chances[1]), at_random)
    return found


def _strongest(failing: NDArray[np.intp], credit: Dies) -> NDArray[np.intp]:
    """Return the failing dies with the most credit; equals by chance, the same at every call."""
    return failing[by_credit(credit.ravel()[failing], default_rng(0)) < COUNT]
