"""What a finished run left: the student it made, and how that agreed with its teacher before and after."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import streamlit as st

from wafer_core.compare.intervals import wilson
from wafer_core.errors import BrokenModel, WaferDistillError
from wafer_core.models.fields import Fields
from wafer_core.models.folder import ModelFile
from wafer_core.ui.shared import state
from wafer_core.ui.shared.words import ENOUGH, count_end, duration, interval, percent, plain, share, steps
from wafer_core.workspace import JobRow

LITTLE = 0.1
"""The share of a run's time under which there was next to none to learn in."""


def student_of(job: JobRow) -> ModelFile | None:
    """Return the student a finished run made, or None where it made none or its folder is gone."""
    try:
        return state.workspace().model(str(job.name)) if job.state == "done" else None
    except WaferDistillError:
        return None


@dataclass(frozen=True)
class Written:
    """What a student's run wrote down.

    Args:
        plan: seconds, as it measured them before its first step; None where it measured none.
        start: what the model is called whose weights it began with.
        before: how many held-out wafers that one answered as the teacher, and how far its logits were off.
        after: the same of the student.
        held_out: how many wafers were held out; those counted above are drawn from them. None where that is not told.
    """

    plan: Mapping[str, float] | None = None
    start: str | None = None
    before: Mapping[str, float] | None = None
    after: Mapping[str, float] | None = None
    held_out: int | None = None


def written(folder: Path) -> Written:
    """Return what a student's run wrote down, or nothing where it left no record that can be read."""
    try:
        told = Fields(json.loads((folder / "run.json").read_text(encoding="utf-8")), "run.json")
        both = told.inner("agreement") if told.has("agreement") else Fields({}, "run.json")
        return Written(
            plan=_plan(told.inner("plan")) if told.has("plan") else None,
            start=told.inner("start").text("name", ".+") if told.has("start") else None,
            before=_agreement(both.inner("before")) if both.has("before") else None,
            after=_agreement(both.inner("after")) if both.has("after") else None,
            held_out=told.integer("held_out", 0, 1 << 40) if told.has("held_out") else None,
        )
    except (OSError, ValueError, RecursionError, BrokenModel):
        return Written()


def _plan(fields: Fields) -> dict[str, float]:
    needed = {name: fields.number(name, 0.0) for name in ("prepared", "step_seconds", "writing_seconds")}
    # Runs of earlier versions did not time their int8 file.
    return needed | {"wafer_seconds": fields.number("wafer_seconds", 0.0) if fields.has("wafer_seconds") else 0.0}


def _agreement(fields: Fields) -> dict[str, float]:
    wafers = fields.integer("wafers", 0, 1 << 40)
    called = fields.integer("called", 0, wafers)
    return {
        "wafers": wafers,
        "exact": fields.integer("exact", 0, wafers),
        "called": called,
        "exact_called": fields.integer("exact_called", 0, called),
        "logit_difference": fields.number("logit_difference", 0.0),
    }


def draw(student: ModelFile) -> None:
    """Draw agreement before and after side by side; nothing where the run counted none."""
    told = written(student.folder)
    if not told.after or not told.after["wafers"]:
        return
    began = f"{told.start}, before" if told.start else "before"
    rows = {_counted_of(told): ("exact", "wafers"), "Where either names a pattern": ("exact_called", "called")}
    lines = [f"| Same answer as the teacher | {plain(began)} | {plain(student.name)} |", "|---|---|---|"]
    for title, (hits, n) in rows.items():
        lines.append(f"| {title} | {_cell(told.before, hits, n)} | {_cell(told.after, hits, n)} |")
    lines.append(f"| Mean difference of logits | {_difference(told.before)} | {_difference(told.after)} |")
    st.markdown("\n".join(lines))


def agreement(student: ModelFile) -> str:
    """Return on how many of the wafers counted a finished student answers as its teacher, or a dash."""
    after = written(student.folder).after
    return share(int(after["exact"]), int(after["wafers"])) if after and after["wafers"] else "–"


def little_time(student: ModelFile, budget: float) -> str | None:
    """Return why a student was taught next to nothing; None where its plan left it time, or is not known.

    Args:
        student: who was taught.
        budget: of its run, seconds.
    """
    plan = written(student.folder).plan
    if not plan or not plan["step_seconds"]:
        return None
    prepared, writing = plan["prepared"], plan["writing_seconds"]
    left = max(budget - prepared - writing, 0.0)
    if left >= LITTLE * budget:
        return None
    return (
        f"Of {duration(budget)} its plan left {duration(left)} for {steps(student.card.made_from['steps'])}: getting "
        f"ready took {duration(prepared)}, and {duration(writing)} were kept for writing. Start a run of more time."
    )


def _counted_of(told: Written) -> str:
    """Return which wafers are counted: a budget affords to look at so many of those held out."""
    wafers = int(told.after["wafers"]) if told.after else 0
    if told.held_out is None or wafers >= told.held_out:
        return "All held-out wafers"
    return f"{wafers:,} of the {told.held_out:,} held-out wafers"


def counted(hits: int, n: int) -> str:
    """Return a count with its 95 % interval; in percent only from `ENOUGH` wafers on.

    `9 of 12 (6 to 11)`, `238 of 240 · 99.2 % (97.0 to 99.8)`.
    """
    if not n:
        return "none"
    rate = wilson(hits, n)
    if n < ENOUGH:
        return f"{share(hits, n)} ({interval(n * rate.low, n * rate.high, count_end)})"
    return f"{hits:,} of {n:,} · {percent(rate.value)} ({interval(rate.low, rate.high)})"


def _cell(agreement: Mapping[str, float] | None, hits: str, n: str) -> str:
    return counted(int(agreement[hits]), int(agreement[n])) if agreement else "–"


def _difference(agreement: Mapping[str, float] | None) -> str:
    return f"{agreement['logit_difference']:.2f}" if agreement else "–"
