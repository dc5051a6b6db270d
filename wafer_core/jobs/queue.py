"""Asking for work: what is missing, what is queued for it, and how far it is."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, is_dataclass
from enum import IntEnum
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wafer_core.distill.settings import WITH_LOTS, Settings
from wafer_core.errors import UnsupportedMethod, UnusableLot
from wafer_core.explain import check_method
from wafer_core.jobs.folders import drop_run_folder
from wafer_core.jobs.process import worker_lock
from wafer_core.lot import Lot, Wafer
from wafer_core.models.folder import ModelFile
from wafer_core.models.sizes import STUDENT_SIZES
from wafer_core.trust.altered import alterations
from wafer_core.workspace import JobRow, Kind, ProgressPoint, State, Workspace

RECENT = 50
"""Jobs of a kind that are looked through for how long one took."""


class Urgency(IntEnum):
    """What goes first.

    Wafers in view come before everything, one whose dies are being flipped before the others; an
    explanation someone waits for comes before wafers nobody looks at; a whole lot is explained once its
    answers are known; a distillation fills the time between, what one would take is tried when nothing else waits.
    """

    ALTER = -1
    VIEW_STUDENT = 0
    VIEW_TEACHER = 1
    EXPLAIN = 2
    REST_STUDENT = 3
    REST_TEACHER = 4
    EXPLAIN_LOT = 5
    DISTIL = 6
    REHEARSE = 7


def score_urgency(model: ModelFile, in_view: bool) -> Urgency:
    """Return how urgent scores are: in view before the rest, the student's before the teacher's."""
    if model.role == "student":
        return Urgency.VIEW_STUDENT if in_view else Urgency.REST_STUDENT
    return Urgency.VIEW_TEACHER if in_view else Urgency.REST_TEACHER


# What there is -----------------------------------------------------------------------------------


def missing(workspace: Workspace, lot: Lot | str, model: ModelFile | str) -> tuple[int, ...]:
    """Return the positions of the lot's wafers that the store has no answer of this model for."""
    lot = workspace.lot(lot) if isinstance(lot, str) else lot
    model = workspace.model(model) if isinstance(model, str) else model
    present = workspace.scored(model.sha256, [wafer.map_hash for wafer in lot])
    return tuple((~present).nonzero()[0].tolist())


def missing_attributions(
    workspace: Workspace, wafer: Wafer, model: ModelFile, method: str, patterns: Sequence[int]
) -> tuple[int, ...]:
    """Return the patterns that the store has no attribution of this wafer, model and method for."""
    stored = workspace.attributions(model.sha256, wafer.map_hash, method, patterns)
    return tuple(pattern for pattern in patterns if pattern not in stored)


def unexplained(
    workspace: Workspace, lot: Lot, model: ModelFile, method: str, called: NDArray[np.bool_]
) -> list[tuple[int, tuple[int, ...]]]:
    """Return what the store has no attribution of, for all that a model calls on a lot.

    Args:
        workspace: where they are kept.
        lot: the wafers.
        model: whose answers are explained.
        method: one of `METHODS`.
        called: bool (wafers, 8), the patterns that the model names.

    Returns:
        Positions of wafers, each with its patterns that are not explained yet.
    """
    stored = workspace.attributed(model.sha256, [wafer.map_hash for wafer in lot], method)
    found: dict[int, list[int]] = {}
    for position, pattern in np.argwhere(called).tolist():
        if (lot.wafers[position].map_hash, pattern) not in stored:
            found.setdefault(position, []).append(pattern)
    return [(position, tuple(patterns)) for position, patterns in found.items()]


def seconds_a_wafer(workspace: Workspace, model: ModelFile, method: str) -> float | None:
    """Return how long a wafer took to explain here of late, or None where it was never measured."""
    recent = [*workspace.jobs("explain_lot", most=RECENT), *workspace.jobs("explain", most=RECENT)]
    asked = {"sha256": model.sha256, "method": method}
    measured = [job.progress for job in recent if asked.items() <= job.payload.items() and job.progress]
    wafers = sum(each["explained"] for each in measured)
    return sum(each["seconds"] for each in measured) / wafers if wafers else None


def explained(workspace: Workspace, wafer: Wafer, model: ModelFile, method: str, patterns: Sequence[int]) -> bool:
    """Return whether the store holds the attributions of all patterns, and the answers that check them."""
    stored = workspace.attributions(model.sha256, wafer.map_hash, method, patterns)
    if len(stored) < len(set(patterns)):
        return False
    asked = [altered.map_hash for altered in alterations(wafer, list(stored.values()))]
    return bool(workspace.scored(model.sha256, asked).all())


def progress(workspace: Workspace, job_id: int) -> tuple[ProgressPoint, ...]:
    """Return the points of a distillation's curves so far; the latest numbers stand in `job(id).progress`."""
    return workspace.progress(job_id)


def jobs(workspace: Workspace, kind: Kind | None = None, states: Sequence[State] | None = None) -> list[JobRow]:
    """Return jobs, newest first."""
    return workspace.jobs(kind, states)


# What is asked for -------------------------------------------------------------------------------


def submit_score(workspace: Workspace, lot_id: str, model: ModelFile | str, first: Sequence[int] = ()) -> int:
    """Ask for a lot's scores and return the job's id; asking twice queues once.

    Args:
        workspace: where it goes.
        lot_id: which lot.
        model: which model file, or its name.
        first: positions of the wafers in view; a job that waits or runs takes them over.

    Raises:
        UnknownModel: no model answers to the name.
    """
    model = workspace.model(model) if isinstance(model, str) else model
    return workspace.put_job(
        kind="score",
        dedupe=_same("score", lot_id, model.sha256),
        lot=lot_id,
        payload={"model": model.name, "sha256": model.sha256},
        urgency=score_urgency(model, in_view=bool(first)),
        first=first,
    )


def submit_explain(
    workspace: Workspace,
    lot_id: str,
    wafer_index: int,
    model: ModelFile | str,
    method: str,
    patterns: Sequence[int],
) -> int:
    """Ask which dies made a model say patterns, and return the job's id; asking twice queues once.

    Raises:
        UnknownModel: no model answers to the name.
        UsageError: there is no such method.
        UnsupportedMethod: the method cannot explain this model.
    """
    model = workspace.model(model) if isinstance(model, str) else model
    check_method(model, method)
    wanted = sorted(int(pattern) for pattern in patterns)
    return workspace.put_job(
        kind="explain",
        dedupe=_same("explain", lot_id, wafer_index, model.sha256, method, wanted),
        lot=lot_id,
        payload={
            "model": model.name,
            "sha256": model.sha256,
            "wafer": wafer_index,
            "method": method,
            "patterns": wanted,
        },
        urgency=Urgency.EXPLAIN,
    )


def submit_explain_lot(workspace: Workspace, lot_id: str, model: ModelFile | str, method: str) -> int:
    """Ask which dies made a model say all that it says of a lot, and return the job's id.

    What is stored already is not made again; asking twice queues once.

    Raises:
        UnknownModel: no model answers to the name.
        UsageError: there is no such method.
        UnsupportedMethod: the method cannot explain this model.
    """
    model = workspace.model(model) if isinstance(model, str) else model
    check_method(model, method)
    return workspace.put_job(
        kind="explain_lot",
        dedupe=_explain_lot(lot_id, model, method),
        lot=lot_id,
        payload={"model": model.name, "sha256": model.sha256, "method": method},
        urgency=Urgency.EXPLAIN_LOT,
        again=True,
    )


def last_explain_lot(workspace: Workspace, lot_id: str, model: ModelFile, method: str) -> JobRow | None:
    """Return the last job that was to explain this lot so, or None where nobody asked yet."""
    return workspace.last_job(_explain_lot(lot_id, model, method))


def submit_altered(
    workspace: Workspace, lot_id: str, wafer_index: int, model: ModelFile | str, dies: Sequence[int]
) -> int:
    """Ask what a model would say of a wafer with some dies flipped, and return the job's id; asking twice queues once.

    The answer is stored like any other, under the map hash of the flipped wafer.

    Args:
        workspace: where it goes.
        lot_id: which lot, which stays as it is.
        wafer_index: which wafer of it.
        model: which model file, or its name.
        dies: cells that are flipped, as `trust.altered.flipped` takes them.

    Raises:
        UnknownModel: no model answers to the name.
    """
    model = workspace.model(model) if isinstance(model, str) else model
    flips = sorted(int(die) for die in dies)
    return workspace.put_job(
        kind="alter",
        dedupe=_same("alter", lot_id, wafer_index, model.sha256, flips),
        lot=lot_id,
        payload={"model": model.name, "sha256": model.sha256, "wafer": wafer_index, "dies": flips},
        urgency=Urgency.ALTER,
    )


def submit_distil(
    workspace: Workspace,
    lot_id: str,
    settings: Settings | Mapping[str, Any],
    teacher: ModelFile | str = "teacher",
) -> int:
    """Ask for a student of a lot and return the job's id; the same run asked for twice starts once.

    The job's `name` is what the student will be called. Beside the fields of `Settings`, `pool_lots` names
    the lots of a pool that takes some.

    Raises:
        UnknownModel: no model answers to the teacher's name.
        UnsupportedMethod: the teacher is an ONNX file, which cannot teach.
        UnusableLot: no wafer of the lot has a tested die, or none that is not left out; or a pool of other lots names
            none, or this one.
    """
    teacher = workspace.model(teacher) if isinstance(teacher, str) else teacher
    if teacher.engine != "torch":
        raise UnsupportedMethod(f"{teacher.name} is an ONNX file and cannot teach; choose its trained weights.")
    chosen = {name: str(value) if isinstance(value, Path) else value for name, value in _fields(settings).items()}
    lot = workspace.lot(lot_id)
    if not any(wafer.scorable for wafer in lot):
        raise UnusableLot(f"{lot.title} has no tested die to learn from.")
    left_out = set(chosen.get("without", ()))
    if left_out and not any(wafer.scorable and wafer.name not in left_out for wafer in lot):
        raise UnusableLot(f"Every wafer of {lot.title} is left out; leave at least one in.")
    if chosen.get("pool") in WITH_LOTS and not chosen.get("pool_lots"):
        raise UnusableLot("Other lots are to be learned beside this one; name at least one of them.")
    if lot_id in chosen.get("pool_lots", ()):
        raise UnusableLot(f"{lot.title} cannot stand beside itself; choose other lots.")
    payload = {"teacher": teacher.name, "sha256": teacher.sha256, "settings": chosen}
    return workspace.put_job(
        kind="distil",
        dedupe=_same("distil", lot_id, payload),
        lot=lot_id,
        payload=payload,
        urgency=Urgency.DISTIL,
        name=f"{readable(lot.title)}-{chosen.get('size', 'student')}",
        again=True,
    )


def submit_rehearsal(
    workspace: Workspace, lot_id: str, size: str, teacher: ModelFile | str = "teacher", again: bool = False
) -> int:
    """Ask what a distillation of this lot would take here and return the job's id; asking twice queues once.

    It does what a run does before its first step, and leaves no student. The job's `progress` is then the plan
    of a run, `distill_lot.plan.Plan`, whose seconds count its own work alone.

    Args:
        workspace: the store.
        lot_id: of the lot.
        size: the student's size.
        teacher: who would teach.
        again: whether one that has just failed is tried again.

    Raises:
        UnknownModel: no model answers to the teacher's name.
    """
    teacher = workspace.model(teacher) if isinstance(teacher, str) else teacher
    return workspace.put_job(
        kind="rehearse",
        dedupe=_rehearsal(lot_id, size, teacher),
        lot=lot_id,
        payload={"teacher": teacher.name, "sha256": teacher.sha256, "size": size},
        urgency=Urgency.REHEARSE,
        again=again,
    )


def last_rehearsal(workspace: Workspace, lot_id: str, size: str, teacher: ModelFile) -> JobRow | None:
    """Return the last job that was to try such a distillation, or None where nobody asked yet."""
    return workspace.last_job(_rehearsal(lot_id, size, teacher))


def cancel(workspace: Workspace, job_id: int) -> None:
    """End a job: at once when it waits, at its next step when it runs; what it kept goes with it."""
    workspace.request_cancel(job_id)
    _speak_for_the_dead(workspace)
    job = workspace.job(job_id)
    if job is not None and job.state == "cancelled":
        drop_run_folder(workspace, job_id)


def pause(workspace: Workspace, job_id: int) -> None:
    """Hold a job: at once when it waits, at its next step when it runs; a run keeps what it has done."""
    workspace.request_pause(job_id)
    _speak_for_the_dead(workspace)


def resume(workspace: Workspace, job_id: int) -> None:
    """Let a paused job go on where it was."""
    workspace.resume_job(job_id)


def _speak_for_the_dead(workspace: Workspace) -> None:
    """End or hold what a dead worker left running, for nobody else would."""
    with worker_lock(workspace.root) as held:
        if held:
            workspace.requeue_orphans()


def readable(title: str) -> str:
    """Return a lot's title as the head of a folder name: `lot17184` of `Lot 17184`, in at most 32 letters."""
    words = re.findall(r"[a-z0-9]+", title.lower())
    joined = "-".join(words)
    # "lot 17184" is one name.
    return re.sub(r"^lot-(?=\d)", "lot", joined)[:32].strip("-") or "lot"


def _fields(settings: object) -> dict[str, Any]:
    return asdict(settings) if is_dataclass(settings) and not isinstance(settings, type) else dict(settings)  # type: ignore[call-overload]


def _explain_lot(lot_id: str, model: ModelFile, method: str) -> str:
    return _same("explain_lot", lot_id, model.sha256, method)


def _rehearsal(lot_id: str, size: str, teacher: ModelFile) -> str:
    # Of another network under the same name it says nothing.
    return _same("rehearse", lot_id, size, STUDENT_SIZES[size], teacher.sha256)


def _same(*parts: object) -> str:
    return json.dumps(parts, sort_keys=True)
