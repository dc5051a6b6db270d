"""The Wafer page: one wafer on its own dies, what both models say of it, and why."""

import streamlit as st

from wafer_core.ui import opinions, overlays, state, wafer_view

hand = state.in_hand()
here = wafer_view.position(hand)
said = opinions.opinions(hand)
asked = opinions.ask(hand, said, first=[here])

wafer_view.header(hand, said, here)
opinions.problems(asked)
wafer, teacher, student = st.columns([5, 4, 4])
with wafer.container(border=True, height="stretch"):
    wafer_view.wafer_card(hand.lot.wafers[here])
with teacher.container(border=True, height="stretch"):
    wafer_view.verdict_card(said.teacher, here)
with student.container(border=True, height="stretch"):
    wafer_view.verdict_card(said.student, here)

overlays.draw(hand, said, here)
wafer_view.watch(hand, said, here, asked)
