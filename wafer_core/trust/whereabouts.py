"""Where on a wafer a pattern is, estimated from an overlay: its failing dies, how far out they lie, which way."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wafer_core.lot import FAIL, Wafer

HOLDS = 0.8
"""A pattern stands on the fewest strongest dies that hold so much of the positive evidence on failing dies."""

ONE_SIDED = 0.4
"""The centre of the dies lies so far out, as a share of their mean radius, or they stand on no side.

Dies spread evenly over two thirds of a circle come to as much.
"""

OFF_CENTRE = 0.1
"""The centre of the dies lies so far out, as a share of the wafer's radius, or they stand on no side."""


@dataclass(frozen=True)
class Whereabouts:
    """An estimate of where a pattern is, as the wafer is drawn.

    Args:
        dies: failing dies it stands on.
        failing: dies that fail.
        radius: mean distance of those dies from the wafer's centre, 0 there and 1 at its edge.
        clock: the side they stand on, 12 at the top and 3 on the right; None where they stand on none.
    """

    dies: int
    failing: int
    radius: float
    clock: int | None

    @property
    def share(self) -> float:
        """The share of the wafer's failing dies that it stands on."""
        return self.dies / self.failing


def stands_on(wafer: Wafer, credit: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Return the fewest strongest failing dies that hold `HOLDS` of what speaks for a pattern.

    Args:
        wafer: what was explained.
        credit: its attributions for the pattern, float32 (rows, columns); positive speaks for it.

    Returns:
        bool (rows, columns), with the dies that are as strong as the weakest of them; none where no
        failing die speaks for the pattern.
    """
    evidence = np.where(wafer.states == FAIL, np.maximum(credit, 0.0), 0.0).astype(np.float64)
    if not evidence.any():
        return np.zeros(evidence.shape, dtype=np.bool_)
    falling = np.sort(evidence, axis=None)[::-1]
    held = np.cumsum(falling)
    # The rounding of sums must not ask for one die more; dies as strong as the weakest stand there too.
    weakest = falling[np.searchsorted(held, HOLDS * held[-1] * (1 - 1e-9))]
    strong: NDArray[np.bool_] = evidence >= weakest
    return strong


def whereabouts(wafer: Wafer, credit: NDArray[np.float32]) -> Whereabouts | None:
    """Return where the failing dies that a pattern `stands_on` are, or None where none speaks for it.

    Args:
        wafer: what was explained.
        credit: its attributions for the pattern, float32 (rows, columns); positive speaks for it.
    """
    standing = stands_on(wafer, credit)
    if not standing.any():
        return None
    rows, columns = np.nonzero(standing)
    across, down = (2 * columns + 1) / standing.shape[1] - 1, (2 * rows + 1) / standing.shape[0] - 1
    radius = float(np.hypot(across, down).mean())
    return Whereabouts(len(rows), wafer.failing, radius, _clock(float(across.mean()), float(down.mean()), radius))


def _clock(across: float, down: float, radius: float) -> int | None:
    """Return the hour at which the centre of some dies lies, or None where they surround the wafer's own."""
    out = np.hypot(across, down)
    if out < max(ONE_SIDED * radius, OFF_CENTRE):
        return None
    hour = round(np.degrees(np.arctan2(across, -down)) / 30) % 12
    return int(hour) or 12
