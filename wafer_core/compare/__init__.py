"""Teacher against student: agreement without labels, accuracy with them, and what chance leaves open.

Every figure has a 95 % interval. Where the wafers' lots are known the interval comes from drawing
whole lots again, because wafers of one lot fail alike and say less than as many lots would.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from wafer_core.compare.intervals import (
    Z_ONE_SIDED,
    Rate,
    Sums,
    by_group,
    drawn_totals,
    mcnemar_exact,
    mean,
    newcombe,
    ratio,
    spread,
    wilson,
)
from wafer_core.lot import Lot
from wafer_core.patterns import PATTERNS

if TYPE_CHECKING:
    from wafer_core.decode import Verdicts

__all__ = [
    "EXACT",
    "EXACT_MIXED",
    "FALSE_ALARMS",
    "MACRO_F1",
    "Accuracy",
    "Agreement",
    "Paired",
    "PatternAccuracy",
    "Rate",
    "Sets",
    "accuracy",
    "agreement",
    "groups_of",
    "labels_of",
    "mcnemar_exact",
    "paired",
    "wilson",
]

FEWEST_LOTS = 10
"""Fewer lots do not show how lots differ; their wafers are then counted one by one."""

EXACT, EXACT_MIXED = "exact match", "exact match, two patterns or more"
MACRO_F1, FALSE_ALARMS = "macro-F1", "normal wafers called defective"
"""What cards and tables call the figures of a whole set."""

SEED = 0
"""Of the draws behind intervals, so that the same verdicts always have the same."""

WAFERS = "wafers"
"""What every wafer is counted under."""

Sets = NDArray[np.bool_]


@dataclass(frozen=True)
class PatternAccuracy:
    """How well one pattern is named; `support` wafers have it, `called` wafers were said to."""

    pattern: str
    precision: Rate
    recall: Rate
    f1: Rate
    support: int
    called: int


@dataclass(frozen=True)
class Accuracy:
    """Verdicts against labels.

    Args:
        n: labelled wafers.
        lots: how many lots the intervals draw from; None where wafers count one by one.
        exact: share whose set of patterns is named exactly.
        exact_mixed: the same over wafers with two patterns or more.
        macro_f1: mean F1 of the patterns with enough wafers.
        false_alarms: share of the normal wafers that are called defective.
        patterns: one entry a pattern, in the order of `PATTERNS`.
    """

    n: int
    lots: int | None
    exact: Rate
    exact_mixed: Rate
    macro_f1: Rate
    false_alarms: Rate
    patterns: tuple[PatternAccuracy, ...]

    def figures(self) -> dict[str, Rate]:
        """Return every figure there was something to count for, by name."""
        whole = {
            EXACT: self.exact,
            EXACT_MIXED: self.exact_mixed,
            MACRO_F1: self.macro_f1,
            FALSE_ALARMS: self.false_alarms,
        }
        each = {
            f"{name}, {entry.pattern}": rate
            for entry in self.patterns
            for name, rate in (("precision", entry.precision), ("recall", entry.recall), ("F1", entry.f1))
        }
        return {name: rate for name, rate in {**whole, **each}.items() if rate.known}


@dataclass(frozen=True)
class Agreement:
    """What two models say about the same wafers, no label read.

    Args:
        n: wafers that both have scored.
        same: how many of them both give the same set.
        share: `same / n`.
        share_defective: the same share over the wafers where either calls a pattern, because
            agreeing on normal wafers is easy.
        both, teacher_only, student_only: per pattern, how many wafers who calls it on.
    """

    n: int
    same: int
    share: Rate
    share_defective: Rate
    both: tuple[int, ...]
    teacher_only: tuple[int, ...]
    student_only: tuple[int, ...]


@dataclass(frozen=True)
class Paired:
    """A teacher and a student on the same labelled wafers.

    Args:
        n: wafers.
        teacher_only, student_only: wafers that only one of them names exactly.
        loss: exact match of the teacher minus that of the student; below zero the student is better.
        upper: one-sided 95 % upper bound of the loss.
        p: exact two-sided McNemar probability of so uneven a pair of counts, were both equally good.
    """

    n: int
    teacher_only: int
    student_only: int
    loss: Rate
    upper: float
    p: float


def labels_of(lot: Lot) -> Sets:
    """Return the labels of a labelled lot, bool (n, 8).

    Raises:
        ValueError: a wafer has no labels.
    """
    if not lot.labelled:
        raise ValueError(f"{lot.title} has wafers without labels")
    return np.array([wafer.labels for wafer in lot], dtype=bool)


def groups_of(lot: Lot) -> list[str] | None:
    """Return each wafer's fab lot, or None where there are too few lots to tell how lots differ."""
    return [wafer.lot for wafer in lot] if len(lot.lots) >= FEWEST_LOTS else None


def agreement(teacher: Verdicts, student: Verdicts, groups: Sequence[str] | None = None) -> Agreement:
    """Compare two models' verdicts on the same wafers; wafers that either has not scored are left out.

    Args:
        teacher: one model's.
        student: the other's.
        groups: each wafer's lot where known, which the intervals then draw whole.
    """
    scored = teacher.scored & student.scored
    ours, theirs = teacher.detected[scored], student.detected[scored]
    same = (ours == theirs).all(axis=1)
    defective = np.any(ours | theirs, axis=1)
    lots = None if groups is None else [group for group, counts in zip(groups, scored, strict=True) if counts]
    counted = _Counted(len(same), {"same": same, "defective": defective, "both": defective & same}, lots)
    return Agreement(
        n=len(same),
        same=int(same.sum()),
        share=counted.share("same"),
        share_defective=counted.share("both", among="defective"),
        both=_counts(ours & theirs),
        teacher_only=_counts(ours & ~theirs),
        student_only=_counts(theirs & ~ours),
    )


def accuracy(detected: Sets, labels: Sets, groups: Sequence[str] | None = None, least_support: int = 1) -> Accuracy:
    """Compare verdicts with labels.

    Args:
        detected: bool (n, 8), the sets a model names.
        labels: bool (n, 8), the sets that stand on the wafers.
        groups: each wafer's lot where known, which the intervals then draw whole.
        least_support: how many wafers a pattern needs to count in the macro F1.

    Raises:
        ValueError: shapes differ.
    """
    _check(detected, labels)
    right = (detected == labels).all(axis=1)
    mixed = labels.sum(axis=1) >= 2
    normal = ~labels.any(axis=1)
    counted = _Counted(
        len(labels),
        {
            **{"right": right, "mixed": mixed, "mixed right": mixed & right},
            **{"normal": normal, "false alarm": normal & detected.any(axis=1)},
            **{"hits": detected & labels, "called": detected, "labelled": labels},
        },
        groups,
    )

    def pattern(k: int) -> PatternAccuracy:
        hits, called, labelled = (counted.among(counted.sums, name)[:, k] for name in ("hits", "called", "labelled"))
        return PatternAccuracy(
            pattern=PATTERNS[k],
            precision=counted.share("hits", "called", k),
            recall=counted.share("hits", "labelled", k),
            f1=counted.estimate(lambda totals: counted.f1(totals)[..., k], called + labelled - hits),
            support=round(labelled.sum()),
            called=round(called.sum()),
        )

    enough = counted.among(counted.total, "labelled") >= max(least_support, 1)
    return Accuracy(
        n=len(labels),
        lots=counted.lots,
        exact=counted.share("right"),
        exact_mixed=counted.share("mixed right", among="mixed"),
        macro_f1=counted.estimate(
            lambda totals: mean(counted.f1(totals)[..., enough]), counted.among(counted.sums, WAFERS)
        ),
        false_alarms=counted.share("false alarm", among="normal"),
        patterns=tuple(pattern(k) for k in range(len(PATTERNS))),
    )


def paired(teacher: Sets, student: Sets, labels: Sets, groups: Sequence[str] | None = None) -> Paired:
    """Compare two models' exact match on the same labelled wafers, bool (n, 8) each.

    The interval of the loss is Newcombe's for paired shares, which stays honest where hardly a wafer
    differs; where lots are known it reaches as far as drawing them whole does as well.

    Raises:
        ValueError: shapes differ.
    """
    _check(teacher, labels)
    _check(student, labels)
    ours, theirs = (teacher == labels).all(axis=1), (student == labels).all(axis=1)
    b, c, n = int((ours & ~theirs).sum()), int((theirs & ~ours).sum()), len(labels)
    table = (int((ours & theirs).sum()), b, c, int((~ours & ~theirs).sum()))
    low, high = newcombe(*table)
    upper = newcombe(*table, Z_ONE_SIDED)[1]
    lots, sums = by_group(np.column_stack([np.ones(n), ours.astype(float) - theirs]), groups)
    if lots is not None and b + c:
        drawn = np.percentile(ratio(*drawn_totals(sums, SEED).T[::-1]), [2.5, 97.5, 95.0])
        # Few wafers that differ, drawn again, seem surer than they are.
        low, high, upper = min(low, drawn[0]), max(high, drawn[1]), max(upper, drawn[2])
    loss = (b - c) / n if n else np.nan
    return Paired(n, b, c, Rate(loss, float(low), float(high), n), float(upper), mcnemar_exact(b, c))


class _Counted:
    """What was counted on wafers, by name, each (n,) or a column a pattern (n, 8), and figures of it.

    Where lots are known the intervals draw them whole.
    """

    def __init__(self, n: int, counts: Mapping[str, ArrayLike], groups: Sequence[str] | None) -> None:
        columns = {name: np.atleast_2d(np.transpose(each)).T for name, each in {WAFERS: np.ones(n), **counts}.items()}
        ends = np.cumsum([each.shape[1] for each in columns.values()])
        self._places = {
            name: slice(end - each.shape[1], end) for end, (name, each) in zip(ends, columns.items(), strict=True)
        }
        self.lots, self.sums = by_group(np.column_stack(list(columns.values())).astype(np.float64), groups)
        self.total: Sums = self.sums.sum(axis=0)

    @cached_property
    def draws(self) -> Sums:
        """The totals of bootstrap samples."""
        return drawn_totals(self.sums, SEED)

    def among(self, totals: Sums, name: str) -> Sums:
        """Return what was counted under a name, (..., 1) or (..., 8), of totals (..., columns)."""
        return totals[..., self._places[name]]

    def estimate(self, figure: Callable[[Sums], Sums], wafers: Sums) -> Rate:
        """Return a figure of the totals; `wafers` says, row by row, how many have a part in it."""
        return spread(figure(self.total), figure(self.draws), round(wafers.sum()), int((wafers > 0).sum()))

    def share(self, hits: str, among: str = WAFERS, k: int = 0) -> Rate:
        """Return the ratio of two counts, of those by pattern that of the `k`th."""
        hit, all_ = (self._places[name].start + k for name in (hits, among))
        if self.lots is None:
            return wilson(round(self.total[hit]), round(self.total[all_]))
        return self.estimate(lambda totals: ratio(totals[..., hit], totals[..., all_]), self.sums[:, all_])

    def f1(self, totals: Sums) -> Sums:
        """Return F1 per pattern, (..., 8): NaN where a pattern is neither there nor called."""
        hits, called, labelled = (self.among(totals, name) for name in ("hits", "called", "labelled"))
        return ratio(2 * hits, called + labelled)


def _check(detected: Sets, labels: Sets) -> None:
    if detected.shape != labels.shape or labels.ndim != 2 or labels.shape[1] != len(PATTERNS):
        raise ValueError(f"verdicts {detected.shape} and labels {labels.shape} must both be (n, {len(PATTERNS)})")


def _counts(sets: Sets) -> tuple[int, ...]:
    return tuple(int(count) for count in sets.sum(axis=0))
