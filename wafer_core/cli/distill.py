"""Distil a new student from lots, without labels: a model folder and run.json."""

from __future__ import annotations

import argparse
import shutil
import time
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from wafer_core.cli.files import check_folder, check_no_model
from wafer_core.cli.options import (
    add_lots,
    add_out,
    model_file,
    read_lot,
    read_together,
    report_reading,
)
from wafer_core.console import positive, whole
from wafer_core.distill.settings import RANDOM, Settings
from wafer_core.distill_lot.kept import ASKED, CHECKPOINT, STATE
from wafer_core.errors import OutdatedRun, UsageError
from wafer_core.models.card import Card
from wafer_core.models.sizes import STUDENT_SIZES
from wafer_core.novelty import UNTOLD
from wafer_core.whole_files import PARTIAL

if TYPE_CHECKING:
    from wafer_core.distill.loop import Progress
    from wafer_core.distill_lot.stages import Examples, Stage

NAME = "distill"
BUDGET = 60.0
"""Seconds a run gets when none are named, start and export included."""
SECONDS_BETWEEN_LINES = 1.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    add_lots(parser)
    add_out(parser, "DIR")
    until = "time until all is written (%(default)g)"
    parser.add_argument("--budget", type=positive("number of seconds"), default=BUDGET, metavar="SECONDS", help=until)
    sizes = ", ".join(STUDENT_SIZES)
    parser.add_argument("--size", default="small", metavar="NAME", help=f"the student's size: {sizes} (%(default)s)")
    parser.add_argument("--seed", type=whole(0), default=0, metavar="N", help="the same seed and steps repeat a run")
    parser.add_argument("--steps", type=whole(1), metavar="N", help="train exactly so long, whatever the clock says")
    parser.add_argument("--augmentation", type=float, default=1.0, metavar="X", help="0 none, 1 usual, 2 strongest")
    parser.add_argument(
        "--pool", default="shipped", metavar="NAME", help="what joins the lot: %(default)s, lots, both or none"
    )
    parser.add_argument(
        "--pool-lot", type=Path, action="append", default=[], metavar="FILE", help="a lot of that pool; may be repeated"
    )
    parser.add_argument(
        "--without", action="append", default=[], metavar="WAFER", help="leave a wafer out; may be repeated"
    )
    parser.add_argument(
        "--start", metavar="NAME", help="the student to go on from instead of the shipped one, or random for none"
    )
    parser.add_argument("--teacher", default="teacher", metavar="NAME", help="the model to learn from")


def run(arguments: argparse.Namespace) -> None:
    """Leave a complete model folder, saying on standard output how far it is.

    A command that was killed and is repeated goes on where it was, from what it kept in `DIR.run`.
    """
    from wafer_core.distill_lot.distil import distil_lot
    from wafer_core.distill_lot.words import slowed

    check_folder(arguments.out)
    keep = arguments.out.absolute().with_name(arguments.out.absolute().name + ".run")
    _check_state(keep)
    if not (keep / ASKED).exists():
        check_no_model(arguments.out)
    teacher = model_file(arguments.teacher)
    fresh = arguments.start == RANDOM
    start = None if fresh or arguments.start is None else model_file(arguments.start).folder
    lot = read_lot(arguments)
    beside = [read_together([path], arguments) for path in arguments.pool_lot]
    settings = Settings(
        size=arguments.size,
        budget=arguments.budget,
        seed=arguments.seed,
        steps=arguments.steps,
        start=start,
        fresh=fresh,
        augmentation=arguments.augmentation,
        pool=arguments.pool,
        without=tuple(dict.fromkeys(arguments.without)),
    )
    if (keep / CHECKPOINT).exists():
        print(f"Going on from what an earlier command kept in {keep}.", flush=True)
    going = distil_lot([lot], teacher, arguments.out, settings, started=arguments.started, keep=keep, beside=beside)
    try:
        last = _told(going, arguments.started)
    except OutdatedRun as problem:
        raise OutdatedRun(f"{problem} Remove {keep} first.") from problem
    shutil.rmtree(keep, ignore_errors=True)
    if last is not None and slowed(last):
        print(slowed(last))
    print(f"The student is in {arguments.out}.")
    if Card.read(arguments.out).novelty is None:
        print(UNTOLD)
    report_reading(lot)


def _told(going: Iterable[Stage | Progress | Examples], started: float) -> Progress | None:
    """Print how a run goes on, a line now and then, and return what it said of its last step."""
    from wafer_core.distill.loop import Progress
    from wafer_core.distill_lot.stages import Stage
    from wafer_core.distill_lot.words import line

    last: Progress | None = None
    said, stage = 0.0, ""
    for told in going:
        now, new = time.monotonic() - started, True
        if isinstance(told, Stage):
            new, stage = told.name != stage, told.name
        elif isinstance(told, Progress):
            new, last = now >= said + SECONDS_BETWEEN_LINES or told.step == told.steps, told
        if new:
            said = now
            print(f"{now:.0f} s, {line(told)}", flush=True)
    return last


def _check_state(keep: Path) -> None:
    """Find out before the work begins whether the folder that is removed at its end holds nothing but a run's state."""
    held = [each.name for each in keep.iterdir()] if keep.exists() else []
    if others := [name for name in held if name not in STATE and not name.endswith(PARTIAL)]:
        raise UsageError(
            f"The run would keep its state in {keep}, which holds {others[0]}; move that, or choose another --out."
        )
