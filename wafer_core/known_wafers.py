"""Wafers known again by their dies, whatever a file calls them and however it turns them or pads their grid."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from wafer_core.lot import FAIL, NO_DIE, Wafer

States = NDArray[np.uint8]
Traits = tuple[int, ...]
"""Whole numbers that are the same in all turns of a wafer, and tell nearly all wafers apart."""


class KnownWafers:
    """A set of wafers: one is in it if its dies, turned or mirrored in any way, are those of one that was put in.

    Neither ids, nor the file's coordinates, nor blank rows and columns around the dies make another wafer of it.
    """

    def __init__(self, wafers: Iterable[Wafer]) -> None:
        self._marks: dict[Traits, set[bytes]] = defaultdict(set)
        for wafer in wafers:
            self._marks[_counts(wafer)].add(mark(_trimmed(wafer.states)))

    def __contains__(self, wafer: Wafer) -> bool:
        marks = self._marks.get(_counts(wafer))
        return marks is not None and any(mark(turned) in marks for turned in _turns(_trimmed(wafer.states)))


def same_wafers(wafers: Sequence[Wafer]) -> dict[bytes, list[int]]:
    """Return the positions of wafers that are one and the same in several turns, a list each; of all others nothing.

    Each list stands under a mark of the wafer, which is the same whichever of its turns there are.
    """
    same: dict[bytes, list[int]] = defaultdict(list)
    for alike in _shared(range(len(wafers)), lambda position: _counts(wafers[position])):
        for positions in _shared(alike, lambda position: _scatter(wafers[position].states)):
            for position in positions:
                same[min(map(mark, _turns(_trimmed(wafers[position].states))))].append(position)
    # The least of eight marks is seldom a large one: marked once more, it is as likely as any.
    return {hashlib.sha256(least).digest(): positions for least, positions in same.items() if len(positions) > 1}


def mark(dies: States) -> bytes:
    """Return a hash of die states and their grid, any as likely as any other."""
    return hashlib.sha256(repr(dies.shape).encode() + np.ascontiguousarray(dies).tobytes()).digest()


def _shared(positions: Iterable[int], trait: Callable[[int], Traits]) -> list[list[int]]:
    """Return positions by a trait that several of them have."""
    found: dict[Traits, list[int]] = defaultdict(list)
    for position in positions:
        found[trait(position)].append(position)
    return [each for each in found.values() if len(each) > 1]


def _counts(wafer: Wafer) -> Traits:
    return wafer.dies, wafer.passing, wafer.failing


def _scatter(states: States) -> Traits:
    """Return how far failing dies lie from their own middle, which no turn and no margin changes, in whole numbers."""
    down, across = (each.astype(np.int64) for each in np.nonzero(states == FAIL))
    squares = int((down * down).sum() + (across * across).sum())
    return (len(down) * squares - int(down.sum()) ** 2 - int(across.sum()) ** 2,)


def _trimmed(states: States) -> States:
    """Return die states without the blank margin that some files keep."""
    rows, columns = (np.flatnonzero((states != NO_DIE).any(axis=axis)) for axis in (1, 0))
    return states[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1] if len(rows) else states


def _turns(dies: States) -> Iterator[States]:
    for side in (dies, dies[:, ::-1]):
        yield from (np.rot90(side, quarters) for quarters in range(4))
