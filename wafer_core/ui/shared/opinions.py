"""What both models say about a lot, as far as they have said it, and asking them for the rest."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from wafer_core import jobs
from wafer_core.decode import Verdicts, decode_with, verdict_titles
from wafer_core.lot import Lot, Wafer
from wafer_core.models.folder import ModelFile
from wafer_core.patterns import NORMAL, PATTERNS, title
from wafer_core.ui.shared import state
from wafer_core.ui.shared.words import count, plain
from wafer_core.workspace import JobRow


@dataclass(frozen=True, eq=False)
class Opinion:
    """What one model says about every wafer of a lot.

    Args:
        model: whose opinion it is.
        verdicts: one row a wafer; NaN margins where there is none.
        present: bool (wafers,), whether the store has an answer, be it that a wafer cannot be scored.
        titles: patterns as the screen spells them, `Center + Scratch`; empty where there is no verdict.
    """

    model: ModelFile
    verdicts: Verdicts
    present: NDArray[np.bool_]
    titles: list[str]

    @property
    def complete(self) -> bool:
        """Whether the store has an answer for every wafer."""
        return bool(self.present.all())

    @property
    def normal(self) -> NDArray[np.bool_]:
        """bool (wafers,): those it names no pattern on."""
        normal: NDArray[np.bool_] = self.verdicts.scored & ~self.verdicts.detected.any(axis=1)
        return normal

    @property
    def counts(self) -> dict[str, int]:
        """How many wafers show each pattern, and how many none."""
        found = {name: int(self.verdicts.detected[:, i].sum()) for i, name in enumerate(PATTERNS)}
        return {**found, NORMAL: int(self.normal.sum())}


@dataclass(frozen=True, eq=False)
class Opinions:
    """Teacher and student side by side over one lot."""

    lot: Lot
    teacher: Opinion
    student: Opinion

    @property
    def both(self) -> tuple[Opinion, Opinion]:
        """Student first, as it answers first."""
        return self.student, self.teacher

    @property
    def complete(self) -> bool:
        """Whether nothing is missing."""
        return self.teacher.complete and self.student.complete

    @cached_property
    def compared(self) -> NDArray[np.bool_]:
        """bool (wafers,): those both models have a verdict on."""
        compared: NDArray[np.bool_] = self.teacher.verdicts.scored & self.student.verdicts.scored
        return compared

    @cached_property
    def differ(self) -> NDArray[np.bool_]:
        """bool (wafers,): the models name different patterns."""
        apart = self.teacher.verdicts.detected != self.student.verdicts.detected
        differ: NDArray[np.bool_] = self.compared & apart.any(axis=1)
        return differ

    @cached_property
    def unsure(self) -> NDArray[np.bool_]:
        """bool (wafers,): at least one model is near its limit between two answers."""
        return self.teacher.verdicts.unsure | self.student.verdicts.unsure

    @cached_property
    def unlike(self) -> NDArray[np.bool_]:
        """bool (wafers,): at least one model has met nothing like it; both keep the patterns they name."""
        return self.teacher.verdicts.flagged | self.student.verdicts.flagged

    @property
    def can_flag(self) -> bool:
        """Whether one of the models can tell a wafer unlike anything known."""
        return any(one.model.card.novelty is not None for one in self.both)

    @cached_property
    def unscorable(self) -> NDArray[np.bool_]:
        """bool (wafers,): there is nothing to recognise, as no die was tested."""
        return self.student.present & ~self.student.verdicts.scored

    def detects(self, pattern: str) -> NDArray[np.bool_]:
        """bool (wafers,): at least one model names the pattern; `Normal` is naming none."""
        if pattern == NORMAL:
            return self.teacher.normal | self.student.normal
        column = PATTERNS.index(pattern)
        return self.teacher.verdicts.detected[:, column] | self.student.verdicts.detected[:, column]


def opinions(hand: state.Hand) -> Opinions:
    """Return what the store holds of both models on the lot in hand."""
    lot = hand.lot
    return Opinions(lot, opinion(hand.teacher, lot), opinion(hand.student, lot))


def opinion(model: ModelFile, lot: Lot) -> Opinion:
    """Return what the store holds of one model on a lot."""
    verdicts, present = stored_verdicts(model, [wafer.map_hash for wafer in lot])
    return Opinion(model, verdicts, present, spaced(verdict_titles(verdicts)))


def spaced(titles: Sequence[str]) -> list[str]:
    """Return sets of patterns as the screen spells them, `Center + Scratch`, of what files hold, `Center+Scratch`."""
    return [title.replace("+", " + ") for title in titles]


def set_title(members: NDArray[np.bool_]) -> str:
    """Return one set of patterns, bool (8,), as the screen spells it."""
    return spaced([title(members)])[0]


def stored_verdicts(model: ModelFile, maps: Sequence[str]) -> tuple[Verdicts, NDArray[np.bool_]]:
    """Return what a model says of maps, named by their hashes, and for which of them the store holds it, bool (n,)."""
    store = state.workspace()
    stored = store.scores(model.sha256, maps)
    embedding = store.embeddings(model.sha256, maps)[0] if stored.present.any() else None
    return decode_with(model, stored.logits, embedding), stored.present


def ask(hand: state.Hand, said: Opinions, first: Sequence[int] = ()) -> list[JobRow]:
    """Queue whatever is missing and return the jobs that will bring it, the student's before the teacher's.

    Args:
        hand: the lot and the models.
        said: what there is.
        first: positions of the wafers in view, which come before others.
    """
    store = state.workspace()
    waiting = [one for one in said.both if not one.complete]
    return queued(
        jobs.submit_score(store, hand.lot_id, one.model, [i for i in first if not one.present[i]]) for one in waiting
    )


def ask_all(lot_id: str, models: Iterable[ModelFile]) -> list[JobRow]:
    """Queue what models have not said of a lot yet and return the jobs that will bring it."""
    store = state.workspace()
    return queued(jobs.submit_score(store, lot_id, model) for model in models)


def queued(ids: Iterable[int]) -> list[JobRow]:
    """Return the jobs that were just queued, by their ids, and see that a worker is there for them."""
    submitted, store = list(ids), state.workspace()
    if submitted:
        jobs.ensure_worker(store)
    return [job for job in map(store.job, submitted) if job is not None]


def problems(asked: Sequence[JobRow]) -> None:
    """Say which jobs gave up; they are not started again by looking at the page."""
    for job in asked:
        if job.over and job.state != "done":
            st.error(plain(job.message), title=f"{plain(job.payload['model'])} could not answer")


def watch(measure: Callable[[], object], drawn: object, every: float = 1.0) -> None:
    """Redraw the page once `measure` gives another answer than `drawn`; looking costs no redraw.

    Draw it only while something is awaited. `drawn` is what the page was drawn from and not what is
    so by now: what arrived while it was being drawn would never be shown otherwise.
    """

    @st.fragment(run_every=every)
    def look() -> None:
        if not state.left_behind() and measure() != drawn:
            st.rerun()

    look()


def progress(hand: state.Hand, said: Opinions, asked: Sequence[JobRow]) -> None:
    """Say how far the models have come and redraw the page as they go on, until they have finished."""
    if not said.complete:
        done = [int(one.present.sum()) for one in said.both]
        told = f"Student has read {done[0]:,}, teacher {done[1]:,} of {count(len(said.lot), 'wafer')}"
        st.progress(sum(done) / max(1, 2 * len(said.lot)), text=told)
        watch(lambda: (_answers(hand), states(asked)), drawn=(done, [job.state for job in asked]))


def _answers(hand: state.Hand) -> list[int]:
    return [int(has_read(model, hand.lot).sum()) for model in (hand.student, hand.teacher)]


def has_read(model: ModelFile, wafers: Iterable[Wafer]) -> NDArray[np.bool_]:
    """Return bool (n,), for which wafers the store holds a model's answer by now; no answer itself is loaded."""
    there: NDArray[np.bool_] = state.workspace().scored(model.sha256, [wafer.map_hash for wafer in wafers])
    return there


def by_now(asked: Iterable[JobRow]) -> list[JobRow]:
    """Return the jobs as they stand by now."""
    found = [state.workspace().job(job.id) for job in asked]
    return [job for job in found if job is not None]


def states(asked: Iterable[JobRow]) -> list[str]:
    """Return in a word how the jobs stand by now."""
    return [job.state for job in by_now(asked)]
