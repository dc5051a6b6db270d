"""Where the views of a distillation come from: the engineer's own wafers, and a pool to replay."""

from __future__ import annotations

import torch
from torch import Tensor

from wafer_core.synthesis.batches import turned


class Replay:
    """Draws from maps float32 (n, 2, S, S), n at least 1, in random flips and rotations."""

    def __init__(self, maps: Tensor) -> None:
        self.maps = maps

    def __call__(self, count: int, random: torch.Generator) -> Tensor:
        """Return maps (count, 2, S, S)."""
        return turned(_rows(self.maps, count, random), random)


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


def _rows(maps: Tensor, count: int, random: torch.Generator) -> Tensor:
    return maps[torch.randint(len(maps), (count,), generator=random)]
