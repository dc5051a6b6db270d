"""The mathematics of the scores: attributions and answers in, one number out; no model is asked here.

Attributions are float32 (rows, columns), or (dies,) where only the failing dies are meant.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

Values = NDArray[np.floating[Any]]
Mask = NDArray[np.bool_]
Floats = NDArray[np.float64]


def pointing(credit: Values, region: Mask) -> float:
    """Return whether the die with the most credit lies in a region: 1, 0, or the share of equally credited ones.

    The pointing game of Zhang et al. (2018, arXiv 1608.00507), with not a die of tolerance.

    Args:
        credit: of each die, (rows, columns).
        region: bool (rows, columns).
    """
    return float(region[credit == credit.max()].mean())


def densities(credit: Values, failing: Mask, own: Mask, other: Mask) -> tuple[float, float]:
    """Return the densities of positive evidence in a pattern's own region and in another's.

    A density is a region's share of the positive evidence over its share of the dies of both; the
    quotient of the two is own/other. Dies of both regions belong to neither. Both are 0 without
    positive evidence.

    Args:
        credit: of each die, (rows, columns).
        failing: bool (rows, columns) dies that fail, the only ones whose evidence counts.
        own: bool (rows, columns) dies of the pattern.
        other: bool (rows, columns) dies of the pattern beside it.

    Raises:
        ValueError: a region holds nothing of its own.
    """
    own, other = own & ~other, other & ~own
    if not (own.any() and other.any()):
        raise ValueError("each region needs a die that is not the other's")
    positive = np.where(failing, np.maximum(credit.astype(np.float64), 0.0), 0.0)
    total, dies = positive.sum(), own.sum() + other.sum()
    if total == 0:
        return 0.0, 0.0
    here, there = (float(positive[region].sum() / total / (region.sum() / dies)) for region in (own, other))
    return here, there


def by_credit(credit: Values, random: Generator) -> NDArray[np.intp]:
    """Return each die's place, from 0, in the order of falling credit, (dies,); equals in random order."""
    return places(np.lexsort((random.random(len(credit)), -credit)))


def places(order: NDArray[np.intp]) -> NDArray[np.intp]:
    """Return the place that each die has in an order of dies, (..., dies)."""
    return np.argsort(order, axis=-1)


def normalised(logits: Values, healthy: float, start: float) -> Floats:
    """Return `(logits - healthy) / (start - healthy)`: 1 as the wafer is, 0 as if nothing failed.

    Args:
        logits: of altered wafers, any shape.
        healthy: the logit of the wafer with every failing die passing.
        start: the logit of the wafer as it is.
    """
    return np.asarray((logits.astype(np.float64) - healthy) / (start - healthy))


def area(curve: Floats) -> float:
    """Return the mean height of a curve of evenly spaced points."""
    return float(np.trapezoid(curve) / (len(curve) - 1))


def unexplained(credited: Floats, lost: Floats) -> float:
    """Return the infidelity of an attribution, as a share of what there is to explain: 0 is perfect.

    Yeh et al. (2019, arXiv 1901.09392): the mean squared difference between what the altered dies
    were credited with and what the logit lost. It is taken at the scale that suits the attribution
    best, since not every method answers in logits, and divided by the mean square of the losses,
    which an attribution of nothing misses. One that suits no positive scale explains nothing: 1.

    Args:
        credited: summed credit of the dies each perturbation altered, (perturbations,).
        lost: what the logit lost by it, (perturbations,).
    """
    explained = float(credited @ lost)
    if explained <= 0:
        return 1.0
    return max(1.0 - explained**2 / float((credited @ credited) * (lost @ lost)), 0.0)


def max_change(credit: Values, changed: Values) -> float:
    """Return the max-sensitivity of an attribution: the farthest it moved, over its own length.

    Yeh et al. (2019, arXiv 1901.09392), with Euclidean lengths. 0 where there was nothing to move.

    Args:
        credit: of each die of the wafer, any shape.
        changed: the same of perturbed wafers, one more axis in front.
    """
    length = np.linalg.norm(credit)
    if length == 0:
        return 0.0
    moved = np.linalg.norm((changed - credit).reshape(len(changed), -1), axis=1)
    return float(moved.max() / length)


def spearman(first: Values, second: Values) -> float:
    """Return the rank correlation of two attributions over the same dies, in [-1, 1]; 0 where one is constant."""
    a, b = (ranks - ranks.mean() for ranks in (_ranks(first), _ranks(second)))
    length = float(np.sqrt((a @ a) * (b @ b)))
    return float(a @ b) / length if length else 0.0


def _ranks(values: Values) -> Floats:
    """Return ranks from 1, equals sharing the mean of theirs."""
    _, place, count = np.unique(values, return_inverse=True, return_counts=True)
    ranks: Floats = (np.cumsum(count) - (count - 1) / 2)[place]
    return ranks
