"""Distil a new student from lots, without labels: a model folder and run.json."""

from __future__ import annotations

import argparse
import time

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
    parser.add_argument("--augmentation", type=float, default=1.0, metavar="X", help="0 none, 1 usual, 2 strongest")
    parser.add_argument("--pool", default="simulated", metavar="NAME", help="what joins the lot: simulated or none")
    parser.add_argument("--teacher", default="teacher", metavar="NAME", help="the model to learn from")


def run(arguments: argparse.Namespace) -> None:
    """Leave a complete model folder, saying on standard output how far it is."""
    from wafer_core.distill import Settings
    from wafer_core.distill_lot import Progress, Stage, distil_lot

    check_folder(arguments.out)
    teacher = model_file(arguments.teacher)
    lot = read_lot(arguments)
    settings = Settings(
        size=arguments.size,
        budget=arguments.budget,
        seed=arguments.seed,
        steps=arguments.steps,
        augmentation=arguments.augmentation,
        pool=arguments.pool,
    )
    last: Progress | None = None
    said, stage = 0.0, ""
    for told in distil_lot([lot], teacher, arguments.out, settings, started=arguments.started):
        now = time.monotonic() - arguments.started
        if isinstance(told, Stage):
            fresh, stage = told.name != stage, told.name
            line = stage
        else:
            fresh, last = now >= said + SECONDS_BETWEEN_LINES or told.step == told.steps, told
            agreed = f"{told.agreed} of {told.held_out} held-out wafers agree"
            line = f"step {told.step} of {told.steps}: loss {told.loss:.4f}, {agreed}"
        if fresh:
            said = now
            print(f"{now:.0f} s, {line}", flush=True)
    if last is not None and last.step < last.steps:
        print(f"The machine slowed down, so the run ended at step {last.step} of {last.steps} to keep to its budget.")
    print(f"The student is in {arguments.out}.")
    report_reading(lot)
