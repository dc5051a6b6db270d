"""Approving a student by its name, once somebody has been told what that changes, and taking an approval back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd
import streamlit as st

from wafer_core.compare import Paired, Rate
from wafer_core.errors import WaferDistillError
from wafer_core.models.folder import ModelFile, shipped_models
from wafer_core.ui.compare import comparison
from wafer_core.ui.compare.before_after import Guarded, Side, ask_guard, befores, file_of, guarded, shipped_like
from wafer_core.ui.compare.judgement import SIGNS, guard_sentence
from wafer_core.ui.shared import state
from wafer_core.ui.shared.opinions import watch
from wafer_core.ui.shared.words import count, in_points, moment, plain, probability
from wafer_core.workspace import Approval, is_shipped

ASKED = "approve"
"""The parameter of the address that names the student whose approval is being asked about."""


def approved(student: ModelFile) -> bool:
    """Return whether a student is the approved one."""
    return state.workspace().approved() == student.stem


def button(student: ModelFile, quiet: bool = False) -> None:
    """Draw what can be done about a student's approval: give it, or take it back.

    Args:
        student: any file of it.
        quiet: whether this is one of many in a list.
    """
    standing = state.workspace().standing_approval()
    style = "tertiary" if quiet else "secondary"
    if not approved(student):
        if st.button(
            "Approve",
            icon=None if quiet else ":material/verified:",
            type=style,  # type: ignore[arg-type]
            key=f"approve-{student.folder.name}",
            help="Asks once more. Then `approved` means this student on every page and on the command line.",
        ):
            state.put(**{ASKED: student.folder.name})
            st.rerun()
    elif standing is not None:
        if not quiet:
            st.badge("approved", icon=":material/verified:", color="green")
        if st.button(
            "Take back" if quiet else "Take the approval back",
            icon=None if quiet else ":material/undo:",
            type=style,  # type: ignore[arg-type]
            key=f"withdraw-{student.folder.name}",
            help=f"Then {_before(standing)} is approved again. The approval stays on record.",
        ):
            _withdraw(standing)


def question(student: ModelFile, sides: Sequence[Side] = ()) -> None:
    """Open the dialog that asks before a student is approved, where the address says that it is being asked about.

    Neither a refresh nor results that arrive meanwhile close it.
    """
    if state.address(ASKED) == student.folder.name and not approved(student):
        st.dialog(f"Approve {plain(student.stem)}?", width="medium", on_dismiss=_leave)(_ask)(student, sides)


def _ask(student: ModelFile, sides: Sequence[Side]) -> None:
    found, worse, differ = guarded(student), lot_sentence(sides), _differing(student)
    unread = found is None and not is_shipped(student)
    st.markdown(consequence(student, differ))
    if unread:
        ask_guard(student)
        st.info("The guard set is still being read, so nobody knows yet what this student has lost.")
    elif found is not None:
        say = st.warning if found.judgement == "lost" else st.info
        say(guard_sentence(found), icon=SIGNS[found.judgement])
    if worse:
        st.warning(worse, icon=SIGNS["lost"])
    if differ is None:
        comparison.ask_missing(comparison.guard_ground(), _now_and_then(student))
    if unread or differ is None:
        drawn = (not unread, differ is not None)
        watch(lambda: (is_shipped(student) or guarded(student) is not None, _differing(student) is not None), drawn)
    doubtful = unread or worse or (found is not None and found.judgement == "lost")
    with st.container(horizontal=True):
        sure = "Approve all the same" if doubtful else "Approve"
        if st.button(sure, type="primary", icon=":material/verified:", key="approve-sure"):
            _approve(student, found, sides)
        if st.button("Cancel", key="approve-not"):
            _leave()
            st.rerun()


def _leave() -> None:
    state.put(**{ASKED: None})


def consequence(student: ModelFile, differ: int | None) -> str:
    """Return what an approval changes.

    Args:
        student: who is to be approved.
        differ: wafers of the guard set on which its answers are not those given now; None while that is not known.
    """
    before, wafers = plain(_read_with_now(student).name), f"{comparison.guard_ground().wafers:,} wafers"
    if differ is None:
        guard = f"it is still being counted on how many of {wafers} its answers differ from those of {before}"
    else:
        guard = f"its answers differ on {differ:,} of {wafers} from those of {before}"
    return f"From now on every page reads with **{plain(student.stem)}**. On the guard set {guard}."


def _read_with_now(student: ModelFile) -> ModelFile:
    """Return whose answers stand on the pages now; the shipped student where the approved one cannot be used."""
    return [file_of(shipped_like(student), "trained"), *befores(student, "trained")][-1]


def _now_and_then(student: ModelFile) -> tuple[ModelFile, ModelFile]:
    """Return whose answers would stand on the pages, and whose stand there now."""
    return file_of(student, "trained"), _read_with_now(student)


def _differing(student: ModelFile) -> int | None:
    """Return on how many wafers of the guard set two students answer otherwise; None before both have read it."""
    said = comparison.complete_opinions(comparison.guard_ground(), *_now_and_then(student))
    if said is None:
        return None
    after, before = said
    return int((after.verdicts.detected != before.verdicts.detected).any(axis=1).sum())


def lot_sentence(sides: Sequence[Side]) -> str | None:
    """Return what a student lost to the shipped one on the lot it was made of, read by the teacher's answers.

    None where it lost nothing there, or where that is not known.
    """
    own = (side for side in sides if side.changes and not side.ground.guard and not side.ground.benchmark)
    for shipped in (side.changes[0] for side in own):
        one = shipped.fidelity
        fewer = one.teacher_only - one.student_only
        if fewer > 0:
            return (
                f"On the lot it was made of it answers as the teacher does on {count(fewer, 'wafer')} fewer than "
                f"{plain(shipped.before.name)}, of {one.n:,} (McNemar p {probability(one.p)})."
            )
    return None


# Doing it ------------------------------------------------------------------------------------------


def _approve(student: ModelFile, found: Guarded | None, sides: Sequence[Side]) -> None:
    store = state.workspace()
    run = next((job.id for job in store.jobs("distil", ("done",)) if job.name == student.folder.name), None)
    try:
        store.approve(student.name, note=store.model_row(student).note, run=run, figures=figures(found, sides))
    except WaferDistillError as problem:
        st.error(plain(problem), title="It was not approved")
        return
    state.put(**{ASKED: None})
    st.rerun()


def _withdraw(standing: Approval) -> None:
    try:
        state.workspace().withdraw_approval(standing.id)
    except WaferDistillError as problem:
        st.error(plain(problem), title="Nothing was taken back")
        return
    st.rerun()


def _before(standing: Approval) -> str:
    """Return, as Markdown, who is approved again once the approval that counts is taken back."""
    store = state.workspace()
    earlier = [one for one in store.approvals() if one.withdrawn is None and one.id != standing.id]
    return _called(earlier[0].student) if earlier else "the shipped student"


def _called(folder: str) -> str:
    """Return, as Markdown, what a student is called now, by the folder it was made in."""
    try:
        return plain(state.workspace().model(folder).stem)
    except WaferDistillError:
        return f"{plain(folder)} (gone)"


# What is kept --------------------------------------------------------------------------------------


def figures(found: Guarded | None, sides: Sequence[Side] = ()) -> dict[str, Any]:
    """Return what an approval keeps: the guard's figures, and where the student stood on every ground."""
    guard = {**found.to_json(), "set": comparison.guard_ground().lot_id} if found else None
    return {"guard": guard, "grounds": [_ground(side) for side in sides if side.complete]}


def _ground(side: Side) -> dict[str, Any]:
    new, ground = side.new, side.ground
    return {
        "title": ground.title,
        "lot": ground.lot_id,
        "wafers": ground.wafers,
        "sha256": new.model.sha256,
        "teacher_sha256": side.compared.teacher.model.sha256,
        "agreement": _rate(new.alike.share if new.alike else None),
        "exact": _rate(new.reached.exact if new.reached else None),
        "against": [
            {
                "sha256": change.before.model.sha256,
                "changed": int(change.wafers.sum()),
                "agreement": _pair(change.fidelity),
                "exact": _pair(change.accuracy),
            }
            for change in side.changes
        ],
    }


def _rate(rate: Rate | None) -> dict[str, float] | None:
    if rate is None or not rate.known:
        return None
    return {"value": rate.value, "low": rate.low, "high": rate.high, "n": rate.n}


def _pair(one: Paired | None) -> dict[str, float] | None:
    if one is None or not one.n:
        return None
    return {"loss": one.loss.value, "upper": one.upper, "p": one.p, "before": one.teacher_only, "new": one.student_only}


# What was approved when ----------------------------------------------------------------------------


def history() -> None:
    """Draw every approval ever given, newest first."""
    given = state.workspace().approvals()
    if not given:
        st.caption(
            "Nobody has approved a student here yet. Until somebody does, the shipped `student` counts as approved."
        )
        return
    rows = [
        {
            "Student": _called(one.student),
            "Approved": moment(one.created, year=True),
            "Taken back": moment(one.withdrawn, year=True) if one.withdrawn else "–",
            "Run": str(one.run) if one.run else "–",
            "Lost on the guard set": _lost(one),
            "Note": plain(one.note),
        }
        for one in given
    ]
    st.table(pd.DataFrame(rows), border="horizontal", hide_index=True, alt="Every approval given here")


def _lost(one: Approval) -> str:
    guard = one.figures.get("guard")
    if not guard:
        return "–" if one.student in {model.folder.name for model in shipped_models()} else "not known"
    return f"{in_points(guard['loss'])} points, at most {in_points(guard['loss_upper_95_one_sided'])}"
