"""Overlays of maps on one outline: real mixed texture from real single-pattern wafers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from wafer_core.lot import FAIL, NO_DIE, PASS


def overlay(maps: Sequence[NDArray[np.uint8]]) -> NDArray[np.uint8]:
    """Lay maps of one grid over each other: a die that fails in any of them fails.

    Args:
        maps: uint8 (rows, columns) die states, all of one shape.

    Returns:
        uint8 (rows, columns): a die where most of the maps have one, or where one of them fails.
    """
    stack = np.stack(maps)
    present = (stack != NO_DIE).mean(axis=0) >= 0.5
    fails = (stack == FAIL).any(axis=0)
    states = np.where(present | fails, np.uint8(PASS), np.uint8(NO_DIE))
    states[fails] = FAIL
    return states
