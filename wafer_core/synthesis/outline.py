"""The disc of dies a simulated wafer has, and polar coordinates on it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from wafer_core.lot import NO_DIE, PASS


@dataclass(frozen=True, eq=False)
class Disc:
    """A die grid with a round outline; lengths are in wafer radii, seen from the wafer's centre.

    `inside` bool, `right` and `down` float32, all (rows, columns); `radius` is the distance from
    the centre, `pitch` the mean size of a die.
    """

    inside: NDArray[np.bool_]
    right: NDArray[np.float32]
    down: NDArray[np.float32]
    radius: NDArray[np.float32]
    pitch: float

    @property
    def shape(self) -> tuple[int, int]:
        """The grid as (rows, columns)."""
        return self.inside.shape

    def blank(self) -> NDArray[np.uint8]:
        """Return die states with every die passing."""
        return np.where(self.inside, np.uint8(PASS), np.uint8(NO_DIE))

    def around(self, right: float, down: float) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return distance and angle of every cell as seen from a point on the wafer."""
        x, y = self.right - np.float32(right), self.down - np.float32(down)
        return np.hypot(x, y), np.arctan2(y, x)


@lru_cache(maxsize=512)
def disc(rows: int, columns: int, margin: int = 0, reach: float = 1.0) -> Disc:
    """Return the disc that fills a grid.

    Args:
        rows: the grid's rows.
        columns: the grid's columns.
        margin: blank rows above and blank columns left of the disc; MixedWM38's maps have one.
        reach: cells whose centre lies within this many radii belong to the wafer.
    """
    high, wide = (rows - margin) / 2, (columns - margin) / 2
    down = ((np.arange(rows) - margin + 0.5 - high) / high).astype(np.float32)[:, None]
    right = ((np.arange(columns) - margin + 0.5 - wide) / wide).astype(np.float32)[None]
    down, right = np.broadcast_arrays(down, right)
    radius = np.hypot(right, down)
    return Disc(radius <= reach, right, down, radius, float(1 / np.sqrt(high * wide)))


MIXED_OUTLINE = disc(52, 52, 1, 1.0022)
"""The 2,061-die disc on a 52x52 grid that nearly all MixedWM38 maps share."""
