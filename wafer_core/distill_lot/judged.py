"""The wafers that students are judged by, on the guard set and the benchmark: of none of them may one learn."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable
from functools import lru_cache
from pathlib import Path

import numpy as np

from wafer_core.benchmark import guard_set, shipped_sets
from wafer_core.lot import ORIENTATIONS, Wafer
from wafer_core.readers import read_paths

Counts = tuple[int, int, int]
"""Of a wafer's dies: all, those that pass, those that fail."""


def judging(wafers: Iterable[Wafer]) -> set[str]:
    """Return the map hashes of those wafers that students are judged by, whatever lot or file they come in.

    A wafer is known by its dies alone: neither its name, nor the file's coordinates, nor how it is turned
    make another of it. Labels are not read.
    """
    known = _known(tuple(each.path for each in (*shipped_sets(), guard_set())))
    return {wafer.map_hash for wafer in wafers if _turned_about(wafer, known.get(_counts(wafer), frozenset()))}


def so_many(count: int) -> str:
    """Return `24 wafers of the guard set or the benchmark, by which students are judged`."""
    wafers = f"{count:,} wafer{'' if count == 1 else 's'}"
    return f"{wafers} of the guard set or the benchmark, by which students are judged"


@lru_cache(maxsize=1)
def _known(paths: tuple[Path, ...]) -> dict[Counts, set[bytes]]:
    """Return the marks of all wafers of some files by how many dies they have, which tells nearly all others apart."""
    known: dict[Counts, set[bytes]] = {}
    for wafer in (wafer for path in paths for wafer in read_paths([path])):
        known.setdefault(_counts(wafer), set()).add(_mark(wafer))
    return known


def _turned_about(wafer: Wafer, marks: Collection[bytes]) -> bool:
    return bool(marks) and any(_mark(wafer.turned(way)) in marks for way in ORIENTATIONS)


def _counts(wafer: Wafer) -> Counts:
    return wafer.dies, wafer.passing, wafer.failing


def _mark(wafer: Wafer) -> bytes:
    """Return a hash of the die states without the empty margin that some files keep."""
    rows, columns = np.nonzero(wafer.states.any(axis=1))[0], np.nonzero(wafer.states.any(axis=0))[0]
    dies = wafer.states[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1] if len(rows) else wafer.states
    return hashlib.sha256(repr(dies.shape).encode() + np.ascontiguousarray(dies).tobytes()).digest()
