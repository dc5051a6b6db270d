"""The evidence of many wafers laid on one another: where a pattern stands in a lot, unmixed from its companions."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from wafer_core.lot import FAIL, NO_DIE, Frame, Wafer


@dataclass(frozen=True, eq=False)
class EvidenceStack:
    """What speaks for one pattern on the wafers of one grid.

    Args:
        frame: the grid they share.
        wafers: positions in the lot of those on which a die speaks for the pattern.
        silent: positions of those on which none does; they have no part in `share`.
        share: float64 (rows, columns), the mean of the wafers' `evidence_share`; sums to 1, or to 0 without any.
        speaking: int64 (rows, columns), on how many of the wafers the die speaks for the pattern.
        there: bool (rows, columns), whether one of all these wafers has a die here.
    """

    frame: Frame
    wafers: tuple[int, ...]
    silent: tuple[int, ...]
    share: NDArray[np.float64]
    speaking: NDArray[np.int64]
    there: NDArray[np.bool_]


def evidence_share(attribution: NDArray[np.float32], states: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Return which share of a wafer's evidence for a pattern each die holds.

    Evidence is what is positive on failing dies: coarse methods credit passing dies too, which no
    defect stands on. As shares, a wafer counts the same however many dies fail on it and however
    sure the model is of it.

    Args:
        attribution: float32 (rows, columns), positive speaks for the pattern.
        states: uint8 (rows, columns) die states.

    Returns:
        float64 (rows, columns) that sum to 1, or all zero where no failing die speaks for the pattern.
    """
    evidence = np.where(states == FAIL, np.maximum(attribution, 0.0), 0.0).astype(np.float64)
    total = evidence.sum()
    return evidence / total if total > 0 else evidence


def stack_evidence(
    wafers: Sequence[Wafer], explained: Iterable[tuple[int, int, NDArray[np.float32]]]
) -> dict[int, list[EvidenceStack]]:
    """Lay the evidence for each pattern of all wafers that carry it on one another, a grid at a time.

    A mixed wafer brings to each of its patterns only what speaks for that pattern, so the stacks
    are unmixed as far as the attributions are.

    Args:
        wafers: the lot's.
        explained: position of a wafer, pattern, and its attribution (rows, columns); read once.

    Returns:
        By pattern its stacks, the one of most wafers first.
    """
    piles: dict[int, dict[Frame, _Pile]] = {}
    for position, pattern, attribution in explained:
        wafer = wafers[position]
        by_grid = piles.setdefault(pattern, {})
        by_grid.setdefault(wafer.frame, _Pile(wafer.frame)).add(position, wafer, attribution)
    return {
        pattern: sorted((pile.stack() for pile in by_grid.values()), key=_most_wafers_first)
        for pattern, by_grid in sorted(piles.items())
    }


def strongest_dies(stack: EvidenceStack, most: int = 10) -> list[tuple[int, int, float, int]]:
    """Return (x, y, share of the evidence, wafers on which it speaks) of the dies that hold most, most first."""
    rows, columns = np.nonzero(stack.share)
    share, speaking = stack.share[rows, columns], stack.speaking[rows, columns]
    order = np.lexsort((-speaking, -share))[:most]
    x, y = stack.frame.coordinates(rows[order], columns[order])
    return [
        (int(across), int(down), float(held), int(wafers))
        for across, down, held, wafers in zip(x, y, share[order], speaking[order], strict=True)
    ]


def companions(called: NDArray[np.bool_], wafers: Sequence[int], pattern: int) -> dict[int, int]:
    """Return on how many of the wafers each other pattern stands as well, the most frequent first.

    Args:
        called: bool (wafers of the lot, 8).
        wafers: positions of those that carry the pattern.
        pattern: which one.
    """
    found = called[list(wafers)].sum(axis=0)
    return {int(i): int(found[i]) for i in np.argsort(-found, kind="stable") if i != pattern and found[i]}


@dataclass
class _Pile:
    """A stack while wafers are still laid on it."""

    frame: Frame
    wafers: list[int] = field(default_factory=list)
    silent: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.total = np.zeros(self.frame.shape, dtype=np.float64)
        self.speaking = np.zeros(self.frame.shape, dtype=np.int64)
        self.there = np.zeros(self.frame.shape, dtype=bool)

    def add(self, position: int, wafer: Wafer, attribution: NDArray[np.float32]) -> None:
        share = evidence_share(attribution, wafer.states)
        (self.wafers if share.any() else self.silent).append(position)
        self.total += share
        self.speaking += share > 0
        self.there |= wafer.states != NO_DIE

    def stack(self) -> EvidenceStack:
        return EvidenceStack(
            frame=self.frame,
            wafers=tuple(sorted(self.wafers)),
            silent=tuple(sorted(self.silent)),
            share=self.total / max(1, len(self.wafers)),
            speaking=self.speaking,
            there=self.there,
        )


def _most_wafers_first(stack: EvidenceStack) -> tuple[int, int]:
    return -len(stack.wafers), min((*stack.wafers, *stack.silent))
