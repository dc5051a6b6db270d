import numpy as np
import pytest

from measurements.pages import crowded, crowded_lot
from wafer_core.decode import logit
from wafer_core.explain import DEFAULT
from wafer_core.patterns import PATTERNS, flags
from wafer_core.recognise import Scores
from wafer_core.workspace import Workspace

FOUR, OTHER = "Center+Edge-Ring+Loc+Scratch", "Donut+Edge-Ring+Loc+Scratch"
TEACHER = ["Center", FOUR, FOUR, FOUR, FOUR, "Normal"]
STUDENT = [FOUR, FOUR, OTHER, "Center+Loc", FOUR, "Normal"]
"""Of the third wafer five patterns would be explained."""


@pytest.fixture
def store(home, small_lot):
    workspace = Workspace(home)
    for name, sets in (("teacher", TEACHER), ("student-int8", STUDENT)):
        model = workspace.model(name)
        wanted = np.array([flags(each.split("+")) for each in sets])
        logits = logit(np.array(model.entry.thresholds)) + np.where(wanted, 4.0, -4.0)
        maps = [wafer.map_hash for wafer in small_lot]
        embedding = np.zeros((len(maps), 4), np.float32)
        workspace.put_scores(model.sha256, maps, Scores(logits.astype(np.float32), embedding, model.sha256))
    return workspace


def test_a_crowded_wafer_has_four_patterns_to_explain_and_was_never_explained(store, small_lot):
    models = [store.model("teacher"), store.model("student-int8")]
    lot = store.add_lot(small_lot)
    assert crowded(store, lot, models) == [0, 1, 3, 4]
    states = small_lot.wafers[1].states
    column = PATTERNS.index("Loc")
    store.put_attributions(
        models[0].sha256, small_lot.wafers[1].map_hash, DEFAULT, [column], np.zeros((1, *states.shape), np.float32)
    )
    assert crowded(store, lot, models) == [0, 3, 4]


def test_a_crowded_lot_holds_as_many_different_wafers_as_asked():
    lot = crowded_lot(9)
    assert len({wafer.map_hash for wafer in lot}) == len(lot) == 9
