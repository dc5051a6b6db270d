"""Distil a new student from lots, without labels: a model folder and run.json."""

from __future__ import annotations

import argparse

from wafer_core.cli.files import check_folder
from wafer_core.cli.options import add_lots, add_out, model_file, read_lot, report_reading, seconds, whole

NAME = "distill"
BUDGET = 60.0
"""Seconds a run gets when none are named, start and export included."""
SECONDS_BETWEEN_LINES = 1.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    add_lots(parser)
    add_out(parser, "DIR")
    parser.add_argument("--budget", type=seconds, default=BUDGET, metavar="SECONDS", help="time until all is written")
    parser.add_argument("--size", default="small", metavar="NAME", help="the student's size")
    parser.add_argument("--seed", type=whole(0), default=0, metavar="N", help="the same seed and steps repeat a run")
    parser.add_argument("--steps", type=whole(1), metavar="N", help="train exactly so long, whatever the clock says")
    parser.add_argument("--teacher", default="teacher", metavar="NAME", help="the model to learn from")


def run(arguments: argparse.Namespace) -> None:
    """Leave a complete model folder, saying on standard output how far it is."""
    from wafer_core.distill import Settings
    from wafer_core.distill_lot import distil_lot

    check_folder(arguments.out)
    teacher = model_file(arguments.teacher)
    lot = read_lot(arguments)
    settings = Settings(
        size=arguments.size,
        budget=arguments.budget,
        seed=arguments.seed,
        steps=arguments.steps,
    )
    told = 0.0
    for progress in distil_lot([lot], teacher, arguments.out, settings, started=arguments.started):
        if progress.seconds >= told + SECONDS_BETWEEN_LINES:
            told = progress.seconds
            agreed = f"{progress.agreed} of {progress.held_out} held-out wafers agree"
            print(
                f"{told:.0f} s, step {progress.step} of {progress.steps}: loss {progress.loss:.4f}, {agreed}",
                flush=True,
            )
    print(f"The student is in {arguments.out}.")
    report_reading(lot)
