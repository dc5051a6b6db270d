"""Measure every shipped model file on the shipped labelled wafers, as JSON."""

from __future__ import annotations

import argparse
import json

from wafer_core.cli.files import check_writable
from wafer_core.cli.options import add_out
from wafer_core.console import written

NAME = "benchmark"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    add_out(parser, "FILE.json")
    parser.add_argument("--into-cards", action="store_true", help="write the figures into the shipped cards too")


def run(arguments: argparse.Namespace) -> None:
    """Write the figures."""
    from wafer_core.benchmark import keep_in_cards
    from wafer_core.benchmark import run as measure

    check_writable(arguments.out)
    figures = measure()
    with written(arguments.out) as file:
        file.write(json.dumps(figures, indent=2, allow_nan=False).encode() + b"\n")
    if arguments.into_cards:
        keep_in_cards(figures)
