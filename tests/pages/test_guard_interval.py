"""Comparisons on pages draw whole fab lots where there are enough of them."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from wafer_core.compare import Paired, paired
from wafer_core.lot import Lot
from wafer_core.patterns import flags
from wafer_core.recognise import Scores
from wafer_core.ui.compare import comparison
from wafer_core.ui.compare.before_after import paired_by_teacher
from wafer_core.ui.compare.comparison import Ground, opinion_on, paired_by_labels
from wafer_core.ui.shared import state
from wafer_core.workspace import Workspace

PER_LOT = 12
UNTESTED = 5
"""The place of a wafer nobody probed, in the first lot."""
LOST = PER_LOT - 1


@pytest.fixture
def of_lots(
    store: Workspace, answer: Callable[..., None], lot_of: Callable[..., Lot], disc_states, untested_states
) -> Callable[[int], Ground]:
    """Labelled wafers of so many fab lots, on all of the first of which the student alone errs; one is untested."""

    def ground(lots: int) -> Ground:
        grids = [disc_states(12, 12, 0.3, seed=i) for i in range(lots * PER_LOT)]
        grids[UNTESTED] = untested_states(12, 12)
        named = enumerate(lot_of(grids, title="of lots"))
        wafers = tuple(replace(wafer, lot=f"L{i // PER_LOT}", labels=flags(["Center"])) for i, wafer in named)
        tested = Lot("tested", tuple(wafer for wafer in wafers if wafer.scorable))
        for name, lost in (("teacher", 0), ("student", LOST)):
            model = store.model(name)
            answer(tested, model, ["Loc"] * lost + ["Center"] * (len(tested) - lost))
            embedding, _ = store.embeddings(model.sha256, [tested.wafers[0].map_hash])
            nothing = Scores(np.full((1, 8), np.nan, np.float32), np.full_like(embedding, np.nan), model.sha256)
            store.put_scores(model.sha256, [wafers[UNTESTED].map_hash], nothing)
        return Ground(store.add_lot(Lot("of lots", wafers)), "of lots", len(wafers), labelled=True, benchmark=False)

    return ground


def by_labels(ground: Ground) -> Paired:
    store = state.workspace()
    return paired_by_labels(ground, *(opinion_on(ground, store.model(name)) for name in ("teacher", "student")))


def by_teacher(ground: Ground) -> Paired:
    teacher, student = (opinion_on(ground, state.workspace().model(name)) for name in ("teacher", "student"))
    return paired_by_teacher(ground, teacher, teacher, student)


@pytest.mark.parametrize("compared", [by_labels, by_teacher])
def test_a_lot_that_is_lost_whole_may_be_met_again(of_lots: Callable[[int], Ground], compared) -> None:
    """Of ten lots drawn again three may be the lost one: 95 % of draws hold no more."""
    few, many = compared(of_lots(9)), compared(of_lots(10))
    assert (few.n, few.teacher_only) == (9 * PER_LOT - 1, LOST)
    assert (many.n, many.teacher_only) == (10 * PER_LOT - 1, LOST)
    assert few.upper < 0.2
    assert many.upper == pytest.approx(0.3, abs=0.03)
    truth = np.tile(flags(["Center"]), (many.n, 1)).astype(bool)
    student = truth.copy()
    student[:LOST] = False
    lots = [str(i // PER_LOT) for i in range(many.n + 1) if i != UNTESTED]
    assert many == paired(truth, student, truth, lots)


def test_accuracy_says_how_many_lots_its_intervals_draw(of_lots: Callable[[int], Ground], store: Workspace) -> None:
    for lots, said in ((9, None), (10, 10)):
        ground = of_lots(lots)
        found = comparison.compare(ground, store.model("teacher"), [store.model("student")])
        assert [standing.reached.lots for standing in found.all if standing.reached] == [said, said]
