"""Wafers of which it is known what made each die fail: simulated mixes and overlays of real wafers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from wafer_core.lot import FAIL, Frame, Wafer
from wafer_core.patterns import ALLOWED_SETS, PATTERNS
from wafer_core.synthesis.neighbours import clustered_fails
from wafer_core.synthesis.overlays import overlay
from wafer_core.synthesis.simulator import labelled_wafer, random_outline
from wafer_core.synthesis.views import regridded, turned

LEAST_DIES = 10
"""An overlay counts for a pattern with so many dies of its own, ..."""

LEAST_UNSHARED = 1 / 3
"""... which are so large a share of what its wafer brought: the rest fails on the other one too."""

SIDE = 64
"""Rows and columns of an overlay's grid."""

MIXED_SETS = ALLOWED_SETS["38"][ALLOWED_SETS["38"].sum(axis=1) > 1]
"""The label sets of MixedWM38 with two patterns or more, bool (sets, 8)."""

Sources = Mapping[int, Sequence[NDArray[np.uint8]]]
"""Die states of wafers by the column of `PATTERNS` that each carries alone."""


@dataclass(frozen=True, eq=False)
class Constructed:
    """A wafer and the truth about it.

    Args:
        wafer: what a model sees.
        regions: bool (8, rows, columns) failing dies that each pattern made fail, background left
            out; empty for a pattern that is not there or does not count.
        brought: bool (8, rows, columns) the same dies and those that fail for another reason as well,
            which on an overlay belong to no region.
        shared: bool (rows, columns) failing dies that more than one pattern or source made fail.
    """

    wafer: Wafer
    regions: NDArray[np.bool_]
    brought: NDArray[np.bool_]
    shared: NDArray[np.bool_]

    @property
    def failing(self) -> NDArray[np.bool_]:
        """bool (rows, columns): the dies that fail, for whatever reason."""
        failing: NDArray[np.bool_] = self.wafer.states == FAIL
        return failing

    @property
    def patterns(self) -> list[int]:
        """Columns of the patterns whose region is known."""
        return np.flatnonzero(self.regions.any(axis=(1, 2))).tolist()

    def others(self, pattern: int) -> list[int]:
        """Columns of the patterns that stand beside one."""
        return [other for other in self.patterns if other != pattern]


def simulated_mixes(count: int, seed: int) -> list[Constructed]:
    """Draw simulated wafers of two to four patterns; a region is what the simulator drew for its pattern."""
    random = np.random.default_rng(seed)
    return [_simulated_mix(random, number) for number in range(count)]


def single_patterns(states: Iterable[NDArray[np.uint8]], labels: Iterable[NDArray[np.bool_]]) -> Sources:
    """Return real wafers that carry one pattern each, by its column; wafers of none or of several are left out.

    Args:
        states: uint8 (rows, columns) die states of each wafer, of any grid.
        labels: bool (8,) of each.
    """
    found: dict[int, list[NDArray[np.uint8]]] = {}
    for wafer, named in zip(states, labels, strict=True):
        if named.sum() == 1:
            found.setdefault(int(named.argmax()), []).append(wafer)
    return dict(sorted(found.items()))


def real_overlays(sources: Sources, count: int, seed: int) -> list[Constructed]:
    """Lay real wafers over each other two by two, every pair of patterns that can stand together in turn.

    A region is the failing dies that its source alone brought, without those that have fewer than
    two failing neighbours there.

    Args:
        sources: wafers that carry one pattern each, see `single_patterns`.
        count: how many overlays.
        seed: of what is drawn.

    Raises:
        ValueError: no two of the patterns can stand together.
    """
    random = np.random.default_rng(seed)
    pairs = [pair for pair in combinations(sorted(sources), 2) if MIXED_SETS[:, pair].all(axis=1).any()]
    if not pairs:
        raise ValueError(f"of {', '.join(PATTERNS[i] for i in sources)} no two can stand on one wafer")
    return [_real_overlay(sources, pairs[number % len(pairs)], random, number) for number in range(count)]


def _simulated_mix(random: Generator, number: int) -> Constructed:
    drawn = labelled_wafer(random, random_outline(random), MIXED_SETS[random.integers(len(MIXED_SETS))])
    shared = drawn.regions.sum(axis=0) > 1
    return Constructed(_wafer("simulated", number, drawn.states), drawn.regions, drawn.regions, shared)


def _real_overlay(sources: Sources, pair: tuple[int, int], random: Generator, number: int) -> Constructed:
    maps = [turned(sources[k][int(random.integers(len(sources[k])))], random) for k in pair]
    # Whether a die stands alone is seen on its wafer's own grid, before that is stretched.
    clusters = [regridded(clustered_fails(states), SIDE, SIDE) for states in maps]
    maps = [regridded(states, SIDE, SIDE) for states in maps]
    shared = (maps[0] == FAIL) & (maps[1] == FAIL)
    regions, brought = np.zeros((2, len(PATTERNS), SIDE, SIDE), dtype=bool)
    for pattern, cluster in zip(pair, clusters, strict=True):
        alone = cluster & ~shared
        if alone.sum() >= max(LEAST_DIES, LEAST_UNSHARED * cluster.sum()):
            regions[pattern], brought[pattern] = alone, cluster
    return Constructed(_wafer("overlay", number, overlay(maps)), regions, brought, shared)


def _wafer(kind: str, number: int, states: NDArray[np.uint8]) -> Wafer:
    return Wafer(kind, f"{number + 1:04d}", Frame(*states.shape), states)
