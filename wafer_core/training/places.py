"""Where evidence belongs: whose each place of a wafer is, and what evidence at a place of others costs."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from wafer_core.canonical import area_weights

HARDLY = 0.05
"""The share of a place's area below which failing dies say little of whose it is."""

PLACE = 4
"""Rows and columns of the canonical map that one cell of a network's class maps stands for."""

_LITTLE = 1e-2
"""Evidence that no logit would show: without any, none is misplaced."""


def owned_places(regions: NDArray[np.bool_], cells: int) -> NDArray[np.float32]:
    """Return to what share each pattern alone made fail what patterns made fail at a place.

    Args:
        regions: bool (8, rows, columns) dies that each pattern made fail.
        cells: rows and columns of the places.

    Returns:
        float32 (8, cells, cells) in [0, 1]; 0 for a pattern without a region. A place where hardly a die
        fails counts for little.
    """
    rows, columns = regions.shape[1:]
    alone = regions & (regions.sum(axis=0) == 1)
    dies = np.concatenate([alone, regions.any(axis=0, keepdims=True)]).astype(np.float32)
    *own, failing = area_weights(rows, cells) @ dies @ area_weights(columns, cells).T
    owned: NDArray[np.float32] = np.stack(own) / (failing + HARDLY)
    return owned


def misplaced(found: Tensor, owned: Tensor) -> Tensor:
    """Return how far what speaks for patterns lies where other things than they made dies fail.

    It is the mean of the negative logarithm of the share of positive evidence that lies where it belongs, over
    patterns of which that is known.

    Args:
        found: evidence (n, 8, h, w).
        owned: to what share each place is the pattern's own, (n, 8, h, w) in [0, 1].
    """
    speaking = found.relu()
    known = owned.amax(dim=(2, 3)) > 0
    rightly = ((speaking * owned).sum(dim=(2, 3)) + _LITTLE) / (speaking.sum(dim=(2, 3)) + _LITTLE)
    return -(rightly.log() * known).sum() / known.sum().clamp(min=1)
