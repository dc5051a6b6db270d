"""Verdicts as CSV: one row a wafer, the same columns on the page and on the command line."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence

import numpy as np

from wafer_core.decode import Verdicts, set_titles, verdict_titles
from wafer_core.lot import Lot
from wafer_core.patterns import PATTERNS

_FORMULA = re.compile(r"(?![+-]\d+$)[=+\-@\t\r]")
"""How what a spreadsheet takes for a formula begins."""

COLUMNS = ("lot", "wafer", *PATTERNS, "patterns", "excluded", "margin", "novelty", "flag")


def verdicts_csv(lot: Lot, verdicts: Verdicts) -> str:
    """Return the CSV text of a lot's verdicts, one for every wafer in the lot's order.

    A wafer without scores keeps its row, with everything but its name empty. Numbers are written
    as the shortest text that reads back as the same float32. `flag` is `yes` for a wafer unlike
    anything the model knows, else `no`; it and `novelty` are empty where the model cannot tell.
    An id that a spreadsheet would run as a formula has an apostrophe before it.
    """
    lines = [_line(COLUMNS)]
    rows = zip(
        lot,
        verdicts.scored,
        verdicts.probabilities.astype(str).tolist(),
        verdict_titles(verdicts),
        set_titles(verdicts.excluded, empty=""),
        verdicts.margin.astype(str).tolist(),
        *_novelty(verdicts),
        strict=True,
    )
    for wafer, scored, probabilities, *answer in rows:
        said = [*probabilities, *answer] if scored else [""] * (len(COLUMNS) - 2)
        lines.append(_line([inert(wafer.lot), inert(wafer.wafer), *said]))
    return "".join(lines)


def _line(cells: Sequence[str]) -> str:
    """Return one row. An id may hold either line break; only those of the writer's own line end are quoted by it."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\r\n").writerow(cells)
    return text.getvalue().removesuffix("\r\n") + "\n"


def inert(name: str) -> str:
    """Return an id, which comes out of a file that anyone may have made, so that no spreadsheet runs it.

    A number with its sign is none the worse for being read as one, and stays the id that it is.
    """
    return f"'{name}" if _FORMULA.match(name) else name


def _novelty(verdicts: Verdicts) -> tuple[list[str], list[str]]:
    """Return novelty and flag of every wafer as text."""
    told = np.isfinite(verdicts.novelty)
    novelty = np.where(told, verdicts.novelty.astype(str), "")
    flag = np.where(told, np.where(verdicts.flagged, "yes", "no"), "")
    return novelty.tolist(), flag.tolist()
