"""The Wafer page: one wafer on its own dies, what both models say of it, and why."""

from wafer_core.ui.shared import opinions, state
from wafer_core.ui.wafer import overlays, view

hand = state.in_hand()
said = opinions.opinions(hand)
here = view.position(hand, said)
asked = opinions.ask(hand, said, first=[here])
overlays.ask(hand, said, here)  # already here: the worker explains while the page is drawn

view.header(hand, said, here)
opinions.problems(asked)
view.answers(hand, said, here)

overlays.draw(hand, said, here)
view.watch(hand, said, here, asked)
