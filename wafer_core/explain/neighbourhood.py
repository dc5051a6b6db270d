"""What a die and its failing neighbours are credited with together, and where the credit belongs."""

from __future__ import annotations

from math import comb

import numpy as np
from numpy.typing import NDArray

Dies = NDArray[np.float32]
"""Credit per pattern and die, float32 (patterns, rows, columns)."""

REACH = 6
WINDOW = tuple(comb(2 * REACH, step) / 4**REACH for step in range(2 * REACH + 1))
"""Weights along rows and columns of the window that credit is summed in: a bell, six tenths of it within a die.

With a narrower one teacher and student agree less, with a wider one both point less often at the right region.
"""


def summed_nearby(credit: Dies, failing: NDArray[np.bool_]) -> Dies:
    """Return for each failing die the credit of the failing dies around it, weighted by `WINDOW`; zero elsewhere."""
    rows, columns = failing.shape
    near = _window(rows) @ (credit * failing) @ _window(columns)
    return (near * failing).astype(np.float32, copy=False)


def placed(credit: Dies, places: Dies, failing: NDArray[np.bool_]) -> Dies:
    """Return the evidence of places, carried by the failing dies that earned it.

    Where a place speaks for the pattern, a die carries its evidence in proportion to what the
    failing dies in its `WINDOW` were credited with, all of it at the most credited die of the wafer
    and none where that is not positive. Where a place speaks against the pattern, its failing dies
    do too.

    Args:
        credit: what each die was credited with.
        places: evidence per pattern at each die's place, (patterns, rows, columns).
        failing: bool (rows, columns).
    """
    earned = np.maximum(summed_nearby(credit, failing), 0.0)
    most = earned.max(axis=(1, 2), keepdims=True, initial=0.0)
    share = np.divide(earned, most, out=np.zeros_like(earned), where=most > 0)
    return (places * np.where(places > 0, share, failing)).astype(np.float32, copy=False)


def _window(cells: int) -> NDArray[np.float32]:
    """Return the symmetric float32 (cells, cells) matrix that sums a row of cells within the window."""
    apart = np.subtract.outer(np.arange(cells), np.arange(cells))
    weights = np.array([*WINDOW, 0.0])
    window: NDArray[np.float32] = weights[np.minimum(np.abs(apart) + REACH, 2 * REACH + 1)].astype(np.float32)
    return window
