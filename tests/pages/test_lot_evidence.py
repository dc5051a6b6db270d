"""The Lot page's stacked evidence: asked for by a button, a card a pattern, mixed wafers unmixed, grids apart."""

import base64
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from streamlit.testing.v1 import AppTest

from tests.pages.told import address, texts
from wafer_core.explain import DEFAULT
from wafer_core.explain.stacking import stack_evidence
from wafer_core.jobs.process import worker_lock
from wafer_core.lot import FAIL, Lot
from wafer_core.patterns import PATTERNS
from wafer_core.trust.record import SIMULATED, Kept, MadeSet, Record
from wafer_core.trust.tally import Reached
from wafer_core.ui.lot.stack_cards import share_table
from wafer_core.workspace import Workspace

Visit = Callable[..., AppTest]
Drawn = Callable[[AppTest], dict[str, dict[str, Any]]]
TEACHER = ["Center", "Normal", "Scratch", "Center+Scratch", "Center", "Normal"]
"""On grids of 20 x 20 dies (wafers 1, 2, 5) and of 22 x 14 (wafers 3, 4, 6)."""
STUDENT = ["Center", "Normal", "Normal", "Center", "Loc", "Normal"]


@pytest.fixture(autouse=True)
def no_worker(store: Workspace) -> Iterator[None]:
    """What is asked for stays asked for: the place of the one worker is taken."""
    with worker_lock(store.root) as held:
        assert held
        yield


@pytest.fixture
def lot_id(store: Workspace, small_lot: Lot, answer: Callable[..., None]) -> str:
    """The small lot in the workspace with the answers above, nothing of it explained."""
    for name, sets in (("teacher", TEACHER), ("approved", STUDENT), ("student-int8", STUDENT)):
        answer(small_lot, store.model(name), sets)
    return store.add_lot(small_lot)


def explain(store: Workspace, lot: Lot, wafer: int, *patterns: str, name: str = "teacher", by: str = DEFAULT) -> None:
    """Lay attributions ready: Center stands on the failing dies of the left half, anything else on the others."""
    states = lot.wafers[wafer].states
    left = np.arange(states.shape[1]) < states.shape[1] / 2
    dies = [np.where((states == FAIL) & (left if pattern == "Center" else ~left), 0.5, -0.1) for pattern in patterns]
    columns = [PATTERNS.index(pattern) for pattern in patterns]
    model = store.model(name)
    store.put_attributions(model.sha256, lot.wafers[wafer].map_hash, by, columns, np.stack(dies).astype(np.float32))


@pytest.fixture
def explained(store: Workspace, small_lot: Lot, lot_id: str) -> str:
    """The same lot, all that the teacher calls explained."""
    for wafer, sets in enumerate(TEACHER):
        if sets != "Normal":
            explain(store, small_lot, wafer, *sets.split("+"))
    return lot_id


def stacks(elements: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {key.removeprefix("stack-"): data for key, data in elements.items() if key.startswith("stack-")}


def shares(drawn: dict[str, Any]) -> NDArray[np.float32]:
    """The share of the evidence that each die of a card's map holds; NaN where there is no die."""
    layer = drawn["groups"][0]["maps"][0]["map"]["layers"][-1]
    values = np.frombuffer(base64.b64decode(layer["values"]), dtype="<f4")
    return values.reshape(drawn["stage"]["rows"], drawn["stage"]["columns"])


def behind(app: AppTest) -> list[Any]:
    """The links to wafers on the page."""
    return [link.proto for link in app.get("page_link") if " · " in link.proto.label]


def test_nothing_is_explained_before_someone_asks(visit: Visit, drawn: Drawn, store: Workspace, lot_id: str) -> None:
    app = visit(lot=lot_id)
    assert not app.exception
    assert not stacks(drawn(app))
    assert store.jobs("explain_lot") == []
    assert "The teacher calls a pattern on 4 wafers." in texts(app)
    assert "told once the first is done" in texts(app)
    app.button(key="explain-lot").click().run()
    assert not app.exception
    (job,) = store.jobs("explain_lot")
    assert (job.lot, job.payload["method"], job.payload["model"]) == (lot_id, DEFAULT, "teacher")
    assert "explain-lot" not in [button.key for button in app.button]
    # A refresh finds the same work, and the button that ends it.
    again = visit(lot=lot_id)
    assert len(store.jobs("explain_lot")) == 1
    again.button(key="cancel-explain-lot").click().run()
    job = store.job(job.id)
    assert job is not None
    assert job.cancel or job.over


def test_each_pattern_has_a_card_of_its_own_and_mixed_wafers_are_unmixed(
    visit: Visit, drawn: Drawn, explained: str
) -> None:
    app = visit(lot=explained)
    assert not app.exception
    cards = stacks(drawn(app))
    assert list(cards) == ["Center", "Scratch"]
    told = texts(app)
    assert "**The Center of this lot**  \n2 of 3 wafers, none mixed" in told
    assert "20 × 20 dies · 1 on 1 other grid" in told
    assert "**The Scratch of this lot**  \n2 wafers, 1 mixed" in told
    assert "22 × 14 dies · without the Center of 1 wafer" in told
    for data in cards.values():
        assert np.nansum(shares(data)) == pytest.approx(1, abs=1e-5)
    assert np.nansum(shares(cards["Center"])[:, 10:]) == 0
    assert np.nansum(shares(cards["Scratch"])[:, :11]) == 0
    alt = cards["Center"]["groups"][0]["maps"][0]["alt"]
    assert alt.startswith("Where the teacher's evidence for Center lies on 2 wafers; the strongest die is ")
    assert "explain-lot" not in [button.key for button in app.button]
    app.session_state["figures-Center"] = True
    app.run()
    (figures,) = [table.value for table in app.table if "speaks on" in table.value]
    assert len(figures) == 10
    assert set(figures["speaks on"]) <= {"1 of 2", "2 of 2"}


def test_another_grid_shows_the_patterns_that_stand_on_it(visit: Visit, drawn: Drawn, explained: str) -> None:
    app = visit(lot=explained)
    choice = app.selectbox(key="address-stackgrid")
    assert choice.options == [
        "Each pattern on its largest grid",
        "20 × 20 dies · 2 wafers",
        "22 × 14 dies · 2 wafers",
    ]
    choice.select_index(2).run()
    assert not app.exception
    kept = address(app, "stackgrid")
    assert kept is not None
    for page in (app, visit(lot=explained, stackgrid=kept)):
        assert {
            name: (data["stage"]["rows"], data["stage"]["columns"]) for name, data in stacks(drawn(page)).items()
        } == {
            "Center": (14, 22),
            "Scratch": (14, 22),
        }
        assert "**The Center of this lot**  \n1 of 3 wafers, 1 mixed" in texts(page)


def test_what_is_partly_explained_says_so_and_offers_the_rest(
    visit: Visit, drawn: Drawn, store: Workspace, small_lot: Lot, lot_id: str
) -> None:
    explain(store, small_lot, 3, "Center", "Scratch")
    app = visit(lot=lot_id)
    assert not app.exception
    assert set(stacks(drawn(app))) == {"Center", "Scratch"}
    assert "1 of 3 wafers, 1 mixed" in texts(app)
    assert "2 not explained yet" in texts(app)
    assert "calls a pattern on 4 wafers, 1 of them explained." in texts(app)
    assert app.button(key="explain-lot").label == "Explain the other 3 wafers"


def test_a_wafer_without_evidence_is_named_and_left_out(
    visit: Visit, drawn: Drawn, store: Workspace, small_lot: Lot, explained: str, answer: Callable[..., None]
) -> None:
    lot = small_lot
    model = store.model("approved")
    for wafer, pattern, strength in ((0, "Center", 0.5), (3, "Center", -0.5), (4, "Loc", 0.5)):
        dies = np.where(lot.wafers[wafer].states == FAIL, strength, 0).astype(np.float32)
        store.put_attributions(model.sha256, lot.wafers[wafer].map_hash, DEFAULT, [PATTERNS.index(pattern)], dies[None])
    app = visit(lot=explained, stack="student")
    assert not app.exception
    assert list(stacks(drawn(app))) == ["Center", "Loc"]
    assert "1 of 2 wafers, none mixed" in texts(app)
    assert "on 1 no failing die speaks for it" in texts(app)


def test_the_address_holds_whose_evidence_and_by_which_method(visit: Visit, drawn: Drawn, explained: str) -> None:
    app = visit(lot=explained)
    assert stacks(drawn(app))
    app.segmented_control(key="address-stack").set_value("student").run()
    app.selectbox(key="address-method").select("gradcam").run()
    assert (address(app, "stack"), address(app, "method")) == ("student", "gradcam")
    for page in (app, visit(lot=explained, stack="student", method="gradcam")):
        assert not page.exception
        assert "The student calls a pattern on 3 wafers." in texts(page)
        assert not stacks(drawn(page))
    page.button(key="explain-lot").click().run()
    assert page.selectbox(key="address-method").value == "gradcam"


def test_an_onnx_student_is_explained_by_occlusion(visit: Visit, store: Workspace, lot_id: str) -> None:
    app = visit(lot=lot_id, stack="student", student="student-int8", method="deeplift")
    assert not app.exception
    assert "by Occlusion" in texts(app)
    app.button(key="explain-lot").click().run()
    assert not app.exception
    assert store.jobs("explain_lot")[0].payload["method"] == "occlusion"


def test_a_card_says_where_its_method_is_no_better_than_chance(
    visit: Visit, drawn: Drawn, store: Workspace, small_lot: Lot, tiny_folder: Path, answer: Callable[..., None]
) -> None:
    folder = shutil.copytree(tiny_folder, store.student_root / "tiny-untrained")
    tiny = store.model("tiny-untrained")
    for name in ("tiny-untrained", "approved"):
        answer(small_lot, store.model(name), TEACHER)
    for wafer, sets in enumerate(TEACHER):
        if sets != "Normal":
            explain(store, small_lot, wafer, *sets.split("+"), name="tiny-untrained")
    lot = store.add_lot(small_lot)

    def visited() -> tuple[AppTest, dict[str, list[tuple[str, bool]]]]:
        app = visit(lot=lot, teacher="tiny-untrained")
        assert not app.exception
        figures = {name: data["groups"][0]["maps"][0] for name, data in stacks(drawn(app)).items()}
        return app, {name: [(f["text"], f["grave"]) for f in each["facts"]] for name, each in figures.items()}

    app, told = visited()
    assert told == {"Center": [], "Scratch": []}
    assert "How often it points rightly was not measured for these weights." in texts(app)

    by_chance = Reached("pointing", "Center", None, 0.5, 0.4, 0.6, 0.52, 480)
    better = Reached("pointing", "Scratch", None, 0.9, 0.8, 0.95, 0.3, 480)
    figures = tuple(Kept(tiny.sha256, DEFAULT, SIMULATED, each, "command") for each in (by_chance, better))
    Record((MadeSet(SIMULATED, "a" * 64, 500, 0),), figures).write(folder)
    app, told = visited()
    assert told["Center"] == [("50 %, no better than chance (52 %)", True)]
    assert told["Scratch"] == [("90 % (chance 30 %)", False)]
    assert "was not measured" not in texts(app)


def test_the_wafers_behind_a_map_are_links_and_a_filter(visit: Visit, explained: str) -> None:
    app = visit(lot=explained, method=DEFAULT)
    assert not behind(app)
    app.session_state["behind-Scratch"] = True
    app.run()
    assert not app.exception
    links = behind(app)
    assert [link.label for link in links] == ["03 · Scratch", "04 · Center + Scratch"]
    assert "wafer=L1%2F04" in links[1].query_string
    assert "pattern=Scratch" in links[1].query_string
    app.button(key="filter-Scratch").click().run()
    assert not app.exception
    assert address(app, "pattern") == "Scratch"
    assert "Wafers 1 to 2 of 2 found among 6" in texts(app)


def test_a_lot_still_being_read_and_one_without_patterns_offer_nothing(
    visit: Visit, store: Workspace, small_lot: Lot, answer: Callable[..., None]
) -> None:
    lot_id = store.add_lot(small_lot)
    answer(small_lot, store.model("approved"), ["Normal"] * 6)
    waiting = visit(lot=lot_id)
    assert "The teacher is still reading this lot" in texts(waiting)
    calm = visit(lot=lot_id, stack="student")
    assert "The student calls no pattern on any wafer" in texts(calm)
    for app in (waiting, calm):
        assert not app.exception
        assert "explain-lot" not in [button.key for button in app.button]


def test_a_chosen_grid_stays_when_the_other_model_stands_mostly_on_another(
    visit: Visit, store: Workspace, lot_of, disc_states, answer: Callable[..., None]
) -> None:
    first = lot_of([disc_states(12, 12, 0.2, seed=i) for i in range(3)], "A").wafers
    second = lot_of([disc_states(12, 12, 0.2, seed=10 + i) for i in range(2)], "B").wafers
    second = tuple(replace(wafer, frame=replace(wafer.frame, x=100, y=100)) for wafer in second)
    lot = Lot("two grids", (*first, *second))
    said = {"teacher": ["Center"] * 5, "student": ["Normal", "Normal", "Normal", "Center", "Center"]}
    for name, sets in said.items():
        answer(lot, store.model(name), sets)
        for wafer, pattern in zip(lot, sets, strict=True):
            if pattern == "Center":
                credit = (wafer.states == FAIL)[None].astype(np.float32)
                store.put_attributions(store.model(name).sha256, wafer.map_hash, DEFAULT, [0], credit)
    app = visit(lot=store.add_lot(lot))
    app.selectbox(key="address-stackgrid").select_index(1).run()
    kept = address(app, "stackgrid")
    assert kept == "12x12"
    assert app.selectbox(key="address-stackgrid").options[1] == "12 × 12 dies · 3 wafers"
    app = visit(lot=store.add_lot(lot), stackgrid=kept, stack="student")
    assert not app.exception
    assert app.selectbox(key="address-stackgrid").value == kept
    assert "12 × 12 dies · 0 wafers" in app.selectbox(key="address-stackgrid").options


def test_the_csv_of_stacks_tells_grids_of_one_size_apart(lot_of, disc_states) -> None:
    one, two = lot_of([disc_states(12, 12, 0.2, seed=i) for i in range(2)]).wafers
    two = replace(two, frame=replace(two.frame, x=-3, y=5, y_step=-1))
    found = [(i, column, np.ones((12, 12), np.float32)) for i, column in ((0, 0), (1, 3))]
    made = {PATTERNS[column]: stacked for column, (stacked,) in stack_evidence([one, two], found).items()}
    table = share_table(made)
    assert not table.duplicated(["grid", "x", "y"]).any()
    assert set(table["grid"]) == {"12 x 12 · from x 0, y 0", "12 x 12 · from x -3, y 5"}


def test_what_went_wrong_is_said_and_can_be_tried_again(visit: Visit, store: Workspace, lot_id: str) -> None:
    visit(lot=lot_id).button(key="explain-lot").click().run()
    (job,) = store.jobs("explain_lot")
    store.end_job(job.id, "failed", "The machine has too little memory for this.")
    app = visit(lot=lot_id)
    assert not app.exception
    assert "too little memory" in app.error[0].value
    app.button(key="explain-lot").click().run()
    assert len(store.jobs("explain_lot")) == 2


def test_the_csv_of_stacks_has_a_row_a_die_of_every_grid(visit: Visit, explained: str, small_lot: Lot) -> None:
    assert [one.proto.label for one in visit(lot=explained).get("download_button")].count("CSV") == 1
    wafers = [small_lot.wafers[i] for i in (0, 1, 2)]
    found = [(i, column, np.ones(wafers[i].states.shape, np.float32)) for i, column in ((0, 0), (1, 3), (2, 6))]
    stacks = {PATTERNS[column]: stacked for column, (stacked,) in stack_evidence(wafers, found).items()}
    table = share_table(stacks)
    assert list(table) == ["grid", "x", "y", "Center", "Edge-Ring", "Scratch"]
    sizes = table.groupby("grid", sort=False).size().to_dict()
    assert sizes == {"20 x 20": stacks["Center"].there.sum(), "22 x 14": wafers[2].dies}
    np.testing.assert_allclose(table[["Center", "Edge-Ring", "Scratch"]].sum(), 1.0)
    # A pattern says nothing on a grid that its map is not of.
    assert table.loc[table["grid"] == "22 x 14", ["Center", "Edge-Ring"]].isna().all(axis=None)
    row = table[table["Scratch"] > 0].iloc[0]
    assert wafers[2].states[row["y"], row["x"]] == FAIL
