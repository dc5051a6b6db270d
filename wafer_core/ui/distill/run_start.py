"""Starting a run, be it from the choices on the page or as one that was made before."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import streamlit as st

from wafer_core import jobs
from wafer_core.errors import WaferDistillError
from wafer_core.models.folder import ModelFile
from wafer_core.ui.compare.comparison import measured_on
from wafer_core.ui.shared import state
from wafer_core.ui.shared.words import plain

JUDGED_BY = "Students are judged by these wafers, so none may learn from them; choose another lot."


def begin(lot_id: str, settings: Mapping[str, object], teacher: Callable[[], ModelFile]) -> None:
    """Queue a run and open it; the same run that waits already is opened instead. Say why where it cannot start.

    Args:
        lot_id: what it learns from.
        settings: as `jobs.submit_distil` takes them.
        teacher: finds the weights that teach; what it raises is told like any other reason.
    """
    if lot_id in measured_on():
        st.error(JUDGED_BY)
        return
    store = state.workspace()
    try:
        run = jobs.submit_distil(store, lot_id, settings, teacher())
    except WaferDistillError as problem:
        st.error(plain(problem), title="This run cannot start")
        return
    jobs.ensure_worker(store)
    state.put(run=str(run))
    st.rerun()
