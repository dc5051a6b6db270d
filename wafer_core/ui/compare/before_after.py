"""A new student beside the shipped and the approved one: on its own lot, the guard set and the benchmark."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from wafer_core.compare import Paired, paired
from wafer_core.compare.guard import Judgement, judged
from wafer_core.errors import BrokenModel, UnknownModel, WaferDistillError
from wafer_core.lot import Lot
from wafer_core.models.folder import ModelFile
from wafer_core.ui.compare import comparison
from wafer_core.ui.compare.comparison import Comparison, Ground, Standing
from wafer_core.ui.shared import state
from wafer_core.ui.shared.opinions import Opinion
from wafer_core.ui.shared.words import plain
from wafer_core.workspace import JobRow, is_shipped

Kind = Literal["trained", "int8"]
KINDS: dict[Kind, str] = {"trained": "Trained weights", "int8": "int8"}
"""The files of a student that are told apart; its ONNX graph in full precision answers as the trained weights do."""

WORST: tuple[Judgement, ...] = ("lost", "open", "kept")


# Which models --------------------------------------------------------------------------------------


def file_of(model: ModelFile, kind: Kind) -> ModelFile:
    """Return a model's int8 file, or the one its bare name means; the latter too where it has no int8 file."""
    files = state.workspace().model_files(model)
    small = next((file for file in files if file.entry.precision == "int8"), files[0])
    return small if kind == "int8" else files[0]


def shipped_like(student: ModelFile) -> ModelFile:
    """Return the shipped student of the same network, or the first one where none is."""
    students = [model for model in state.workspace().models() if model.role == "student" and is_shipped(model)]
    alike = [model for model in students if model.card.architecture == student.card.architecture]
    usual = [model for model in students if model.folder.name == "student"]
    return [*alike, *usual, *students][0]


def befores(student: ModelFile, kind: Kind) -> list[ModelFile]:
    """Return whom a student is held against: the shipped one, and the approved one where that is a third.

    An approved one that is gone or cannot be used is left out; the model shelf says what is wrong with it.
    """
    found = [file_of(shipped_like(student), kind)]
    with suppress(BrokenModel, UnknownModel):
        found.append(file_of(state.workspace().model("approved"), kind))
    return list({file.sha256: file for file in found if file.folder != student.folder}.values())


# What changed --------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Change:
    """What a new student answers otherwise than one before it, on one ground.

    Args:
        before: the other student.
        wafers: bool (n,), those answered otherwise.
        fidelity: exact match with the teacher's answers that was lost; no label read.
        accuracy: exact match with the labels that was lost; None without labels.
    """

    before: Standing
    wafers: NDArray[np.bool_]
    fidelity: Paired
    accuracy: Paired | None


@dataclass(frozen=True, eq=False)
class Side:
    """One ground with a teacher, the students of before and the new one, as far as they have answered.

    Args:
        compared: all of them, the shipped student first and the new one last.
        new: the new one.
        changes: against each of those before that has answered on every wafer; none before teacher and new one have.
    """

    compared: Comparison
    new: Standing
    changes: tuple[Change, ...]

    @property
    def ground(self) -> Ground:
        """The wafers."""
        return self.compared.ground

    @property
    def complete(self) -> bool:
        """Whether every model has answered on every wafer."""
        return self.compared.complete

    @property
    def shipped(self) -> Change | None:
        """What changed against the shipped student; None before that is known, whoever else has answered."""
        return next((one for one in self.changes if one.before is self.compared.students[0]), None)


def measured(run: JobRow, student: ModelFile) -> dict[Kind, list[Side]]:
    """Return where either file of a run's student stands beside those before it, from what the store holds.

    The grounds are its own lot, the guard set and the benchmark.
    """
    teacher, grounds = _teacher(run), _grounds(run.lot)
    return {kind: _sides(grounds, teacher, student, kind) for kind in KINDS}


def run_of(student: ModelFile) -> JobRow | None:
    """Return the run that made a student; None where none here did."""
    done = state.workspace().jobs("distil", ("done",))
    return next((job for job in done if job.name == student.folder.name), None)


def _teacher(run: JobRow) -> ModelFile:
    """Return who taught the student, or the teacher in hand where that one is gone."""
    try:
        return state.workspace().model_of(str(run.payload["sha256"]))
    except WaferDistillError:
        return state.model_in_hand("teacher")


def _grounds(lot_id: str) -> list[Ground]:
    """Return the grounds, the lot first; one that is gone or cannot be read is left out, and one that is one twice."""
    shipped = [ground for ground in (comparison.guard_ground(), comparison.benchmark_ground()) if ground is not None]
    row = next((row for row in state.workspace().lots() if row.id == lot_id), None)
    if row is None or row.id in {ground.lot_id for ground in shipped} or not _readable(row.id):
        return shipped
    return [Ground(row.id, row.title, row.wafers, row.labelled, benchmark=False), *shipped]


def damaged(run: JobRow) -> bool:
    """Return whether the lot of a run is still here and its stored copy cannot be read."""
    return run.lot in {row.id for row in state.workspace().lots()} and not _readable(run.lot)


def _readable(lot_id: str) -> bool:
    try:
        state.load_lot(lot_id)
    except WaferDistillError:
        return False
    return True


def stand_in(student: ModelFile, beside: ModelFile) -> str | None:
    """Return in a sentence that another teacher stands in the place of the one that taught a student, where it does.

    Args:
        student: any file of it.
        beside: the teacher it is held against.
    """
    taught_by = student.card.made_from.get("teacher_sha256")
    if taught_by is None or taught_by == beside.sha256:
        return None
    return (
        f"The teacher of {plain(student.stem)}, weights {taught_by[:12]}, is no longer here. What is told of the "
        f"teacher below is told of {plain(beside.name)}, which may answer otherwise."
    )


def _sides(grounds: Sequence[Ground], teacher: ModelFile, student: ModelFile, kind: Kind) -> list[Side]:
    new = file_of(student, kind)
    return [_side(comparison.compare(ground, teacher, [*befores(student, kind), new])) for ground in grounds]


def _side(compared: Comparison) -> Side:
    *earlier, new = compared.students
    read = compared.teacher.said.complete and new.said.complete
    known = [before for before in earlier if read and before.said.complete]
    return Side(compared, new, tuple(_change(compared, before, new) for before in known))


def _change(compared: Comparison, before: Standing, new: Standing) -> Change:
    ground, old, now = compared.ground, before.said.verdicts, new.said.verdicts
    return Change(
        before,
        old.scored & now.scored & (old.detected != now.detected).any(axis=1),
        paired_by_teacher(ground, compared.teacher.said, before.said, new.said),
        comparison.paired_by_labels(ground, before.said, new.said) if ground.lot.labelled else None,
    )


def paired_by_teacher(ground: Ground, teacher: Opinion, before: Opinion, after: Opinion) -> Paired:
    """Return what one student loses to another in exact match with the teacher's answers; no label is read."""
    models = (teacher.model.decides, before.model.decides, after.model.decides)
    return _paired_by_teacher(ground.lot_id, *models, (teacher, before, after), ground.lot)


@st.cache_resource(show_spinner="Counting …", max_entries=64)
def _paired_by_teacher(
    lot_id: str, teacher: str, before: str, after: str, _said: Sequence[Opinion], _lot: Lot
) -> Paired:
    scored = np.logical_and.reduce([one.verdicts.scored for one in _said])
    truth, old, new = (one.verdicts.detected[scored] for one in _said)
    return paired(old, new, truth, comparison.groups_among(_lot, scored))


# The guard -----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Guarded:
    """One file of a student held against the same file of the shipped one on the guard set."""

    file: ModelFile
    shipped: ModelFile
    against: Paired

    @property
    def judgement(self) -> Judgement:
        """Whether it lost more than it may."""
        return judged(self.against)

    def to_json(self) -> dict[str, Any]:
        """Return what an approval keeps of it."""
        return {
            "file": self.file.file,
            "sha256": self.file.sha256,
            "shipped_sha256": self.shipped.sha256,
            "wafers": self.against.n,
            "loss": self.against.loss.value,
            "loss_upper_95_one_sided": self.against.upper,
            "shipped_only": self.against.teacher_only,
            "new_only": self.against.student_only,
            "mcnemar_p": self.against.p,
            "judgement": self.judgement,
        }


def guard_files(student: ModelFile) -> list[tuple[ModelFile, ModelFile]]:
    """Return a student's trained and its int8 file, each with the shipped one it is held against."""
    if is_shipped(student):
        return []
    shipped = shipped_like(student)
    pairs = [(file_of(student, kind), file_of(shipped, kind)) for kind in KINDS]
    return list({ours.sha256: (ours, theirs) for ours, theirs in pairs}.values())


def guarded(student: ModelFile) -> Guarded | None:
    """Return the file of a student that keeps least of what the shipped one knows; None before both have answered."""
    ground = comparison.guard_ground()
    found = []
    for ours, theirs in guard_files(student):
        both = comparison.complete_opinions(ground, ours, theirs)
        if both is None:
            return None
        after, before = both
        found.append(Guarded(ours, theirs, comparison.paired_by_labels(ground, before, after)))
    return min(found, key=lambda one: (WORST.index(one.judgement), -one.against.loss.value), default=None)


def ask_guard(student: ModelFile) -> list[JobRow]:
    """Queue what the guard set misses of a student and return the jobs that will bring it."""
    ground = comparison.guard_ground()
    files = [file for pair in guard_files(student) for file in pair]
    return comparison.ask_missing(ground, files)
