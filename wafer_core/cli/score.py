"""Score lots with a model: probabilities, patterns and margin of every wafer, as CSV."""

from __future__ import annotations

import argparse

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

NAME = "score"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    add_lots(parser)
    add_model(parser)
    add_out(parser, "FILE.csv")


def run(arguments: argparse.Namespace) -> None:
    """Write one row a wafer, in Lot order."""
    from wafer_core.decode import decode_with
    from wafer_core.recognise import load_recognizer
    from wafer_core.verdicts_csv import verdicts_csv

    check_writable(arguments.out)
    check_overwrite(arguments.out, arguments.lots)
    model = model_file(arguments.model)
    lot = read_lot(arguments)
    scores = load_recognizer(model).score(lot.wafers)
    verdicts = decode_with(model, scores.logits, scores.embedding)
    with written(arguments.out) as file:
        file.write(verdicts_csv(lot, verdicts).encode())
    for wafer in lot:
        if not wafer.scorable:
            say(f"{wafer.name}: no die was tested, so it has no verdict.")
    report_reading(lot)
