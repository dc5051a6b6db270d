"""Where names stand beside marks, so that each is read and is read as its own mark's."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import combinations, product

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

Box = tuple[float, float, float, float]


def places_beside(names: Sequence[str], marks: Sequence[tuple[float, float]], width: float) -> list[str]:
    """Choose a place beside each mark that covers least of the marks, of what lies around others and of other names.

    Args:
        names: one a mark.
        marks: the middles of the marks in pixels, from the left and from the bottom.
        width: of the drawing, in pixels.

    Returns:
        Keys of `PLACES`, one a mark.
    """
    edges, around = ([(x - far, y - far, x + far, y + far) for x, y in marks] for far in (MARK, AROUND))
    boxes = [
        {place: _box(name, x, y, *side) for place, side in PLACES.items()}
        for name, (x, y) in zip(names, marks, strict=True)
    ]
    alone = [
        {place: _covered(box, [*edges, *_without(around, i)]) + _outside(box, width) for place, box in own.items()}
        for i, own in enumerate(boxes)
    ]

    def cost(places: Sequence[str]) -> float:
        chosen = [own[place] for own, place in zip(boxes, places, strict=True)]
        together = sum(_covered(box, chosen[:i]) for i, box in enumerate(chosen))
        return together + sum(own[place] for own, place in zip(alone, places, strict=True))

    return _improved([min(own, key=own.__getitem__) for own in alone], cost)


def _improved(places: list[str], cost: Callable[[Sequence[str]], float]) -> list[str]:
    """Move two names at a time as long as that mends something."""
    while True:
        moves = (
            [*places[:i], one, *places[i + 1 : j], two, *places[j + 1 :]]
            for i, j in combinations(range(len(places)), 2)
            for one, two in product(PLACES, repeat=2)
        )
        best = min(moves, key=cost, default=places)
        if cost(best) >= cost(places):
            return places
        places = best


def _without(boxes: Sequence[Box], i: int) -> list[Box]:
    return [*boxes[:i], *boxes[i + 1 :]]


def _box(name: str, x: float, y: float, side: float, rise: float) -> Box:
    wide = LETTER * len(name)
    left = x + 10 if side > 0 else x - 10 - wide
    bottom = y - LINE / 2 + rise * (LINE / 2 + 6)
    return left, bottom, left + wide, bottom + LINE


def _covered(box: Box, taken: Sequence[Box]) -> float:
    def overlap(other: Box) -> float:
        wide = min(box[2], other[2]) - max(box[0], other[0])
        high = min(box[3], other[3]) - max(box[1], other[1])
        return max(wide, 0.0) * max(high, 0.0)

    return sum(overlap(other) for other in taken)


def _outside(box: Box, width: float) -> float:
    return LINE * (max(-box[0], 0.0) + max(box[2] - width, 0.0))
