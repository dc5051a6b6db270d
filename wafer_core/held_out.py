"""Which wafers of a lot a run keeps from training, so that they can check the student."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from wafer_core.known_wafers import same_wafers
from wafer_core.lot import Wafer


def held_out(wafers: Sequence[Wafer], share: float = 0.2) -> NDArray[np.bool_]:
    """Return bool (n,): the wafers kept from training, chosen by a hash of each one's die states.

    Equal maps fall on the same side; so do those of a wafer that comes in several turns, by a hash of all of them, as
    a student learns from every wafer in all of its turns. A lot keeps at least one map on each side where it can.
    """
    # Not of canonical maps: those are sums, whose last digits differ from machine to machine.
    marks = np.array([_mark(wafer.states) for wafer in wafers])
    for mark, same in same_wafers(wafers).items():
        if len(set(marks[same])) > 1:
            marks[same] = _share_of(mark)
    kept: NDArray[np.bool_] = marks < share
    if len(marks) > 1 and kept.all():
        kept = marks < marks.max()
    if len(marks) > 1 and not kept.any():
        kept = marks == marks.min()
    return kept if not kept.all() else np.zeros(len(marks), dtype=bool)


def _mark(states: NDArray[np.uint8]) -> float:
    return _share_of(repr(states.shape).encode() + np.ascontiguousarray(states).tobytes())


def _share_of(data: bytes) -> float:
    """Return a number in [0, 1) that follows from bytes, evenly spread."""
    return int.from_bytes(hashlib.sha256(data).digest()[:8], "big") / 2**64
