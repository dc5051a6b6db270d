"""Compare: teacher and students by accuracy, agreement, size and speed."""

import streamlit as st

from wafer_core.ui.compare import behind_a_bar, model_shelf, pattern_scores, view
from wafer_core.ui.compare.comparison import compare
from wafer_core.ui.shared import state

hand = state.in_hand()

st.title("Teacher and students", anchor=False)
# Beside each other only where the longest names have room.
with st.grid(2, min_column_width=420):
    ground = view.choose_ground(hand.lot_id)
    students = view.choose_students(hand.teacher, hand.student)

compared = compare(ground, hand.teacher, students)
marks = view.marks(compared, hand.student)
view.answer(compared)
view.progress(compared)

with st.grid(2, min_column_width=460):
    with st.container(border=True, height="stretch"):
        view.size_chart(compared, marks)
    with st.container(border=True, height="stretch"):
        view.table(compared)
        view.losses(compared)
with st.container(border=True):
    pattern_scores.draw(compared, marks)
with st.container(border=True):
    behind_a_bar.draw(compared)
view.cards(compared)
with st.container(border=True):
    model_shelf.draw()
