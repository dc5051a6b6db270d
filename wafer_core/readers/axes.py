"""Coordinates along the edges of a grid: a first line of x, a first column of y."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from wafer_core.errors import UnreadableFile
from wafer_core.readers import numbers

Axis = NDArray[np.int64]

_FEW_LABELS = 4
"""Coordinates along an edge that could as well be bins, unless both edges have them and they go one by one."""


class Axes(NamedTuple):
    """The coordinates that a grid carries, int64 (columns,) and (rows,), and where its dies stand beside them."""

    x: Axis | None = None
    y: Axis | None = None
    rows: slice = slice(0, None)
    columns: slice = slice(0, None)


def find_axes(name: str, values: NDArray[np.int64], kinds: NDArray[np.uint8]) -> Axes:
    """Return the coordinates along the edges of a grid (rows, columns) of numbers and what each cell's text was.

    Both edges have them where both rise or fall. An edge has them without the other where it counts one by one from
    end to end, as no dies do: tables are saved without their index or without their header.

    Raises:
        UnreadableFile: the first line counts beside an empty corner, and nothing says which column begins the dies.
    """
    whole = kinds == numbers.WHOLE
    corner = bool(whole[0, 0])
    top, side = values[0, 1:], values[1:, 0]
    top_whole, side_whole = bool(whole[0, 1:].all()), bool(whole[1:, 0].all())
    holds = _counts if corner else _runs
    below, beside = slice(1, None), slice(1, None)
    if min(values.shape) > 2 and top_whole and side_whole and holds(top) and holds(side):
        return Axes(top, side, below, beside)
    if len(values) > 1 and top_whole and corner and _counts(values[0]):
        return Axes(x=values[0], rows=below)
    if values.shape[1] > 1 and side_whole and corner and _counts(values[:, 0]):
        return Axes(y=values[:, 0], columns=beside)
    if len(values) > 1 and top_whole and not corner and _counts(top):
        return Axes(x=top, rows=below, columns=_columns_below(name, kinds[1:]))
    return Axes()


def _columns_below(name: str, kinds: NDArray[np.uint8]) -> slice:
    """Return the columns of dies under a first line that has an empty corner, which no column of y explains."""
    empty = (kinds == numbers.BLANK).all(axis=0)
    if empty[0]:
        return slice(1, None)
    if empty[-1]:
        return slice(0, -1)
    raise UnreadableFile(
        name,
        "its first line counts as x does beside an empty corner, but its first column is no y; number the lines one "
        "by one in the first column, or leave the first column out.",
    )


def _runs(axis: Axis) -> bool:
    """Whether numbers rise or fall all along, one by one where they are so few that dies might by chance."""
    steps = np.diff(axis)
    alike = (steps > 0).all() or (steps < 0).all()
    return bool(alike and (len(axis) > _FEW_LABELS or (np.abs(steps) == 1).all()))


def _counts(axis: Axis) -> bool:
    """Whether numbers go up or down one by one all along, and are too many for dies to do so by chance."""
    steps = np.diff(axis)
    return len(axis) > _FEW_LABELS and bool((steps == 1).all() or (steps == -1).all())
