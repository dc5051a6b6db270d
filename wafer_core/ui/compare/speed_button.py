"""The button that times models here, wherever their milliseconds a wafer are told."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from wafer_core.errors import WaferDistillError
from wafer_core.models.folder import ModelFile
from wafer_core.ui.compare.speed import measure
from wafer_core.ui.shared import state
from wafer_core.ui.shared.words import plain
from wafer_core.workspace import Speed


def draw(models: Sequence[ModelFile], lot_id: str, key: str, reading: bool, quiet: bool = False) -> None:
    """Draw the button, and time the models one after the other once it is pressed.

    Args:
        models: those to time; equal weights are timed once.
        lot_id: the lot whose wafers they are timed on.
        key: of the button.
        reading: whether a model still reads the wafers: a redraw for what was just read would break the timing off.
        quiet: whether the button stands among others.
    """
    pressed = st.button(
        "Measure speed here",
        icon=":material/speed:",
        type="tertiary" if quiet else "secondary",
        key=key,
        disabled=reading,
        help="They are timed once every model has read the wafers."
        if reading
        else "Times these models on one core, one wafer at a time.",
    )
    if pressed:
        _time({model.sha256: model for model in models}, lot_id)


def milliseconds(speed: Speed | None) -> str:
    """Return what a wafer takes, `0.42`, and a dash where nobody has asked yet."""
    return f"{speed.milliseconds:.2f}" if speed else "–"


def _time(models: dict[str, ModelFile], lot_id: str) -> None:
    problems = []
    for sha256, model in models.items():
        with st.spinner(f"Timing {plain(model.name)} …"):
            try:
                measure(state.workspace(), lot_id, sha256)
            except WaferDistillError as problem:
                problems.append(f"{model.name}: {problem}")
    if not problems:
        st.rerun()
    for text in problems:
        st.error(plain(text))
