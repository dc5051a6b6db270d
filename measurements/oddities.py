"""Synthetic wafers that are no pattern anybody named: marks drawn by rule on real normal wafers."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from wafer_core.lot import FAIL, NO_DIE

Marks = Callable[[tuple[int, int], Generator], NDArray[np.bool_]]

FILLED = 0.95
"""The share of marked dies that fail: a mark on a wafer has gaps."""

_LETTERS = {
    "E": ("11111", "10000", "11110", "10000", "11111"),
    "H": ("10001", "10001", "11111", "10001", "10001"),
    "L": ("10000", "10000", "10000", "10000", "11111"),
    "T": ("11111", "00100", "00100", "00100", "00100"),
    "X": ("10001", "01010", "00100", "01010", "10001"),
}


def checkerboard(shape: tuple[int, int], random: Generator) -> NDArray[np.bool_]:
    """Mark every other square of 1 to 8 dies a side."""
    rows, columns = np.indices(shape) // random.integers(1, 9)
    marks: NDArray[np.bool_] = (rows + columns) % 2 == 1
    return marks


def striped_half(shape: tuple[int, int], random: Generator) -> NDArray[np.bool_]:
    """Mark stripes of 2 to 6 dies over one half."""
    stripes = (np.indices(shape)[random.integers(2)] // random.integers(2, 7)) % 2 == 0
    marks: NDArray[np.bool_] = stripes & half(shape, random)
    return marks


def half(shape: tuple[int, int], random: Generator) -> NDArray[np.bool_]:
    """Mark one half."""
    axis = random.integers(2)
    marks: NDArray[np.bool_] = np.indices(shape)[axis] < shape[axis] // 2
    return marks


def cross(shape: tuple[int, int], random: Generator) -> NDArray[np.bool_]:
    """Mark the middle rows and columns, 3 to 7 dies wide."""
    rows, columns = np.indices(shape)
    reach = random.integers(1, 4)
    marks: NDArray[np.bool_] = (abs(rows - shape[0] // 2) <= reach) | (abs(columns - shape[1] // 2) <= reach)
    return marks


def letters(shape: tuple[int, int], random: Generator) -> NDArray[np.bool_]:
    """Mark two or three letters across the middle."""
    count = int(random.integers(2, 4))
    pixel = max(1, int(0.7 * min(shape) / (6 * count)))
    drawn = [_letter(name, pixel) for name in random.choice(list(_LETTERS), count)]
    text = np.concatenate([np.pad(each, ((0, 0), (0, pixel))) for each in drawn], axis=1)
    marks = np.zeros(shape, dtype=bool)
    top, left = (shape[0] - text.shape[0]) // 2, (shape[1] - text.shape[1]) // 2
    marks[top : top + text.shape[0], left : left + text.shape[1]] = text
    return marks


def repeated_die(shape: tuple[int, int], random: Generator) -> NDArray[np.bool_]:
    """Mark one die of every exposure field of 3 to 8 dies a side, as a flaw of the reticle would."""
    rows, columns = np.indices(shape)
    high, wide = random.integers(3, 9, size=2)
    marks: NDArray[np.bool_] = (rows % high == random.integers(high)) & (columns % wide == random.integers(wide))
    return marks


ODDITIES: dict[str, Marks] = {
    "checkerboard": checkerboard,
    "half a wafer of stripes": striped_half,
    "half a wafer": half,
    "cross": cross,
    "letters": letters,
    "one die of every field": repeated_die,
}


def marked(states: NDArray[np.uint8], marks: Marks, random: Generator) -> NDArray[np.uint8]:
    """Return the die states of a wafer with marks drawn upon it, and everything else of it left as it is."""
    hit = marks(states.shape, random) & (states != NO_DIE) & (random.random(states.shape) < FILLED)
    return np.where(hit, FAIL, states).astype(np.uint8)


def _letter(name: str, pixel: int) -> NDArray[np.bool_]:
    dots = np.array([[dot == "1" for dot in row] for row in _LETTERS[name]])
    return np.kron(dots, np.ones((pixel, pixel), dtype=bool)).astype(bool)
