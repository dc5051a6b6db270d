"""A score per pattern: bars a model with intervals, the same as a table, and which patterns have none."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from wafer_core.charts.figures import Bar, Marks, score_bars
from wafer_core.compare import Agreement, PatternAccuracy, Rate
from wafer_core.patterns import PATTERNS
from wafer_core.ui.compare.comparison import Comparison, pattern_agreement
from wafer_core.ui.shared import layout, state
from wafer_core.ui.shared.choices import segmented
from wafer_core.ui.shared.words import interval, score_text
from wafer_core.verdicts_csv import inert

SCORES = {"f1": "F1", "precision": "precision", "recall": "recall"}


def draw(comparison: Comparison, drawn: Marks) -> None:
    """Draw a score per pattern, a bar a model; a click on a bar names its wafers below."""
    labelled = comparison.ground.labelled
    score = "f1"
    with st.container(horizontal=True, vertical_alignment="center"):
        title = st.empty()
        st.space("stretch")
        if labelled:
            score = segmented("Score", SCORES, "score", "f1")
    metric = SCORES[score] if labelled else "agreement with the teacher"
    title.markdown(f"**{metric[0].upper() + metric[1:]} per pattern**")
    bars = _accuracy_bars(comparison, score) if labelled else _agreement_bars(comparison)
    if not bars:
        st.caption("Bars appear once a model has read every wafer.")
        return
    who, pattern = state.address("who"), state.address("bar")
    chosen = (who, pattern) if who and pattern else None
    st.plotly_chart(
        score_bars(tuple(bars), drawn, metric, state.theme(), chosen, same_wafers=labelled),
        config=layout.CHART,
        key="pattern-scores",
        on_select=_bar_clicked,
        selection_mode="points",
        alt=f"{metric} per pattern: " + ", ".join(f"{bar.name} {bar.pattern} {bar.value:.2f}" for bar in bars),
    )
    _absent(comparison)
    with st.expander("The same as a table", icon=":material/table:"):
        st.dataframe(_pattern_frame(comparison), hide_index=True, alt=f"{metric} per pattern and model, with intervals")


def _bar_clicked() -> None:
    points = st.session_state["pattern-scores"].selection.points
    if points:
        who, pattern = points[0]["customdata"][:2]
        state.put(bar=str(pattern), who=str(who))


def _accuracy_bars(comparison: Comparison, score: str) -> list[Bar]:
    found = []
    for one in comparison.all:
        for entry in one.reached.patterns if one.reached else ():
            rate = _score(entry, score)
            if entry.support and rate.known:
                found.append(Bar(one.name, entry.pattern, rate.value, rate.low, rate.high, entry.support))
    return found


def _score(entry: PatternAccuracy, score: str) -> Rate:
    return {"f1": entry.f1, "precision": entry.precision, "recall": entry.recall}[score]


def _agreement_bars(comparison: Comparison) -> list[Bar]:
    return [
        Bar(one.name, name, rate.value, rate.low, rate.high, rate.n)
        for one in comparison.students
        if one.alike
        for name, rate in pattern_agreement(one.alike).items()
    ]


def _absent(comparison: Comparison) -> None:
    """Say which patterns have no bar and why."""
    known = comparison.teacher.reached
    if known is None:
        if not comparison.ground.labelled:
            st.caption("Of the wafers on which either model names the pattern, the share on which both do.")
        return
    without = [entry.pattern for entry in known.patterns if not entry.support]
    missing = f" No wafer of the set carries {', '.join(without)}." if without else ""
    st.caption(f"Whiskers are 95 % intervals; few wafers make them wide. Click a bar for its wafers.{missing}")


def _pattern_frame(comparison: Comparison) -> pd.DataFrame:
    labelled = comparison.ground.labelled
    rows: list[dict[str, str | int]] = []
    for one in comparison.all:
        if labelled and one.reached:
            rows += [{"Model": inert(one.name), **_scores(entry)} for entry in one.reached.patterns]
        elif one.alike and not labelled:
            rows += [{"Model": inert(one.name), **counts} for counts in _counts(one.alike)]
    return pd.DataFrame(rows)


def _scores(entry: PatternAccuracy) -> dict[str, str | int]:
    told: dict[str, str | int] = {"Pattern": entry.pattern}
    for score, name in SCORES.items():
        rate, head = _score(entry, score), name[0].upper() + name[1:]
        told[head] = score_text(rate.value) if rate.known else "–"
        told[f"{head}, 95 %"] = interval(rate.low, rate.high, score_text) if rate.known else "–"
    return {**told, "Wafers that carry it": entry.support, "Wafers it is named on": entry.called}


def _counts(alike: Agreement) -> list[dict[str, str | int]]:
    sides = zip(PATTERNS, alike.both, alike.teacher_only, alike.student_only, strict=True)
    return [
        {"Pattern": name, "Both name it": both, "Only the teacher": ours, "Only this model": theirs}
        for name, both, ours, theirs in sides
    ]
