"""What the jobs do, as generators: between two steps the worker may turn to something more urgent."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from wafer_core.decode import decode_with
from wafer_core.distill.settings import Settings
from wafer_core.distill_lot.kept import CHECKPOINT, PLAN
from wafer_core.errors import UnusableLot
from wafer_core.explain import attribute
from wafer_core.jobs.bench import Bench
from wafer_core.jobs.folders import HALF, run_folder, scratch
from wafer_core.jobs.queue import missing, missing_attributions, score_urgency, unexplained
from wafer_core.lot import Lot, Wafer
from wafer_core.recognise import Recognizer
from wafer_core.trust.altered import alterations, flipped
from wafer_core.workspace import JobRow, Kind, Workspace

if TYPE_CHECKING:
    from wafer_core.distill.loop import Progress

Task = Generator[None, None, str]
"""Yields after every step and returns the sentence its job ends with."""

WAFERS_A_STEP = {"torch": 32, "onnx": 256}
"""Small enough that something more urgent waits a fifth of a second at most."""


def score(bench: Bench, job: JobRow) -> Task:
    """Score what the store misses of a lot, the wafers in view first."""
    workspace, lot = bench.workspace, bench.lot(job.lot)
    recognizer = bench.recognizer(job.payload["sha256"])
    model = recognizer.model
    waiting = missing(workspace, lot, model)
    while waiting:
        asked = workspace.job(job.id) or job
        wanted = set(asked.first).intersection(waiting)
        ordered = sorted(waiting, key=lambda position: (position not in wanted, position))
        step = ordered[: WAFERS_A_STEP[model.engine]]
        wafers = [lot.wafers[position] for position in step]
        _keep_scores(workspace, recognizer, wafers)
        waiting = tuple(sorted(ordered[len(step) :]))
        in_view = not wanted.issubset(step)
        told = {"done": len(lot) - len(waiting), "total": len(lot)}
        workspace.report(job.id, told, score_urgency(model, in_view), asked.first, kept=True)
        yield
    return f"{model.name} has answered on {_count(len(lot), 'wafer')} of {lot.title}."


def _keep_scores(workspace: Workspace, recognizer: Recognizer, wafers: Sequence[Wafer]) -> None:
    maps = [wafer.map_hash for wafer in wafers]
    workspace.put_scores(recognizer.model.sha256, maps, recognizer.score(wafers))


def explain(bench: Bench, job: JobRow) -> Task:
    """Attribute the patterns that the store misses of one wafer, then ask what checks all that were wanted."""
    asked = job.payload
    wafer = bench.lot(job.lot).wafers[asked["wafer"]]
    recognizer = bench.recognizer(asked["sha256"])
    left = missing_attributions(bench.workspace, wafer, recognizer.model, asked["method"], asked["patterns"])
    if left and not wafer.scorable:
        raise UnusableLot(f"{wafer.name} has no tested die, so there is nothing to explain.")
    seconds = _keep_attributions(bench.workspace, recognizer, wafer, asked["method"], left)
    bench.workspace.report(job.id, {"explained": min(1, len(left)), "seconds": seconds})
    yield
    stored = bench.workspace.attributions(recognizer.model.sha256, wafer.map_hash, asked["method"], asked["patterns"])
    _answer(bench.workspace, recognizer, alterations(wafer, list(stored.values())))
    yield
    return f"{recognizer.model.name} is explained on {wafer.name}."


def explain_lot(bench: Bench, job: JobRow) -> Task:
    """Attribute whatever a model calls on a lot and the store misses, a wafer a step."""
    workspace, lot, method = bench.workspace, bench.lot(job.lot), job.payload["method"]
    recognizer = bench.recognizer(job.payload["sha256"])
    model = recognizer.model
    silent = missing(workspace, lot, model)
    for start in range(0, len(silent), WAFERS_A_STEP[model.engine]):
        step = silent[start : start + WAFERS_A_STEP[model.engine]]
        _keep_scores(workspace, recognizer, [lot.wafers[position] for position in step])
        yield
    maps = [wafer.map_hash for wafer in lot]
    called = decode_with(model, workspace.scores(model.sha256, maps).logits).detected
    left, total = unexplained(workspace, lot, model, method, called), int(called.any(axis=1).sum())
    told = {"explained": 0, "seconds": 0.0, **job.progress, "total": total}
    for ahead, (position, _) in zip(range(len(left) - 1, -1, -1), left, strict=True):
        wafer = lot.wafers[position]
        # A twin of this wafer, or its own page, may have had it explained since the list was made.
        patterns = missing_attributions(workspace, wafer, model, method, np.flatnonzero(called[position]).tolist())
        told["seconds"] += _keep_attributions(workspace, recognizer, wafer, method, patterns)
        told["explained"] += min(1, len(patterns))
        told["done"] = total - ahead
        workspace.report(job.id, told, kept=True)
        yield
    return f"{model.name} is explained on {_count(total, 'wafer')} of {lot.title}."


def _keep_attributions(
    workspace: Workspace, recognizer: Recognizer, wafer: Wafer, method: str, patterns: Sequence[int]
) -> float:
    """Explain patterns of one wafer and return the seconds it took."""
    began = time.monotonic()
    # All at once, because the methods share most of their work between patterns.
    found = attribute(recognizer, wafer, method, patterns)
    workspace.put_attributions(recognizer.model.sha256, wafer.map_hash, method, patterns, found)
    return time.monotonic() - began


def alter(bench: Bench, job: JobRow) -> Task:
    """Say what a model would say of one wafer, some of its dies flipped."""
    asked = job.payload
    wafer = bench.lot(job.lot).wafers[asked["wafer"]]
    recognizer = bench.recognizer(asked["sha256"])
    _answer(bench.workspace, recognizer, [flipped(wafer, asked["dies"])])
    yield
    return f"{recognizer.model.name} has answered on {wafer.name} with {_count(len(asked['dies']), 'flipped die')}."


def _answer(workspace: Workspace, recognizer: Recognizer, wafers: Sequence[Wafer]) -> None:
    """Score, in one pass, what the store misses of altered wafers."""
    model = recognizer.model.sha256
    present = workspace.scored(model, [wafer.map_hash for wafer in wafers])
    left = [wafer for wafer, there in zip(wafers, present, strict=True) if not there]
    workspace.put_scores(model, [wafer.map_hash for wafer in left], recognizer.score(left))


def distil(bench: Bench, job: JobRow) -> Task:
    """Distil a student of a lot into a folder of its own, moved among the models once it is complete.

    What was done is kept in the run's folder; a worker that takes the job up again goes on from there.
    """
    from wafer_core.distill_lot.distil import distil_lot
    from wafer_core.jobs.report import Report

    began = time.monotonic()
    workspace, name = bench.workspace, str(job.name)
    finished = workspace.student_root / name
    if (finished / "card.json").exists():
        # The last worker fell between moving the student into place and saying so.
        return _ready(name)
    lot = _unlabelled(bench.lot(job.lot))
    beside = [_unlabelled(workspace.lot(lot_id)) for lot_id in job.payload["settings"].get("pool_lots", ())]
    settings = Settings(**_settings(job.payload["settings"], {field.name for field in fields(Settings)}))
    folder = run_folder(workspace, job.id)
    half = folder / HALF
    shutil.rmtree(half, ignore_errors=True)
    workspace.forget_progress(job.id)  # a run that goes on tells it again
    report = Report(workspace, job, folder / CHECKPOINT)
    teacher = bench.model(job.payload["sha256"])
    for told in distil_lot([lot], teacher, half / name, settings, started=began, keep=folder, beside=beside):
        report.take(told)
        yield
    os.replace(half / name, finished)
    return _ready(name, report.latest)


def rehearse(bench: Bench, job: JobRow) -> Task:
    """Do what a distillation does before its first step, to say what one would take; it leaves no student."""
    from wafer_core.distill_lot.distil import distil_lot
    from wafer_core.distill_lot.plan import Plan, timed

    lot, size = _unlabelled(bench.lot(job.lot)), job.payload["size"]
    with tempfile.TemporaryDirectory(prefix="rehearsal-", dir=scratch(bench.workspace)) as folder:
        keep = Path(folder)
        run = distil_lot([lot], bench.model(job.payload["sha256"]), keep / "student", Settings(size), keep=keep)
        own = 0.0
        for taken in timed(run):
            own += taken.wall
            yield
            if (keep / PLAN).exists():
                break
        plan = Plan.kept(keep / PLAN) or Plan(1)
    # A run that is turned away from in between would count the turning too.
    bench.workspace.report(job.id, replace(plan, prepared=own).to_json())
    return f"A {size} student of {lot.title} was tried: {1000 * plan.step_seconds:.0f} ms a step."


def _unlabelled(lot: Lot) -> Lot:
    """Put labels away, before anything that learns begins."""
    return replace(lot, wafers=tuple(replace(wafer, labels=None) for wafer in lot))


def _settings(stored: Mapping[str, Any], known: set[str]) -> dict[str, Any]:
    """Return stored settings as the run takes them; what a later version stored beside them is left out."""
    chosen = {name: value for name, value in stored.items() if name in known}
    if chosen.get("start") is not None:
        chosen["start"] = Path(chosen["start"])
    chosen["without"] = tuple(chosen.get("without", ()))
    return chosen


def _ready(name: str, last: Progress | None = None) -> str:
    from wafer_core.distill_lot.words import slowed

    return f"{name} is ready; choose it by its name on any page. {slowed(last) if last else ''}".rstrip()


def _count(number: int, thing: str) -> str:
    return f"{number:,} {thing}{'' if number == 1 else 's'}"


TASKS: dict[Kind, Callable[[Bench, JobRow], Task]] = {
    "score": score,
    "explain": explain,
    "explain_lot": explain_lot,
    "alter": alter,
    "distil": distil,
    "rehearse": rehearse,
}
"""What each kind of job does."""
