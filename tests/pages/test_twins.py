"""Lots and grids that are called alike: a list sends back the text of what was chosen, so no two may share one."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from streamlit.testing.v1 import AppTest

from tests.pages.told import address
from wafer_core.lot import Lot
from wafer_core.ui.compare import comparison
from wafer_core.ui.shared import words
from wafer_core.workspace import Workspace

Visit = Callable[..., AppTest]


@pytest.fixture(autouse=True)
def no_benchmark(nobody_works: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(comparison, "shipped_sets", lambda: ())


@pytest.fixture
def twins(store: Workspace, small_lot: Lot) -> list[str]:
    """A lot, and the same read again the other way round, as the side bar's *Read again* leaves them."""
    other = replace(small_lot, wafers=tuple(wafer.turned("rotate-180") for wafer in small_lot))
    return [store.add_lot(small_lot), store.add_lot(other)]


def lists(page: AppTest) -> dict[str, list[str]]:
    return {box.label: box.options for box in (*page.selectbox, *page.multiselect)}


@pytest.mark.parametrize("name", ["lot", "wafer", "compare", "distill"])
def test_no_list_of_a_page_calls_two_choices_the_same(visit: Visit, twins: list[str], name: str):
    found = lists(visit(name, lot=twins[0], pool="lots"))
    assert found
    for options in found.values():
        assert len(set(options)) == len(options)


@pytest.mark.parametrize("place", [0, 1])
def test_a_run_is_of_the_lot_in_hand_whatever_else_is_called_like_it(
    visit: Visit, store: Workspace, twins: list[str], place: int
):
    page = visit("distill", lot=twins[place])
    page.selectbox(key="address-time").select("120").run()
    page.button(key="start").click().run()
    assert address(page, "lot") == twins[place]
    assert [job.lot for job in store.jobs("distil")] == [twins[place]]


@pytest.mark.parametrize("place", [0, 1])
def test_the_ground_of_a_comparison_stays_the_one_chosen(visit: Visit, twins: list[str], place: int):
    page = visit("compare", set=twins[place])
    page.selectbox(key="address-set").select(twins[place]).run()
    page.multiselect(key="address-students").select("student-tiny").run()
    assert address(page, "set") == twins[place]


def test_grids_of_one_size_are_told_apart_by_where_they_begin(visit: Visit, store: Workspace, lot_of, disc_states):
    lot = lot_of([disc_states(8, 8, 0.2, seed=i) for i in range(4)])
    moved = [replace(wafer, frame=replace(wafer.frame, x=7, y=-2)) for wafer in lot.wafers[2:]]
    page = visit(lot=store.add_lot(replace(lot, wafers=(*lot.wafers[:2], *moved))))
    [options] = [options for label, options in lists(page).items() if label == "Grid"]
    assert len(set(options)) == len(options) == 2
    assert any(option.endswith("from x 7, y -2") for option in options)
    second = next(box for box in page.selectbox if box.label == "Grid")
    second.select_index(1).run()
    page.selectbox(key="address-sort").select("yield").run()
    assert address(page, "grid").endswith("-1")


@pytest.mark.parametrize(
    ("called", "marks", "told"),
    [
        ({"a": "etch", "b": "litho"}, {}, ["etch", "litho"]),
        ({"a": "etch", "b": "etch"}, {"a": "monday", "b": "friday"}, ["etch · monday", "etch · friday"]),
        ({"a": "etch", "b": "etch", "c": "etch"}, {"a": "old"}, ["etch · old", "etch · 2", "etch · 3"]),
        ({"a": "etch", "b": "etch"}, {}, ["etch · 1", "etch · 2"]),
    ],
)
def test_what_is_called_alike_gets_as_many_marks_as_tell_it_apart(called, marks, told):
    assert list(words.told_apart(called, lambda key: marks.get(key, "")).values()) == told
