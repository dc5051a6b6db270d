"""Which wafers of a lot a run keeps from training, so that they can check the student."""

from __future__ import annotations

import hashlib

import numpy as np
from numpy.typing import NDArray


def held_out(maps: NDArray[np.float32], share: float = 0.2) -> NDArray[np.bool_]:
    """Return bool (n,): the maps kept from training, chosen by a hash of each map alone.

    Equal maps fall on the same side. A lot keeps at least one map on each side where it can.
    """
    marks = np.array([_mark(wafer) for wafer in maps])
    kept: NDArray[np.bool_] = marks < share
    if len(maps) > 1 and kept.all():
        kept = marks < marks.max()
    if len(maps) > 1 and not kept.any():
        kept = marks == marks.min()
    return kept if not kept.all() else np.zeros(len(maps), dtype=bool)


def _mark(wafer: NDArray[np.float32]) -> float:
    digest = hashlib.sha256(np.ascontiguousarray(wafer).tobytes()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64
