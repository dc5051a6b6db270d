"""How many neighbours of a die fail: what tells a cluster from the scatter around it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from wafer_core.lot import FAIL


def failing_neighbours(states: NDArray[np.uint8]) -> NDArray[np.int8]:
    """Return how many of the eight cells around each cell of a map fail, int8 (rows, columns) from 0 to 8."""
    fails = np.pad(states == FAIL, 1).astype(np.int8)
    rows, columns = states.shape
    blocks = [fails[dy : dy + rows, dx : dx + columns] for dy in range(3) for dx in range(3)]
    around: NDArray[np.int8] = np.add.reduce(blocks, dtype=np.int8) - fails[1:-1, 1:-1]
    return around


def clustered_fails(states: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Return bool (rows, columns): the failing dies of a map with at least two failing neighbours."""
    clustered: NDArray[np.bool_] = (states == FAIL) & (failing_neighbours(states) >= 2)
    return clustered
