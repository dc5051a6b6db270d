"""Several runs side by side: their curves laid over each other, and where their settings differ."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import streamlit as st

from wafer_core import jobs
from wafer_core.charts.curves import Curve, learning_curves
from wafer_core.ui.distill.curves import Curves
from wafer_core.ui.distill.run_settings import POOLS, VIEWS
from wafer_core.ui.shared import layout, state
from wafer_core.ui.shared.words import count, plain, share
from wafer_core.workspace import JobRow, ProgressPoint

MOST = 6
"""Runs that can be told apart in one chart."""
NO_LOT = "a lot no longer here"


def draw(runs: Sequence[JobRow]) -> None:
    """Draw the choice of runs, and what the address chooses."""
    begun = {job.id: job for job in runs if job.progress.get("step")}
    if not begun:
        return
    chosen = _choice(begun)
    if not chosen:
        return
    points = {job.id: jobs.progress(state.workspace(), job.id) for job in chosen}
    left, right = st.columns(2)
    with left:
        st.markdown("Agreement while they learned, at the teacher's limits")
        _chart("agreement", {name_of(job): Curves.of(points[job.id]).agreement for job in chosen})
    with right:
        st.markdown("Loss")
        _chart("loss", {name_of(job): Curves.of(points[job.id]).loss for job in chosen})
    st.table(_figures(chosen, points), border="horizontal", alt="Where the chosen runs differ, and what they reached")
    if len(chosen) > 1:
        st.caption("Settings that all of them share are left out.")


def name_of(job: JobRow) -> str:
    """Return what a run is called: its student's name, or its number where it made none."""
    return job.name or f"run {job.id}"


def settings_text(job: JobRow, titles: Mapping[str, str]) -> dict[str, str]:
    """Return every setting of a run in words, those it left alone too; no Markdown yet."""
    chosen = job.payload["settings"]
    beside = [titles.get(lot, NO_LOT) for lot in chosen.get("pool_lots", ())]
    return {
        "Lot": titles.get(job.lot, NO_LOT),
        "Size": chosen.get("size", "small"),
        "Time": f"{chosen.get('budget', 60.0):g} s",
        "Steps": f"{chosen['steps']:,}" if chosen.get("steps") else "as the time affords",
        "Starts from": _start(chosen),
        "Variation of the wafers": VIEWS.get(f"{chosen.get('augmentation', 1.0):g}", "another"),
        "Learned beside the lot": POOLS.get(chosen.get("pool", "shipped"), "another"),
        "Other lots": ", ".join(beside) or "none",
        "Left out": ", ".join(chosen.get("without", ())) or "no wafer",
        "Seed": f"{chosen.get('seed', 0)}",
        "Teacher": f"{job.payload['teacher']} · {job.payload['sha256'][:8]}",
    }


def _start(chosen: Mapping[str, Any]) -> str:
    if chosen.get("fresh"):
        return "random weights"
    return Path(chosen["start"]).name if chosen.get("start") else "the shipped student, where there is one"


def differences(texts: Sequence[Mapping[str, str]]) -> dict[str, list[str]]:
    """Return the settings that are not the same in all of several runs, one value a run."""
    rows = {name: [text[name] for text in texts] for name in texts[0]}
    return {name: values for name, values in rows.items() if len(set(values)) > 1}


def _choice(begun: Mapping[int, JobRow]) -> list[JobRow]:
    asked = dict.fromkeys(map(state.whole, (state.address("beside-runs") or "").split(".")))
    key = "runs-together"
    st.session_state[key] = [each for each in asked if each in begun][:MOST]
    chosen = st.multiselect(
        "Lay runs over each other",
        list(begun),
        format_func=lambda each: f"{name_of(begun[each])} · {begun[each].state}",
        key=key,
        max_selections=MOST,
        placeholder="Choose two or more",
        on_change=lambda: state.put(**{"beside-runs": ".".join(map(str, st.session_state[key])) or None}),
    )
    return [begun[each] for each in chosen]


def _chart(what: str, curves: Mapping[str, tuple[tuple[float, float], ...]]) -> None:
    drawn = tuple(Curve(name, points) for name, points in curves.items())
    figure = learning_curves(drawn, what, state.theme())
    said = f"{what} over the seconds of training of {', '.join(curves)}; the table below has their last values"
    st.plotly_chart(figure, config=layout.CHART, key=f"together-{what}", alt=said)


def _figures(chosen: Sequence[JobRow], points: Mapping[int, Sequence[ProgressPoint]]) -> pd.DataFrame:
    titles = {row.id: f"{row.title} · {count(row.wafers, 'wafer')}" for row in state.workspace().lots()}
    apart = differences([settings_text(job, titles) for job in chosen]) if len(chosen) > 1 else {}
    rows = {name: list(map(plain, values)) for name, values in apart.items()}
    told = [job.progress for job in chosen]
    rows["Steps done"] = [f"{each['step']:,} of {each['steps']:,}" for each in told]
    rows["Agreement, last"] = [share(each["agreed"], each["held_out"]) if each["held_out"] else "–" for each in told]
    rows["Loss, last"] = [f"{points[job.id][-1].loss or 0:.4f}" if points[job.id] else "–" for job in chosen]
    return pd.DataFrame(rows, index=[plain(name_of(job)) for job in chosen]).T
