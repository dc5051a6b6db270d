"""The Wafer page: one wafer on its own dies, what both models say of it, and why."""

import streamlit as st

from wafer_core.ui import opinions, overlays, state, wafer_view

hand = state.in_hand()
said = opinions.opinions(hand)
here = wafer_view.position(hand, said)
asked = opinions.ask(hand, said, first=[here])
overlays.ask(hand, said, here)  # already here: the worker explains while the page is drawn

wafer_view.header(hand, said, here)
opinions.problems(asked)
with st.grid(2, min_column_width=420):
    with st.container(border=True, height="stretch"):
        wafer_view.wafer_card(hand.lot.wafers[here])
    with st.container(border=True, height="stretch"):
        for side, one in zip(st.columns(2, gap="medium"), (said.teacher, said.student), strict=True):
            with side:
                wafer_view.verdict(one, here)

overlays.draw(hand, said, here)
wafer_view.watch(hand, said, here, asked)
