"""Where names stand beside marks, so that each is read and is read as its own mark's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Literal

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Mark:
    """A mark and its whisker, as fractions of the drawing from the left and from the bottom."""

    across: float
    up: float
    low: float
    high: float


@dataclass(frozen=True)
class Place:
    """Where a name stands.

    Args:
        anchor: which part of the name is placed.
        aside: pixels of that part right of the mark's middle.
        rise: pixels of the name's middle above the height it is placed by.
        by: that height, the mark's or an end of its whisker.
    """

    anchor: Literal["left", "center", "right"]
    aside: int
    rise: int
    by: Literal["up", "low", "high"] = "up"

    @property
    def led(self) -> bool:
        """Whether the name is so far away that a line has to lead to it."""
        return self.by == "up" and abs(self.rise) > 14


def _beside(aside: int, *rises: int) -> list[Place]:
    return [place for rise in rises for place in (Place("left", aside, rise), Place("right", -aside, rise))]


def _beyond(by: Literal["low", "high"], rise: int) -> list[Place]:
    return [Place("center", 0, rise, by), Place("left", -8, rise, by), Place("right", 8, rise, by)]


PLACES = (
    *_beside(10, 0, 14, -14),
    *_beyond("high", 17),
    *_beyond("low", -17),
    *_beside(16, 30, -30, 46, -46, 62, -62),
)
"""The places that are tried, those liked best first."""

AREAS = tuple((wide, high) for wide in (355.0, 400.0, 460.0, 520.0, 600.0, 700.0) for high in (290.0, 350.0, 430.0))
"""Widths and heights in pixels that a drawing has on narrow and on wide windows."""

LETTER, LINE = 5.3, 16.0
"""Pixels that a letter is wide and a name is high."""

MARK, AROUND, WHISKER = 8.0, 20.0, 6.0
"""Pixels from a mark's middle to its edge, as far as a name seems to be that mark's, and to a whisker's ends."""

LIKING, WORSE = 3.0, 4.0
"""Square pixels covered that one place farther down in `PLACES` is worth; how much worse ink is than ground."""

Floats = NDArray[np.float64]
"""Boxes are (..., 4): left, bottom, right and top in pixels."""


def places_beside(names: Sequence[str], marks: Sequence[Mark]) -> list[Place]:
    """Choose a place beside each mark that covers least on any of `AREAS`.

    Counted are marks, what lies around others, others' whiskers, other names and what is outside the drawing.

    Args:
        names: one a mark.
        marks: in the order of the names.

    Returns:
        Some of `PLACES`, one a mark.
    """
    if not names:
        return []
    liking = LIKING * np.arange(len(PLACES))
    alone, together = np.full((len(names), len(PLACES)), liking), np.zeros(2 * (len(names), len(PLACES)))
    for area in AREAS:
        single, double = _covered(names, marks, np.array(area))
        alone, together = np.maximum(alone, single + liking), np.maximum(together, double)
    return [PLACES[place] for place in _improved(alone, together)]


def _covered(names: Sequence[str], marks: Sequence[Mark], area: Floats) -> tuple[Floats, Floats]:
    """Return what names cover at their places on a drawing of a size, alone and together as `_improved` takes it."""
    middles = area * [(mark.across, mark.up) for mark in marks]
    low, high = (area[1] * np.array([[mark.low, mark.high] for mark in marks])).T
    boxes = _boxes(names, middles[:, 0], {"up": middles[:, 1], "low": low, "high": high})
    edges, around = (np.hstack([middles - far, middles + far]) for far in (MARK, AROUND))
    whiskers = np.stack([middles[:, 0] - WHISKER, low - WHISKER, middles[:, 0] + WHISKER, high + WHISKER], axis=-1)
    others = 1.0 - np.eye(len(names))
    of_others = _overlaps(boxes, around) + WORSE * _overlaps(boxes, whiskers)
    near = np.einsum("ipj,ij->ip", of_others, others)
    alone = WORSE * _overlaps(boxes, edges).sum(axis=2) + near + _outside(boxes, area)
    both = _overlaps(boxes, boxes.reshape(-1, 4)).reshape(2 * alone.shape)
    return alone, WORSE * both * others[:, None, :, None]


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


def _boxes(names: Sequence[str], across: Floats, heights: Mapping[str, Floats]) -> Floats:
    """Return the box of each name at each of its places, (names, places, 4)."""
    wide = LETTER * np.array([[len(name)] for name in names])
    before = wide * [{"left": 0.0, "center": 0.5, "right": 1.0}[place.anchor] for place in PLACES]
    left = across[:, None] + [place.aside for place in PLACES] - before
    bottom = np.stack([heights[place.by] + place.rise - LINE / 2 for place in PLACES], axis=1)
    return np.stack([left, bottom, left + wide, bottom + LINE], axis=-1)


def _overlaps(boxes: Floats, others: Floats) -> Floats:
    """Return the area that each of (..., 4) boxes shares with each of (n, 4) others, (..., n)."""
    low = np.maximum(boxes[..., None, :2], others[:, :2])
    high = np.minimum(boxes[..., None, 2:], others[:, 2:])
    shared: Floats = np.maximum(high - low, 0.0).prod(axis=-1)
    return shared


def _outside(boxes: Floats, area: Floats) -> Floats:
    """Return how much of (..., 4) boxes is outside the drawing, much worse than what is covered in it."""
    beyond = np.maximum(-boxes[..., :2], 0.0) + np.maximum(boxes[..., 2:] - area, 0.0)
    cut: Floats = WORSE * LINE * beyond.sum(axis=-1)
    return cut
