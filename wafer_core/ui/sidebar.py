"""The side bar: the pages, the lot in hand and the two models being compared."""

from __future__ import annotations

import streamlit as st

from wafer_core.charts import Role
from wafer_core.errors import WaferDistillError
from wafer_core.models.folder import ModelFile
from wafer_core.ui import lot_picker, state
from wafer_core.ui.words import count, human_bytes


def draw() -> None:
    """Draw the whole side bar into the current container."""
    with st.container(gap=None):
        for page in state.PAGES:
            state.link(page)
    lot_picker.choose()
    for role, default in state.DEFAULTS.items():
        _model(role, default)


def _model(role: Role, default: str) -> None:
    choices = {model.name: model for model in state.workspace().models() if model.role == role}
    if role == "student":
        choices = {**_approved(), **choices}
    if not choices:
        st.caption(f"No {role} is installed.")
        return
    fallback = default if default in choices else next(iter(choices))
    key, changed = state.bound(role, choices, fallback)
    chosen = choices[st.selectbox(role.capitalize(), list(choices), key=key, on_change=changed)]
    entry = chosen.entry
    parts = [count(entry.parameters, "parameter"), human_bytes(entry.bytes)]
    st.caption(" · ".join([*parts, "int8"] if entry.precision == "int8" else parts))


def _approved() -> dict[str, ModelFile]:
    """Return the names that mean whichever student this workspace approved."""
    found = {}
    for name in ("approved", "approved-int8"):
        try:
            found[name] = state.workspace().model(name)
        except WaferDistillError:
            continue
    return found
