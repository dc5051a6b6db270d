"""Simulated mixed-type wafers: patterns of one set drawn over a noisy background on any die grid."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from wafer_core.lot import FAIL
from wafer_core.patterns import ALLOWED_SETS, PATTERNS, index
from wafer_core.synthesis.outline import MIXED_OUTLINE, Disc, disc
from wafer_core.synthesis.parts import PARTS, clears_inside
from wafer_core.synthesis.views import regridded

ALL_OVER = [index("Near-Full"), index("Random")]
"""Patterns that leave no room for another cause of fails."""


@dataclass(frozen=True, eq=False)
class LabelledWafer:
    """A wafer with the truth about it, as far as somebody knows it.

    Args:
        states: uint8 (rows, columns) die states.
        labels: bool (8,) patterns on it.
        regions: bool (8, rows, columns) failing dies that each pattern's own defect made fail; none on a real
            wafer, of which nobody knows them.
    """

    states: NDArray[np.uint8]
    labels: NDArray[np.bool_]
    regions: NDArray[np.bool_]


def labelled_wafer(random: Generator, outline: Disc, labels: NDArray[np.bool_]) -> LabelledWafer:
    """Draw one wafer that carries exactly the patterns `labels`, bool (8,), on `outline`.

    Most wafers that fail all over are those of a coarser grid enlarged, their outline too, as in MixedWM38.
    """
    if labels[ALL_OVER].any() and random.random() < 0.75:
        rows, columns = random.integers(20, 42, 2)
        coarse = _drawn(random, disc(int(rows), int(columns)), labels)
        regions = np.stack([regridded(region, *outline.shape) for region in coarse.regions])
        return LabelledWafer(regridded(coarse.states, *outline.shape), labels, regions)
    return _drawn(random, outline, labels)


def _drawn(random: Generator, outline: Disc, labels: NDArray[np.bool_]) -> LabelledWafer:
    background = random.random(outline.shape) < _background_rate(random, bool(labels.any()))
    regions = np.zeros((len(PATTERNS), *outline.shape), dtype=bool)
    for k in np.flatnonzero(labels):
        chances = PARTS[PATTERNS[k]](outline, random)
        regions[k] = (random.random(outline.shape) < chances) & outline.inside
        if k == index("Donut") and random.random() < 0.8:
            background &= ~clears_inside(outline, chances)
    if labels[ALL_OVER].any():
        background[:] = False
    states = outline.blank()
    states[(background | regions.any(axis=0)) & outline.inside] = FAIL
    return LabelledWafer(states, labels, regions)


def labelled_mixed_wafer(random: Generator, outline: Disc | None = None) -> LabelledWafer:
    """Draw a wafer of one of MixedWM38's 38 label sets, on its outline or a similar one."""
    sets = ALLOWED_SETS["38"]
    return labelled_wafer(random, outline or random_outline(random), sets[random.integers(len(sets))])


def labelled_maps(count: int, seed: int) -> tuple[list[NDArray[np.uint8]], NDArray[np.bool_]]:
    """Return `count` simulated wafers as die states of many grids, and their labels bool (count, 8)."""
    random = np.random.default_rng(seed)
    wafers = [labelled_mixed_wafer(random) for _ in range(count)]
    return [wafer.states for wafer in wafers], np.array([wafer.labels for wafer in wafers])


def mixed_map(random: Generator) -> NDArray[np.uint8]:
    """Draw the die states of one simulated mixed wafer, and nothing else."""
    return labelled_mixed_wafer(random).states


def random_outline(random: Generator) -> Disc:
    """Return MixedWM38's outline half of the time, else a disc of another size and aspect."""
    if random.random() < 0.5:
        return MIXED_OUTLINE
    rows = int(np.clip(np.exp(random.normal(np.log(46), 0.3)), 24, 90))
    columns = int(np.clip(rows * np.exp(random.normal(0, 0.12)), 24, 90))
    return disc(rows, columns, int(random.random() < 0.2), random.choice([0.985, 1.0, 1.015, 1.03]))


def _background_rate(random: Generator, defective: bool) -> float:
    """Defective maps of MixedWM38 fail at about a fifth of their dies anyway, normal ones at 9 %."""
    if random.random() < 0.25:
        return float(random.uniform(0.0, 0.2 if defective else 0.16))
    return float(np.clip(random.normal(0.2, 0.03), 0.1, 0.3) if defective else random.uniform(0.01, 0.15))
