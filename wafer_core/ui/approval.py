"""Approving a student by its name, asking again where it lost more than it may, and taking an approval back."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import pandas as pd
import streamlit as st

from wafer_core.compare import Paired, Rate
from wafer_core.compare.guard import ALLOWED_LOSS
from wafer_core.errors import WaferDistillError
from wafer_core.models.folder import ModelFile, shipped_models
from wafer_core.ui import comparison, state
from wafer_core.ui.before_after import Guarded, Side, ask_guard, guarded
from wafer_core.ui.opinions import watch
from wafer_core.ui.words import count, plain, probability, unmarked
from wafer_core.workspace import Approval, is_shipped

ASKED = "approve"
"""The parameter of the address that names the student whose approval is asked about again."""
SIGNS = {"kept": ":material/verified:", "open": ":material/help:", "lost": ":material/warning:"}


def approved(student: ModelFile) -> bool:
    """Return whether a student is the approved one."""
    return state.workspace().approved() == student.stem


def button(student: ModelFile, sides: Sequence[Side] = (), quiet: bool = False) -> None:
    """Draw what can be done about a student's approval: give it, or take it back.

    Args:
        student: any file of it.
        sides: where it stands, for the approval to keep.
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
            help="From then on `approved` means this student on every page and on the command line.",
        ):
            _asked(student, sides)
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
    """Ask again before a student is approved that lost more than it may, or of which that is not known yet."""
    if state.address(ASKED) != student.folder.name or approved(student):
        return
    found, worse = guarded(student), lot_sentence(sides)
    with st.container(border=True):
        st.markdown(f"**Approve {student.stem}?**")
        if found is None:
            ask_guard(student)
            st.info("The guard set is still being read, so nobody knows yet what this student has lost.")
            watch(lambda: guarded(student) is not None, drawn=False)
        else:
            say = st.warning if found.judgement == "lost" else st.info
            say(guard_sentence(found), icon=SIGNS[found.judgement])
        if worse:
            st.warning(worse, icon=SIGNS["lost"])
        with st.container(horizontal=True):
            sure = "Approve" if _kept(found) and not worse else "Approve all the same"
            if st.button(sure, icon=":material/verified:", key="approve-sure"):
                _approve(student, found, sides)
            if st.button("Leave it", key="approve-not"):
                state.put(**{ASKED: None})
                st.rerun()


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
                f"{shipped.before.name}, of {one.n:,} (McNemar p {probability(one.p)})."
            )
    return None


def guard_sentence(one: Guarded) -> str:
    """Return what the guard set says of a student: what it lost to the shipped one, and what chance leaves open."""
    loss, most, allowed = 100 * one.against.loss.value, 100 * max(one.against.upper, 0.0), 100 * ALLOWED_LOSS
    who = "its int8 file" if one.file.entry.precision == "int8" else "it"
    fewer = f"{abs(loss):.2f} points {'fewer' if loss > 0 else 'more'} wafers exactly than" if loss else "as many as"
    ending = {
        "kept": f"A loss above {most:.2f} points is ruled out at 95 %; {allowed:.1f} are allowed.",
        "open": f"{allowed:.1f} are allowed; a loss of up to {most:.2f} is not ruled out at 95 %.",
        "lost": f"That is more than the {allowed:.1f} allowed; a loss of up to {most:.2f} is not ruled out at 95 %.",
    }
    wafers = f"On the guard set ({one.against.n:,} labelled wafers)"
    return f"{wafers} {who} names {fewer} the shipped {one.shipped.name} does. {ending[one.judgement]}"


# Doing it ------------------------------------------------------------------------------------------


def _asked(student: ModelFile, sides: Sequence[Side]) -> None:
    """Approve a student that kept what it had to; ask again about any other."""
    found = None if is_shipped(student) else guarded(student)
    if is_shipped(student) or (_kept(found) and lot_sentence(sides) is None):
        _approve(student, found, sides)
        return
    state.put(**{ASKED: student.folder.name})
    st.rerun()


def _kept(found: Guarded | None) -> bool:
    return found is not None and found.judgement != "lost"


def _approve(student: ModelFile, found: Guarded | None, sides: Sequence[Side]) -> None:
    store = state.workspace()
    run = next((job.id for job in store.jobs("distil", ("done",)) if job.name == student.folder.name), None)
    try:
        store.approve(student.name, note=store.model_row(student).note, run=run, figures=figures(found, sides))
    except WaferDistillError as problem:
        st.error(unmarked(problem), title="It was not approved")
        return
    state.put(**{ASKED: None})
    st.rerun()


def _withdraw(standing: Approval) -> None:
    try:
        state.workspace().withdraw_approval(standing.id)
    except WaferDistillError as problem:
        st.error(unmarked(problem), title="Nothing was taken back")
        return
    st.rerun()


def _before(standing: Approval) -> str:
    """Return who is approved again once the approval that counts is taken back."""
    store = state.workspace()
    earlier = [one for one in store.approvals() if one.withdrawn is None and one.id != standing.id]
    return _called(earlier[0].student) if earlier else "the shipped student"


def _called(folder: str) -> str:
    """Return what a student is called now, by the folder it was made in."""
    try:
        return state.workspace().model(folder).stem
    except WaferDistillError:
        return f"{folder} (gone)"


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
        st.caption("No student was approved here yet, so `approved` means the shipped one.")
        return
    rows = [
        {
            "Student": _called(one.student),
            "Approved": _when(one.created),
            "Taken back": _when(one.withdrawn) if one.withdrawn else "–",
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
    loss, most = 100 * guard["loss"], 100 * guard["loss_upper_95_one_sided"]
    return f"{loss:.1f} points, at most {most:.1f}".replace("-", "−")


def _when(moment: float) -> str:
    return f"{datetime.fromtimestamp(moment):%d %b %Y %H:%M}"
