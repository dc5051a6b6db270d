"""Measure every shipped model file on the shipped labelled wafers, as JSON."""

from __future__ import annotations

import argparse
import json

from wafer_core.cli.files import check_writable, written
from wafer_core.cli.options import add_out

NAME = "benchmark"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    add_out(parser, "FILE.json")


def run(arguments: argparse.Namespace) -> None:
    """Write the figures."""
    from wafer_core.benchmark import run as measure

    check_writable(arguments.out)
    figures = measure()
    with written(arguments.out) as file:
        file.write(json.dumps(figures, indent=2, allow_nan=False).encode() + b"\n")
