"""Where the views of a distillation come from: the engineer's own wafers, and a pool to replay."""

from __future__ import annotations

import hashlib

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from wafer_core.synthesis.batches import turned


class LotAndReplay:
    """Draws half of each batch from a lot and half from a replay pool, so that nothing is forgotten.

    Args:
        lot: canonical maps float32 (n, 2, S, S) of the lot, n at least 1.
        replay: canonical maps (m, 2, S, S) of other wafers; may be empty.
    """

    def __init__(self, lot: Tensor, replay: Tensor) -> None:
        self.lot = lot
        self.replay = replay

    def __call__(self, count: int, random: torch.Generator) -> Tensor:
        """Return maps (count, 2, S, S) in random flips and rotations and random order."""
        replayed = count // 2 if len(self.replay) else 0
        parts = [_rows(self.lot, count - replayed, random)]
        if replayed:
            parts.append(_rows(self.replay, replayed, random))
        maps = torch.cat(parts)
        return turned(maps[torch.randperm(count, generator=random)], random)


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


def _rows(maps: Tensor, count: int, random: torch.Generator) -> Tensor:
    return maps[torch.randint(len(maps), (count,), generator=random)]
