"""Compare: teacher and students by accuracy, agreement, size and speed."""

import streamlit as st

from wafer_core.ui import behind_a_bar, compare_views, model_shelf, pattern_views, state
from wafer_core.ui.comparison import compare

hand = state.in_hand()

st.title("Teacher and students", anchor=False)
# Beside each other only where the longest names have room.
with st.grid(2, min_column_width=420):
    ground = compare_views.choose_ground(hand.lot_id)
    students = compare_views.choose_students(hand.teacher, hand.student)

compared = compare(ground, hand.teacher, students)
marks = compare_views.marks(compared, hand.student)
compare_views.answer(compared)
compare_views.progress(compared)

with st.grid(2, min_column_width=460):
    with st.container(border=True, height="stretch"):
        compare_views.size_chart(compared, marks)
    with st.container(border=True, height="stretch"):
        compare_views.table(compared)
        compare_views.losses(compared)
with st.container(border=True):
    pattern_views.draw(compared, marks)
with st.container(border=True):
    behind_a_bar.draw(compared)
compare_views.cards(compared)
with st.container(border=True):
    model_shelf.draw()
