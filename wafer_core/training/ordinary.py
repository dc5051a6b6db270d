"""Ordinary maps without a label: such as models are taught on, and their like from validation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from wafer_core.canonical import canonical_states
from wafer_core.synthesis.unlabelled import Unlabelled
from wafer_core.training.data import unlabelled_maps

Called = Callable[[NDArray[np.float32]], NDArray[np.bool_]]
"""Asked for what a model calls on canonical maps (n, 2, S, S), bool (n, 8)."""


def taught_maps(data: Path, size: int, called: Called, count: int = 6144) -> NDArray[np.float32]:
    """Return views of training maps, overlays of them and simulated wafers, in the shares that students learn them."""
    real = unlabelled_maps(data, "train").states
    return _views(real, size, seed=2_000_003, count=count, called=called(_plain(real, size)))


def held_out_maps(data: Path, size: int, count: int = 3000) -> NDArray[np.float32]:
    """Return validation maps and views of them and of simulated wafers, in random order."""
    real = unlabelled_maps(data, "validation")
    order = np.random.default_rng(0).permutation(len(real.states))[: count // 2]
    plain = np.stack([canonical_states(real.states[i][None], size)[0] for i in order])
    maps = np.concatenate([plain, _views(real.states, size, seed=1_000_003, count=count - len(plain))])
    return maps[np.random.default_rng(1).permutation(len(maps))]


def decided_maps(
    data: Path, size: int, called: Called, count: int = 4500
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Return all validation maps and views of them, on which a student is to decide as its teacher does, and how.

    Most wafers are normal, and few views drawn evenly would hold two patterns: they are drawn by what is called.

    Args:
        data: the folder that holds wm811k/.
        size: rows and columns of the canonical map.
        called: asked for what the teacher calls.
        count: how many views, simulated wafers and overlays of several patterns among them.

    Returns:
        Maps float32 (n, 2, size, size) in [0, 1], and what is called on each, bool (n, 8).
    """
    real = unlabelled_maps(data, "validation").states
    plain = _plain(real, size)
    decided = called(plain)
    views = _views(real, size, seed=1_000_003, count=count, called=decided)
    return np.concatenate([plain, views]), np.concatenate([decided, called(views)])


def _plain(real: Sequence[NDArray[np.uint8]], size: int) -> NDArray[np.float32]:
    return np.concatenate([canonical_states(states[None], size) for states in real])


def _views(
    real: Sequence[NDArray[np.uint8]], size: int, seed: int, count: int, called: NDArray[np.bool_] | None = None
) -> NDArray[np.float32]:
    chunks = iter(Unlabelled(real, size, seed, called=called))
    drawn = [next(chunks)[0].numpy() for _ in range(-(-count // 256))]
    return np.concatenate(drawn)[:count].astype(np.float32) / np.float32(255)
