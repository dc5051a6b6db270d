"""Distill: teach a small model on the lot in hand, watch it, and use what came of it."""

import streamlit as st

from wafer_core import jobs
from wafer_core.ui.distill import form, runs
from wafer_core.ui.shared import state

hand = state.in_hand()
found = jobs.jobs(state.workspace(), "distil")

st.title("Distill", anchor=False)
with st.container(border=True):
    form.start_form(hand, found)
now = runs.run_in_hand(found)
if now is not None:
    runs.draw_run(now)
with st.container(border=True):
    runs.earlier(found)
runs.keep_current(found)
