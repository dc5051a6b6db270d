"""Endless maps without a single label: real ones, overlays of them and simulated ones."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from numpy.random import Generator
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

from wafer_core.canonical import CHANNELS, canonical_states
from wafer_core.synthesis.overlays import overlay
from wafer_core.synthesis.simulator import mixed_map
from wafer_core.synthesis.views import any_view, on_random_grid, regridded, thinned, turned


class Unlabelled(IterableDataset[tuple[Tensor]]):
    """An endless stream of chunks of canonical maps, uint8 (n, 2, S, S) in 255ths.

    Args:
        real: die states of real wafers.
        size: the canonical grid.
        seed: of the stream; each worker process has its own.
        chunk: maps a chunk.
    """

    def __init__(self, real: Sequence[NDArray[np.uint8]], size: int, seed: int, chunk: int = 256) -> None:
        self.real = real
        self.size = size
        self.seed = seed
        self.chunk = chunk

    def __iter__(self) -> Iterator[tuple[Tensor]]:
        worker = get_worker_info()
        random = np.random.default_rng([self.seed, worker.id if worker else 0])
        while True:
            maps = np.empty((self.chunk, CHANNELS, self.size, self.size), dtype=np.uint8)
            for i in range(self.chunk):
                maps[i] = np.rint(255 * canonical_states(self.map(random)[None], self.size)[0])
            yield (torch.from_numpy(maps),)

    def map(self, random: Generator) -> NDArray[np.uint8]:
        """Draw the die states of one wafer, uint8 (rows, columns)."""
        kind = random.random()
        if kind < 0.45:
            return any_view(self._real(random), random)
        if kind < 0.65:
            return any_view(self._overlay(random), random)
        states = mixed_map(random)
        return turned(states if random.random() < 0.8 else on_random_grid(states, random), random)

    def _real(self, random: Generator) -> NDArray[np.uint8]:
        return self.real[int(random.integers(len(self.real)))]

    def _overlay(self, random: Generator) -> NDArray[np.uint8]:
        maps = [turned(regridded(self._real(random), 64, 64), random) for _ in range(random.integers(2, 4))]
        share = random.choice([0.0, random.uniform(0.3, 1.0)])
        return overlay([maps[0], *(thinned(states, random, share) for states in maps[1:])])


def stream(chunks: IterableDataset[tuple[Tensor, ...]], workers: int) -> Iterator[tuple[Tensor, ...]]:
    """Return an endless data set's chunks, made by `workers` processes (0: in this one)."""
    return iter(DataLoader(chunks, batch_size=None, num_workers=workers, prefetch_factor=8 if workers else None))
