"""One constructed wafer before one model: every score of an attribution, with what chance would reach."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from wafer_core.lot import FAIL, PASS, Frame, Wafer
from wafer_core.recognise import Recognizer
from wafer_core.trust import scores
from wafer_core.trust.flips import FILLS, FIRST_FILL, Flips, Logits, random_orders
from wafer_core.trust.regions import Constructed

ORDERS = 20
"""Random orders that chance is the mean of."""

WINDOWS = 50
"""Perturbations of infidelity: in each the failing dies of one square pass."""

SHAKES, SHAKEN = 4, 0.01
"""Perturbations of max-sensitivity: how many, and the share of tested dies that each reads wrongly."""

CLAIMED = 0.1
"""A die speaks for a pattern that credits it with more than such a share of its strongest die's credit."""

Dies = NDArray[np.float32]
Explain = Callable[[Wafer, Sequence[int]], Dies]
"""Attributions float32 (patterns, rows, columns) of a wafer for some patterns."""


class Part(NamedTuple):
    """What one wafer adds to a figure, which is the sum of `top` over the sum of `bottom`; `chance` is a mean."""

    top: float
    bottom: float
    chance: float


@dataclass(frozen=True)
class Item:
    """The scores of one attribution: of one pattern on one wafer.

    `beside` holds own/other against each pattern that stands beside it, by column.
    """

    wafer: int
    pattern: int
    parts: Mapping[str, Part]
    beside: Mapping[int, Part] = field(default_factory=dict)


class Trial:
    """What the scores of all methods on one wafer share: the model's answers along random orders, and to windows.

    Args:
        recognizer: the model.
        constructed: the wafer.
        patterns: columns of the patterns that count on it and are called. One whose logit is no higher
            than on the healthy wafer owes nothing to failing dies and is left out.
        number: which wafer of its set it is; chance follows from it.
    """

    def __init__(self, recognizer: Recognizer, constructed: Constructed, patterns: Sequence[int], number: int) -> None:
        self.constructed = constructed
        self.number = number
        random = self._random()
        self.flips = {fill: Flips(recognizer, constructed.wafer, fill) for fill in FILLS}
        self.first = self.flips[FIRST_FILL]
        orders = random_orders(self.first.count, ORDERS, random)
        self.random_curves = {fill: flips.curves(orders) for fill, flips in self.flips.items()}
        curves = self.random_curves[FIRST_FILL]
        # Dies pass in the first fill, so the end of its curves is the healthy wafer.
        self.start, self.healthy = curves[0, 0], curves[0, -1]
        self.patterns = [k for k in patterns if self.start[k] > self.healthy[k]]
        self.random_counts = {
            k: float(self.first.until_lost(orders, curves, np.full(ORDERS, k)).mean()) for k in self.patterns
        }
        self.windows = _windows(constructed.failing, random)
        self.lost = (self.start - self.first.logits(self.windows)).astype(np.float64)

    def items(self, credit: Dies) -> list[Item]:
        """Return the scores of one method's attributions, (patterns, rows, columns)."""
        random = self._random()
        earned = credit[:, self.constructed.failing].astype(np.float64)
        order = np.stack([scores.by_credit(dies, random) for dies in earned])
        parts = [self._where(credit, i) for i in range(len(self.patterns))]
        for fill in self.flips:
            for each, along in zip(parts, self._along(order, fill), strict=True):
                each |= along
        for each, dies, k in zip(parts, earned, self.patterns, strict=True):
            each["infidelity"] = self._infidelity(dies, k, random)
        return [
            Item(self.number, k, each, self._beside(dies, k))
            for each, dies, k in zip(parts, credit, self.patterns, strict=True)
        ]

    def sensitivity(self, credit: Dies, explain: Explain) -> list[Part]:
        """Return max-sensitivity, a pattern each; chance is the attribution shuffled among the failing dies."""
        random = self._random()
        shaken = [_shaken(self.constructed.wafer, random) for _ in range(SHAKES)]
        changed = np.stack([explain(wafer, self.patterns) for wafer in shaken], axis=1)
        found = []
        for dies, others in zip(credit, changed, strict=True):
            earned = dies[self.constructed.failing]
            shuffled = np.stack([random.permutation(earned) for _ in range(SHAKES)])
            found.append(Part(scores.max_change(dies, others), 1.0, scores.max_change(earned, shuffled)))
        return found

    def alike(self, credit: Dies, other: Dies) -> list[Part]:
        """Return how far the ranks of failing dies go with or against another attribution's, a pattern each.

        Both directions count, in [0, 1]; chance is the attribution shuffled among the failing dies.
        """
        random, failing = self._random(), self.constructed.failing
        pairs = [(one[failing], two[failing]) for one, two in zip(credit, other, strict=True)]
        return [
            Part(
                abs(scores.spearman(one, two)),
                1.0,
                float(np.mean([abs(scores.spearman(random.permutation(one), two)) for _ in range(ORDERS)])),
            )
            for one, two in pairs
        ]

    def _where(self, credits: Dies, i: int) -> dict[str, Part]:
        """Return where one pattern's credit lies: pointing, and own/other against all patterns beside it.

        Beside them stands what pointing would be for one who knows which dies the pattern's source
        brought, and chooses evenly: whether another source failed them too, the map seldom tells. And
        what it is where such a die is right as long as nobody claims it for what the other source is called.
        """
        made, credit, k = self.constructed, credits[i], self.patterns[i]
        dies, known = made.wafer.states > 0, made.failing & ~made.shared
        own, others = made.regions[k], [made.regions[other] for other in made.others(k)]
        chance, evenly = float(own[made.failing].mean()), float(own[made.brought[k]].mean())
        unclaimed = own | (made.brought[k] & made.shared & self._unclaimed(credits, i))
        parts = {
            "pointing": Part(scores.pointing(credit[dies], own[dies]), 1.0, chance),
            "pointing, evenly": Part(evenly, 1.0, chance),
            "pointing, unclaimed": Part(
                scores.pointing(credit[dies], unclaimed[dies]), 1.0, float(unclaimed[made.failing].mean())
            ),
        }
        if (own & known).any():
            hit = scores.pointing(credit[known], own[known])
            parts["pointing, unshared"] = Part(hit, 1.0, float(own[known].mean()))
        if others and (density := self._own_other(credit, own, np.logical_or.reduce(others))):
            parts["own/other"] = density
        return parts

    def _unclaimed(self, credits: Dies, i: int) -> NDArray[np.bool_]:
        """Return the dies that speak for no other pattern; none where no other one was explained."""
        others = np.delete(credits, i, axis=0)
        if not len(others):
            return np.zeros(credits.shape[1:], dtype=bool)
        quiet: NDArray[np.bool_] = (others <= CLAIMED * others.max(axis=(1, 2), keepdims=True)).all(axis=0)
        return quiet

    def _beside(self, credit: Dies, k: int) -> dict[int, Part]:
        regions = self.constructed.regions
        against = {j: self._own_other(credit, regions[k], regions[j]) for j in self.constructed.others(k)}
        return {j: part for j, part in against.items() if part is not None}

    def _own_other(self, credit: Dies, own: NDArray[np.bool_], other: NDArray[np.bool_]) -> Part | None:
        if not ((own & ~other).any() and (other & ~own).any()):
            return None
        return Part(*scores.densities(credit, self.constructed.failing, own, other), 1.0)

    def _along(self, order: NDArray[np.intp], fill: str) -> list[dict[str, Part]]:
        """Return what the orders of a method do to the logits, a pattern each."""
        flips, random_curves = self.flips[fill], self.random_curves[fill]
        down = flips.curves(order)
        # Putting the first dies back is taking the last away: the reversed order, read backwards.
        up = flips.curves(flips.count - 1 - order)[:, ::-1]
        found = []
        for i, k in enumerate(self.patterns):
            # Random orders are as random backwards: one chance serves both curves.
            chance = float(np.mean([self._area(curve, k) for curve in random_curves]))
            areas = {"deletion": self._area(down[i], k), "insertion": self._area(up[i], k)}
            found.append({f"{name}, {fill}": Part(each, 1.0, chance) for name, each in areas.items()})
        if flips is self.first:
            lost = flips.until_lost(order, down, np.array(self.patterns))
            for each, count, k in zip(found, lost, self.patterns, strict=True):
                each["removal"] = Part(count / self.random_counts[k], 1.0, 1.0)
        return found

    def _area(self, logits: Logits, k: int) -> float:
        return scores.area(scores.normalised(logits[:, k], self.healthy[k], self.start[k]))

    def _infidelity(self, earned: scores.Floats, k: int, random: Generator) -> Part:
        lost = self.lost[:, k]
        shuffled = [scores.unexplained(self.windows @ random.permutation(earned), lost) for _ in range(ORDERS)]
        return Part(scores.unexplained(self.windows @ earned, lost), 1.0, float(np.mean(shuffled)))

    def _random(self) -> Generator:
        """Return chance for this wafer, the same for every method whatever else is scored."""
        return np.random.default_rng(self.number)


def _windows(failing: NDArray[np.bool_], random: Generator) -> NDArray[np.bool_]:
    """Return the failing dies, in row order, that squares around random ones of them hold: bool (`WINDOWS`, dies)."""
    die = np.argwhere(failing)
    middle = die[random.integers(len(die), size=WINDOWS)]
    reach = random.integers(0, max(failing.shape) // 6 + 1, WINDOWS)
    inside: NDArray[np.bool_] = np.abs(die - middle[:, None]).max(axis=2) <= reach[:, None]
    return inside


def _shaken(wafer: Wafer, random: Generator) -> Wafer:
    """Return the wafer with a few random tested dies read wrongly: fails as passes and passes as fails."""
    states = wafer.states.copy()
    tested = np.argwhere((states == PASS) | (states == FAIL))
    rows, columns = random.permutation(tested)[: max(round(SHAKEN * len(tested)), 1)].T
    states[rows, columns] = np.where(states[rows, columns] == FAIL, PASS, FAIL)
    return Wafer(wafer.lot, wafer.wafer, Frame(*states.shape), states)
