"""Distil a shipped student from the teacher, on training maps without labels and simulated ones."""

from __future__ import annotations

import argparse

from wafer_core.cli.files import check_folder, check_no_model
from wafer_core.console import Parser
from wafer_core.models.card import check_repeatable

NAME = "train-student"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add nothing: the trainer knows its own arguments, and asking it would import torch."""


def run(arguments: argparse.Namespace) -> None:
    """Hand the arguments that are left over to `wafer_core.distill_shipped`."""
    from wafer_core import distill_shipped

    parser = Parser(prog=f"python -m wafer_core {NAME}", description=__doc__, allow_abbrev=False)
    distill_shipped.add_arguments(parser)
    options = parser.parse_args(arguments.rest)
    check_repeatable(options.seed, options.steps)
    check_folder(options.out)
    check_no_model(options.out)
    distill_shipped.distil_shipped(options)
