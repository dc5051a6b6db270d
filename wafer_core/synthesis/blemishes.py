"""What befalls a wafer besides its patterns: clumped noise, a ragged edge, dies that are missing or not tested."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from wafer_core.lot import FAIL, NO_DIE, PASS, UNTESTED
from wafer_core.synthesis.neighbours import failing_neighbours
from wafer_core.synthesis.simulator import LabelledWafer, labelled_mixed_wafer
from wafer_core.synthesis.views import with_untested_rows

KEPT = 2 / 3
"""The part of every pattern's failing dies that blemishes leave, all together: with less a label may be wrong."""

TESTED = 1 / 2
"""The part of a wafer's tested dies that they leave."""

LATTICES = ((1, 2), (2, 1), (1, 3), (3, 1), (2, 2), (2, 3), (3, 2), (3, 3))
"""Rows and columns of drop-in dies: two to nine of them."""

AROUND = np.array([(down, right) for down in (-1, 0, 1) for right in (-1, 0, 1) if down or right])
"""The steps from a die to its eight neighbours."""

States = NDArray[np.uint8]
Blemish = Callable[[States, Generator], States]


def blemished(wafer: LabelledWafer, random: Generator) -> LabelledWafer:
    """Return a wafer with some of the blemishes that real ones have; its labels still hold.

    A blemish that would leave less than `KEPT` of the failing dies of a pattern, or less than `TESTED` of the tested
    dies, is left out, so now and then the wafer comes back as it was.

    Args:
        wafer: one whose regions are known; of patterns without a region nothing is sure to stay.
        random: where chance comes from.
    """
    drawn = random.random(len(BLEMISHES)) < [chance for chance, _ in BLEMISHES]
    # Of noise no pattern loses a die.
    drawn[0] |= not drawn.any()
    states = wafer.states
    for (_, blemish), wanted in zip(BLEMISHES, drawn, strict=True):
        if wanted:
            changed = blemish(states, random)
            states = changed if _still_told(wafer, changed) else states
    return LabelledWafer(states, wafer.labels, wafer.regions & (states == FAIL))


def perhaps_blemished(wafer: LabelledWafer, random: Generator, share: float) -> LabelledWafer:
    """Return a wafer blemished with chance `share`; at 0 no random number is drawn."""
    return blemished(wafer, random) if share and random.random() < share else wafer


def any_mixed_map(random: Generator, share: float) -> States:
    """Draw the die states of one simulated mixed wafer, blemished with chance `share`, and nothing else."""
    return perhaps_blemished(labelled_mixed_wafer(random), random, share).states


def labelled_blemished_maps(count: int, seed: int) -> tuple[list[States], NDArray[np.bool_]]:
    """Return `count` blemished simulated wafers as die states of many grids, and their labels bool (count, 8)."""
    random = np.random.default_rng(seed)
    wafers = [blemished(labelled_mixed_wafer(random), random) for _ in range(count)]
    return [wafer.states for wafer in wafers], np.array([wafer.labels for wafer in wafers])


def clumps(states: States, random: Generator) -> States:
    """Let passing dies fail in clumps of two to six neighbours, all over and up to about a twentieth of the dies.

    A clump fits in three rows and columns, touches no other and lies around a die that has no more than one failing
    neighbour, so that it is no Loc, nor part of a pattern.
    """
    tried = int(np.ceil(random.uniform(0.002, 0.012) * np.count_nonzero(states)))
    noisy = np.pad(states, 3)
    free = failing_neighbours(noisy) <= 1
    # A place that is not free is not made up for elsewhere: all clumps would gather where the wafer is clean.
    for row, column in random.permutation(np.argwhere(noisy == PASS))[:tried]:
        near = AROUND + np.array([row, column])
        near = near[noisy[tuple(near.T)] == PASS]
        if free[row, column] and len(near):
            noisy[row, column] = FAIL
            noisy[tuple(random.permutation(near)[: random.integers(1, 6)].T)] = FAIL
            free[row - 3 : row + 4, column - 3 : column + 4] = False
    return noisy[3:-3, 3:-3]


def ragged_rim(states: States, random: Generator) -> States:
    """Take dies off the outline: single ones, short runs, or the outermost row or column of some sides."""
    rim = _rim(states)
    kind = random.random()
    if kind < 0.4:
        lost = rim[random.random(len(rim)) < random.uniform(0.02, 0.2)]
    elif kind < 0.7:
        starts = random.integers(0, max(len(rim), 1), random.integers(1, 6))
        lost = np.vstack([np.roll(rim, -start, axis=0)[: random.integers(2, 8)] for start in starts])
    else:
        lost = np.vstack([_outermost(states, int(side)) for side in random.permutation(4)[: random.integers(1, 5)]])
    return _changed(states, _mask(states, lost), NO_DIE)


def cut_off(states: States, random: Generator) -> States:
    """Leave out a flat, a notch, or a wedge that broke off."""
    right, down = _seen_from_the_middle(states)
    kind = random.random()
    direction = random.uniform(-np.pi, np.pi) if kind < 0.3 else random.integers(4) * np.pi / 2
    along = right * np.cos(direction) + down * np.sin(direction)
    across = np.abs(down * np.cos(direction) - right * np.sin(direction))
    if kind < 0.3:
        gone = across < (along - random.uniform(0.6, 0.9)) * np.tan(np.deg2rad(random.uniform(10, 40)))
    elif kind < 0.6:
        gone = across < 0.7 * (along - random.uniform(0.85, 0.95))
    else:
        gone = along > random.uniform(0.88, 0.97)
    return _changed(states, gone, NO_DIE)


def missing_inside(states: States, random: Generator) -> States:
    """Leave out a few dies that are none of the product: two to nine test structures on a lattice, or strays."""
    if random.random() < 0.4:
        return _changed(states, _mask(states, random.permutation(np.argwhere(states))[: random.integers(1, 9)]), NO_DIE)
    rows, columns = LATTICES[random.integers(len(LATTICES))]
    right, down = _seen_from_the_middle(states)
    high, wide = random.uniform(0.3, 0.65, 2)
    gone = np.zeros(states.shape, dtype=bool)
    for at_row in np.linspace(-high, high, rows) if rows > 1 else (0.0,):
        for at_column in np.linspace(-wide, wide, columns) if columns > 1 else (0.0,):
            gone.flat[int(np.hypot(down - at_row, right - at_column).argmin())] = True
    return _changed(states, gone, NO_DIE)


def untested_here_and_there(states: States, random: Generator) -> States:
    """Leave single dies untested, up to a tenth of them."""
    return _changed(states, random.random(states.shape) < 0.1 * random.random() ** 2, UNTESTED)


def untested_blocks(states: States, random: Generator) -> States:
    """Leave one to three rectangles untested, each up to a quarter of the wafer wide and high."""
    untested = np.zeros(states.shape, dtype=bool)
    rows, columns = states.shape
    for _ in range(random.integers(1, 4)):
        high, wide = random.uniform(0.04, 0.25, 2)
        row, column = random.integers(rows), random.integers(columns)
        untested[row : row + max(round(high * rows), 1), column : column + max(round(wide * columns), 1)] = True
    return _changed(states, untested, UNTESTED)


def untested_in_every_reticle(states: States, random: Generator) -> States:
    """Leave the same die, row or column of each exposure field untested: points or stripes at even distances."""
    row, column = np.indices(states.shape)
    high, wide = random.integers(3, 11, 2)
    in_row, in_column = (row + random.integers(high)) % high == 0, (column + random.integers(wide)) % wide == 0
    kind = random.random()
    return _changed(states, in_row & in_column if kind < 0.4 else in_row if kind < 0.7 else in_column, UNTESTED)


def stopped_early(states: States, random: Generator) -> States:
    """Leave the last rows untested, up to two fifths of them."""
    return with_untested_rows(states, random.uniform(0.05, 0.4))


BLEMISHES: tuple[tuple[float, Blemish], ...] = (
    (0.6, clumps),
    (0.5, ragged_rim),
    (0.2, cut_off),
    (0.25, missing_inside),
    (0.2, untested_here_and_there),
    (0.12, untested_blocks),
    (0.12, untested_in_every_reticle),
    (0.15, stopped_early),
)
"""Every blemish and how often it is tried; noise first, as no die can fail where there is none."""


def _still_told(wafer: LabelledWafer, states: States) -> bool:
    """Whether what is left of a wafer shows its patterns."""
    regions = (wafer.regions & (states == FAIL)).sum(axis=(1, 2))
    enough = regions >= KEPT * wafer.regions.sum(axis=(1, 2))
    return bool(enough.all() and _tested(states) >= TESTED * _tested(wafer.states))


def _tested(states: States) -> int:
    return int(np.isin(states, (PASS, FAIL)).sum())


def _changed(states: States, chosen: NDArray[np.bool_], state: int) -> States:
    """Return a map with the chosen of its dies in another state."""
    return np.where(chosen & (states != NO_DIE), np.uint8(state), states)


def _mask(states: States, cells: NDArray[np.int64]) -> NDArray[np.bool_]:
    chosen = np.zeros(states.shape, dtype=bool)
    chosen[tuple(cells.T)] = True
    return chosen


def _rim(states: States) -> NDArray[np.int64]:
    """Return the cells (n, 2) of dies with no die on one of their four sides, in order around the wafer."""
    there = np.pad(states != NO_DIE, 1)
    surrounded = there[:-2, 1:-1] & there[2:, 1:-1] & there[1:-1, :-2] & there[1:-1, 2:]
    rim = np.argwhere(there[1:-1, 1:-1] & ~surrounded)
    right, down = (place[tuple(rim.T)] for place in _seen_from_the_middle(states))
    return rim[np.argsort(np.arctan2(down, right), kind="stable")]


def _outermost(states: States, side: int) -> NDArray[np.int64]:
    """Return the cells (n, 2) of the first or last row or column that has dies; sides count from 0 to 3."""
    dies = np.argwhere(states != NO_DIE)
    place = dies[:, side % 2]
    return dies[place == (place.min() if side < 2 else place.max())] if len(dies) else dies


def _seen_from_the_middle(states: States) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return how far right and down each cell lies from the middle of the dies, in halves of their extent."""
    dies = np.argwhere(states != NO_DIE)
    first, last = (dies.min(axis=0), dies.max(axis=0)) if len(dies) else (np.zeros(2), np.array(states.shape))
    down, right = ((np.indices(states.shape).T - (first + last) / 2) / ((last - first + 1) / 2)).T
    return right, down
