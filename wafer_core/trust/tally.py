"""Figures out of trials: pooled, by pattern and by pair of patterns, with intervals from drawing wafers again."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import isnan

import numpy as np

from wafer_core.compare.intervals import drawn_totals, ratio, spread
from wafer_core.patterns import PATTERNS
from wafer_core.trust.trial import Item, Part

HIGHER = "higher"
LOWER = "lower"

BETTER: dict[str, str] = {
    "pointing": HIGHER,
    "pointing, evenly": HIGHER,
    "pointing, unclaimed": HIGHER,
    "pointing, unshared": HIGHER,
    "own/other": HIGHER,
    "removal": LOWER,
    "deletion, passing": LOWER,
    "insertion, passing": HIGHER,
    "deletion, untested": LOWER,
    "insertion, untested": HIGHER,
    "infidelity": LOWER,
    "max-sensitivity": LOWER,
    "randomised weights": LOWER,
    "agreement": HIGHER,
}
"""Every score, and on which side of chance a good attribution lies."""

SHARES = frozenset({"pointing", "pointing, unclaimed", "pointing, unshared"})
"""Scores that count hits: all alike, they still are not certain."""


@dataclass(frozen=True)
class Reached:
    """One figure of one method, with its 95 % interval and what chance would reach.

    Args:
        score: a key of `BETTER`.
        pattern: whose attributions; None pools all.
        other: beside which other pattern; None pools all.
        value: the figure.
        low: lower end of its interval.
        high: upper end.
        chance: what attribution at random over the failing dies reaches, on the same wafers.
        n: wafers it rests on.
    """

    score: str
    pattern: str | None
    other: str | None
    value: float
    low: float
    high: float
    chance: float
    n: int

    @property
    def beats_chance(self) -> bool:
        """Whether the whole interval lies on the better side of chance; for weights dealt anew see `sanity.passed`."""
        return self.low > self.chance if BETTER[self.score] == HIGHER else self.high < self.chance


def reached(items: Sequence[Item], pairs: bool = True) -> list[Reached]:
    """Return every figure of one method on one set: pooled first, then by pattern, then by pair if asked."""
    found = _figures(((item.wafer, item.parts) for item in items), None, None)
    for k in sorted({item.pattern for item in items}):
        ours = [item for item in items if item.pattern == k]
        found += _figures(((item.wafer, item.parts) for item in ours), PATTERNS[k], None)
        for j in sorted({j for item in ours for j in item.beside} if pairs else ()):
            against = [(item.wafer, {**item.parts, "own/other": item.beside[j]}) for item in ours if j in item.beside]
            found += _figures(against, PATTERNS[k], PATTERNS[j])
    return found


def _figures(scored: Iterable[tuple[int, Mapping[str, Part]]], pattern: str | None, other: str | None) -> list[Reached]:
    by_score: dict[str, list[tuple[int, Part]]] = {score: [] for score in BETTER}
    for wafer, parts in scored:
        for score, part in parts.items():
            by_score[score].append((wafer, part))
    figures = [_figure(score, found, pattern, other) for score, found in by_score.items() if found]
    return [figure for figure in figures if not isnan(figure.value)]


def _figure(score: str, found: Sequence[tuple[int, Part]], pattern: str | None, other: str | None) -> Reached:
    """Return one figure; its interval comes from drawing wafers, each with all its patterns, again."""
    wafers, place = np.unique([wafer for wafer, _ in found], return_inverse=True)
    parts = np.array([part for _, part in found])
    sums = np.zeros((len(wafers), 2))
    np.add.at(sums, place, parts[:, :2])
    totals, drawn = sums.sum(axis=0), drawn_totals(sums, seed=0)
    value, draws = ratio(totals[0], totals[1]), ratio(drawn[:, 0], drawn[:, 1])
    chance, n = float(parts[:, 2].mean()), len(wafers)
    if score in SHARES:
        rate = spread(value, draws, n, n)
        return Reached(score, pattern, other, rate.value, rate.low, rate.high, chance, n)
    known = draws[~np.isnan(draws)]
    low, high = np.percentile(known, [2.5, 97.5]) if len(known) else (value, value)
    return Reached(score, pattern, other, float(value), float(min(low, value)), float(max(high, value)), chance, n)
