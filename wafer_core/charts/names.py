"""Where names stand beside marks, so that each is read and is read as its own mark's."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

PLACES = {
    "middle right": (1.0, 0.0),
    "middle left": (-1.0, 0.0),
    "top right": (1.0, 1.0),
    "bottom right": (1.0, -1.0),
    "top left": (-1.0, 1.0),
    "bottom left": (-1.0, -1.0),
}
"""Where a name can stand, as Plotly calls it, with its side of the mark and its rise."""

LETTER, LINE = 6.6, 15.0
"""Pixels that a letter is wide and a name is high."""

MARK, AROUND = 8.0, 20.0
"""Pixels from a mark's middle to its edge, and as far as a name seems to be that mark's."""

Floats = NDArray[np.float64]
"""Boxes are (..., 4): left, bottom, right and top in pixels."""


def places_beside(names: Sequence[str], marks: Sequence[tuple[float, float]], width: float) -> list[str]:
    """Choose a place beside each mark that covers least of the marks, of what lies around others and of other names.

    Args:
        names: one a mark.
        marks: the middles of the marks in pixels, from the left and from the bottom.
        width: of the drawing, in pixels.

    Returns:
        Keys of `PLACES`, one a mark.
    """
    if not names:
        return []
    middles = np.array(marks, dtype=np.float64)
    boxes = _boxes(names, middles)
    edges, around = (np.hstack([middles - far, middles + far]) for far in (MARK, AROUND))
    others = 1.0 - np.eye(len(names))
    near = np.einsum("ipj,ij->ip", _overlaps(boxes, around), others)
    alone = _overlaps(boxes, edges).sum(axis=2) + near + _outside(boxes, width)
    together = _overlaps(boxes, boxes.reshape(-1, 4)).reshape(*alone.shape, *alone.shape) * others[:, None, :, None]
    return [list(PLACES)[place] for place in _improved(alone, together)]


def _improved(alone: Floats, together: Floats) -> NDArray[np.intp]:
    """Move two names at a time, the best move first, as long as that mends something.

    Args:
        alone: what each name covers of marks at each of its places, (names, places).
        together: what two names cover of each other at any of their places, (names, places, names, places).
    """
    names = range(len(alone))
    chosen: NDArray[np.intp] = alone.argmin(axis=1)
    while True:
        covered = alone + together[:, :, names, chosen].sum(axis=2)
        moves = [_best_of_two(covered, together, chosen, i, j) for i, j in combinations(names, 2)]
        gain, two, places = max(moves, default=(0.0, (), ()))
        # Rounding may call a move that mends nothing a gain, for ever.
        if gain < 1e-6:
            return chosen
        chosen[list(two)] = places


def _best_of_two(
    covered: Floats, together: Floats, chosen: NDArray[np.intp], i: int, j: int
) -> tuple[float, tuple[int, ...], tuple[int, ...]]:
    """Return how much two names cover less at their best places while all others stay, the names and those places."""
    apart = covered[i] - together[i, :, j, chosen[j]], covered[j] - together[j, :, i, chosen[i]]
    cost = apart[0][:, None] + apart[1] + together[i, :, j]
    one, two = np.unravel_index(cost.argmin(), cost.shape)
    return float(cost[chosen[i], chosen[j]] - cost[one, two]), (i, j), (int(one), int(two))


def _boxes(names: Sequence[str], middles: Floats) -> Floats:
    """Return the box of each name at each of its places, (names, places, 4)."""
    side, rise = np.array(list(PLACES.values())).T
    x, y = middles[:, :1], middles[:, 1:]
    wide = LETTER * np.array([[len(name)] for name in names])
    left = np.where(side > 0, x + 10, x - 10 - wide)
    bottom = y - LINE / 2 + rise * (LINE / 2 + 6)
    return np.stack([left, bottom, left + wide, bottom + LINE], axis=-1)


def _overlaps(boxes: Floats, others: Floats) -> Floats:
    """Return the area that each of (..., 4) boxes shares with each of (n, 4) others, (..., n)."""
    low = np.maximum(boxes[..., None, :2], others[:, :2])
    high = np.minimum(boxes[..., None, 2:], others[:, 2:])
    shared: Floats = np.maximum(high - low, 0.0).prod(axis=-1)
    return shared


def _outside(boxes: Floats, width: float) -> Floats:
    beyond: Floats = LINE * (np.maximum(-boxes[..., 0], 0.0) + np.maximum(boxes[..., 2] - width, 0.0))
    return beyond
