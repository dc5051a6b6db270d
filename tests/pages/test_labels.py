"""Labels come with an upload and not with a lot's id: what is measured by them follows the newest."""

import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from streamlit.testing.v1 import AppTest

from tests.pages.told import texts
from wafer_core.lot import Lot
from wafer_core.patterns import flags
from wafer_core.readers import NamedBytes
from wafer_core.readers.lotfile import write_lot
from wafer_core.ui.compare import comparison
from wafer_core.ui.compare.comparison import Ground
from wafer_core.workspace import Workspace

Visit = Callable[..., AppTest]
TEACHER = ["Center", "Center", "Scratch", "Normal", "Normal", "Loc"]
STUDENT = ["Center", "Center", "Scratch", "Normal", "Normal", "Normal"]


@pytest.fixture(autouse=True)
def no_benchmark(nobody_works: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(comparison, "shipped_sets", lambda: ())


def test_an_opinion_follows_the_thresholds_and_not_the_weights_alone(store: Workspace, small_lot: Lot, answer) -> None:
    ground = Ground(store.add_lot(small_lot), "a lot", len(small_lot), labelled=False, benchmark=False)
    model = store.model("student")
    answer(small_lot, model, STUDENT)
    before = comparison.opinion_on(ground, model).verdicts.detected
    surer = {model.file: replace(model.entry, thresholds=(0.9999999,) * 8)}
    after = comparison.opinion_on(ground, replace(model, card=replace(model.card, files=model.card.files | surer)))
    assert before.sum() == 3
    assert not after.verdicts.detected.any()


def test_sessions_that_ask_at_the_same_time_take_no_opinion_from_each_other(
    store: Workspace, small_lot: Lot, answer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As many opinions are kept as sessions drop while others look them up."""
    monkeypatch.setattr(comparison, "KEPT", 1)
    model = store.model("student")
    answer(small_lot, model, STUDENT)
    lots = [replace(small_lot, wafers=small_lot.wafers[:count]) for count in (3, 4, 5, 6)]
    grounds = [Ground(store.add_lot(lot), "a lot", len(lot), labelled=False, benchmark=False) for lot in lots]

    def ask(turn: int) -> int:
        return len(comparison.opinion_on(grounds[turn % len(grounds)], model).present)

    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(8) as sessions:
            assert list(sessions.map(ask, range(400))) == [3, 4, 5, 6] * 100
    finally:
        sys.setswitchinterval(before)


def labelled(lot: Lot, names: list[str]) -> Lot:
    return replace(
        lot, wafers=tuple(replace(wafer, labels=flags([name])) for wafer, name in zip(lot, names, strict=True))
    )


def exact(page: AppTest) -> dict[str, str]:
    assert not page.exception
    return {
        name: str(row["Exact match"]).split("\N{NO-BREAK SPACE}")[0] for name, row in page.table[0].value.iterrows()
    }


def test_compare_measures_anew_by_the_labels_of_a_later_upload(visit: Visit, store: Workspace, small_lot: Lot, answer):
    lot_id = store.add_lot(labelled(small_lot, TEACHER))
    answer(small_lot, store.model("teacher"), TEACHER)
    answer(small_lot, store.model("student"), STUDENT)
    page = visit("compare", set=lot_id, students="student")
    assert exact(page) == {"teacher": "100.0", "student": "83.3"}
    before = texts(page)
    store.read_upload([NamedBytes("later.npz", write_lot(labelled(small_lot, STUDENT)))])
    page.run()
    assert exact(page) == {"teacher": "83.3", "student": "100.0"}
    assert texts(page) != before
    assert "later.npz: Labels of 1 wafer changed; those of this upload count now." in texts(visit("lot", lot=lot_id))
