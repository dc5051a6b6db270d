"""Wafers known again by their dies, whatever a file calls them and however it turns them or pads their grid."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from wafer_core.lot import FAIL, NO_DIE, PASS, Wafer

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
            dies = _trimmed(wafer.states)
            self._marks[_traits(dies)].add(_mark(dies))

    def __contains__(self, wafer: Wafer) -> bool:
        dies = _trimmed(wafer.states)
        marks = self._marks.get(_traits(dies))
        return marks is not None and any(_mark(turned) in marks for turned in _turns(dies))


def same_wafers(wafers: Sequence[Wafer]) -> list[list[int]]:
    """Return the positions of wafers that are one and the same in several turns, a list each; of all others nothing."""
    alike: dict[Traits, list[int]] = defaultdict(list)
    for position, wafer in enumerate(wafers):
        alike[_traits(_trimmed(wafer.states))].append(position)
    same: dict[bytes, list[int]] = defaultdict(list)
    for positions in (each for each in alike.values() if len(each) > 1):
        for position in positions:
            same[min(map(_mark, _turns(_trimmed(wafers[position].states))))].append(position)
    return [positions for positions in same.values() if len(positions) > 1]


def _trimmed(states: States) -> States:
    """Return die states without the blank margin that some files keep."""
    rows, columns = (np.flatnonzero((states != NO_DIE).any(axis=axis)) for axis in (1, 0))
    return states[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1] if len(rows) else states


def _traits(dies: States) -> Traits:
    """Return how many dies there are, pass and fail, and how far those that fail lie from the middle of the grid."""
    down, across = np.nonzero(dies == FAIL)
    far = (2 * down - dies.shape[0] + 1) ** 2 + (2 * across - dies.shape[1] + 1) ** 2
    return int(np.count_nonzero(dies)), int(np.count_nonzero(dies == PASS)), len(far), int(far.sum())


def _turns(dies: States) -> Iterator[States]:
    for side in (dies, dies[:, ::-1]):
        yield from (np.rot90(side, quarters) for quarters in range(4))


def _mark(dies: States) -> bytes:
    return hashlib.sha256(repr(dies.shape).encode() + np.ascontiguousarray(dies).tobytes()).digest()
