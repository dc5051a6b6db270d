"""A row of buttons that is tied to the address, of which one is always chosen."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

import streamlit as st

from wafer_core.ui.shared import state

Choice = TypeVar("Choice", bound=str)


def segmented(
    label: str,
    words: Mapping[Choice, str],
    parameter: str,
    usual: Choice,
    resets: tuple[str, ...] = (),
    part: str | None = None,
) -> Choice:
    """Draw a choice and return it, a key of `words`.

    Args:
        label: what is chosen, for those who do not see it.
        words: what each choice is called.
        parameter: of the address, as are `resets` and `part` for `state.bound`.
        usual: what is chosen unless the address says otherwise.
        resets: parameters that a change takes away.
        part: the part of the page that a change redraws.
    """
    key, changed = state.bound(parameter, words, usual, resets, part)
    chosen = st.segmented_control(
        label,
        list(words),
        format_func=words.__getitem__,
        key=key,
        on_change=changed,
        required=True,
        label_visibility="collapsed",
    )
    return chosen or usual
