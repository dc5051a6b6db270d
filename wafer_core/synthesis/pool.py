"""A pool of canonical maps on the device that trains, refreshed while it is drawn from."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from wafer_core.synthesis.batches import turned_alike

Chunk = tuple[Tensor, ...]


class Pool:
    """The newest maps of an endless stream, drawn from at random in one of eight flips and rotations.

    Args:
        chunks: tuples of tensors of equal length: maps uint8 (n, 2, S, S) in 255ths, then whatever
            belongs to them: what is said of a whole wafer, such as labels (n, ...), and square grids
            (n, c, h, h) that lie on its map.
        capacity: how many maps to keep, rounded down to whole chunks, though never fewer than one.
        device: where they are kept.
    """

    def __init__(self, chunks: Iterator[Chunk], capacity: int, device: torch.device) -> None:
        self.chunks = chunks
        first = next(chunks)
        self.capacity = max(capacity // len(first[0]), 1) * len(first[0])
        self.columns = tuple(
            torch.empty((self.capacity, *part.shape[1:]), dtype=part.dtype, device=device) for part in first
        )
        self.filled = self.cursor = 0
        self._put(first)

    def refresh(self) -> int:
        """Take one more chunk of the stream, over the oldest one when the pool is full; return its length."""
        chunk = next(self.chunks)
        self._put(chunk)
        return len(chunk[0])

    def draw(self, count: int, random: torch.Generator) -> Chunk:
        """Return `count` rows: maps and grids on them as float32 in [0, 1], turned alike, and the rest as it came."""
        rows = torch.randint(self.filled, (count,), generator=random).to(self.columns[0].device)
        drawn = [column[rows] for column in self.columns]
        turned = iter(turned_alike([one.float() / 255 for one in drawn if one.ndim == 4], random))
        return tuple(next(turned) if one.ndim == 4 else one for one in drawn)

    def _put(self, chunk: Chunk) -> None:
        end = self.cursor + len(chunk[0])
        for column, part in zip(self.columns, chunk, strict=True):
            column[self.cursor : end] = part.to(column.device, non_blocking=True)
        self.filled = max(self.filled, end)
        self.cursor = end % self.capacity
