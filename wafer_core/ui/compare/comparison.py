"""What a comparison stands on: the wafers, the models, and what each reached as far as it has answered."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from threading import Lock

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from wafer_core.benchmark import BenchmarkSet, guard_set, shipped_sets
from wafer_core.compare import (
    EXACT,
    EXACT_MIXED,
    FALSE_ALARMS,
    MACRO_F1,
    Accuracy,
    Agreement,
    Paired,
    PatternAccuracy,
    Rate,
    accuracy,
    agreement,
    groups_of,
    paired,
)
from wafer_core.compare.intervals import NOTHING, wilson
from wafer_core.lot import Lot
from wafer_core.models.folder import SHIPPED, ModelFile
from wafer_core.patterns import PATTERNS
from wafer_core.ui.shared import opinions, state
from wafer_core.ui.shared.opinions import Opinion, opinion
from wafer_core.ui.shared.words import count
from wafer_core.workspace import JobRow, Speed

MOST = 6
"""Shipped students a comparison begins with at most; more make bars too thin to read."""
KEPT = 48
"""Complete opinions kept at hand."""
_KEEPING = Lock()
"""Every session is a thread of its own, and all keep opinions in one place."""


@dataclass(frozen=True)
class Ground:
    """The wafers models are compared on."""

    lot_id: str
    title: str
    wafers: int
    labelled: bool
    benchmark: bool
    guard: bool = False

    @cached_property
    def lot(self) -> Lot:
        """The wafers themselves, looked up once as the store is asked where they lie."""
        return state.load_lot(self.lot_id)

    @property
    def label(self) -> str:
        """What a list of grounds says of it, which has no room for the whole titles of shipped sets."""
        if self.benchmark:
            return f"Shipped benchmark: {self.title.partition(' of ')[0]}"
        if self.guard:
            return f"Guard set: {count(self.wafers, 'labelled wafer')}"
        return f"{self.title} · {count(self.wafers, 'wafer')} · {'labelled' if self.labelled else 'no labels'}"


@dataclass(frozen=True, eq=False)
class Standing:
    """One model on the ground: its verdicts, and beside the teacher's and the labels what they come to.

    Args:
        said: its verdicts so far.
        reached: against labels; None without labels or before it has answered.
        from_card: the command that gave `reached`, where it comes from the model's card because
            the model has not answered here yet.
        alike: against the teacher; None for the teacher itself or before both have answered.
        against: the loss to the teacher, wafer by wafer; None where either of the above is.
        speed: on wafers of this ground; None until somebody asked for it.
    """

    said: Opinion
    reached: Accuracy | None
    alike: Agreement | None
    against: Paired | None
    speed: Speed | None
    from_card: str | None = None

    @property
    def model(self) -> ModelFile:
        """Whose standing it is."""
        return self.said.model

    @property
    def name(self) -> str:
        """How the model is chosen and drawn."""
        return self.model.name


@dataclass(frozen=True)
class Comparison:
    """A teacher and its students on one ground."""

    ground: Ground
    teacher: Standing
    students: tuple[Standing, ...]

    @property
    def all(self) -> tuple[Standing, ...]:
        """The teacher, then the students."""
        return self.teacher, *self.students

    @property
    def complete(self) -> bool:
        """Whether every model has answered on every wafer."""
        return all(standing.said.complete for standing in self.all)


# Choosing ----------------------------------------------------------------------------------------


@st.cache_resource(show_spinner="Opening the shipped benchmark …")
def _benchmarks() -> dict[str, BenchmarkSet]:
    """The shipped sets by lot id, the largest first, put into the workspace so that the queue can score them."""
    largest_first = sorted(shipped_sets(), key=lambda each: -len(each.lot))
    return {state.workspace().add_lot(each.lot, "sample"): each for each in largest_first}


@st.cache_resource(show_spinner="Opening the guard set …")
def _guard() -> str:
    """The guard set's lot id; it is put into the workspace as the benchmark is."""
    return state.workspace().add_lot(guard_set().lot, "sample")


def guard_ground() -> Ground:
    """Return the wafers on which a student is held against the shipped one."""
    lot = state.load_lot(_guard())
    return Ground(_guard(), lot.title, len(lot), labelled=True, benchmark=False, guard=True)


def benchmark_ground() -> Ground | None:
    """Return the first shipped set, or None where none is shipped."""
    for lot_id in _benchmarks():
        lot = state.load_lot(lot_id)
        return Ground(lot_id, lot.title, len(lot), labelled=True, benchmark=True)
    return None


def measured_on() -> set[str]:
    """Return the lots by whose wafers students are judged, from which none may learn."""
    return {_guard(), *_benchmarks()}


def grounds(in_hand: str | None = None) -> dict[str, Ground]:
    """Return everything models can be compared on: shipped sets, the guard set, labelled lots, then the others.

    Args:
        in_hand: the lot in hand, which comes first among lots of its kind.
    """
    shipped, guard = _benchmarks(), _guard()
    rows = {row.id: row for row in state.workspace().lots()}
    found = [Ground(id, row.title, row.wafers, row.labelled, id in shipped, id == guard) for id, row in rows.items()]
    order = [*shipped, guard]
    found.sort(
        key=lambda ground: (
            order.index(ground.lot_id) if ground.lot_id in order else len(order),
            not ground.labelled,
            ground.lot_id != in_hand,
        )
    )
    return {ground.lot_id: ground for ground in found}


def default_students(models: Sequence[ModelFile], in_hand: str) -> list[str]:
    """Return the students a comparison begins with: the shipped ones, trained and int8, and the one in hand."""
    students = [model for model in models if model.role == "student" and model.folder.parent == SHIPPED]
    # The ONNX form of the trained weights answers as they do; whoever wants it adds it.
    shipped = [model.name for model in students if (model.engine, model.entry.precision) != ("onnx", "fp32")]
    return list(dict.fromkeys([*shipped[:MOST], in_hand]))


# What the models reached -------------------------------------------------------------------------


def compare(ground: Ground, teacher: ModelFile, students: Sequence[ModelFile]) -> Comparison:
    """Return where the models stand, from what the store holds."""
    ours = opinion_on(ground, teacher)
    others = tuple(_standing(ground, ours, opinion_on(ground, student)) for student in students)
    return Comparison(ground, _standing(ground, ours, ours), others)


def ask(comparison: Comparison) -> list[JobRow]:
    """Queue whatever is missing and return the jobs that will bring it."""
    waiting = [standing.model for standing in comparison.all if not standing.said.complete]
    return opinions.ask_all(comparison.ground.lot_id, waiting)


def ask_missing(ground: Ground, models: Iterable[ModelFile]) -> list[JobRow]:
    """Queue what any of these models has not said of the ground yet and return the jobs that will bring it."""
    return opinions.ask_all(ground.lot_id, [model for model in models if not opinion_on(ground, model).complete])


def answered(comparison: Comparison) -> list[int]:
    """Return how many wafers each model has answered on by now, asking the store again."""
    return [int(opinions.has_read(standing.model, comparison.ground.lot).sum()) for standing in comparison.all]


def complete_opinions(ground: Ground, *models: ModelFile) -> list[Opinion] | None:
    """Return what models say of the ground, or None before every one of them has answered on all of it."""
    # Whether a model has read the last wafer costs less to ask than what it says of them all.
    if not all(opinions.has_read(model, [ground.lot.wafers[-1]]).all() for model in models):
        return None
    said = [opinion_on(ground, model) for model in models]
    return said if all(one.complete for one in said) else None


def opinion_on(ground: Ground, model: ModelFile) -> Opinion:
    """Return a model's opinion of the ground; one that is complete stays at hand while the model decides alike."""
    kept, key = _complete(), (ground.lot_id, model.decides)
    said = kept.get(key)
    if said is None:
        said = opinion(model, ground.lot)
        if said.complete:
            with _KEEPING:
                while len(kept) >= KEPT:
                    del kept[next(iter(kept))]
                kept[key] = said
    return replace(said, model=model)


@st.cache_resource(show_spinner=False)
def _complete() -> dict[tuple[str, str], Opinion]:
    """Complete opinions by lot and what decides, oldest first."""
    return {}


def _standing(ground: Ground, teacher: Opinion, said: Opinion) -> Standing:
    """Judge a model once it has answered; half a set would be another set."""
    speed = state.workspace().speed(ground.lot_id, said.model.sha256)
    is_teacher = said.model.sha256 == teacher.model.sha256
    if not said.complete:
        on_card = _on_card(ground, said.model)
        return Standing(said, on_card and on_card[0], None, None, speed, on_card and on_card[1])
    both = teacher.complete and not is_teacher
    labelled = ground.lot.labelled
    reached = _accuracy_of(ground, said) if labelled else None
    alike = _agreement_on(ground, teacher, said) if both else None
    against = paired_by_labels(ground, teacher, said) if both and labelled else None
    return Standing(said, reached, alike, against, speed)


def _on_card(ground: Ground, model: ModelFile) -> tuple[Accuracy, str] | None:
    """Return what a model's card says of a shipped set, and the command that measured it."""
    shipped = _benchmarks().get(ground.lot_id)
    if shipped is None:
        return None
    told = [f for f in model.card.figures if (f.file, f.set_sha256) == (model.file, shipped.sha256)]
    rates = {f.metric: Rate(f.value, f.low, f.high, f.n) for f in told if f.low is not None and f.high is not None}
    if EXACT not in rates:
        return None
    patterns = tuple(
        PatternAccuracy(
            pattern=name,
            precision=rates.get(f"precision, {name}", NOTHING),
            recall=(recall := rates.get(f"recall, {name}", NOTHING)),
            f1=rates.get(f"F1, {name}", NOTHING),
            support=recall.n,
            called=rates.get(f"precision, {name}", NOTHING).n,
        )
        for name in PATTERNS
    )
    return Accuracy(
        n=rates[EXACT].n,
        lots=None,
        exact=rates[EXACT],
        exact_mixed=rates.get(EXACT_MIXED, NOTHING),
        macro_f1=rates.get(MACRO_F1, NOTHING),
        false_alarms=rates.get(FALSE_ALARMS, NOTHING),
        patterns=patterns,
    ), told[0].command


def _agreement_on(ground: Ground, teacher: Opinion, said: Opinion) -> Agreement:
    return _agreement(ground.lot_id, teacher.model.decides, said.model.decides, teacher, said, ground.lot)


@st.cache_resource(show_spinner=False, max_entries=64)
def _agreement(lot_id: str, teacher: str, decides: str, _teacher: Opinion, _said: Opinion, _lot: Lot) -> Agreement:
    return agreement(_teacher.verdicts, _said.verdicts, groups_of(_lot))


def _accuracy_of(ground: Ground, said: Opinion) -> Accuracy:
    return _accuracy(ground.lot_id, _mark_of_labels(ground.lot), said.model.decides, said, ground.lot)


def _mark_of_labels(lot: Lot) -> str:
    """Return a mark of a lot's labels: they are outside its id, and a later upload may bring others."""
    return hashlib.sha256(b"".join(wafer.labels.tobytes() for wafer in lot if wafer.labels is not None)).hexdigest()


@st.cache_resource(show_spinner="Counting …", max_entries=64)
def _accuracy(lot_id: str, mark: str, decides: str, _said: Opinion, _lot: Lot) -> Accuracy:
    scored, labels, groups = _labelled(_lot, _said.verdicts.scored)
    return accuracy(_said.verdicts.detected[scored], labels, groups)


def paired_by_labels(ground: Ground, before: Opinion, after: Opinion) -> Paired:
    """Return what one model loses to another in exact match on labelled wafers."""
    models = (after.model.decides, before.model.decides)
    return _paired(ground.lot_id, _mark_of_labels(ground.lot), *models, before, after, ground.lot)


@st.cache_resource(show_spinner="Counting …", max_entries=64)
def _paired(lot_id: str, mark: str, decides: str, teacher: str, _teacher: Opinion, _said: Opinion, _lot: Lot) -> Paired:
    scored, labels, groups = _labelled(_lot, _said.verdicts.scored & _teacher.verdicts.scored)
    return paired(_teacher.verdicts.detected[scored], _said.verdicts.detected[scored], labels, groups)


def _labelled(lot: Lot, scored: NDArray[np.bool_]) -> tuple[NDArray[np.bool_], NDArray[np.bool_], list[str] | None]:
    """Return the wafers that count, their labels and their fab lots where there are enough of those."""
    labels = np.array([wafer.labels for wafer, counts in zip(lot, scored, strict=True) if counts], dtype=bool)
    return scored, labels.reshape(-1, len(PATTERNS)), groups_among(lot, scored)


def groups_among(lot: Lot, counted: NDArray[np.bool_]) -> list[str] | None:
    """Return the fab lot of each wafer that counts, bool (wafers,), or None where there are too few of those."""
    groups = groups_of(lot)
    return None if groups is None else [group for group, counts in zip(groups, counted, strict=True) if counts]


def pattern_agreement(alike: Agreement) -> dict[str, Rate]:
    """Return per pattern how often both name it among the wafers where either does, where either does."""
    sides = zip(PATTERNS, alike.both, alike.teacher_only, alike.student_only, strict=True)
    found = {name: wilson(both, both + ours + theirs) for name, both, ours, theirs in sides}
    return {name: rate for name, rate in found.items() if rate.known}


def benchmark_exact(model: ModelFile) -> Rate | None:
    """Return a model's exact match on the first shipped set, or None until it has been scored there.

    Scores in the store count first, then what the model's card says.
    """
    ground = benchmark_ground()
    if ground is None:
        return None
    if said := complete_opinions(ground, model):
        return _accuracy_of(ground, said[0]).exact
    on_card = _on_card(ground, model)
    return on_card[0].exact if on_card else None
