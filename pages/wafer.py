"""The Wafer page: one wafer on its own dies, what both models say of it, and why."""

import streamlit as st

from wafer_core.ui import opinions, overlays, state, wafer_view

hand = state.in_hand()
here = wafer_view.position(hand)
said = opinions.opinions(hand)
asked = opinions.ask(hand, said, first=[here])

wafer_view.header(hand, said, here)
opinions.problems(asked)
with st.grid(2, min_column_width=420) as grid:
    with st.container(border=True, height="stretch"):
        wafer_view.wafer_card(hand.lot.wafers[here])
    with grid.cell():
        for side, one in zip(st.columns(2), (said.teacher, said.student), strict=True):
            with side.container(border=True, height="stretch"):
                wafer_view.verdict_card(one, here)

overlays.draw(hand, said, here)
wafer_view.watch(hand, said, here, asked)
