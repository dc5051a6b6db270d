"""Score lots with a model: probabilities, patterns and margin of every wafer, as CSV."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

import numpy as np

from wafer_core.cli.files import check_writable
from wafer_core.cli.options import (
    add_lots,
    add_model,
    add_out,
    model_file,
    read_lot,
    report_reading,
)
from wafer_core.console import check_overwrite, say, written
from wafer_core.lot import Lot

if TYPE_CHECKING:
    from wafer_core.decode import Verdicts
    from wafer_core.models.folder import ModelFile

NAME = "score"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    add_lots(parser)
    add_model(parser)
    add_out(parser, "FILE.csv")


def run(arguments: argparse.Namespace) -> None:
    """Write one row a wafer, in Lot order."""
    from wafer_core.verdicts_csv import verdicts_csv

    check_writable(arguments.out)
    check_overwrite(arguments.out, arguments.lots)
    model = model_file(arguments.model)
    lot = read_lot(arguments)
    verdicts = _verdicts(lot, model)
    with written(arguments.out) as file:
        file.write(verdicts_csv(lot, verdicts).encode())
    for wafer in lot:
        if not wafer.scorable:
            say(f"{wafer.name}: no die was tested, so it has no verdict.")
    report_reading(lot)


def _verdicts(lot: Lot, model: ModelFile) -> Verdicts:
    """Return a verdict for every wafer; one without a tested die has none, which NaN stands for."""
    from wafer_core.decode import decode_with
    from wafer_core.recognise import load_recognizer

    able = [row for row, wafer in enumerate(lot) if wafer.scorable]
    scores = load_recognizer(model).score([lot.wafers[row] for row in able])
    logits, embedding = (
        np.full((len(lot), said.shape[1]), np.nan, dtype=np.float32) for said in (scores.logits, scores.embedding)
    )
    logits[able], embedding[able] = scores.logits, scores.embedding
    return decode_with(model, logits, embedding)
