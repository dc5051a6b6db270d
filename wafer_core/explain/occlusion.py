"""Occlusion that keeps a map legal: failing dies become passing ones, never holes in the wafer."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from wafer_core.canonical import canonical_states
from wafer_core.lot import FAIL, PASS

MOST_FLIPS = 512
"""How many altered wafers are scored at most; beyond it neighbouring failing dies flip together."""

BATCH = 64

ScoreMaps = Callable[[NDArray[np.float32]], NDArray[np.float32]]
"""Canonical maps float32 (n, 2, size, size) to logits float32 (n, 8)."""


def occlude(
    score: ScoreMaps, states: NDArray[np.uint8], size: int, patterns: Sequence[int], most: int = MOST_FLIPS
) -> NDArray[np.float32]:
    """Return what each pattern's logit loses when a failing die passes.

    Args:
        score: any engine's answer to canonical maps.
        states: uint8 (rows, columns) die states of one wafer.
        size: the canonical size the model takes.
        patterns: columns of the logits to explain.
        most: the largest number of altered wafers to score.

    Returns:
        float32 (len(patterns), rows, columns), zero but on failing dies. Dies that flipped
        together share their loss equally.
    """
    attribution = np.zeros((len(patterns), *states.shape), dtype=np.float32)
    failing = states == FAIL
    if not failing.any():
        return attribution
    group = group_dies(failing, most)
    before = score(canonical_states(states[None], size))[0]
    after = np.concatenate(
        [score(canonical_states(_flipped(states, failing, group, flips), size)) for flips in _batches(group)]
    )
    loss = (before - after)[:, list(patterns)] / np.bincount(group)[:, None]
    attribution[:, failing] = loss[group].T
    return attribution


def group_dies(failing: NDArray[np.bool_], most: int) -> NDArray[np.intp]:
    """Return the group of each failing die, numbered from 0, in row order.

    Groups are squares of the die grid, single dies if there are at most `most` of them, else the
    smallest squares that make no more groups than that.
    """
    rows, columns = np.nonzero(failing)
    side = 1
    while True:
        squares = rows // side * failing.shape[1] + columns // side
        found, group = np.unique(squares, return_inverse=True)
        if len(found) <= max(most, 1):
            return group
        side += 1


def _batches(group: NDArray[np.intp]) -> list[NDArray[np.intp]]:
    groups = np.arange(group.max() + 1)
    return np.split(groups, range(BATCH, len(groups), BATCH))


def _flipped(
    states: NDArray[np.uint8], failing: NDArray[np.bool_], group: NDArray[np.intp], flips: NDArray[np.intp]
) -> NDArray[np.uint8]:
    """Return uint8 (len(flips), rows, columns): the wafer with one group passing, once for each."""
    altered = np.repeat(states[None], len(flips), axis=0)
    altered[:, failing] = np.where(group == flips[:, None], PASS, FAIL)
    return altered
