"""What the teacher said of the views it was lately shown: most of a distillation's time is the teacher's."""

from __future__ import annotations

import torch
from torch import Tensor

from wafer_core.synthesis.batches import turned_alike


class Memory:
    """The newest views with the teacher's class maps of them, recalled in other flips and rotations.

    A pattern keeps its name however a wafer is turned, so an answer is turned with its view.

    Args:
        capacity: how many views to keep.
    """

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self._kept: list[Tensor] = []
        self._cursor = self._filled = 0

    def __len__(self) -> int:
        return self._filled

    def keep(self, maps: Tensor, answers: Tensor) -> None:
        """Put views (n, 2, S, S) and their class maps (n, 8, h, w) in the place of the oldest ones."""
        self._kept = self._kept or [one.new_empty((self.capacity, *one.shape[1:])) for one in (maps, answers)]
        rows = (self._cursor + torch.arange(len(maps), device=maps.device)) % self.capacity
        for column, new in zip(self._kept, (maps, answers), strict=True):
            column[rows] = new
        self._cursor = (self._cursor + len(maps)) % self.capacity
        self._filled = min(self._filled + len(maps), self.capacity)

    def recall(self, count: int, random: torch.Generator) -> tuple[Tensor, Tensor]:
        """Return views (count, 2, S, S) and their class maps (count, 8, h, w), turned alike."""
        if not self._filled:
            raise ValueError("nothing was kept yet")
        rows = torch.randint(self._filled, (count,), generator=random).to(self._kept[0].device)
        maps, answers = turned_alike([column[rows] for column in self._kept], random)
        return maps, answers
