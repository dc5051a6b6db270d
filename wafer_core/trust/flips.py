"""What a model says of a wafer some of whose failing dies are taken away: every question in large batches."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from wafer_core.canonical import canonical_states
from wafer_core.decode import decode_with
from wafer_core.lot import FAIL, PASS, UNTESTED, Wafer
from wafer_core.recognise import Recognizer
from wafer_core.trust.scores import places

FILLS = {"passing": PASS, "untested": UNTESTED}
"""What a failing die that is taken away becomes; both are states a tested wafer can have."""

FIRST_FILL = "passing"
"""The fill that counts: the die as it should have been."""

LEVELS = 10
"""A curve has so many steps, from no failing die taken away to all."""

CLOSE = 0.25
"""A count of dies is narrowed down to bounds this close, as a share of the upper one."""

MADE, ASKED = 256, 16
"""Altered wafers that exist at once, and that a model is given at once: small batches stay in the processor's cache."""

Logits = NDArray[np.float32]
Places = NDArray[np.intp]


class Flips:
    """One wafer before one model, its failing dies in row order ready to be taken away.

    Args:
        recognizer: who answers.
        wafer: with at least one failing die.
        fill: what a die that is taken away becomes, a key of `FILLS`.
    """

    def __init__(self, recognizer: Recognizer, wafer: Wafer, fill: str = FIRST_FILL) -> None:
        self.recognizer = recognizer
        self.states = wafer.states
        self.failing = wafer.states == FAIL
        self.count = wafer.failing
        self.fill = FILLS[fill]

    def logits(self, gone: NDArray[np.bool_]) -> Logits:
        """Return the logits (n, 8) of the wafer without some dies, `gone` being bool (n, failing dies)."""
        parts = np.split(gone, range(MADE, len(gone), MADE))
        return np.concatenate([self._answer(part) for part in parts])

    def along(self, order: Places, counts: NDArray[np.intp]) -> Logits:
        """Return the logits along orders of dies.

        Args:
            order: each die's place in each order, (orders, failing dies).
            counts: how many of the first dies are taken away, (orders, steps).

        Returns:
            float32 (orders, steps, 8).
        """
        row = np.broadcast_to(np.arange(len(counts))[:, None], counts.shape)
        # An order and a count that come twice are asked once.
        asked, again = np.unique(np.stack([row.ravel(), counts.ravel()], axis=1), axis=0, return_inverse=True)
        logits = self.logits(order[asked[:, 0]] < asked[:, 1:])
        return logits[again.ravel()].reshape(*counts.shape, -1)

    def curves(self, order: Places) -> Logits:
        """Return the logits with the first 0, 1/10, ..., 1 of each order taken away, (orders, `LEVELS` + 1, 8)."""
        return self.along(order, np.broadcast_to(self.steps, (len(order), LEVELS + 1)))

    @property
    def steps(self) -> NDArray[np.intp]:
        """How many dies the points of a curve take away."""
        return np.rint(np.linspace(0, self.count, LEVELS + 1)).astype(np.intp)

    def until_lost(self, order: Places, curves: Logits, patterns: NDArray[np.intp]) -> NDArray[np.float64]:
        """Return how many dies of each order have to go until its pattern is no longer called.

        The first point of the curve without the pattern bounds the count from above and the point
        before it from below; between them it is narrowed down in the same way until the bounds are
        `CLOSE`, and their middle counts. All dies where it is called to the end.

        Args:
            order: each die's place in each order, (orders, failing dies).
            curves: what `curves` returned for them.
            patterns: the pattern of each order, (orders,).
        """
        called = self._called(curves, patterns)
        never = called[:, -1].copy()
        low, high = _bounds(np.broadcast_to(self.steps, called.shape), called)
        while (wide := high - low > np.maximum(CLOSE * high, 1)).any():
            gap = (high - low)[wide, None]
            counts = low[wide, None] + np.rint(gap * np.linspace(0, 1, LEVELS + 1)).astype(np.intp)
            called = self._called(self.along(order[wide], counts), patterns[wide])
            # The ends are known: asking again could only waste the bounds on a flickering answer.
            called[:, 0], called[:, -1] = True, False
            low[wide], high[wide] = _bounds(counts, called)
        found = np.where(high - low > 1, (low + high) / 2, high)
        return np.where(never, self.count, found).astype(np.float64)

    def _called(self, logits: Logits, patterns: NDArray[np.intp]) -> NDArray[np.bool_]:
        detected = decode_with(self.recognizer.model, logits.reshape(-1, logits.shape[-1])).detected
        found: NDArray[np.bool_] = detected.reshape(logits.shape)[np.arange(len(patterns)), :, patterns]
        return found

    def _answer(self, gone: NDArray[np.bool_]) -> Logits:
        altered = np.repeat(self.states[None], len(gone), axis=0)
        altered[:, self.failing] = np.where(gone, self.fill, FAIL)
        maps = canonical_states(altered, self.recognizer.model.card.size)
        return self.recognizer.score_maps(maps, ASKED).logits


def random_orders(count: int, orders: int, random: np.random.Generator) -> Places:
    """Return the places of `count` dies in random orders, (orders, count)."""
    return places(np.argsort(random.random((orders, count)), axis=1))


def _bounds(counts: NDArray[np.intp], called: NDArray[np.bool_]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return the counts (orders,) before and at the first point, of (orders, steps), without the pattern."""
    gone = ~called
    gone[:, -1] = True
    first = np.maximum(gone.argmax(axis=1), 1)
    rows = np.arange(len(counts))
    return counts[rows, first - 1].copy(), counts[rows, first].copy()
