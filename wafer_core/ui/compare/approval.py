"""Approving a student by its name, once somebody has been told what that changes, and taking an approval back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pandas as pd
import streamlit as st

from wafer_core.compare import Paired, Rate
from wafer_core.errors import WaferDistillError
from wafer_core.models.folder import ModelFile, shipped_models
from wafer_core.ui.compare import comparison
from wafer_core.ui.compare.before_after import (
    KINDS,
    Change,
    Guarded,
    Kind,
    Side,
    ask_guard,
    befores,
    damaged,
    file_of,
    guarded,
    measured,
    run_of,
    shipped_like,
    stand_in,
)
from wafer_core.ui.compare.judgement import SIGNS, guard_sentence
from wafer_core.ui.shared import state
from wafer_core.ui.shared.opinions import problems, states, watch
from wafer_core.ui.shared.words import count, in_points, moment, plain, probability
from wafer_core.workspace import Approval, JobRow, is_shipped

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


def question(student: ModelFile, sides: Sequence[Side] | None = None) -> None:
    """Open the dialog that asks before a student is approved, where the address says that it is being asked about.

    Neither a refresh nor results that arrive meanwhile close it.

    Args:
        student: who is asked about.
        sides: where both of its files stand, as far as the page knows already.
    """
    if state.address(ASKED) == student.folder.name and not approved(student):
        dialog = st.dialog(f"Approve {plain(student.stem)}?", width="medium", on_dismiss=_leave)
        dialog(_ask)(student, _each_once(_stands(student) if sides is None else sides))


def _ask(student: ModelFile, sides: Sequence[Side]) -> None:
    own = list(filter(_own_lot, sides))
    # Before anything is counted: what is not known below was asked for then, and is waited for.
    asked = _asked(student, own)
    found, differ = guarded(student), {kind: _differing(student, kind) for kind in KINDS}
    st.markdown(consequence(student, differ))
    problems(asked)
    doubts = [_guard_doubt(student, found, asked), _lot_doubt(student, sides, asked)]
    if asked:
        drawn = _drawn(student, found, differ, own), [job.state for job in asked]
        watch(lambda: (_known(student, own), states(asked)), drawn)
    with st.container(horizontal=True):
        sure = "Approve all the same" if any(doubts) else "Approve"
        if st.button(sure, type="primary", icon=":material/verified:", key="approve-sure"):
            _approve(student, found, sides)
        if st.button("Cancel", key="approve-not"):
            _leave()
            st.rerun()


def _asked(student: ModelFile, own: Sequence[Side]) -> list[JobRow]:
    """Queue what the question does not know yet and return the jobs that will bring it, each once."""
    # A shipped student changes hands with its trained weights; its int8 file is told of where that is known.
    kinds: Iterable[Kind] = ["trained"] if is_shipped(student) else _kinds(student)
    models = [model for kind in kinds for model in _now_and_then(student, kind)]
    wanted = [*ask_guard(student), *comparison.ask_missing(comparison.guard_ground(), models)]
    wanted += [job for side in own for job in comparison.ask(side.compared)]
    return list({job.id: job for job in wanted}.values())


def _guard_doubt(student: ModelFile, found: Guarded | None, asked: Sequence[JobRow]) -> bool:
    """Say what the guard set says of a student and return whether that speaks against it, or is not known."""
    if found is not None:
        say = st.warning if found.judgement == "lost" else st.info
        say(guard_sentence(found), icon=SIGNS[found.judgement])
        return found.judgement == "lost"
    if is_shipped(student):
        return False
    reading = _reading(asked, comparison.guard_ground().lot_id)
    st.info(f"The guard set {reading}, so nobody knows yet what this student has lost.")
    return True


def _lot_doubt(student: ModelFile, sides: Sequence[Side], asked: Sequence[JobRow]) -> bool:
    """Say what a student lost on the lot it was made of and return whether it did, or whether nobody knows."""
    own, worse, run = list(filter(_own_lot, sides)), lot_sentence(sides), run_of(student)
    if own and (stood_in := stand_in(student, own[0].compared.teacher.model)):
        st.warning(stood_in)
    if worse:
        st.warning(worse, icon=SIGNS["lost"])
    unread = [side for side in own if side.shipped is None]
    if unread:
        reading = _reading(asked, unread[0].ground.lot_id)
        st.caption(f"Its own lot {reading}, so nobody knows yet whether it lost anything there.")
    gone = run is not None and damaged(run)
    if gone:
        st.caption("Its own lot can no longer be read, so nobody knows whether it lost anything there.")
    return bool(worse or unread or gone)


def _reading(asked: Sequence[JobRow], lot_id: str) -> str:
    """Return in words how far a lot is that some model has not read."""
    gave_up = any(job.lot == lot_id and job.over and job.state != "done" for job in asked)
    return "was not read to its end" if gave_up else "is still being read"


def _stands(student: ModelFile) -> list[Side]:
    """Return where both files of a student stand, whichever a page shows; nothing where no run here made it."""
    run = run_of(student)
    return [side for each in measured(run, student).values() for side in each] if run else []


def _each_once(sides: Sequence[Side]) -> list[Side]:
    """Return every file on every ground once: without an int8 file it is the trained one twice."""
    return list({(side.ground.lot_id, side.new.model.sha256): side for side in sides}.values())


def _own_lot(side: Side) -> bool:
    return not side.ground.guard and not side.ground.benchmark


def _drawn(
    student: ModelFile, found: Guarded | None, differ: Mapping[Kind, int | None], own: Sequence[Side]
) -> list[bool]:
    """Return what was known as the question was drawn, in the order of `_known`."""
    guard = is_shipped(student) or found is not None
    return [guard, *(one is not None for one in differ.values()), *(one for side in own for one in _complete(side))]


def _complete(side: Side) -> list[bool]:
    return [standing.said.complete for standing in side.compared.all]


def _known(student: ModelFile, own: Sequence[Side]) -> list[bool]:
    """Return what is known by now: what the guard set says, how many answers change there, and who has read its lot."""
    guard = is_shipped(student) or guarded(student) is not None
    read = (wafers == side.ground.wafers for side in own for wafers in comparison.answered(side.compared))
    return [guard, *(_differing(student, kind) is not None for kind in KINDS), *read]


def _leave() -> None:
    state.put(**{ASKED: None})


def consequence(student: ModelFile, differ: Mapping[Kind, int | None]) -> str:
    """Return what an approval changes.

    Args:
        student: who is to be approved.
        differ: wafers of the guard set on which the answers of either file are not those given now; None while that
            is not known.
    """
    changes = " ".join(_change(student, kind, differ[kind]) for kind in _kinds(student))
    return f"From now on every page reads with **{plain(student.stem)}**. {changes}".rstrip()


def _change(student: ModelFile, kind: Kind, differ: int | None) -> str:
    """Return on how many wafers of the guard set the answers of one file change; of an int8 file, after the other."""
    before, wafers = plain(_read_with_now(student, kind).name), f"{comparison.guard_ground().wafers:,} wafers"
    if kind == "int8":
        if differ is not None:
            return f"Those of its int8 file differ on {differ:,} from {before}."
        if is_shipped(student):
            return ""
        return f"It is still being counted on how many those of its int8 file differ from {before}."
    if differ is None:
        return (
            f"On the guard set it is still being counted on how many of {wafers} its answers differ from those of "
            f"{before}."
        )
    return f"On the guard set its answers differ on {differ:,} of {wafers} from those of {before}."


def _kinds(student: ModelFile) -> list[Kind]:
    """Return which files a student has."""
    return list(KINDS) if file_of(student, "int8").entry.precision == "int8" else ["trained"]


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
    known = [(side.new, side.shipped) for side in filter(_own_lot, sides) if side.shipped is not None]
    worst = max(known, key=lambda one: _fewer(one[1]), default=None)
    if worst is None or _fewer(worst[1]) <= 0:
        return None
    new, shipped = worst
    who = "its int8 file" if new.model.entry.precision == "int8" else "it"
    return (
        f"On the lot it was made of {who} answers as the teacher does on {count(_fewer(shipped), 'wafer')} fewer than "
        f"{plain(shipped.before.name)}, of {shipped.fidelity.n:,} (McNemar p {probability(shipped.fidelity.p)})."
    )


def _fewer(change: Change) -> int:
    """Return on how many wafers fewer than the one before a new student answers as the teacher does."""
    return change.fidelity.teacher_only - change.fidelity.student_only


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
        if side.changes:
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
