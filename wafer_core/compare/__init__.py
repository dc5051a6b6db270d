"""Teacher against student: agreement without labels, accuracy with them, and what chance leaves open.

Every figure has a 95 % interval. Where the wafers' lots are known the interval comes from drawing
whole lots again, because wafers of one lot fail alike and say less than as many lots would.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

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
    import pandas as pd

    from wafer_core.decode import Verdicts

__all__ = [
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
            "exact match": self.exact,
            "exact match, mixed wafers": self.exact_mixed,
            "macro F1": self.macro_f1,
            "false alarms on normal wafers": self.false_alarms,
        }
        each = {
            f"{name}, {entry.pattern}": rate
            for entry in self.patterns
            for name, rate in (("precision", entry.precision), ("recall", entry.recall), ("F1", entry.f1))
        }
        return {name: rate for name, rate in {**whole, **each}.items() if rate.known}

    def to_pandas(self) -> pd.DataFrame:
        """Return one row a pattern."""
        import pandas as pd

        rows = []
        for entry in self.patterns:
            row: dict[str, str | int | float] = {"pattern": entry.pattern}
            for name in ("precision", "recall", "f1"):
                rate: Rate = getattr(entry, name)
                row |= {name: rate.value, f"{name}_low": rate.low, f"{name}_high": rate.high}
            rows.append(row | {"support": entry.support, "called": entry.called})
        return pd.DataFrame(rows)


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

    def to_pandas(self) -> pd.DataFrame:
        """Return one row a pattern."""
        import pandas as pd

        columns = {"both": self.both, "teacher_only": self.teacher_only, "student_only": self.student_only}
        return pd.DataFrame({"pattern": PATTERNS, **columns})


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

    def to_pandas(self) -> pd.DataFrame:
        """Return the comparison as one row."""
        import pandas as pd

        loss = {"loss": self.loss.value, "low": self.loss.low, "high": self.loss.high, "upper": self.upper}
        counts = {"n": self.n, "teacher_only": self.teacher_only, "student_only": self.student_only}
        return pd.DataFrame([{**counts, **loss, "p": self.p}])


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


def agreement(teacher: Verdicts, student: Verdicts, groups: Sequence[str] | None = None, seed: int = 0) -> Agreement:
    """Compare two models' verdicts on the same wafers; wafers that either has not scored are left out.

    Args:
        teacher: one model's.
        student: the other's.
        groups: each wafer's lot where known, which the intervals then draw whole.
        seed: of the draws.
    """
    scored = teacher.scored & student.scored
    ours, theirs = teacher.detected[scored], student.detected[scored]
    same = (ours == theirs).all(axis=1)
    defective = np.any(ours | theirs, axis=1)
    lots = None if groups is None else [group for group, counts in zip(groups, scored, strict=True) if counts]
    counted = _Counted(np.column_stack([np.ones(len(same)), same, defective, defective & same]), lots, seed)
    return Agreement(
        n=len(same),
        same=int(same.sum()),
        share=counted.share(1, 0),
        share_defective=counted.share(3, 2),
        both=_counts(ours & theirs),
        teacher_only=_counts(ours & ~theirs),
        student_only=_counts(theirs & ~ours),
    )


def accuracy(
    detected: Sets, labels: Sets, groups: Sequence[str] | None = None, least_support: int = 1, seed: int = 0
) -> Accuracy:
    """Compare verdicts with labels.

    Args:
        detected: bool (n, 8), the sets a model names.
        labels: bool (n, 8), the sets that stand on the wafers.
        groups: each wafer's lot where known, which the intervals then draw whole.
        least_support: how many wafers a pattern needs to count in the macro F1.
        seed: of the draws.

    Raises:
        ValueError: shapes differ.
    """
    _check(detected, labels)
    right = (detected == labels).all(axis=1)
    mixed = labels.sum(axis=1) >= 2
    normal = ~labels.any(axis=1)
    counted = _Counted(
        np.column_stack(
            [
                *(np.ones(len(labels)), right, mixed, mixed & right, normal, normal & detected.any(axis=1)),
                *(detected & labels, detected, labels),
            ]
        ),
        groups,
        seed,
    )
    total, sums, share, estimate = counted.total, counted.sums, counted.share, counted.estimate

    def pattern(k: int) -> PatternAccuracy:
        hits, called, there = _HITS.start + k, _CALLED.start + k, _LABELLED.start + k
        either = sums[:, called] + sums[:, there] - sums[:, hits]
        return PatternAccuracy(
            pattern=PATTERNS[k],
            precision=share(hits, called),
            recall=share(hits, there),
            f1=estimate(lambda totals: _f1(totals)[..., k], either),
            support=round(total[there]),
            called=round(total[called]),
        )

    enough = total[_LABELLED] >= max(least_support, 1)
    return Accuracy(
        n=len(labels),
        lots=counted.lots,
        exact=share(1, 0),
        exact_mixed=share(3, 2),
        macro_f1=estimate(lambda totals: mean(_f1(totals)[..., enough]), sums[:, 0]),
        false_alarms=share(5, 4),
        patterns=tuple(pattern(k) for k in range(len(PATTERNS))),
    )


def paired(teacher: Sets, student: Sets, labels: Sets, groups: Sequence[str] | None = None, seed: int = 0) -> Paired:
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
        drawn = np.percentile(ratio(*drawn_totals(sums, seed).T[::-1]), [2.5, 97.5, 95.0])
        # Few wafers that differ, drawn again, seem surer than they are.
        low, high, upper = min(low, drawn[0]), max(high, drawn[1]), max(upper, drawn[2])
    loss = (b - c) / n if n else np.nan
    return Paired(n, b, c, Rate(loss, float(low), float(high), n), float(upper), mcnemar_exact(b, c))


class _Counted:
    """What was counted on wafers, (n, columns), and figures of it.

    Where lots are known the intervals draw them whole.
    """

    def __init__(self, columns: NDArray[np.generic], groups: Sequence[str] | None, seed: int) -> None:
        self.lots, self.sums = by_group(columns.astype(np.float64), groups)
        self.total: Sums = self.sums.sum(axis=0)
        self._seed = seed

    @cached_property
    def draws(self) -> Sums:
        """The totals of bootstrap samples."""
        return drawn_totals(self.sums, self._seed)

    def estimate(self, figure: Callable[[Sums], Sums], among: Sums) -> Rate:
        """Return a figure of the totals; `among` says, row by row, how many wafers have a part in it."""
        return spread(figure(self.total), figure(self.draws), round(among.sum()), int((among > 0).sum()))

    def share(self, hits: int, among: int) -> Rate:
        """Return the ratio of two columns."""
        if self.lots is None:
            return wilson(round(self.total[hits]), round(self.total[among]))
        return self.estimate(lambda totals: ratio(totals[..., hits], totals[..., among]), self.sums[:, among])


# Columns of the sums behind an `Accuracy`, after n, right, mixed, mixed right, normal, false alarm.
_HITS, _CALLED, _LABELLED = slice(6, 14), slice(14, 22), slice(22, 30)


def _check(detected: Sets, labels: Sets) -> None:
    if detected.shape != labels.shape or labels.ndim != 2 or labels.shape[1] != len(PATTERNS):
        raise ValueError(f"verdicts {detected.shape} and labels {labels.shape} must both be (n, {len(PATTERNS)})")


def _counts(sets: Sets) -> tuple[int, ...]:
    return tuple(int(count) for count in sets.sum(axis=0))


def _f1(sums: Sums) -> Sums:
    """Return F1 per pattern, (..., 8): NaN where a pattern is neither there nor called."""
    return ratio(2 * sums[..., _HITS], sums[..., _CALLED] + sums[..., _LABELLED])
