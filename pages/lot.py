"""The Lot page: what is in a lot, where it fails, where the models part, and every wafer of it."""

import streamlit as st

from wafer_core.ui.lot import gallery, stacked_evidence, view
from wafer_core.ui.shared import lot_picker, opinions, reading, state

hand = state.in_hand()
said = opinions.opinions(hand)

view.header(hand)
troubles = st.container()
arriving = view.evidence(hand, said)
in_view = gallery.browse(said)
stacked_evidence.draw(hand, said)
reading.told(
    hand.lot,
    again=lambda options: lot_picker.read_again(hand.lot_id, options),
    bundled=hand.row.source != "upload",
)

# Asked for last, because only now it is known which wafers are in view.
asked = opinions.ask(hand, said, first=[int(i) for i in in_view])
with troubles:
    opinions.problems(asked)
with arriving:
    opinions.progress(hand, said, asked)
