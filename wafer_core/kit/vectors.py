"""Test vectors: a few simulated wafers as a die list, chosen so that their answers are not close calls."""

from __future__ import annotations

import csv
import io
from collections import Counter

import numpy as np
from numpy.typing import NDArray

from wafer_core.kit.runner import VECTORS, Model
from wafer_core.lot import FAIL, NO_DIE, PASS, UNTESTED, Frame, Lot, Wafer
from wafer_core.readers import NamedBytes, read
from wafer_core.synthesis.simulator import mixed_map
from wafer_core.synthesis.views import with_untested_rows

COUNT = 8
PARTLY_TESTED = 2
"""How many of them are wafers whose test stopped early; these are rarely the surest."""

_DRAWN = 48
_SEED = 2303
_BINS = {PASS: "1", FAIL: "5", UNTESTED: ""}


def vectors(model: Model, count: int = COUNT) -> bytes:
    """Return a die list of simulated wafers of several grids, at least `PARTLY_TESTED` of them partly tested.

    Of many drawn, the one that the model is surest of stands for each answer it gives, then the
    second surest, and so on: processors round differently, and a close call could go either way.
    """
    drawn = _simulated()
    verdicts = model.verdicts(read_vectors(die_list(drawn)))
    surest: list[int] = np.argsort(-verdicts.margin, kind="stable").tolist()
    unfinished = [row for row in surest if (drawn.wafers[row].states == UNTESTED).any()]
    reserved = _in_turn(unfinished, verdicts.detected)[:PARTLY_TESTED]
    in_turn = _in_turn(list(dict.fromkeys([*reserved, *surest])), verdicts.detected)
    chosen = list(dict.fromkeys([*reserved, *in_turn]))[:count]
    return die_list(Lot(drawn.title, tuple(drawn.wafers[row] for row in sorted(chosen))))


def read_vectors(data: bytes) -> Lot:
    """Return the lot that a die list of test vectors holds."""
    return read([NamedBytes(VECTORS, data)])


def die_list(lot: Lot) -> bytes:
    """Return a lot as a die list: bin 1 passes, bin 5 fails, a die without a bin was not tested."""
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(("lot", "wafer", "x", "y", "bin"))
    for wafer in lot:
        for row, column in np.argwhere(wafer.states != NO_DIE).tolist():
            state = int(wafer.states[row, column])
            rows.writerow((wafer.lot, wafer.wafer, column, wafer.frame.rows - 1 - row, _BINS[state]))
    return text.getvalue().encode()


def _in_turn(rows: list[int], answers: NDArray[np.bool_]) -> list[int]:
    """Return the first row of each answer, bool (n, 8), then the second of each, and so on."""
    given: Counter[bytes] = Counter()
    turns: list[tuple[int, int, int]] = []
    for place, row in enumerate(rows):
        answer = answers[row].tobytes()
        turns.append((given[answer], place, row))
        given[answer] += 1
    return [row for _, _, row in sorted(turns)]


def _simulated() -> Lot:
    random = np.random.default_rng(_SEED)
    wafers = []
    for number in range(1, _DRAWN + 1):
        states = mixed_map(random)
        if number % 8 == 0:
            states = with_untested_rows(states, random.uniform(0.1, 0.3))
        wafers.append(Wafer("SIMULATED", f"{number:02}", Frame(*states.shape), states))
    return Lot("SIMULATED", tuple(wafers))
