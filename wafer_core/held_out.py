"""Which wafers of a lot a run keeps from training, so that they can check the student."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from wafer_core.known_wafers import mark, same_wafers
from wafer_core.lot import Wafer


def held_out(wafers: Sequence[Wafer], share: float = 0.2) -> NDArray[np.bool_]:
    """Return bool (n,): the wafers kept from training, chosen by a hash of each one's die states.

    Equal maps fall on the same side; so do those of a wafer that comes in several turns, by a hash of all of them, as
    a student learns from every wafer in all of its turns. A lot keeps at least one map on each side where it can.
    """
    # Not of canonical maps: those are sums, whose last digits differ from machine to machine.
    places = np.array([_place(mark(wafer.states)) for wafer in wafers])
    for in_all_turns, same in same_wafers(wafers).items():
        if len(set(places[same])) > 1:
            places[same] = _place(in_all_turns)
    kept: NDArray[np.bool_] = places < share
    if len(places) > 1 and kept.all():
        kept = places < places.max()
    if len(places) > 1 and not kept.any():
        kept = places == places.min()
    return kept if not kept.all() else np.zeros(len(places), dtype=bool)


def _place(mark: bytes) -> float:
    """Return where a mark lies among all there are, in [0, 1)."""
    return int.from_bytes(mark[:8], "big") / 2**64
