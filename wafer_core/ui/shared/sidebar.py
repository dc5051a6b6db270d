"""The side bar: the pages, the lot in hand and the two models being compared."""

from __future__ import annotations

from collections.abc import Collection
from contextlib import suppress

import streamlit as st

from wafer_core.charts import Role
from wafer_core.errors import WaferDistillError
from wafer_core.models.folder import APPROVED, ModelFile
from wafer_core.ui.shared import lot_picker, state
from wafer_core.ui.shared.words import count, human_bytes, plain

LETTERS = 23
"""Of what a model is called, what its list has room for."""


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
    choices = {**{name: choices[student] for name, student in standing.items()}, **choices, **_asked(role, choices)}
    if not choices:
        st.caption(f"No {role} is installed.")
        return
    fallback = default if default in choices else next(iter(choices))
    key, changed = state.bound(role, choices, fallback, strict=True)
    called = {one: f"{one}: {standing[one]}" if one in standing else choices[one].name for one in choices}
    name = st.selectbox(
        role.capitalize(),
        list(choices),
        index=None if st.session_state[key] is None else 0,
        format_func=called.__getitem__,
        key=key,
        on_change=changed,
        placeholder=f"Choose a {role}",
    )
    if name is None:
        return
    entry = choices[name].entry
    parts = [plain(choices[name].name)] if len(called[name]) > LETTERS else []
    parts += [count(entry.parameters, "parameter"), human_bytes(entry.bytes)]
    parts += ["int8"] if entry.precision == "int8" else []
    # One that is chosen as the approved one says so already.
    parts += ["approved"] if name not in standing and choices[name].name in standing.values() else []
    st.caption(" · ".join(parts))


def _asked(role: Role, choices: Collection[str]) -> dict[str, ModelFile]:
    """Return the model that the address names by what it was called before, or from the archive."""
    asked = state.address(role)
    if asked is None or asked in choices or asked in APPROVED:
        return {}
    with suppress(WaferDistillError):
        found = state.workspace().model(asked)
        return {asked: found} if found.role == role else {}
    return {}


def _approved(students: Collection[str]) -> dict[str, str]:
    """Return the names that mean whichever student this workspace approved, and whom they mean."""
    meant = {}
    for name in APPROVED:
        with suppress(WaferDistillError):
            meant[name] = state.workspace().model(name).name
    return {name: student for name, student in meant.items() if student in students}
