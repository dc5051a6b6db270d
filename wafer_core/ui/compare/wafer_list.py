"""Wafers of a comparison in a list, each opened by a button."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import pandas as pd
import streamlit as st
from numpy.typing import NDArray

from wafer_core.ui.compare.comparison import Ground
from wafer_core.ui.shared import layout, state
from wafer_core.ui.shared.words import wafer_name
from wafer_core.verdicts_csv import inert

LISTED = 200
"""Wafers that are listed; the line below says how many there are."""


def draw(
    ground: Ground,
    members: NDArray[np.bool_],
    columns: Mapping[str, Callable[[int], str]],
    key: str,
    alt: str,
    student: str | None = None,
) -> None:
    """Draw wafers with a button each, and nothing where there are none.

    Args:
        ground: whose wafers they are.
        members: bool (wafers,), those to list.
        columns: what is told of each beside its name, by the column's title, from its position in the lot.
        key: of the buttons.
        alt: what the list is of.
        student: who the student is on the page that a button opens; by default whoever is in hand.
    """
    places = np.flatnonzero(members).tolist()
    if not places:
        return
    lot, shown = ground.lot, places[:LISTED]
    opened = layout.opened_row(key, [(ground.lot_id, lot.wafers[place].name) for place in shown])
    frame = pd.DataFrame(
        {
            "open": [":material/open_in_new: Open"] * len(shown),
            # The list can be downloaded as it is.
            "wafer": [inert(wafer_name(lot, lot.wafers[place])) for place in shown],
            **{inert(title): [told(place) for place in shown] for title, told in columns.items()},
        }
    )
    st.dataframe(
        frame,
        hide_index=True,
        height=layout.table_height(frame),
        column_config={"open": st.column_config.ButtonColumn("", key=key, type="tertiary", width=90)},
        alt=alt,
    )
    if len(places) > LISTED:
        st.caption(f"The first {LISTED} of {len(places):,} are listed.")
    if opened is not None:
        whose = {} if student is None else {"student": student}
        state.go("wafer", lot=opened[0], wafer=opened[1], **whose)
