"""What a finished run left: the student it made, and how that agreed with its teacher before and after."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import streamlit as st

from wafer_core.compare.intervals import wilson
from wafer_core.errors import WaferDistillError
from wafer_core.models.folder import ModelFile
from wafer_core.ui.shared import state
from wafer_core.ui.shared.words import ENOUGH, count_end, interval, percent, plain, share
from wafer_core.workspace import JobRow


def student_of(job: JobRow) -> ModelFile | None:
    """Return the student a finished run made, or None where it made none or its folder is gone."""
    try:
        return state.workspace().model(str(job.name)) if job.state == "done" else None
    except WaferDistillError:
        return None


def written(folder: Path) -> dict[str, Any]:
    """Return what a student's run wrote down, or nothing where it left no record that can be read."""
    try:
        found = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def draw(student: ModelFile) -> None:
    """Draw agreement before and after side by side; nothing where the run counted none."""
    told = written(student.folder)
    counted = told.get("agreement") or {}
    after, before = counted.get("after"), counted.get("before")
    if not after or not after["wafers"]:
        return
    rows = {"All held-out wafers": ("exact", "wafers"), "Where either names a pattern": ("exact_called", "called")}
    lines = [f"| Same answer as the teacher | {plain(_start(told))} | {plain(student.name)} |", "|---|---|---|"]
    for title, (hits, n) in rows.items():
        lines.append(f"| {title} | {_cell(before, hits, n)} | {_cell(after, hits, n)} |")
    lines.append(f"| Mean difference of logits | {_difference(before)} | {_difference(after)} |")
    st.markdown("\n".join(lines))


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


def _start(told: dict[str, Any]) -> str:
    return f"{told['start']['name']}, before" if told.get("start") else "before"


def _cell(agreement: dict[str, Any] | None, hits: str, n: str) -> str:
    return counted(agreement[hits], agreement[n]) if agreement else "–"


def _difference(agreement: dict[str, Any] | None) -> str:
    return f"{agreement['logit_difference']:.2f}" if agreement else "–"
