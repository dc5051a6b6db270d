"""Which of the wafers held out are looked at while a student learns, and counted when it is done."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from wafer_core.lot import Wafer

_A_SECOND = 4
_FEWEST, _MOST = 100, 2000


def affordable(budget: float) -> int:
    """Return at how many wafers a run of a budget in seconds looks at most: a look is to cost it little."""
    return min(max(int(_A_SECOND * budget), _FEWEST), _MOST)


def watched(wafers: Sequence[Wafer], kept: NDArray[np.bool_], budget: float) -> NDArray[np.intp]:
    """Return the places of the wafers to look at, ascending: of those `kept`, bool (n,), as many as the budget affords.

    A hash of each map draws them from all that are held out: the first ones of a file may be alike.
    """
    by_hash = sorted(np.flatnonzero(kept).tolist(), key=lambda place: wafers[place].map_hash)
    return np.sort(np.array(by_hash[: affordable(budget)], dtype=np.intp))
