"""What the teacher learns from: real wafers, overlays of them and simulated ones, mixed without end."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from numpy.random import Generator
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import IterableDataset, get_worker_info

from wafer_core.canonical import CHANNELS, canonical_states
from wafer_core.patterns import PATTERNS, index
from wafer_core.synthesis.blemishes import perhaps_blemished
from wafer_core.synthesis.neighbours import clustered_fails
from wafer_core.synthesis.overlays import overlay
from wafer_core.synthesis.shares import TEACHING, Shares
from wafer_core.synthesis.simulator import LabelledWafer, labelled_mixed_wafer
from wafer_core.synthesis.views import any_view_alike, on_random_grid, thinned, turned, with_more_fails
from wafer_core.training.data import RealMaps
from wafer_core.training.places import PLACE, owned_places

EXCLUSIVE = (("Center", "Donut"), ("Edge-Loc", "Edge-Ring"))
"""Patterns that no label set holds together; overlays leave such pairs out."""

OVERLAID = ("Center", "Donut", "Edge-Loc", "Edge-Ring", "Loc", "Scratch")
"""Patterns that can stand beside others; the rest covers the whole wafer."""


class Mixture(IterableDataset[tuple[Tensor, Tensor, Tensor]]):
    """An endless stream of chunks: canonical maps uint8 (n, 2, S, S) in 255ths, labels bool (n, 8), places.

    Places are uint8 (n, 8, S / place, S / place) in 255ths, as `owned_places` makes them.

    Args:
        resized: real wafers of one grid, which overlays are made of.
        native: further real wafers, at their own grids.
        size: the canonical grid.
        seed: of the stream; each worker process has its own.
        shares: how often each kind of map is drawn.
        chunk: maps a chunk.
        place: rows and columns of the canonical map that a place stands for.
    """

    def __init__(
        self,
        resized: RealMaps,
        native: RealMaps,
        size: int,
        seed: int,
        shares: Shares = TEACHING,
        chunk: int = 256,
        place: int = PLACE,
    ) -> None:
        self.real = resized.joined(native)
        self.size = size
        self.seed = seed
        self.shares = shares
        self.chunk = chunk
        self.place = place
        self.by_pattern = _rows_by_pattern(self.real.labels)
        self.overlaid = _rows_by_pattern(resized.labels)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        worker = get_worker_info()
        random = np.random.default_rng([self.seed, worker.id if worker else 0])
        cells = self.size // self.place
        while True:
            maps = np.empty((self.chunk, CHANNELS, self.size, self.size), dtype=np.uint8)
            labels = np.empty((self.chunk, len(PATTERNS)), dtype=bool)
            places = np.empty((self.chunk, len(PATTERNS), cells, cells), dtype=np.uint8)
            for i in range(self.chunk):
                wafer = self.labelled_sample(random)
                maps[i] = np.rint(255 * canonical_states(wafer.states[None], self.size)[0])
                labels[i] = wafer.labels
                places[i] = np.rint(255 * owned_places(wafer.regions, cells))
            yield torch.from_numpy(maps), torch.from_numpy(labels), torch.from_numpy(places)

    def labelled_sample(self, random: Generator) -> LabelledWafer:
        """Draw one wafer; of a real one nobody knows which dies its pattern made fail, so its regions are empty."""
        kind = random.random()
        if kind < self.shares.real:
            return _seen(self._real(random), random)
        if kind < self.shares.real + self.shares.overlays:
            return _seen(self.labelled_overlay(random), random)
        wafer = perhaps_blemished(labelled_mixed_wafer(random), random, self.shares.blemished)
        layers = _layers(wafer)
        layers = layers if random.random() < 0.8 else on_random_grid(layers, random)
        return _wafer(turned(layers, random), wafer.labels)

    def labelled_overlay(self, random: Generator, most: int = 3, as_they_are: float = 0.5) -> LabelledWafer:
        """Lay real wafers of patterns that can stand together over each other.

        A pattern's region is the fails with two failing neighbours or more on its own wafer.

        Args:
            random: where chance comes from.
            most: how many wafers at the most, 2 or 3.
            as_they_are: the chance that all keep their lonely fails; else all but the first are thinned.
        """
        chosen = _compatible(random, 2 if most == 2 or random.random() < 0.7 else 3)
        rows = [int(random.choice(self.overlaid[index(name)])) for name in chosen]
        maps = [turned(self.real.states[row], random) for row in rows]
        if random.random() >= as_they_are:
            share = random.uniform(0.3, 1.0)
            maps = [maps[0], *(thinned(states, random, share) for states in maps[1:])]
        labels: NDArray[np.bool_] = np.logical_or.reduce(self.real.labels[rows])
        regions = np.zeros((len(PATTERNS), *maps[0].shape), dtype=bool)
        for name, states in zip(chosen, maps, strict=True):
            regions[index(name)] = clustered_fails(states)
        return LabelledWafer(overlay(maps), labels, regions)

    def _real(self, random: Generator) -> LabelledWafer:
        # Rarer patterns come more often than they occur, though not as often as common ones.
        weights = np.sqrt([len(rows) for rows in self.by_pattern])
        rows = self.by_pattern[random.choice(len(weights), p=weights / weights.sum())]
        row = int(random.choice(rows))
        states = self.real.states[row]
        if random.random() < 0.2:
            states = with_more_fails(states, random, random.uniform(0, 0.08))
        return LabelledWafer(states, self.real.labels[row], np.zeros((len(PATTERNS), *states.shape), dtype=bool))


def _seen(wafer: LabelledWafer, random: Generator) -> LabelledWafer:
    return _wafer(any_view_alike(_layers(wafer), random), wafer.labels)


def _layers(wafer: LabelledWafer) -> NDArray[np.uint8]:
    return np.concatenate([wafer.states[None], wafer.regions.astype(np.uint8)])


def _wafer(layers: NDArray[np.uint8], labels: NDArray[np.bool_]) -> LabelledWafer:
    return LabelledWafer(layers[0], labels, layers[1:].astype(bool))


def _rows_by_pattern(labels: NDArray[np.bool_]) -> list[NDArray[np.int64]]:
    """Rows of each pattern in order, then those of normal wafers."""
    return [*(np.flatnonzero(labels[:, k]) for k in range(len(PATTERNS))), np.flatnonzero(~labels.any(axis=1))]


def _compatible(random: Generator, count: int) -> list[str]:
    while True:
        chosen = [str(name) for name in random.choice(OVERLAID, count, replace=False)]
        if not any(set(pair) <= set(chosen) for pair in EXCLUSIVE):
            return chosen
