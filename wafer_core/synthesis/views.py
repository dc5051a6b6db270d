"""Views: the same wafer as another fab's grid, orientation or interrupted test would show it."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from wafer_core.lot import FAIL, NO_DIE, PASS, UNTESTED
from wafer_core.synthesis.neighbours import failing_neighbours

T = TypeVar("T", bound=np.generic)

GRIDS: tuple[tuple[int, int], ...] = (
    (39, 37), (44, 41), (25, 27), (41, 42), (41, 33), (56, 41), (40, 40), (35, 40), (32, 29), (39, 31),
    (26, 26), (52, 59), (51, 59), (49, 39), (33, 33), (39, 50), (38, 38), (45, 42), (51, 30), (50, 43),
    (52, 52), (64, 64), (64, 71), (54, 71), (72, 72), (95, 91), (101, 103),
)  # fmt: skip
"""Die grids met in real lots, MixedWM38's and the 64x64 of resized maps among them."""


def turned(states: NDArray[T], random: Generator) -> NDArray[T]:
    """Return a map, or several that lie on one another, (..., rows, columns), in one of eight flips and rotations."""
    view = np.rot90(states, int(random.integers(4)), (-2, -1))
    return np.ascontiguousarray(view[..., ::-1] if random.random() < 0.5 else view)


def regridded(states: NDArray[T], rows: int, columns: int) -> NDArray[T]:
    """Return maps (..., rows, columns) on another die grid, each new die taking what is found at its centre."""
    row = ((np.arange(rows) + 0.5) * states.shape[-2] / rows).astype(int)
    column = ((np.arange(columns) + 0.5) * states.shape[-1] / columns).astype(int)
    view: NDArray[T] = states[..., row[:, None], column[None]]
    return view


def on_random_grid(states: NDArray[T], random: Generator) -> NDArray[T]:
    """Return maps (..., rows, columns) on a grid near one of `GRIDS`, either way round."""
    rows, columns = GRIDS[random.integers(len(GRIDS))]
    jitter = random.integers(-2, 3, 2)
    shape = (rows + jitter[0], columns + jitter[1])
    return regridded(states, *(shape if random.random() < 0.5 else shape[::-1]))


def with_untested_rows(states: NDArray[np.uint8], share: float) -> NDArray[np.uint8]:
    """Return the map as if the test stopped early: the last `share` of its rows not tested."""
    rows = np.flatnonzero((states != NO_DIE).any(axis=1))
    last = rows[len(rows) - round(share * len(rows)) :]
    untested = states.copy()
    untested[last] = np.where(states[last] == NO_DIE, NO_DIE, UNTESTED)
    return untested


def thinned(states: NDArray[np.uint8], random: Generator, share: float) -> NDArray[np.uint8]:
    """Return the map with lonely fails turned to passing with chance `share`: less background.

    A fail is lonely when at most one of its eight neighbours fails.
    """
    lonely = (states == FAIL) & (failing_neighbours(states) <= 1)
    cleaned = states.copy()
    cleaned[lonely & (random.random(states.shape) < share)] = PASS
    return cleaned


def with_more_fails(states: NDArray[np.uint8], random: Generator, rate: float) -> NDArray[np.uint8]:
    """Return the map with each passing die failing with chance `rate`: more background."""
    noisy = states.copy()
    noisy[(states == PASS) & (random.random(states.shape) < rate)] = FAIL
    return noisy


def any_view(states: NDArray[np.uint8], random: Generator) -> NDArray[np.uint8]:
    """Return a random view of a map that keeps the patterns on it recognisable."""
    view: NDArray[np.uint8] = any_view_alike(states[None], random)[0]
    return view


def any_view_alike(layers: NDArray[np.uint8], random: Generator) -> NDArray[np.uint8]:
    """Return die states and what lies on them, uint8 (layers, rows, columns), states first, in one such view.

    What is said of dies that fail is said no longer of those that are not tested then.
    """
    view = turned(layers, random)
    if random.random() < 0.5:
        view = on_random_grid(view, random)
    if random.random() < 0.1:
        states = with_untested_rows(view[0], random.uniform(0.05, 0.45))
        view = np.concatenate([states[None], view[1:] * (states == FAIL)])
    return view
