"""The eight turns of a wafer, and where the weights of a kernel lie in each of them; needs no torch."""

from __future__ import annotations

from functools import cache
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

T = TypeVar("T", bound=np.generic)

TURNS = 8
"""Rotations by quarters of a turn, and the same of the mirror image."""


@cache
def unfolding(side: int, turns: int) -> NDArray[np.int64]:
    """Return where in the kernel of the first turn each weight of all turns' kernels lies, (8, turns, side * side).

    Args:
        side: rows and columns of the kernel.
        turns: 8 where a kernel reads features in all turns, 1 where it reads one or what has none.
    """
    learned = np.arange(turns * side * side).reshape(turns, side, side)
    places = [
        [_turned(learned[_after(_inverse(turn), read) if turns > 1 else 0], turn) for read in range(turns)]
        for turn in range(TURNS)
    ]
    where = np.array(places).reshape(TURNS, turns, side * side)
    where.setflags(write=False)
    return where


def _turned(grid: NDArray[T], turn: int) -> NDArray[T]:
    view = np.rot90(grid, turn % 4)
    return view[:, ::-1] if turn >= 4 else view


def _after(second: int, first: int) -> int:
    """Return the turn that the turn `first` and then the turn `second` make."""
    probe = np.arange(4).reshape(2, 2)
    wanted = _turned(_turned(probe, first), second)
    return next(turn for turn in range(TURNS) if (_turned(probe, turn) == wanted).all())


def _inverse(turn: int) -> int:
    return next(other for other in range(TURNS) if _after(other, turn) == 0)
