"""Occlusion that keeps a map legal: failing dies become passing ones, never holes in the wafer."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from wafer_core.canonical import canonical_states
from wafer_core.lot import FAIL, PASS

MOST_FLIPS = 512
"""How many altered wafers are scored at most; beyond it neighbouring failing dies share a flip."""

REACH = 1
"""How far, in dies, a flip reaches beyond its own: one die changes a logit little, a few together tell."""

BATCH = 64

ScoreMaps = Callable[[NDArray[np.float32]], NDArray[np.float32]]
"""Canonical maps float32 (n, 2, size, size) to logits float32 (n, 8)."""


def occlude(
    score: ScoreMaps,
    states: NDArray[np.uint8],
    size: int,
    patterns: Sequence[int],
    most: int = MOST_FLIPS,
    reach: int = REACH,
) -> NDArray[np.float32]:
    """Return what each pattern's logit loses when a failing die and those around it pass.

    Each failing die is the middle of one flip and belongs to those of its neighbours. The dies of a
    flip share its loss equally, and a die is credited with the mean of its shares.

    Args:
        score: any engine's answer to canonical maps.
        states: uint8 (rows, columns) die states of one wafer.
        size: the canonical size the model takes.
        patterns: columns of the logits to explain.
        most: the largest number of altered wafers to score.
        reach: dies that a flip reaches beyond its middle; 0 flips each die alone.

    Returns:
        float32 (len(patterns), rows, columns), zero but on failing dies.
    """
    attribution = np.zeros((len(patterns), *states.shape), dtype=np.float32)
    failing = states == FAIL
    if not failing.any():
        return attribution
    flips = flip_squares(failing, most, reach)
    before = score(canonical_states(states[None], size))[0]
    after = np.concatenate([score(canonical_states(_flipped(states, failing, part), size)) for part in _batches(flips)])
    share = (before - after)[:, list(patterns)] / flips.sum(axis=1)[:, None]
    attribution[:, failing] = share.T @ flips / flips.sum(axis=0)
    return attribution


def flip_squares(failing: NDArray[np.bool_], most: int, reach: int) -> NDArray[np.bool_]:
    """Return which failing dies, in row order, pass in each flip: bool (flips, failing dies).

    The middles of flips are squares of the die grid, single dies if there are at most `most` of
    them, else the smallest squares that make no more flips than that.
    """
    die = np.argwhere(failing)
    side = 1
    while len(middles := np.unique(die // side, axis=0)) > max(most, 1):
        side += 1
    first, last = middles * side - reach, middles * side + side - 1 + reach
    within = (die >= first[:, None]) & (die <= last[:, None])
    return within[..., 0] & within[..., 1]


def _batches(flips: NDArray[np.bool_]) -> list[NDArray[np.bool_]]:
    return np.split(flips, range(BATCH, len(flips), BATCH))


def _flipped(states: NDArray[np.uint8], failing: NDArray[np.bool_], flips: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Return uint8 (len(flips), rows, columns): the wafer after each flip."""
    altered = np.repeat(states[None], len(flips), axis=0)
    altered[:, failing] = np.where(flips, PASS, FAIL)
    return altered
