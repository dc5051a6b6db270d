"""Lots and a teacher in, a student's model folder out: what both the page and the command line start."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path

import torch

from wafer_core.distill import Progress, Settings
from wafer_core.distill_lot.maps import gather
from wafer_core.distill_lot.plan import Plan
from wafer_core.distill_lot.pool import check_pool
from wafer_core.distill_lot.run import Run
from wafer_core.distill_lot.stages import Examples, Stage, told
from wafer_core.distill_lot.words import Told, line, slowed
from wafer_core.errors import UsageError
from wafer_core.lot import Lot
from wafer_core.models.card import CARD
from wafer_core.models.folder import SHIPPED, ModelFile, files_of
from wafer_core.models.growth import started_from
from wafer_core.models.learning import laid_out
from wafer_core.models.networks import GROWS_FROM, STUDENT_SIZES, Network, build
from wafer_core.models.weights import load_network
from wafer_core.recognise import network_calls
from wafer_core.whole_files import write_whole

__all__ = ["CHECKPOINT", "PLAN", "STATE", "Examples", "Progress", "Settings", "Stage", "distil_lot", "line", "slowed"]

STATE = ASKED, PLAN, CHECKPOINT = "asked.json", "plan.json", "checkpoint.safetensors"
"""The files a run keeps of itself: what it was asked for, what it set out to do, and how far it is."""


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
    something else in between, or leave. The
    steps are fixed before the first one from what the machine was measured to do, and the student is a
    function of seed, steps, lots and teacher: torch is held to one thread, as more would round otherwise.

    Labels that a lot may carry are not read. `out` becomes a model folder with `student.safetensors`,
    `student.onnx`, `student.int8.onnx`, `card.json` and `run.json`.

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
        BrokenModel: the teacher's or starting student's files contradict their card.
    """
    started = time.monotonic() if started is None else started
    check_pool(settings, beside)
    asked = _asked(lots, beside, teacher, settings)
    if keep:
        _check_kept(keep, asked)
    torch.set_num_threads(1)
    torch.manual_seed(settings.seed)
    size = teacher.card.size
    student, start = _student(settings, size)
    teaching = laid_out(load_network(teacher))
    clock = _Clock(started)
    called = partial(network_calls, teacher, teaching)
    maps = yield from told(gather(lots, teaching, called, size, settings, beside), clock.spent)
    run = Run(lots, teacher, teaching, start, student, maps, settings, clock.spent)
    yield run.look_before()
    plan = Plan.kept(keep / PLAN) if keep else None
    if plan is None:
        plan = yield from told(run.planned(), clock.spent)
        if keep:
            write_whole(keep / ASKED, asked.encode())
            plan.keep(keep / PLAN)
    yield Stage("train", plan.prepared, plan.note)
    for progress in run.train(plan, keep / CHECKPOINT if keep else None):
        clock.set(plan.prepared + progress.seconds)
        yield progress
    yield from told(run.write(out, plan), clock.spent)


def _asked(lots: Sequence[Lot], beside: Sequence[Lot], teacher: ModelFile, settings: Settings) -> str:
    """Return what a run is asked for as text."""
    hashes = {"lots": [lot.lot_hash for lot in lots], "beside": [lot.lot_hash for lot in beside]}
    usual = asdict(Settings())
    # What is usual stays unsaid, so that a run outlives a version that knows more settings.
    chosen = {name: value for name, value in asdict(settings).items() if value != usual[name]}
    return json.dumps({**hashes, "teacher": teacher.sha256, "settings": chosen}, default=str, sort_keys=True)


def _check_kept(keep: Path, asked: str) -> None:
    """Find out before the work begins whether what is kept was asked for in the same words."""
    path = keep / ASKED
    if path.exists() and path.read_text(encoding="utf-8") != asked:
        raise UsageError(f"{keep} is left from a run with other options: repeat those, or remove it.")


class _Clock:
    """Seconds of a budget that are gone; what a run did before it was taken up again counts, the break does not."""

    def __init__(self, began: float) -> None:
        self._began = began

    def spent(self) -> float:
        return time.monotonic() - self._began

    def set(self, spent: float) -> None:
        self._began = time.monotonic() - spent


def _student(settings: Settings, size: int) -> tuple[Network, ModelFile | None]:
    """Return the network to teach, and the student whose trained weights it has or grew from, if any."""
    architecture = STUDENT_SIZES[settings.size]
    if settings.start is not None:
        start = files_of(settings.start)[0]
        if not _can_go_on(start, _begins_as(settings.size), size):
            raise UsageError(
                f"{settings.start.name} is no student to start from: that takes trained weights of size "
                f"{' or '.join(_begins_as(settings.size))} for maps of {size} x {size}."
            )
        return started_from(start, architecture), start
    shipped = None if settings.fresh else _shipped(settings.size, size)
    return (started_from(shipped, architecture), shipped) if shipped else (build(architecture), None)


def _begins_as(student: str) -> list[str]:
    """Return the sizes whose trained weights a student of a size can begin with, its own first."""
    return [student, *([GROWS_FROM[student]] if student in GROWS_FROM else [])]


def _shipped(student: str, size: int) -> ModelFile | None:
    """Return the shipped student to begin with, found by its card and not by what it happens to be called."""
    models = [files_of(card.parent)[0] for card in sorted(SHIPPED.glob(f"*/{CARD}"))]
    fitting = (
        model
        for begins in _begins_as(student)
        for model in models
        if model.role == "student" and _can_go_on(model, [begins], size)
    )
    return next(fitting, None)


def _can_go_on(model: ModelFile, students: Sequence[str], size: int) -> bool:
    networks = [STUDENT_SIZES[student] for student in students]
    return (model.engine, model.card.size) == ("torch", size) and model.card.architecture in networks
