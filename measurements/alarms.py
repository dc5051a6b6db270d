"""What fewer false alarms would cost: `python -m measurements.alarms --data DATA`.

A wafer is called defective once one pattern passes its threshold. Here its patterns together must pass theirs by
some logits more, or a wafer with one pattern alone must; every row is the same answers decoded again, on validation,
where thresholds are chosen too.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from measurements.timing import say, table
from wafer_core.decode import logit
from wafer_core.models.folder import resolve
from wafer_core.patterns import ALLOWED_SETS
from wafer_core.recognise import load_recognizer
from wafer_core.training.validation import Examples, examples, figures_of

ASKED = (0.0, 0.25, 0.5, 0.75, 1.0, 1.25)
"""Logits beyond the thresholds."""

WAYS = ("of a wafer's patterns together", "of a wafer with one pattern")


def main() -> None:
    """Ask each model once and print what every way of asking for more would make of its answers."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="the folder that holds wm811k/")
    parser.add_argument("--models", nargs="+", default=["teacher", "student", "student-int8"])
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    for name in options.models:
        recognizer = load_recognizer(resolve(name), options.threads)
        say(f"{name}")
        cuts = logit(recognizer.model.entry.thresholds)
        sets = examples(options.data, "validation", recognizer.model.card.size)
        beyond = {one.name: recognizer.score_maps(one.maps.astype(np.float32)).logits - cuts for one in sets}
        rows = [
            (f"{way}: {asked:g}", *(_reached(one, called(beyond[one.name], one.decoder, way, asked)) for one in sets))
            for way in WAYS
            for asked in ASKED
        ]
        print(f"\n{name}")
        table(rows, head=("logits more asked", *(f"{one.name}: {_figure(one)}" for one in sets)))


def called(beyond: NDArray[np.float64], decoder: str, way: str, asked: float) -> NDArray[np.bool_]:
    """Return the sets that answers are decoded to, bool (n, 8).

    Args:
        beyond: logits above each pattern's threshold, (n, 8).
        decoder: a key of `ALLOWED_SETS`.
        way: one of `WAYS`.
        asked: logits that such a set must be worth more.
    """
    allowed = ALLOWED_SETS[decoder]
    named = allowed.sum(axis=1)
    price = asked * (named > 0 if way == WAYS[0] else named == 1)
    # Of two sets worth the same the smaller one.
    chosen: NDArray[np.bool_] = allowed[(beyond @ allowed.T - price - 1e-9 * named).argmax(axis=1)]
    return chosen


def _figure(one: Examples) -> str:
    """Return which figure of `figures_of` a set is there for."""
    if not one.labels.any():
        return "false alarms"
    # As in the table of all models, a pattern of fewer than ten native wafers is left out.
    return {"resized": "macro F1", "native": "macro F1 (10+)"}.get(one.name, "exact")


def _reached(one: Examples, named: NDArray[np.bool_]) -> str:
    found = figures_of(one, named)
    return f"{100 * found[_figure(one)]:.1f}" if _figure(one) in found else "-"


if __name__ == "__main__":
    main()
