"""What a run does to a student while it learns: answers on a few held-out wafers, agreement per pattern, the log."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from wafer_core import jobs
from wafer_core.charts import Theme
from wafer_core.charts.maps import map_png
from wafer_core.decode import Verdicts, decode_with, verdict_titles
from wafer_core.errors import WaferDistillError
from wafer_core.lot import Wafer
from wafer_core.models.folder import ModelFile
from wafer_core.patterns import PATTERNS
from wafer_core.ui.shared import opinions, state
from wafer_core.ui.shared.state import BY_MAP
from wafer_core.ui.shared.words import plain, wafer_name
from wafer_core.workspace import JobRow

PIXELS = 132
"""Of a watched wafer's map, a side."""


def draw(job: JobRow) -> None:
    """Draw what the run has told of its held-out wafers so far, and nothing where it told none."""
    teacher = _teacher(job)
    if teacher is None:
        return
    _patterns(job.progress.get("look"))
    _wafers(job, teacher)


def log(job: JobRow) -> None:
    """Draw a run's log in a part that unfolds; nothing where it wrote none."""
    lines = jobs.log_lines(state.workspace(), job.id)
    if lines:
        with st.expander("Log", icon=":material/notes:", key=f"log-{job.id}"):
            st.code("\n".join(lines), language=None, height=min(60 + 21 * len(lines), 300))
            st.caption(f"It is kept in {plain(str(jobs.log_path(state.workspace(), job.id)))}")


# Per pattern -------------------------------------------------------------------------------------


def _patterns(look: Mapping[str, Any] | None) -> None:
    """Draw a count for every pattern that student or teacher names on a held-out wafer."""
    named = [i for i, either in enumerate(look["either"]) if either] if look else []
    if not look or not named:
        return
    names = " | ".join(PATTERNS[i] for i in named)
    counts = " | ".join(f"{look['both'][i]:,} of {look['either'][i]:,}" for i in named)
    st.markdown(
        f"| Held-out wafers | {names} |\n|---|{'---|' * len(named)}\n| both name it, of those either does | {counts} |"
    )


# Wafers one by one -------------------------------------------------------------------------------


def _wafers(job: JobRow, teacher: ModelFile) -> None:
    examples, look = job.progress.get("examples"), job.progress.get("look")
    if not examples or not examples["wafers"]:
        return
    wanted = _verdicts(teacher, examples["teacher"])
    before = _verdicts(teacher, examples["student"])
    now = _verdicts(teacher, look["first"]) if look else before
    titles = [opinions.spaced(verdict_titles(each)) for each in (wanted, before, now)]
    lot = state.load_lot(job.lot)
    for place, column in enumerate(st.columns(max(len(examples["wafers"]), 4))[: len(examples["wafers"])]):
        said, came, says = (each[place] for each in titles)
        with column:
            wafer = lot.wafers[lot.position(examples["wafers"][place])]
            st.image(_picture(wafer, state.theme()), width=PIXELS, alt=f"Map of wafer {wafer.name}")
            sign = "=" if said == says else "≠"
            st.markdown(
                f"**{plain(wafer_name(lot, wafer))}** {sign}  \n:small[teacher {said}]  \n"
                f":small[student {says}{_chances(wanted, now, place)}]  \n:small[:gray[at first {came}]]"
            )


def _chances(wanted: Verdicts, now: Verdicts, place: int) -> str:
    """Return how likely the student finds each pattern that one of the two names: ` · Scratch 0.47`."""
    named = (wanted.detected | now.detected)[place]
    found = [f"{PATTERNS[i]} {now.probabilities[place, i]:.2f}" for i in np.flatnonzero(named)]
    return f" · {', '.join(found)}" if found else ""


def _verdicts(teacher: ModelFile, logits: Sequence[Sequence[float]]) -> Verdicts:
    """Return what logits say at the teacher's limits; the student's own are matched when it is done."""
    rows: NDArray[np.float32] = np.array(logits, np.float32)
    return decode_with(teacher, rows)


@st.cache_resource(show_spinner=False, max_entries=64, hash_funcs=BY_MAP)
def _picture(wafer: Wafer, theme: Theme) -> bytes:
    return map_png(wafer.states, theme, PIXELS, square=True)


def _teacher(job: JobRow) -> ModelFile | None:
    try:
        return state.workspace().model_of(job.payload["sha256"])
    except WaferDistillError:
        return None
