"""Logits to pattern sets: thresholds, allowed sets, margin, and what had to be left out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from wafer_core.models.folder import ModelFile
from wafer_core.novelty import FLAGGED_ABOVE
from wafer_core.patterns import ALLOWED_SETS, NORMAL, PATTERNS, title

_FARTHEST = 30.0
"""Logits of thresholds stay within this of zero, so that every threshold is a float below one."""


@dataclass(frozen=True, eq=False)
class Verdicts:
    """What a model says about n wafers; a row that was never scored (NaN logits) says nothing.

    Args:
        detected: bool (n, 8), the allowed set that was chosen.
        excluded: bool (n, 8), patterns above their threshold that the chosen set leaves out.
        margin: float32 (n,), value of the chosen set minus that of the second best, in logits; at least 0.
        unsure: bool (n,), whether the margin is below the model's.
        probabilities: float32 (n, 8) in [0, 1].
        novelty: float32 (n,), how far from all that the model was taught on, at least 0; NaN where nobody knows.
    """

    detected: NDArray[np.bool_]
    excluded: NDArray[np.bool_]
    margin: NDArray[np.float32]
    unsure: NDArray[np.bool_]
    probabilities: NDArray[np.float32]
    novelty: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.margin)

    @property
    def scored(self) -> NDArray[np.bool_]:
        """bool (n,): which wafers have a verdict at all."""
        return ~np.isnan(self.margin)

    @property
    def flagged(self) -> NDArray[np.bool_]:
        """bool (n,): which wafers are unlike anything the model knows; they keep the patterns it names."""
        return self.novelty > FLAGGED_ABOVE


def sigmoid(logits: ArrayLike) -> NDArray[np.float64]:
    """Return probabilities in [0, 1] of logits of any shape; NaN stays NaN."""
    values = np.asarray(logits, dtype=np.float64)
    small = np.exp(-np.abs(values))
    probabilities: NDArray[np.float64] = np.where(values >= 0, 1.0, small) / (1.0 + small)
    return probabilities


def logit(probabilities: ArrayLike) -> NDArray[np.float64]:
    """Return the logits of probabilities in (0, 1), of any shape."""
    values = np.asarray(probabilities, dtype=np.float64)
    logits: NDArray[np.float64] = np.log(values) - np.log1p(-values)
    return logits


def decode(
    logits: NDArray[np.floating[Any]],
    thresholds: ArrayLike,
    allowed: str,
    unsure_below: float = 0.0,
    novelty: NDArray[np.float32] | None = None,
) -> Verdicts:
    """Choose for every wafer the allowed set with the largest sum of `logit(p) - logit(threshold)`.

    The empty set is worth 0, so the patterns above their thresholds are the answer wherever they
    form an allowed set. Of two sets worth the same the smaller is chosen.

    Args:
        logits: (n, 8); a row with a NaN was not scored.
        thresholds: (8,) probabilities in (0, 1).
        allowed: which sets may be answered, a key of `ALLOWED_SETS`.
        unsure_below: the margin in logits under which a verdict counts as unsure.
        novelty: (n,) of the wafers, where it is known.

    Raises:
        ValueError: the shapes or thresholds are impossible, or `allowed` is unknown.
    """
    cuts = np.asarray(thresholds, dtype=np.float64)
    if logits.ndim != 2 or logits.shape[1] != len(PATTERNS):
        raise ValueError(f"logits are {logits.shape}, not (n, {len(PATTERNS)})")
    if cuts.shape != (len(PATTERNS),) or not np.all((cuts > 0) & (cuts < 1)):
        raise ValueError(f"thresholds must be {len(PATTERNS)} probabilities between 0 and 1, not {cuts.tolist()}")
    if allowed not in ALLOWED_SETS:
        raise ValueError(f"{allowed!r} is no decoder; the decoders are {', '.join(ALLOWED_SETS)}")
    values = np.asarray(logits, dtype=np.float64)
    missing = np.asarray(np.isnan(values).any(axis=1), dtype=bool)
    # An infinite logit times a pattern a set does not hold would be NaN.
    above = np.clip(np.nan_to_num(values, nan=0.0, posinf=1e6, neginf=-1e6), -1e6, 1e6) - logit(cuts)
    sets = smallest_first(ALLOWED_SETS[allowed])
    worth = above @ sets.T.astype(np.float64)
    best = worth.argmax(axis=1)
    rows = np.arange(len(worth))
    most = worth[rows, best]
    worth[rows, best] = -np.inf
    margin = most - worth.max(axis=1)
    detected = sets[best] & ~missing[:, None]
    margin[missing] = np.nan
    return Verdicts(
        detected=detected,
        excluded=(above > 0) & ~detected & ~missing[:, None],
        margin=margin.astype(np.float32),
        unsure=margin < unsure_below,
        probabilities=sigmoid(np.where(missing[:, None], np.nan, values)).astype(np.float32),
        novelty=np.where(missing, np.nan, np.nan if novelty is None else novelty).astype(np.float32),
    )


def decode_with(
    model: ModelFile, logits: NDArray[np.floating[Any]], embedding: NDArray[np.float32] | None = None
) -> Verdicts:
    """Decode logits (n, 8) with the thresholds of a model's file and the decoder and margin of its card.

    Args:
        model: whose answers these are.
        logits: (n, 8); a row with a NaN was not scored.
        embedding: (n, E), from which novelty is told where the card has a reference.
    """
    novelty = None if embedding is None else model.novelty(embedding)
    return decode(logits, model.entry.thresholds, model.card.decoder, model.card.unsure_below, novelty)


def verdict_titles(verdicts: Verdicts) -> list[str]:
    """Return every wafer's patterns as `Center+Scratch` or `Normal`; an empty text where it was not scored."""
    named = set_titles(verdicts.detected)
    return [name if scored else "" for name, scored in zip(named, verdicts.scored, strict=True)]


def set_titles(sets: NDArray[np.bool_], empty: str = NORMAL) -> list[str]:
    """Return sets, bool (n, 8), as text; `empty` is what a set of nothing is called."""
    codes = sets @ (1 << np.arange(len(PATTERNS)))
    distinct, first, where = np.unique(codes, return_index=True, return_inverse=True)
    texts = [title(sets[row]) if code else empty for code, row in zip(distinct, first, strict=True)]
    return [texts[i] for i in where]


def least_certain(margins: NDArray[np.floating[Any]], share: float = 0.05) -> float:
    """Return the margin under which the least certain `share` of wafers lie; 0 where there are none."""
    known = margins[~np.isnan(margins)]
    return float(np.quantile(known, share)) if len(known) else 0.0


def match_thresholds(
    teacher_detected: NDArray[np.bool_],
    student_logits: NDArray[np.floating[Any]],
    settled: Sequence[float] | None = None,
) -> tuple[float, ...]:
    """Return eight thresholds at which a student best repeats its teacher's decisions; no label is read.

    Per pattern the threshold stands in the middle, in logits, of the gap between two wafers that
    leaves the fewest disagreements; of equally good gaps the one nearest to a probability of one
    half. Beyond the last wafer, as where the teacher calls none or all of them, it stands at one
    half, or half a logit away from that wafer where one half is on its wrong side.

    Args:
        teacher_detected: bool (n, 8), the teacher's decisions on unlabelled maps.
        student_logits: (n, 8), the student's logits on the same maps.
        settled: eight thresholds the student came with, matched on other maps. Where they are given, of
            equally good gaps the one nearest to the settled threshold counts, not the one nearest to one
            half, and even so the settled one is kept unless the other mends more wafers than it breaks by
            two standard deviations of chance: a few wafers are no reason to forget those maps.

    Raises:
        ValueError: the shapes differ.
    """
    if teacher_detected.shape != student_logits.shape or teacher_detected.shape[1:] != (len(PATTERNS),):
        raise ValueError(f"decisions {teacher_detected.shape} and logits {student_logits.shape} must both be (n, 8)")
    logits = student_logits.astype(np.float64)
    before = [None] * len(PATTERNS) if settled is None else list(logit(settled))
    cuts = [_match_threshold(*each) for each in zip(teacher_detected.T, logits.T, before, strict=True)]
    return tuple(float(p) for p in sigmoid(np.clip(cuts, -_FARTHEST, _FARTHEST)))


def _match_threshold(called: NDArray[np.bool_], scores: NDArray[np.float64], settled: float | None) -> float:
    if not len(scores):
        return settled or 0.0
    values, place = np.unique(scores, return_inverse=True)
    calls = np.bincount(place, weights=called, minlength=len(values))
    rest = np.bincount(place, weights=~called, minlength=len(values))
    # Cut i puts values[:i] below the threshold: calls there are missed, the rest above is too much.
    wrong = np.concatenate([[0], np.cumsum(calls)]) + rest.sum() - np.concatenate([[0], np.cumsum(rest)])
    points = np.empty(len(values) + 1)
    points[1:-1] = (values[:-1] + values[1:]) / 2
    points[0], points[-1] = min(0.0, values[0] - 0.5), max(0.0, values[-1] + 0.5)
    best = points[wrong == wrong.min()]
    if settled is None:
        return float(best[np.abs(best).argmin()])
    nearest = float(best[np.abs(best - settled).argmin()])
    changed = (scores > settled) != (scores > nearest)
    mended = int((changed & ((scores > nearest) == called)).sum())
    broken = int(changed.sum()) - mended
    return nearest if mended - broken > 2 * np.sqrt(mended + broken) else settled


def smallest_first(sets: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Order sets by size, because `argmax` takes the first of equals."""
    return sets[np.argsort(sets.sum(axis=1), kind="stable")]
