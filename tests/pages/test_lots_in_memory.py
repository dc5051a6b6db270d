"""Lots are of many megabytes: what pages keep of one must not keep the lot."""

import weakref
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from wafer_core.lot import Lot
from wafer_core.ui.lot import stacked_evidence, view
from wafer_core.ui.shared import state
from wafer_core.workspace import Workspace


@pytest.mark.usefixtures("nobody_works")
def test_a_lot_that_was_looked_at_is_let_go(visit: Callable[..., AppTest], store: Workspace, small_lot: Lot, answer):
    lot_id = store.add_lot(small_lot)
    model = store.model("teacher")
    answer(small_lot, model, ["Center"] * 6)
    for wafer in small_lot:
        store.put_attributions(model.sha256, wafer.map_hash, "deeplift", [0], np.ones((1, *wafer.frame.shape), "f4"))
    kept = view._stacks.cache_info().currsize, stacked_evidence._stacks.cache_info().currsize
    page = visit("lot", lot=lot_id, method="deeplift")
    assert not page.exception
    assert (view._stacks.cache_info().currsize, stacked_evidence._stacks.cache_info().currsize) > kept
    looked_at = weakref.ref(state.load_lot(lot_id))
    cells = [weakref.ref(wafer.states) for wafer in state.load_lot(lot_id)]
    del page
    state._lot.clear()
    # Another one is opened; no circle is looked for after that.
    state.load_lot(store.lots()[0].id)
    assert looked_at() is None
    assert not any(one() is not None for one in cells)


def test_a_wafer_of_a_lot_keeps_its_own_cells_alone(store: Workspace, small_lot: Lot):
    binned = replace(small_lot, wafers=tuple(replace(one, bins=one.states.astype(np.int32)) for one in small_lot))
    for wafer in store.lot(store.add_lot(binned)):
        assert wafer.states.base is None
        assert wafer.bins is not None
        assert wafer.bins.base is None
