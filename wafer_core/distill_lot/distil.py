"""A run from its first look at the wafers to the last file of its student: what pages and the command line start."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import torch

from wafer_core.distill.settings import Settings
from wafer_core.distill_lot.kept import CHECKPOINT, PLAN, asked, check_kept, check_wafers, keep_asked
from wafer_core.distill_lot.maps import gather
from wafer_core.distill_lot.plan import Plan
from wafer_core.distill_lot.pool import check_pool
from wafer_core.distill_lot.run import Run
from wafer_core.distill_lot.stages import Stage, told
from wafer_core.distill_lot.start import beginning
from wafer_core.distill_lot.words import Told
from wafer_core.lot import Lot
from wafer_core.models.folder import ModelFile
from wafer_core.models.learning import laid_out
from wafer_core.models.weights import load_network
from wafer_core.recognise import network_calls


def distil_lot(
    lots: Sequence[Lot],
    teacher: ModelFile,
    out: Path,
    settings: Settings,
    started: float | None = None,
    keep: Path | None = None,
    beside: Sequence[Lot] = (),
) -> Iterator[Told]:
    """Distil a student from lots; the last item is taken when `out` is complete.

    A `Progress` is told after every step, a `Stage` before every other part of the work, and `Examples`
    once, before the first step: nothing takes longer than a few seconds, so that the caller can turn to
    something else in between, or leave. The steps are fixed before the first one from what the machine was
    measured to do, and the student is a function of seed, steps, lots and teacher: torch is held to one
    thread, as more would round otherwise.

    Labels that a lot may carry are not read. `out` becomes a model folder with `student.safetensors`,
    `student.onnx`, `student.int8.onnx`, `student.novelty.safetensors` where there are wafers enough to tell it,
    `card.json` and `run.json`.

    Args:
        lots: whose tested wafers to learn on; those that students are judged by are left out and counted.
        teacher: a torch model.
        out: the folder to write.
        settings: size, budget and seed.
        started: `time.monotonic()` when the budget began; now unless given.
        keep: a folder for the run's state. A run that finds an earlier one's there goes on from it and
            writes the same student as if it had never stopped.
        beside: other lots, for a pool that takes some; their labels are not read either.

    Raises:
        UnusableLot: no wafer has a tested die, or none that may be learned from and was not left out.
        UnknownWafer: a wafer to leave out is in none of the lots.
        UsageError: the student to start from is of another size, the pool is not what the other lots are
            for, or what is kept is of a run that was asked for otherwise.
        OutdatedRun: what is kept is of a run that began with other weights, by another recipe or with other wafers
            held out, or cannot be read.
        UnsupportedMethod: the teacher is an ONNX file.
        BrokenModel: the teacher's or starting student's files contradict their card.
    """
    started = time.monotonic() if started is None else started
    check_pool(settings, beside)
    torch.set_num_threads(1)
    torch.manual_seed(settings.seed)
    size = teacher.card.size
    student, start = beginning(settings, size)
    words = asked(lots, beside, teacher, settings, start)
    if keep:
        check_kept(keep, words)
    teaching = laid_out(load_network(teacher))
    clock = _Clock(started)
    called = partial(network_calls, teacher, teaching)
    maps = yield from told(gather(lots, teaching, called, size, settings, beside), clock.spent)
    if keep:
        check_wafers(keep, maps.mark)
    run = Run(lots, teacher, teaching, start, student, maps, settings, clock.spent)
    yield run.look_before()
    plan = Plan.kept(keep / PLAN) if keep else None
    if plan is None:
        plan = yield from told(run.planned(), clock.spent)
        if keep:
            keep_asked(keep, words, maps.mark)
            plan.keep(keep / PLAN)
    yield Stage("train", plan.prepared, plan.note)
    for progress in run.train(plan, keep / CHECKPOINT if keep else None):
        clock.set(plan.prepared + progress.seconds)
        yield progress
    yield from told(run.write(out, plan), clock.spent)


class _Clock:
    """Seconds of a budget that are gone; what a run did before it was taken up again counts, the break does not."""

    def __init__(self, began: float) -> None:
        self._began = began

    def spent(self) -> float:
        return time.monotonic() - self._began

    def set(self, spent: float) -> None:
        self._began = time.monotonic() - spent
