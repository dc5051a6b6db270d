"""Verdicts as CSV: one row a wafer, the same columns on the page and on the command line."""

from __future__ import annotations

import csv
import io

from wafer_core.decode import Verdicts, set_titles, verdict_titles
from wafer_core.lot import Lot
from wafer_core.patterns import PATTERNS

COLUMNS = ("lot", "wafer", *PATTERNS, "patterns", "excluded", "margin")


def verdicts_csv(lot: Lot, verdicts: Verdicts) -> str:
    """Return the CSV text of a lot's verdicts, one for every wafer in the lot's order.

    A wafer without scores keeps its row, with everything but its name empty. Numbers are written
    as the shortest text that reads back as the same float32.
    """
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(COLUMNS)
    rows = zip(
        lot,
        verdicts.scored,
        verdicts.probabilities.astype(str).tolist(),
        verdict_titles(verdicts),
        set_titles(verdicts.excluded, empty=""),
        verdicts.margin.astype(str).tolist(),
        strict=True,
    )
    for wafer, scored, probabilities, patterns, excluded, margin in rows:
        said = [*probabilities, patterns, excluded, margin] if scored else [""] * (len(COLUMNS) - 2)
        table.writerow([wafer.lot, wafer.wafer, *said])
    return text.getvalue()
