"""The canonical grid: what a network sees of a wafer, by exact area weights."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from wafer_core.lot import FAIL, PASS, Wafer

CHANNELS = 2
"""Channel 0 is the fraction of passing dies in a cell, channel 1 the fraction of failing dies."""

_CELLS_AT_ONCE = 4_000_000
"""Dies, of wafers of one grid, that are averaged together: each takes 12 bytes and more for the moment."""


@lru_cache(maxsize=1024)
def area_weights(cells: int, size: int) -> NDArray[np.float32]:
    """Return the float32 (size, cells) matrix that averages `cells` cells onto `size` by overlap.

    Each row sums to one; `cells == size` gives the identity.
    """
    edges = np.linspace(0.0, cells, size + 1)
    low, high = edges[:-1, None], edges[1:, None]
    position = np.arange(cells)[None]
    overlap = np.clip(np.minimum(high, position + 1) - np.maximum(low, position), 0.0, None)
    weights: NDArray[np.float32] = (overlap / overlap.sum(axis=1, keepdims=True)).astype(np.float32)
    weights.setflags(write=False)
    return weights


def channels(states: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return die states (..., rows, columns) as float32 (..., 2, rows, columns): passing, failing."""
    return np.stack([states == PASS, states == FAIL], axis=-3).astype(np.float32)


def canonical_states(states: NDArray[np.uint8], size: int) -> NDArray[np.float32]:
    """Map die states of one grid, uint8 (n, rows, columns), to float32 (n, 2, size, size) in [0, 1]."""
    grid = channels(states)
    rows, columns = states.shape[-2:]
    if (rows, columns) == (size, size):
        return grid
    resized = area_weights(rows, size) @ grid @ area_weights(columns, size).T
    return resized.astype(np.float32, copy=False)


def canonical(wafers: Sequence[Wafer], size: int) -> NDArray[np.float32]:
    """Return the canonical maps of wafers of any grids, float32 (n, 2, size, size) in [0, 1].

    A map is a function of its one wafer: neither order nor company changes it.
    """
    maps = np.empty((len(wafers), CHANNELS, size, size), dtype=np.float32)
    by_shape: dict[tuple[int, int], list[int]] = {}
    for position, wafer in enumerate(wafers):
        by_shape.setdefault(wafer.frame.shape, []).append(position)
    for (rows, columns), positions in by_shape.items():
        at_once = max(1, _CELLS_AT_ONCE // (rows * columns))
        for start in range(0, len(positions), at_once):
            some = positions[start : start + at_once]
            maps[some] = canonical_states(np.stack([wafers[i].states for i in some]), size)
    return maps
