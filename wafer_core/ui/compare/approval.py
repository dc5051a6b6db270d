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
from wafer_core.ui.compare.before_after import (
    Guarded,
    Kind,
    Side,
    ask_guard,
    befores,
    file_of,
    guarded,
    measured,
    run_of,
    shipped_like,
)
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


def question(student: ModelFile) -> None:
    """Open the dialog that asks before a student is approved, where the address says that it is being asked about.

    Neither a refresh nor results that arrive meanwhile close it.
    """
    if state.address(ASKED) == student.folder.name and not approved(student):
        st.dialog(f"Approve {plain(student.stem)}?", width="medium", on_dismiss=_leave)(_ask)(student)


def _ask(student: ModelFile) -> None:
    sides, found, differ = _stands(student), guarded(student), _differing(student, "trained")
    own, worse, unread = list(filter(_own_lot, sides)), lot_sentence(sides), found is None and not is_shipped(student)
    st.markdown(consequence(student, differ, _differing(student, "int8")))
    if unread:
        ask_guard(student)
        st.info("The guard set is still being read, so nobody knows yet what this student has lost.")
    elif found is not None:
        say = st.warning if found.judgement == "lost" else st.info
        say(guard_sentence(found), icon=SIGNS[found.judgement])
    if worse:
        st.warning(worse, icon=SIGNS["lost"])
    if differ is None:
        comparison.ask_missing(comparison.guard_ground(), _now_and_then(student, "trained"))
    for side in own:
        comparison.ask(side.compared)
    if not all(side.complete for side in own):
        st.caption("Its own lot is still being read, so nobody knows yet whether it lost anything there.")
    drawn = [not unread, differ is not None, *(side.complete for side in own)]
    if not all(drawn):
        watch(lambda: _known(student, own), drawn)
    doubtful = unread or worse or (found is not None and found.judgement == "lost")
    with st.container(horizontal=True):
        sure = "Approve all the same" if doubtful else "Approve"
        if st.button(sure, type="primary", icon=":material/verified:", key="approve-sure"):
            _approve(student, found, sides)
        if st.button("Cancel", key="approve-not"):
            _leave()
            st.rerun()


def _stands(student: ModelFile) -> list[Side]:
    """Return where both files of a student stand, whichever a page shows; nothing where no run here made it."""
    run = run_of(student)
    sides = [side for each in measured(run, student).values() for side in each] if run else []
    # Without an int8 file it is the trained one twice.
    return list({(side.ground.lot_id, side.new.model.sha256): side for side in sides}.values())


def _own_lot(side: Side) -> bool:
    return not side.ground.guard and not side.ground.benchmark


def _known(student: ModelFile, own: Sequence[Side]) -> list[bool]:
    """Return what is known by now: what the guard set says, how many answers change there, and each side of its lot."""
    guard = is_shipped(student) or guarded(student) is not None
    read = (min(comparison.answered(side.compared)) == side.ground.wafers for side in own)
    return [guard, _differing(student, "trained") is not None, *read]


def _leave() -> None:
    state.put(**{ASKED: None})


def consequence(student: ModelFile, differ: int | None, differ_int8: int | None) -> str:
    """Return what an approval changes.

    Args:
        student: who is to be approved.
        differ: wafers of the guard set on which its answers are not those given now; None while that is not known.
        differ_int8: the same of its int8 file.
    """
    before, wafers = plain(_read_with_now(student, "trained").name), f"{comparison.guard_ground().wafers:,} wafers"
    if differ is None:
        guard = f"it is still being counted on how many of {wafers} its answers differ from those of {before}"
    else:
        guard = f"its answers differ on {differ:,} of {wafers} from those of {before}"
    said = f"From now on every page reads with **{plain(student.stem)}**. On the guard set {guard}."
    if differ_int8 is None or file_of(student, "int8").entry.precision != "int8":
        return said
    return (
        f"{said} Those of its int8 file differ on {differ_int8:,} from {plain(_read_with_now(student, 'int8').name)}."
    )


def _read_with_now(student: ModelFile, kind: Kind) -> ModelFile:
    """Return whose answers stand on the pages now; the shipped student where the approved one cannot be used."""
    return [file_of(shipped_like(student), kind), *befores(student, kind)][-1]


def _now_and_then(student: ModelFile, kind: Kind) -> tuple[ModelFile, ModelFile]:
    """Return whose answers would stand on the pages, and whose stand there now."""
    return file_of(student, kind), _read_with_now(student, kind)


def _differing(student: ModelFile, kind: Kind) -> int | None:
    """Return on how many wafers of the guard set two students answer otherwise; None before both have read it."""
    said = comparison.complete_opinions(comparison.guard_ground(), *_now_and_then(student, kind))
    if said is None:
        return None
    after, before = said
    return int((after.verdicts.detected != before.verdicts.detected).any(axis=1).sum())


def lot_sentence(sides: Sequence[Side]) -> str | None:
    """Return what a student lost to the shipped one on the lot it was made of, read by the teacher's answers.

    Of its files the one that lost more is told. None where none lost anything there, or where that is not known.
    """
    known = [side for side in filter(_own_lot, sides) if side.changes]
    worst = max(known, key=_fewer, default=None)
    if worst is None or _fewer(worst) <= 0:
        return None
    shipped, who = worst.changes[0], "its int8 file" if worst.new.model.entry.precision == "int8" else "it"
    return (
        f"On the lot it was made of {who} answers as the teacher does on {count(_fewer(worst), 'wafer')} fewer than "
        f"{plain(shipped.before.name)}, of {shipped.fidelity.n:,} (McNemar p {probability(shipped.fidelity.p)})."
    )


def _fewer(side: Side) -> int:
    """Return on how many wafers fewer than the shipped one a new student answers as the teacher does."""
    shipped = side.changes[0].fidelity
    return shipped.teacher_only - shipped.student_only


# Doing it ------------------------------------------------------------------------------------------


def _approve(student: ModelFile, found: Guarded | None, sides: Sequence[Side]) -> None:
    store, run = state.workspace(), run_of(student)
    note, kept = store.model_row(student).note, figures(found, sides)
    try:
        store.approve(student.name, note=note, run=run.id if run else None, figures=kept)
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
    """Return what an approval keeps: the guard's figures, and where each file of the student stood on every ground."""
    guard = {**found.to_json(), "set": comparison.guard_ground().lot_id} if found else None
    grounds: dict[str, dict[str, Any]] = {}
    for side in sides:
        if side.complete:
            grounds.setdefault(side.ground.lot_id, _ground(side))["files"].append(_file(side))
    return {"guard": guard, "grounds": list(grounds.values())}


def _ground(side: Side) -> dict[str, Any]:
    """Return a ground on which no file stands yet."""
    return {
        "title": side.ground.title,
        "lot": side.ground.lot_id,
        "wafers": side.ground.wafers,
        "teacher_sha256": side.compared.teacher.model.sha256,
        "files": [],
    }


def _file(side: Side) -> dict[str, Any]:
    new = side.new
    return {
        "file": new.model.file,
        "sha256": new.model.sha256,
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
