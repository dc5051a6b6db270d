"""Elements of the page that Streamlit has not: each a few lines of JavaScript, without anything from outside."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from secrets import token_hex
from typing import Any

import streamlit as st

from wafer_core.charts import DARK, LIGHT

FOLDER = Path(__file__).parent

COLOURS: dict[str, dict[str, str]] = {
    name: {
        "teacher": palette.teacher,
        "student": palette.student,
        "page": palette.background,
        "text": palette.text,
        "muted": palette.muted,
        "line": palette.line,
    }
    for name, palette in (("light", LIGHT), ("dark", DARK))
}
"""The colours that scripts need; they learn in the browser which theme holds."""


def element(name: str, markup: str, *scripts: str) -> Callable[..., Any]:
    """Return the element whose style and script stand beside this file as `name.css` and `name.js`.

    `markup` is what it is before its script runs, which may use what `shared.js` and `scripts` define.
    """

    def read(file: str) -> str:
        return (FOLDER / file).read_text(encoding="utf-8")

    script = "".join(read(f"{each}.js") for each in ("shared", *scripts, name))
    mount: Callable[..., Any] = st.components.v2.component(
        f"wafer_{name}", html=f"\n{markup}\n", css=read(f"{name}.css"), js=script
    )
    return mount


def stamped(key: str, data: Mapping[str, Any]) -> dict[str, Any]:
    """Return `data` with the colours, and with the session and the how-manieth of its drawings it is, from 1.

    What stays the same keeps its number, so it is sent to the browser once; what comes late is known by its number to
    be late. A session that begins anew, as after a restart of the server, counts anew. No clock is asked: one that is
    set back would make all that follows late.
    """
    kept = f"drawn-{key}"
    drawn, before = st.session_state.get(kept, (0, None))
    if before != data:
        drawn += 1
        st.session_state[kept] = drawn, data
    session = st.session_state.setdefault("drawn-session", token_hex(8))
    return {**data, "session": session, "drawn": drawn, "colours": COLOURS}
