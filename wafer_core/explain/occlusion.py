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

Square = tuple[slice, slice]
"""Rows and columns of the die grid."""


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
    squares = flip_squares(failing, most, reach)
    batches = [squares[start : start + BATCH] for start in range(0, len(squares), BATCH)]
    before = score(canonical_states(states[None], size))[0]
    after = np.concatenate([score(_maps_after(states, batch, size)) for batch in batches])
    losses = (before - after)[:, list(patterns)]
    attribution[:, failing] = _mean_shares(failing, squares, losses.astype(np.float64))
    return attribution


def flip_squares(failing: NDArray[np.bool_], most: int, reach: int) -> list[Square]:
    """Return the squares of the die grid whose failing dies pass together, a square a flip.

    The middles of flips are squares of the die grid, single dies if there are at most `most` of
    them, else the smallest squares that make no more flips than that.
    """
    rows, columns = np.nonzero(failing)
    width = failing.shape[1]
    side = 1
    while len(middles := np.unique(rows // side * width + columns // side)) > max(most, 1):
        side += 1

    def reached(middle: int) -> slice:
        return slice(max(0, middle * side - reach), (middle + 1) * side + reach)

    return [(reached(middle // width), reached(middle % width)) for middle in middles.tolist()]


def _mean_shares(
    failing: NDArray[np.bool_], squares: Sequence[Square], losses: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Share each flip's losses, (flips, patterns), among its failing dies; return (patterns, failing dies)."""
    shares = np.zeros((losses.shape[1], *failing.shape))
    flips = np.zeros(failing.shape, dtype=np.int64)
    for square, loss in zip(squares, losses[..., None, None], strict=True):
        shares[:, *square] += loss / np.count_nonzero(failing[square])
        flips[square] += 1
    return shares[:, failing] / flips[failing]


def _maps_after(states: NDArray[np.uint8], squares: Sequence[Square], size: int) -> NDArray[np.float32]:
    """Return float32 (len(squares), 2, size, size): what is seen of the wafer after each flip."""
    # One at a time: the wafer's own grid may be far larger than what is seen of it.
    return np.concatenate([canonical_states(_flipped(states, square)[None], size) for square in squares])


def _flipped(states: NDArray[np.uint8], square: Square) -> NDArray[np.uint8]:
    flipped = states.copy()
    flipped[square][states[square] == FAIL] = PASS
    return flipped
