"""The Wafer page: one wafer on its own dies, what both models say of it, and why."""

from wafer_core.ui import opinions, overlays, state, wafer_view

hand = state.in_hand()
said = opinions.opinions(hand)
here = wafer_view.position(hand, said)
asked = opinions.ask(hand, said, first=[here])
overlays.ask(hand, said, here)  # already here: the worker explains while the page is drawn

wafer_view.header(hand, said, here)
opinions.problems(asked)
wafer_view.answers(hand, said, here)

overlays.draw(hand, said, here)
wafer_view.watch(hand, said, here, asked)
