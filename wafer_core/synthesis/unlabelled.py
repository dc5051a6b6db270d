"""Endless maps without a single label: real ones, overlays of them and simulated ones."""

from __future__ import annotations

from collections.abc import Container, Iterator, Sequence

import numpy as np
import torch
from numpy.random import Generator
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

from wafer_core.canonical import CHANNELS, canonical_states
from wafer_core.patterns import ALLOWED_SETS, PATTERNS
from wafer_core.synthesis.blemishes import any_mixed_map
from wafer_core.synthesis.overlays import overlay
from wafer_core.synthesis.shares import LEARNING, Shares
from wafer_core.synthesis.views import any_view, on_random_grid, regridded, thinned, turned


class Unlabelled(IterableDataset[tuple[Tensor]]):
    """An endless stream of chunks of canonical maps, uint8 (n, 2, S, S) in 255ths.

    Args:
        real: die states of real wafers; without any, all maps are simulated.
        size: the canonical grid.
        seed: of the stream; each worker process has its own.
        chunk: maps a chunk.
        called: bool (real wafers, 8), what a model calls on each. Wafers it calls rarely are then drawn
            more often than they occur, and overlays are of wafers whose patterns can stand together:
            most wafers are normal, and drawn evenly few overlays would hold two patterns.
        shares: how often each kind of map is drawn where there are real wafers, and how many simulated ones are
            blemished.
    """

    def __init__(
        self,
        real: Sequence[NDArray[np.uint8]],
        size: int,
        seed: int,
        chunk: int = 256,
        called: NDArray[np.bool_] | None = None,
        shares: Shares = LEARNING,
    ) -> None:
        self.real = real
        self.size = size
        self.seed = seed
        self.chunk = chunk
        self.shares = shares
        called = np.zeros((len(real), len(PATTERNS)), dtype=bool) if called is None else called
        self.rows = _rows_by_call(called)
        self.mixes = _mixes_of(self.rows)

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
        kind = random.random() if self.real else 1.0
        if kind < self.shares.real:
            return any_view(self._real(random), random)
        if kind < self.shares.real + self.shares.overlays:
            return any_view(self._overlay(random), random)
        states = any_mixed_map(random, self.shares.blemished)
        return turned(states if random.random() < 0.8 else on_random_grid(states, random), random)

    def _real(self, random: Generator) -> NDArray[np.uint8]:
        weights = np.sqrt([len(rows) for rows in self.rows.values()])
        rows = list(self.rows.values())[random.choice(len(weights), p=weights / weights.sum())]
        return self._any_of(rows, random)

    def _overlay(self, random: Generator) -> NDArray[np.uint8]:
        if self.mixes:
            chosen = [self._any_of(self.rows[k], random) for k in self.mixes[random.integers(len(self.mixes))]]
        else:
            chosen = [self._real(random) for _ in range(random.integers(2, 4))]
        maps = [turned(regridded(states, 64, 64), random) for states in chosen]
        share = random.choice([0.0, random.uniform(0.3, 1.0)])
        return overlay([maps[0], *(thinned(states, random, share) for states in maps[1:])])

    def _any_of(self, rows: NDArray[np.intp], random: Generator) -> NDArray[np.uint8]:
        return self.real[int(random.choice(rows))]


def _rows_by_call(called: NDArray[np.bool_]) -> dict[int, NDArray[np.intp]]:
    """Return the rows of every pattern called at all, and under -1 those without any."""
    found = {k: np.flatnonzero(called[:, k]) for k in range(len(PATTERNS))}
    found[-1] = np.flatnonzero(~called.any(axis=1))
    return {k: rows for k, rows in found.items() if len(rows)}


def _mixes_of(rows: Container[int]) -> list[tuple[int, ...]]:
    """Return the sets of two and of three patterns that can stand together and of which there are wafers.

    Pairs come three times, so that about two thirds of overlays are of two wafers.
    """
    sets = [tuple(int(k) for k in np.flatnonzero(members)) for members in ALLOWED_SETS["38"]]
    there = [mix for mix in sets if len(mix) in (2, 3) and all(k in rows for k in mix)]
    return [mix for mix in there for _ in range(3 if len(mix) == 2 else 1)]


def stream(chunks: IterableDataset[tuple[Tensor, ...]], workers: int) -> Iterator[tuple[Tensor, ...]]:
    """Return an endless data set's chunks, made by `workers` processes (0: in this one)."""
    return iter(DataLoader(chunks, batch_size=None, num_workers=workers, prefetch_factor=8 if workers else None))
