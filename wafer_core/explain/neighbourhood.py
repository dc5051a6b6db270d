"""What a die and its failing neighbours are credited with together, and where the credit belongs."""

from __future__ import annotations

from functools import cache
from math import comb

import numpy as np
from numpy.typing import NDArray

Dies = NDArray[np.float32]
"""Credit per pattern and die, float32 (patterns, rows, columns)."""

NEAR, WIDE = 6, 24
"""How far, in dies, two windows reach: bells, six tenths of the one within a die, half of the other within two.

Credit is summed in the narrower one. Evidence, which comes in cells of several dies, is averaged in the wider
one: the steps between cells are a model's own, and teacher and student agree more without them.
"""

CONTESTED = 0.25
"""The share of what a place says for other patterns that is taken from what it says for one."""


def summed_nearby(credit: Dies, failing: NDArray[np.bool_]) -> Dies:
    """Return for each failing die the credit of the failing dies around it within a bell of `NEAR`; zero elsewhere.

    Args:
        credit: what each die was credited with.
        failing: bool (rows, columns).
    """
    rows, columns = failing.shape
    near = _window(rows, NEAR) @ (credit * failing) @ _window(columns, NEAR)
    return (near * failing).astype(np.float32, copy=False)


def averaged_around(evidence: Dies) -> Dies:
    """Return evidence (patterns, rows, columns) averaged around each die within a bell of `WIDE` and the map."""
    rows, columns = evidence.shape[1:]
    down, across = _window(rows, WIDE), _window(columns, WIDE)
    inside = np.outer(down.sum(axis=1), across.sum(axis=0))
    return (down @ evidence @ across / inside).astype(np.float32, copy=False)


def contested(evidence: Dies, patterns: list[int]) -> Dies:
    """Return what places say for some patterns where a place speaks for others too.

    Args:
        evidence: of every pattern at each die's place, (all patterns, rows, columns).
        patterns: which of them are asked for.

    Returns:
        (len(patterns), rows, columns): evidence for a pattern less a share of that for others, at
        least 0; evidence against it as it is.
    """
    speaking = np.maximum(evidence, 0.0)
    own = evidence[patterns]
    others = speaking.sum(axis=0) - speaking[patterns]
    return np.where(own > 0, np.maximum(own - CONTESTED * others, 0.0), own).astype(np.float32, copy=False)


def placed(credit: Dies, places: Dies, failing: NDArray[np.bool_]) -> Dies:
    """Return the evidence of places, carried by the failing dies that earned it.

    Where a place speaks for the pattern, a die carries its evidence by the square of what the
    failing dies around it were credited with (`summed_nearby`), all of it at the most credited die
    of the wafer and none where that is not positive. Where a place speaks against the pattern, its
    failing dies do too.

    Args:
        credit: what each die was credited with.
        places: evidence per pattern at each die's place, (patterns, rows, columns).
        failing: bool (rows, columns).
    """
    earned = np.maximum(summed_nearby(credit, failing), 0.0)
    most = earned.max(axis=(1, 2), keepdims=True, initial=0.0)
    share = np.divide(earned, most, out=np.zeros_like(earned), where=most > 0) ** 2
    return (places * np.where(places > 0, share, failing)).astype(np.float32, copy=False)


@cache
def bell(reach: int) -> tuple[float, ...]:
    """Return the 2 * reach + 1 weights of a bell that sums to one."""
    return tuple(comb(2 * reach, step) / 4**reach for step in range(2 * reach + 1))


def _window(cells: int, reach: int) -> NDArray[np.float32]:
    """Return the symmetric float32 (cells, cells) matrix that sums a row of cells within a bell."""
    apart = np.subtract.outer(np.arange(cells), np.arange(cells))
    weights = np.array([*bell(reach), 0.0])
    window: NDArray[np.float32] = weights[np.minimum(np.abs(apart) + reach, 2 * reach + 1)].astype(np.float32)
    return window
