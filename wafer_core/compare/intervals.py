"""Figures with their 95 % intervals: Wilson, Newcombe, the bootstrap over lots, and McNemar's test."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import isnan, sqrt

import numpy as np
from numpy.typing import NDArray

Z_TWO_SIDED, Z_ONE_SIDED = 1.959964, 1.644854
"""Normal quantiles of a two-sided 95 % interval and of a one-sided 95 % bound."""

DRAWS = 2000

Sums = NDArray[np.float64]
"""Counts that add up over wafers and lots, (..., columns)."""


@dataclass(frozen=True)
class Rate:
    """A figure in [-1, 1] with its 95 % interval; NaN where there was nothing to count.

    `n` is how many wafers it rests on: of precision those called, of recall those that have the
    pattern, of F1 those that are either.
    """

    value: float
    low: float
    high: float
    n: int

    @property
    def known(self) -> bool:
        """Whether there was anything to count."""
        return not isnan(self.value)

    def __str__(self) -> str:
        if not self.known:
            return "nothing to count"
        return f"{100 * self.value:.1f} % ({100 * self.low:.1f} to {100 * self.high:.1f}, n = {self.n:,})"


NOTHING = Rate(np.nan, np.nan, np.nan, 0)


def wilson(hits: int, n: int, z: float = Z_TWO_SIDED) -> Rate:
    """Return `hits / n` with its Wilson score interval."""
    return _scored(hits / n, n, n, z) if n else NOTHING


def newcombe(both: int, one: int, other: int, neither: int, z: float = Z_TWO_SIDED) -> tuple[float, float]:
    """Return the interval of `(one - other) / n`, a difference of paired shares.

    Newcombe's method 10 (Statistics in Medicine 17, 1998), which stays honest where hardly any
    pair differs.
    """
    n = both + one + other + neither
    if n == 0:
        return np.nan, np.nan
    first, second = wilson(both + one, n, z), wilson(both + other, n, z)
    product = both * neither - one * other
    cross = max(product - n / 2, 0.0) if product > 0 else float(product)
    spread = (both + one) * (other + neither) * (both + other) * (one + neither)
    phi = cross / sqrt(spread) if spread else 0.0

    def reach(a: float, b: float) -> float:
        return sqrt(max(a * a - 2 * phi * a * b + b * b, 0.0))

    difference = (one - other) / n
    low = difference - reach(first.value - first.low, second.high - second.value)
    return low, difference + reach(first.high - first.value, second.value - second.low)


def mcnemar_exact(one_only: int, other_only: int) -> float:
    """Return the exact two-sided probability of discordant counts at least so uneven."""
    n = one_only + other_only
    tail = ways = 1
    for k in range(min(one_only, other_only)):
        ways = ways * (n - k) // (k + 1)
        tail += ways
    # Whole numbers to the last: the division is exact however many wafers there are.
    return min(1.0, 2 * tail / (1 << n))


def by_group(counted: Sums, groups: Sequence[str] | None) -> tuple[int | None, Sums]:
    """Return how many lots there are and each one's sums; without lots every wafer is its own."""
    if groups is None:
        return None, counted
    found, place = np.unique(np.asarray(groups, dtype=np.str_), return_inverse=True)
    sums = np.zeros((len(found), counted.shape[1]))
    np.add.at(sums, place, counted)
    return len(found), sums


def drawn_totals(sums: Sums, seed: int) -> Sums:
    """Return the totals of `DRAWS` bootstrap samples of the rows of `sums`, (DRAWS, columns)."""
    if not len(sums):
        return np.zeros((DRAWS, sums.shape[1]))
    # Equal rows are drawn together: the same distribution, and twenty thousand wafers cost little.
    kinds, counts = np.unique(sums, axis=0, return_counts=True)
    drawn = np.random.default_rng(seed).multinomial(len(sums), counts / len(sums), size=DRAWS)
    totals: Sums = drawn @ kinds
    return totals


def spread(figure: Sums, drawn: Sums, n: int, units: int) -> Rate:
    """Return a figure with the interval that its bootstrap draws span.

    Args:
        figure: the figure, a single number.
        drawn: the same figure of every draw, (DRAWS,); NaN where a draw had nothing to count.
        n: wafers with a part in it.
        units: lots with a part in it, or wafers where those are drawn.
    """
    value, drawn = float(figure), drawn[~np.isnan(drawn)]
    if isnan(value) or not len(drawn):
        return NOTHING
    if drawn.min() == drawn.max():
        # What is all alike shows no spread when drawn again, yet a few lots cannot be certain.
        return _scored(value, n, units)
    low, high = (float(bound) for bound in np.percentile(drawn, [2.5, 97.5]))
    return Rate(value, min(low, value), max(high, value), n)


def ratio(hits: Sums, among: Sums) -> Sums:
    """Return `hits / among`, NaN where there is nothing to count."""
    quotient: Sums = np.divide(hits, among, out=np.full(np.shape(among), np.nan), where=np.asarray(among) > 0)
    return quotient


def mean(values: Sums) -> Sums:
    """Return the mean over the last axis of what is not NaN, NaN where nothing is left."""
    known = ~np.isnan(values)
    return ratio(np.where(known, values, 0.0).sum(axis=-1), known.sum(axis=-1).astype(np.float64))


def _scored(share: float, n: int, units: int, z: float = Z_TWO_SIDED) -> Rate:
    """Return a share of `n` wafers with the Wilson interval of `units` independent ones."""
    middle = (share + z * z / (2 * units)) / (1 + z * z / units)
    half = z / (1 + z * z / units) * sqrt(share * (1 - share) / units + z * z / (4 * units * units))
    # Rounding must not leave the share outside its own interval.
    return Rate(share, max(min(middle - half, share), 0.0), min(max(middle + half, share), 1.0), n)
