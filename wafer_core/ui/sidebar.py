"""The side bar: the pages, the lot in hand and the two models being compared."""

from __future__ import annotations

from collections.abc import Collection

import streamlit as st

from wafer_core.charts import Role
from wafer_core.ui import lot_picker, state
from wafer_core.ui.words import count, human_bytes


def draw() -> None:
    """Draw the whole side bar into the current container."""
    _links()
    lot_picker.choose()
    for role, default in state.DEFAULTS.items():
        _model(role, default)


@st.fragment(key=state.LINKS)
def _links() -> None:
    with st.container(gap="xsmall"):
        for page in state.PAGES:
            state.link(page)


def _model(role: Role, default: str) -> None:
    store = state.workspace()
    choices = {model.name: model for model in store.models() if model.role == role}
    standing = _approved(choices) if role == "student" else {}
    choices = {**{name: choices[student] for name, student in standing.items()}, **choices}
    if not choices:
        st.caption(f"No {role} is installed.")
        return
    fallback = default if default in choices else next(iter(choices))
    key, changed = state.bound(role, choices, fallback)
    chosen = choices[
        st.selectbox(
            role.capitalize(),
            list(choices),
            format_func=lambda name: f"{name}: {standing[name]}" if name in standing else name,
            key=key,
            on_change=changed,
        )
    ]
    entry = chosen.entry
    parts = [count(entry.parameters, "parameter"), human_bytes(entry.bytes)]
    st.caption(" · ".join([*parts, "int8"] if entry.precision == "int8" else parts))


def _approved(students: Collection[str]) -> dict[str, str]:
    """Return the names that mean whichever student this workspace approved, and whom they mean."""
    approved = state.workspace().approved()
    meant = {f"approved{ending}": f"{approved}{ending}" for ending in ("", "-int8")}
    return {name: student for name, student in meant.items() if student in students}
