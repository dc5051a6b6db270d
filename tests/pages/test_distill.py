"""The Distill page: starting a run, watching it, and how each way of ending reads."""

import ast
import io
import json
import shutil
import zipfile
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from tests.pages.told import address, texts
from wafer_core import distill_lot, jobs
from wafer_core.canonical import canonical
from wafer_core.distill.settings import Settings
from wafer_core.distill_lot.judged import so_many
from wafer_core.held_out import held_out
from wafer_core.jobs.logbook import note
from wafer_core.lot import Lot
from wafer_core.models import saving
from wafer_core.models.folder import shipped_models
from wafer_core.models.networks import build, parameter_count
from wafer_core.models.saving import save_model
from wafer_core.models.sizes import STUDENT_SIZES
from wafer_core.novelty import UNTOLD
from wafer_core.readers import read_paths
from wafer_core.ui.compare import comparison
from wafer_core.ui.distill import allowance, form, run_record, runs, runs_together, sizes, zip_button
from wafer_core.ui.shared import layout, opinions, words
from wafer_core.workspace import ProgressPoint, Workspace

Visit = Callable[..., AppTest]

ASSETS = Path(__file__).resolve().parents[2] / "assets"

SIX = ["Center", "Center", "Scratch", "Normal", "Normal", "Normal"]
"""What a model names on the six wafers of `small_lot`."""


@pytest.fixture(autouse=True)
def no_benchmark(nobody_works: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing to measure students on, and nobody who would."""
    monkeypatch.setattr(comparison, "shipped_sets", lambda: ())


@pytest.fixture
def lot_id(store: Workspace, small_lot: Lot) -> str:
    return store.add_lot(small_lot)


def submit(store: Workspace, lot_id: str, budget: float = 60.0) -> int:
    return jobs.submit_distil(store, lot_id, {"size": "tiny", "budget": budget}, "teacher")


def test_start_queues_one_run_and_puts_it_into_the_address(visit: Visit, store: Workspace, lot_id: str):
    page = visit("distill", lot=lot_id, size="tiny", time="120")
    assert "No labels are read." in texts(page)
    page.button(key="start").click().run()
    assert not page.exception
    (job,) = store.jobs("distil")
    assert (job.lot, job.payload["settings"], job.payload["teacher"]) == (
        lot_id,
        {"size": "tiny", "budget": 120.0},
        "teacher",
    )
    assert address(page, "run") == str(job.id)
    page.button(key="start").click().run()
    assert len(store.jobs("distil")) == 1


def test_an_onnx_teacher_teaches_by_its_trained_weights(visit: Visit, store: Workspace, lot_id: str):
    page = visit("distill", lot=lot_id, teacher="teacher-onnx")
    page.button(key="start").click().run()
    assert store.jobs("distil")[0].payload["teacher"] == "teacher"


def test_the_lot_chosen_on_the_page_is_the_lot_in_hand(visit: Visit, store: Workspace, lot_id: str):
    page = visit("distill")
    page.selectbox(key="distill-lot").select(lot_id).run()
    assert address(page, "lot") == lot_id


def test_a_long_title_in_the_list_of_lots_is_cut_with_dots_and_keeps_its_wafers(
    visit: Visit, store: Workspace, small_lot: Lot
):
    long = store.add_lot(replace(small_lot, title="Simulated mixed lot, 38 label sets (no real wafers)"))
    options = visit("distill", lot=long).selectbox(key="distill-lot").options
    assert "Simulated mixed lot, 38 label… · 6 wafers" in options


def test_a_waiting_run_is_found_without_its_address_and_can_be_cancelled(visit: Visit, store: Workspace, lot_id: str):
    run = submit(store, lot_id)
    page = visit("distill", lot=lot_id)
    assert "Waiting for the worker" in texts(page)
    page.button(key=f"cancel-{run}").click().run()
    assert store.job(run).state == "cancelled"
    page = visit("distill", lot=lot_id, run=str(run))
    assert "no student was made" in texts(page)


@pytest.mark.parametrize(("spent", "asked"), [(30.0, False), (5 * 3600.0, True)])
def test_a_run_that_has_worked_for_long_is_not_lost_by_one_click(
    visit: Visit, store: Workspace, lot_id: str, spent: float, asked: bool
):
    run = submit(store, lot_id, budget=8 * 3600.0)
    store.begin_job(run)
    store.report(run, {"spent": spent, "stage": "train"})
    page = visit("distill", lot=lot_id, run=str(run))
    assert ("This throws away 5 h of work for good. *Pause* keeps it." in texts(page)) is asked
    button = page.button(key=f"cancel-{run}")
    assert button.label == ("Cancel the run" if asked else "Cancel")
    button.click().run()
    assert store.job(run).cancel


def test_a_waiting_run_says_how_many_go_first(visit: Visit, store: Workspace, lot_id: str):
    running, paused, first, last = (submit(store, lot_id, budget) for budget in (30, 60, 120, 300))
    store.begin_job(running)
    jobs.pause(store, paused)
    assert "1 run goes first." in texts(visit("distill", lot=lot_id, run=str(first)))
    assert "2 runs go first." in texts(visit("distill", lot=lot_id, run=str(last)))
    for run in (running, first):
        jobs.cancel(store, run)
    assert "It is next" in texts(visit("distill", lot=lot_id, run=str(last)))


def test_a_running_run_shows_agreement_loss_and_the_time_left(visit: Visit, store: Workspace, lot_id: str):
    run = submit(store, lot_id)
    store.begin_job(run)
    for step, agreed in ((1, 0), (10, 3), (20, 9)):
        told = {"step": step, "steps": 40, "seconds": step / 10, "loss": 1 / step, "agreed": agreed, "held_out": 12}
        told |= {"stage": "train", "spent": 8 + step / 10}
        store.report(run, told, point=ProgressPoint(step, step / 10, 1 / step, agreed, 12))
    page = visit("distill", lot=lot_id, run=str(run))
    assert not page.exception
    assert {metric.label: metric.value for metric in page.metric} == {
        "Agreement on held-out wafers": "9 of 12",
        "Loss": "0.0500",
    }
    assert "step 20 of 40" in texts(page)
    assert "10 s of 1 min" in texts(page)


def test_a_run_is_paused_resumed_and_says_so(visit: Visit, store: Workspace, lot_id: str):
    run = submit(store, lot_id)
    store.begin_job(run)
    store.report(run, {"step": 20, "steps": 40, "stage": "train", "spent": 21.0, "agreed": 2, "held_out": 4})
    page = visit("distill", lot=lot_id, run=str(run))
    page.button(key=f"pause-{run}").click().run()
    # Nobody works here, so what was running is a dead worker's and is held at once.
    assert store.job(run).state == "paused"
    page = visit("distill", lot=lot_id, run=str(run))
    assert "Paused · 21 s of 1 min · step 20 of 40" in texts(page)
    page.button(key=f"resume-{run}").click().run()
    assert store.job(run).state == "queued"


@pytest.mark.parametrize(("stage", "said"), [*runs.STAGES.items(), ("something new", "getting ready")])
def test_every_stage_has_words(store: Workspace, lot_id: str, stage: str, said: str):
    run = submit(store, lot_id)
    store.begin_job(run)
    store.report(run, {"stage": stage, "spent": 3.2})
    assert runs.headline(store.job(run)) == f"Running · 3 s of 1 min · {said}"


def told_stages() -> set[str]:
    """Every stage that a run can tell, as the code that tells it has it; of what is counted there are 24."""
    distilling = sorted(Path(distill_lot.__file__).parent.glob("*.py"))
    found: set[str] = set()
    for node in (
        node for path in (*distilling, Path(saving.__file__)) for node in ast.walk(ast.parse(path.read_text()))
    ):
        match node:
            case (
                ast.Yield(value=ast.Constant(value=str(name)))
                | ast.Call(func=ast.Name(id="Stage"), args=[ast.Constant(value=str(name)), *_])
            ):
                found.add(name)
            case ast.Yield(value=ast.JoinedStr(values=[ast.Constant(value=str(head)), *_])):
                found.add(f"{head}{so_many(24)}")
    return found


def test_every_stage_that_a_run_can_tell_has_words():
    told = told_stages()
    assert {"train", "ask the teacher", "int8 thresholds"} < told
    assert {stage for stage in told if runs.stage_words(stage) == "getting ready"} == set()
    assert set(runs.STAGES) <= told
    judged = "24 wafers of the guard set or the benchmark, by which students are judged"
    assert runs.stage_words(f"leave out {judged}") == f"leaving out {judged}"


PLANNED = {"steps": 640, "budget": 60.0, "prepared": 9.0, "step_seconds": 0.05, "writing_seconds": 7.0}


@pytest.mark.parametrize(
    ("told", "left"),
    [
        ({"stage": "ask the teacher", "spent": 4.0}, 56.0),
        ({"stage": "train", "spent": 9.0, "plan": PLANNED}, 640 * 0.05 + 7.0),
        ({"stage": "train", "step": 600, "seconds": 39.0, "spent": 48.0, "plan": PLANNED}, 40 * 0.05 + 7.0),
        # A slower machine than planned: the budget ends it before its last step.
        ({"stage": "train", "step": 600, "seconds": 50.0, "spent": 59.0, "plan": PLANNED}, 1.0),
        ({"stage": "int8", "step": 640, "seconds": 40.0, "spent": 51.0, "plan": PLANNED}, 5.0),
        ({"stage": "int8", "step": 640, "seconds": 40.0, "spent": 70.0, "plan": PLANNED}, 0.0),
        # Taken up again, it has not come to its steps yet; and so many steps as were asked for have no pace.
        ({"stage": "ask the teacher", "spent": 4.0, "plan": PLANNED}, 56.0),
        ({"stage": "train", "step": 3, "spent": 20.0, "plan": {**PLANNED, "step_seconds": 0.0}}, 40.0),
    ],
)
def test_what_a_run_still_takes_is_told_by_its_own_plan(store: Workspace, lot_id: str, told: dict, left: float):
    run = submit(store, lot_id)
    store.begin_job(run)
    store.report(run, told)
    assert runs.seconds_left(store.job(run)) == pytest.approx(left)


def test_a_running_run_says_how_many_steps_it_has_planned(visit: Visit, store: Workspace, lot_id: str):
    run = submit(store, lot_id)
    store.begin_job(run)
    assert "Now planned" not in texts(visit("distill", lot=lot_id, run=str(run)))
    store.report(run, {"stage": "train", "step": 600, "steps": 640, "spent": 48.0, "seconds": 39.0, "plan": PLANNED})
    page = visit("distill", lot=lot_id, run=str(run))
    assert not page.exception
    assert "Now planned: 640 steps at 50 ms each, 7 s kept for writing" in texts(page)
    assert [bar.proto.text for bar in page.get("progress")] == ["About 9 s left · you may close this page, it goes on"]


def test_few_held_out_wafers_are_told_as_counts():
    assert run_record.counted(9, 12) == "9 of 12 (6 to 11)"
    assert run_record.counted(238, 240) == "238 of 240 · 99.2 % (97.0 to 99.8)"
    assert run_record.counted(0, 0) == "none"


@pytest.mark.parametrize("name", form.PRESETS)
def test_a_preset_sets_size_and_time(visit: Visit, lot_id: str, name: str):
    preset = form.PRESETS[name]
    page = visit("distill", lot=lot_id, size="tiny", time="600")
    page.segmented_control(key="preset-tiny-600").set_value(name).run()
    assert not page.exception
    # What is usual is not written out.
    usual = {"size": form.USUAL_SIZE, "time": form.USUAL_TIME}
    size, time = (address(page, key) if key in page.query_params else usual[key] for key in usual)
    assert (size, time) == (preset.size, str(preset.seconds))
    assert page.segmented_control(key=f"preset-{preset.size}-{preset.seconds}").value == name


def test_the_rarer_settings_stand_in_the_address_and_reach_the_run(visit: Visit, store: Workspace, lot_id: str):
    page = visit("distill", lot=lot_id, views="0.5", pool="none", seed="3")
    page.button(key="start").click().run()
    settings = store.jobs("distil")[0].payload["settings"]
    assert settings == {"size": "small", "budget": 60.0, "augmentation": 0.5, "pool": "none", "seed": 3}
    assert set(settings) <= {field.name for field in fields(Settings)} | {"pool_lots"}


def test_the_page_asks_both_models_and_says_what_the_lot_allows(
    visit: Visit, store: Workspace, lot_id: str, small_lot: Lot, answer
):
    said = texts(visit("distill", lot=lot_id))
    assert "6 wafers, 1 of them held out" in said
    assert "The teacher still reads the lot" in said
    assert {job.payload["model"] for job in store.jobs("score")} == {"teacher", "student"}
    answer(small_lot, store.model("teacher"), SIX, unlike=[2])
    said = texts(visit("distill", lot=lot_id))
    assert "Unlike anything the teacher was taught on: 1 of 6; its answers there are guesses" in said
    assert "The teacher sees Center on 2, Scratch on 1, no pattern on 3; it is unsure of 0 of 6." in said
    assert "Little of Center, Scratch: fewer than 10 wafers" in said
    assert "Nothing of Donut, Edge-Loc, Edge-Ring, Loc, Near-Full, Random" in said
    assert "what is learned beside it keeps them alive" in said
    assert "the student it starts from (student) and shipped wafers carry the rest" in said
    assert said.count("cannot mend its errors") == 1


def test_what_is_left_out_is_not_counted_and_what_nothing_keeps_is_said(
    visit: Visit, store: Workspace, lot_id: str, small_lot: Lot, answer
):
    answer(small_lot, store.model("teacher"), ["Center", "Center", "Scratch", "Normal", "Normal", "Normal"])
    said = texts(visit("distill", lot=lot_id, pool="none", without=f"{lot_id[:6]}-0.2"))
    assert "4 wafers, 1 of them held out to check the student on; 2 left out." in said
    assert "No wafer is unlike anything the teacher knows" in said
    assert "The teacher sees Center on 1, no pattern on 3" in said
    assert "nothing keeps it from forgetting them" in said


@pytest.mark.parametrize(
    ("begins", "said"),
    [
        (["Center", "Donut", "Scratch", "Normal", "Loc", "Normal"], "names what the teacher does on 4 of 6 already"),
        (SIX, "Nothing that its answers would show: student names what the teacher does on all 6 already"),
        (None, None),
    ],
)
def test_what_the_student_it_starts_from_says_like_the_teacher_already_is_not_to_be_gained(
    visit: Visit, store: Workspace, lot_id: str, small_lot: Lot, answer, begins: list[str] | None, said: str | None
):
    answer(small_lot, store.model("teacher"), SIX)
    if begins is not None:
        answer(small_lot, store.model("student"), begins)
    page = visit("distill", lot=lot_id)
    if said is None:
        assert "names what the teacher does" not in texts(page)
        assert "student" in [job.payload["model"] for job in store.jobs("score")]
    else:
        assert said in texts(page)
        assert store.jobs("score") == []


def test_wafers_that_students_are_judged_by_are_not_counted(visit: Visit, store: Workspace):
    lot = read_paths([ASSETS / "lots" / "lot17184.npz"])
    said = texts(visit("distill", lot=store.add_lot(lot)))
    assert "5 wafers of the guard set or the benchmark, by which students are judged, are not learned from." in said
    assert "12 wafers, 3 of them held out to check the student on." in said


def test_random_weights_have_everything_to_gain(visit: Visit, store: Workspace, lot_id: str, small_lot: Lot, answer):
    answer(small_lot, store.model("teacher"), SIX)
    answer(small_lot, store.model("student"), SIX)
    assert "names what the teacher does" not in texts(visit("distill", lot=lot_id, start="random"))


@pytest.mark.parametrize(
    ("wafers", "begins", "pool", "said"),
    [
        (100, None, "none", "**Enough wafers**"),
        (99, "student", "none", "the student it starts from (student) carries the rest."),
        (99, "student", "both", "(student) and other lots and shipped wafers carry the rest."),
        (99, None, "shipped", "by themselves; shipped wafers carry"),
        (99, None, "none", "**Not enough**"),
        (0, "student", "shipped", "**Nothing to learn from**"),
    ],
)
def test_whether_a_lot_is_enough_is_said_first(store: Workspace, wafers: int, begins: str | None, pool: str, said: str):
    assert said in allowance._enough(wafers, store.model(begins) if begins else None, pool)


@pytest.mark.parametrize("size", STUDENT_SIZES)
def test_a_size_that_ships_starts_from_what_ships_unless_told_otherwise(
    visit: Visit, store: Workspace, lot_id: str, size: str
):
    page = visit("distill", lot=lot_id, size=size)
    usual, *_, random = page.selectbox(key="address-start").options
    assert usual.startswith("the shipped student")
    assert allowance._RANDOM not in texts(page)
    page.selectbox(key="address-start").select("random").run()
    assert random == "random weights"
    assert allowance._RANDOM in texts(page)
    page.button(key="start").click().run()
    assert store.jobs("distil")[0].payload["settings"] == {"size": size, "budget": 60.0, "fresh": True}


def test_a_run_goes_on_from_a_student_of_its_size_that_was_made_here(visit: Visit, store: Workspace, lot_id: str):
    folder = shutil.copytree(store.model("student").folder, store.student_root / "etch-1")
    page = visit("distill", lot=lot_id, start="etch-1")
    assert "the student it starts from (etch-1)" in texts(page)
    page.button(key="start").click().run()
    settings = store.jobs("distil")[0].payload["settings"]
    assert settings["start"] == str(folder)
    assert runs_together.settings_text(store.jobs("distil")[0], {})["Starts from"] == "etch-1"
    # A larger one can grow out of it.
    page = visit("distill", lot=lot_id, start="etch-1", size="base")
    assert page.selectbox(key="address-start").value == "etch-1"
    assert "etch-1, grown" in page.selectbox(key="address-start").options
    # It is no beginning for a student of another size, which starts as usual, and the page says so.
    page = visit("distill", lot=lot_id, start="etch-1", size="tiny")
    assert page.selectbox(key="address-start").value == "shipped"
    assert "etch-1 is in the archive, gone or of another size" in texts(page)
    assert "but with the shipped student-tiny." in texts(page)
    page.button(key="start").click().run()
    assert "start" not in store.jobs("distil")[0].payload["settings"]


def test_as_many_wafers_are_held_out_as_is_said(visit: Visit, store: Workspace, lot_of, disc_states):
    """A hash decides, so that it is rarely a fifth."""
    lot = lot_of([disc_states(12, 12, 0.3, seed=i) for i in range(40)])
    lot_id = store.add_lot(lot)
    kept = int(held_out(lot.wafers).sum())
    assert kept != 8
    assert f"40 wafers, {kept} of them held out to check the student on." in texts(visit("distill", lot=lot_id))
    without = [wafer for i, wafer in enumerate(lot) if i not in (3, 5)]
    kept = int(held_out(without).sum())
    said = texts(visit("distill", lot=lot_id, without=f"{lot_id[:6]}-3.5"))
    assert f"38 wafers, {kept} of them held out to check the student on; 2 left out." in said


def test_a_time_that_affords_to_look_at_some_of_the_held_out_wafers_promises_no_more(
    visit: Visit, store: Workspace, lot_of, disc_states
):
    lot = lot_of([disc_states(8, 8, 0.3, seed=i) for i in range(800)])
    kept, lot_id = int(held_out(lot.wafers).sum()), store.add_lot(lot)
    some = f"{kept} of them held out and 120 of these to check the student on."
    assert kept > 120
    assert some in texts(visit("distill", lot=lot_id, time="30"))
    assert f"{kept} of them held out to check the student on." in texts(visit("distill", lot=lot_id, time="60"))


def test_what_a_lot_allows_is_counted_once_and_not_wafer_by_wafer(
    visit: Visit, store: Workspace, lot_of, disc_states, monkeypatch: pytest.MonkeyPatch
):
    lot = lot_of([disc_states(12, 12, 0.3, seed=100 + i) for i in range(60)])
    address = {"lot": store.add_lot(lot), "without": f"{lot.lot_hash[:6]}-{'.'.join(map(str, range(30)))}"}
    visit("distill", **address)
    asked: list[str] = []
    find = Workspace.lot_file
    monkeypatch.setattr(Workspace, "lot_file", lambda store, lot_id: asked.append(lot_id) or find(store, lot_id))
    before = allowance._kept.cache_info()
    assert "30 wafers" in texts(visit("distill", **address))
    after = allowance._kept.cache_info()
    assert (after.misses, after.hits > before.hits) == (before.misses, True)
    assert len(asked) < 30


def test_other_lots_and_wafers_left_out_reach_the_run(visit: Visit, store: Workspace, lot_id: str, small_lot: Lot):
    other = store.add_lot(replace(small_lot, title="another", wafers=small_lot.wafers[:3]))
    page = visit("distill", lot=lot_id, pool="lots", beside=f"{other}.{lot_id}.gone")
    page.multiselect(key=f"without-{lot_id}").select(1).run()
    assert address(page, "without") == f"{lot_id[:6]}-1"
    page.selectbox(key="address-below").select("50").run()
    page.button(key="start").click().run()
    assert not page.exception
    settings = store.jobs("distil")[0].payload["settings"]
    low = [wafer.name for wafer in small_lot if wafer.yield_fraction < 0.5]
    assert low
    assert (settings["pool"], settings["pool_lots"]) == ("lots", [other])
    assert settings["without"] == [small_lot.wafers[1].name, *low]


def test_no_student_learns_from_wafers_it_is_judged_by(visit: Visit, store: Workspace, lot_id: str, small_guard):
    guard = store.add_lot(small_guard.lot)
    page = visit("distill", lot=lot_id, pool="lots", beside=guard)
    assert page.multiselect(key="beside").value == []
    assert not any(small_guard.lot.title in option for option in page.multiselect(key="beside").options)
    page.button(key="start").click().run()
    assert not page.exception
    assert store.jobs("distil") == []


def test_a_pool_of_other_lots_without_one_is_refused_in_a_sentence(visit: Visit, store: Workspace, lot_id: str):
    page = visit("distill", lot=lot_id, pool="lots")
    page.button(key="start").click().run()
    assert not page.exception
    assert "name at least one" in texts(page)
    assert store.jobs("distil") == []


def test_wafers_left_out_of_another_lot_mean_nothing_here(visit: Visit, store: Workspace, lot_id: str):
    page = visit("distill", lot=lot_id, without="abcdef-1.2")
    page.button(key="start").click().run()
    assert "without" not in store.jobs("distil")[0].payload["settings"]


@pytest.fixture
def watched(store: Workspace, lot_id: str, small_lot: Lot) -> int:
    """A run in the middle, which tells of two held-out wafers."""
    run = submit(store, lot_id)
    store.begin_job(run)
    sure, none = [6.0, *[-6.0] * 7], [-6.0] * 8
    examples = {"wafers": [wafer.name for wafer in small_lot.wafers[:2]], "teacher": [sure, none]}
    look = {"agreed": 1, "both": [1, *[0] * 7], "either": [2, *[0] * 7], "first": [[4.0, *[-6.0] * 7], none]}
    told = {"step": 20, "steps": 40, "seconds": 2.0, "loss": 0.5, "agreed": 1, "held_out": 2, "stage": "train"}
    told |= {"spent": 10.0, "look": look, "examples": {**examples, "student": [none, none]}}
    store.report(run, told, point=ProgressPoint(20, 2.0, 0.5, 1, 2))
    note(store, run, "step 20 of 40: loss 0.5000, 1 of 2 held-out wafers agree")
    return run


def test_held_out_wafers_are_watched_one_by_one_and_by_pattern(visit: Visit, lot_id: str, watched: int):
    page = visit("distill", lot=lot_id, run=str(watched))
    assert not page.exception
    said = texts(page)
    assert "| Held-out wafers | Center |" in said
    assert "| 1 of 2 |" in said
    assert "**01** =" in said
    assert "student Center · Center 0.98" in said
    assert "at first Normal" in said
    assert "step 20 of 40: loss 0.5000" in page.code[0].value


def test_runs_are_laid_over_each_other_and_their_differences_told(visit: Visit, store: Workspace, lot_id: str):
    made = []
    for seed in (0, 3):
        run = jobs.submit_distil(store, lot_id, {"size": "tiny", "budget": 60.0, "seed": seed}, "teacher")
        store.begin_job(run)
        told = {"step": 20, "steps": 20, "seconds": 9.0, "loss": 0.5, "agreed": seed, "held_out": 4}
        store.report(run, told, point=ProgressPoint(20, 9.0, 0.5, seed, 4))
        store.end_job(run, "failed", "It failed.")
        made.append(run)
    page = visit("distill", lot=lot_id, **{"beside-runs": ".".join(map(str, made))})
    assert not page.exception
    frame = page.table[0].value
    assert list(frame.index) == ["Seed", "Steps done", "Agreement, last", "Loss, last"]
    assert list(frame.loc["Seed"]) == ["0", "3"]
    assert list(frame.loc["Agreement, last"]) == ["0 of 4", "3 of 4"]
    page.multiselect(key="runs-together").set_value([made[1]]).run()
    assert address(page, "beside-runs") == str(made[1])
    assert "Seed" not in page.table[0].value.index


def test_every_setting_of_a_run_is_compared(store: Workspace, lot_id: str):
    run = store.job(submit(store, lot_id))
    usual = runs_together.settings_text(run, {lot_id: "small"})
    other = {"pool": "both", "pool_lots": ["x"], "without": ["L1/01"], "augmentation": 0.5, "steps": 1000, "seed": 4}
    other |= {"size": "base", "budget": 300.0, "start": "students/etch-1"}
    taught = {"teacher": "mine", "sha256": "ab" * 32, "settings": {**run.payload["settings"], **other}}
    changed = replace(run, lot="y", payload={**run.payload, **taught})
    titles = {lot_id: "small", "x": "other", "y": "large"}
    found = runs_together.differences([usual, runs_together.settings_text(changed, titles)])
    assert found.keys() == usual.keys()
    assert {name: values[1] for name, values in found.items()} == {
        "Lot": "large",
        "Size": "base",
        "Time": "300 s",
        "Starts from": "etch-1",
        "Teacher": "mine · abababab",
        "Steps": "1,000",
        "Variation of the wafers": "weak",
        "Learned beside the lot": "other lots and shipped wafers",
        "Other lots": "other",
        "Left out": "L1/01",
        "Seed": "4",
    }


def test_the_list_of_runs_says_how_they_stand_by_now(visit: Visit, store: Workspace, lot_id: str, monkeypatch):
    """What the page watches is how runs stand, beside how they stood when it was drawn."""
    seen = []
    monkeypatch.setattr(opinions, "watch", lambda measure, drawn, every=1.0: seen.append((measure, drawn)))
    run = submit(store, lot_id)
    visit("distill", lot=lot_id)
    measure, drawn = seen[-1]
    assert measure() == drawn == ["queued"]
    store.begin_job(run)
    assert measure() == ["running"] != drawn
    store.end_job(run, "cancelled", "Cancelled.")
    seen.clear()
    visit("distill", lot=lot_id)
    assert not any(drawn == ["cancelled"] for _, drawn in seen)


@pytest.mark.parametrize(
    ("state", "message", "said"),
    [
        ("failed", "The system refused a file (No space left on device).", "No space left"),
        (
            "lost",
            "The worker stopped 5 times in the middle of this; start it again to try once more.",
            "stopped 5 times",
        ),
        ("cancelled", "Cancelled.", "no student was made"),
    ],
)
def test_every_bad_end_is_a_sentence_and_can_be_tried_again(
    visit: Visit, store: Workspace, lot_id: str, state: str, message: str, said: str
):
    run = submit(store, lot_id)
    store.begin_job(run)
    store.end_job(run, state, message)
    page = visit("distill", lot=lot_id, run=str(run))
    assert not page.exception
    assert said in texts(page)
    page.button(key=f"again-{run}").click().run()
    again = store.jobs("distil")[0]
    assert again.id != run
    assert again.payload == store.job(run).payload
    assert address(page, "run") == str(again.id)


def test_a_run_of_another_machine_is_named_as_missing(visit: Visit, lot_id: str):
    page = visit("distill", lot=lot_id, run="4711")
    assert not page.exception
    assert "There is no run 4711" in texts(page)


@pytest.fixture
def finished(store: Workspace, lot_id: str, tiny_folder) -> int:
    """A run that is done: its folder is the untrained model's, under the run's name."""
    run = submit(store, lot_id)
    store.begin_job(run)
    told = {"step": 20, "steps": 20, "seconds": 33.0, "loss": 0.1, "agreed": 2, "held_out": 4}
    store.report(run, told, point=ProgressPoint(20, 33.0, 0.1, 2, 4))
    folder = store.student_root / str(store.job(run).name)
    shutil.copytree(tiny_folder, folder)
    card = json.loads((folder / "card.json").read_text())
    (folder / "card.json").write_text(json.dumps({**card, "role": "student"}))
    before = {"wafers": 4, "exact": 1, "called": 2, "exact_called": 0, "logit_difference": 1.234}
    after = {"wafers": 4, "exact": 3, "called": 2, "exact_called": 1, "logit_difference": 0.5}
    plan = {"steps": 20, "prepared": 10.0, "step_seconds": 0.2, "writing_seconds": 2.0}
    record = {"start": {"name": "tiny"}, "agreement": {"before": before, "after": after}, "plan": plan}
    (folder / "run.json").write_text(json.dumps(record))
    store.end_job(run, "done", "ready")
    return run


def test_a_finished_run_is_used_compared_and_taken_along(visit: Visit, store: Workspace, lot_id: str, finished: int):
    page = visit("distill", lot=lot_id, run=str(finished))
    assert not page.exception
    name = str(store.job(finished).name)
    assert f"**{name}** is ready" in texts(page)
    assert UNTOLD in texts(page)  # its card has no reference
    assert "2 of 4" in texts(page)
    assert "| All held-out wafers | 1 of 4 (0 to 3) | 3 of 4 (1 to 4) |" in texts(page)
    assert "| Where either names a pattern | 0 of 2 (0 to 1) | 1 of 2 (0 to 2) |" in texts(page)
    assert "| Mean difference of logits | 1.23 | 0.50 |" in texts(page)
    page.query_params["students"] = "student-tiny"
    page.button(key=f"use-{finished}").click().run()
    assert address(page, "student") == name
    # Else it would be compared with nobody: that choice was made before there was such a student.
    assert address(page, "students") is None
    assert {button.label for button in page.get("download_button")} == {"Download", "Download for the tool"}


def test_a_run_that_looked_at_some_of_the_held_out_wafers_says_so(visit: Visit, store: Workspace, finished: int):
    path = store.student_root / str(store.job(finished).name) / "run.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "held_out": 9}))
    said = texts(visit("distill", run=str(finished)))
    assert "| 4 of the 9 held-out wafers | 1 of 4 (0 to 3) | 3 of 4 (1 to 4) |" in said


def test_a_finished_student_has_one_figure_of_agreement_and_its_curve_is_told_apart(
    visit: Visit, lot_id: str, finished: int
):
    page = visit("distill", lot=lot_id, run=str(finished))
    assert "3 of 4" in [element.value for element in page.markdown]
    assert "2 of 4" not in [element.value for element in page.markdown]
    assert "Agreement while it learned, at the teacher's limits **2 of 4**" in texts(page)
    assert "Agreement on held-out wafers" not in texts(page)


@pytest.mark.parametrize(("prepared", "said"), [(10.0, ""), (53.0, "its plan left 5 s"), (70.0, "its plan left 0 s")])
def test_a_run_that_had_no_time_to_learn_in_says_so_and_why(
    visit: Visit, store: Workspace, finished: int, prepared: float, said: str
):
    path = store.student_root / str(store.job(finished).name) / "run.json"
    record = json.loads(path.read_text())
    path.write_text(json.dumps({**record, "plan": {**record["plan"], "prepared": prepared}}))
    warnings = " ".join(str(each.value) for each in visit("distill", run=str(finished)).warning)
    assert ("Of 1 min" in warnings) == bool(said)
    assert said in warnings


def test_a_time_that_affords_no_step_promises_none():
    plan = {"prepared": 10.0, "step_seconds": 0.2, "writing_seconds": 2.0}
    assert form.estimate(12.1, plan).startswith("No step fits into that time, at 200 ms each")
    assert form.estimate(12.3, plan).startswith("About 1 step, at 200 ms each")


def test_no_held_out_wafers_are_no_count_of_none(visit: Visit, store: Workspace, lot_id: str):
    run = submit(store, lot_id)
    store.begin_job(run)
    told = {"step": 20, "steps": 20, "seconds": 9.0, "loss": 0.5, "agreed": 0, "held_out": 0}
    store.report(run, told, point=ProgressPoint(20, 9.0, 0.5, 0, 0))
    store.end_job(run, "failed", "It failed.")
    page = visit("distill", lot=lot_id, **{"beside-runs": str(run)})
    assert list(page.table[0].value.loc["Agreement, last"]) == ["–"]


def test_the_lot_of_a_run_opens_without_the_wafer_of_another(visit: Visit, lot_id: str, finished: int):
    page = visit("distill", lot=lot_id, run=str(finished), wafer="L9/99")
    page.button(key="use").click().run()
    assert not page.exception
    assert "wafer" not in page.query_params


def test_a_run_is_estimated_from_the_last_one_of_its_size(visit: Visit, store: Workspace, finished: int, lot_id: str):
    # That one was of another network, as an earlier version may have had under the same name: it tells nothing.
    assert "About 240 steps" not in texts(visit("distill", lot=lot_id, size="tiny"))
    [asked] = store.jobs("rehearse")
    path = store.student_root / str(store.job(finished).name) / "card.json"
    card = json.loads(path.read_text())
    path.write_text(json.dumps({**card, "architecture": STUDENT_SIZES["tiny"]}))
    assert "About 240 steps, at 200 ms each, as measured" in texts(visit("distill", lot=lot_id, size="tiny"))
    assert store.jobs("rehearse") == [asked]


@pytest.mark.parametrize(
    "record",
    [
        "[1]",
        "[" * 100_000,
        '{"plan": [1]}',
        '{"plan": {"step_seconds": 0.1}}',
        '{"plan": {"prepared": 1, "step_seconds": "x", "writing_seconds": 1}}',
        '{"agreement": [1]}',
        '{"start": "x", "agreement": {"after": {"wafers": 3}}}',
        '{"agreement": {"after": {"wafers": 3, "exact": 4, "called": 0, "exact_called": 0, "logit_difference": 0}}}',
    ],
)
def test_a_record_of_another_shape_counts_as_none(
    visit: Visit, store: Workspace, finished: int, lot_id: str, record: str
):
    folder = store.student_root / str(store.job(finished).name)
    (folder / "run.json").write_text(record)
    card = json.loads((folder / "card.json").read_text())
    (folder / "card.json").write_text(json.dumps({**card, "architecture": STUDENT_SIZES["tiny"]}))
    assert run_record.written(folder) == run_record.Written()
    page = visit("distill", lot=lot_id, size="tiny", run=str(finished))
    assert not page.exception
    assert "is ready" in texts(page)
    assert "All held-out wafers" not in texts(page)


def test_a_run_unlike_any_before_is_tried_first(visit: Visit, store: Workspace, lot_id: str):
    for _ in range(2):
        page = visit("distill", lot=lot_id, size="base")
        assert "is measured as the worker gets to it" in texts(page)
    [tried] = store.jobs("rehearse")
    assert tried.payload["size"] == "base"
    store.begin_job(tried.id)
    plan = {"prepared": 10.0, "step_seconds": 0.2, "writing_seconds": 2.0, "wafer_seconds": 0.00042}
    store.report(tried.id, plan)
    store.end_job(tried.id, "done", "tried")
    said = texts(visit("distill", lot=lot_id, size="base"))
    assert (
        "About 240 steps, at 200 ms each; its int8 file will read a wafer in 0.42 ms, one at a time on one core" in said
    )
    assert "choose more" not in said
    assert "choose more" in form.estimate(23.0, plan)
    assert len(store.jobs("rehearse")) == 1


@pytest.mark.parametrize(
    ("ending", "message", "said"),
    [
        ("failed", "The system refused a file (No space left on device).", "No space left"),
        ("cancelled", "Cancelled.", "Cancelled."),
        ("lost", "The worker stopped 5 times in the middle of this.", "stopped 5 times"),
        ("done", "tried", "without having measured a step"),
    ],
)
def test_a_run_that_could_not_be_tried_says_why_and_is_tried_again_when_asked(
    visit: Visit, store: Workspace, lot_id: str, ending: str, message: str, said: str
):
    visit("distill", lot=lot_id)
    store.end_job(store.jobs("rehearse")[0].id, ending, message)
    page = visit("distill", lot=lot_id)
    assert not page.exception
    assert said in texts(page)
    assert "as the worker gets to it" not in texts(page)
    # Looking at the page asks for nothing.
    assert len(store.jobs("rehearse")) == 1
    page.button(key="rehearse-again").click().run()
    again, before = store.jobs("rehearse")
    assert (again.state, again.payload, again.urgency) == ("queued", before.payload, before.urgency)
    assert "is measured as the worker gets to it" in texts(page)


def test_a_run_that_cannot_start_is_given_no_steps(visit: Visit, store: Workspace, finished: int, small_guard):
    path = store.student_root / str(store.job(finished).name) / "card.json"
    card = json.loads(path.read_text())
    path.write_text(json.dumps({**card, "architecture": STUDENT_SIZES["tiny"]}))
    page = visit("distill", lot=store.add_lot(small_guard.lot), size="tiny")
    assert "so none may learn from them" in texts(page)
    assert "steps, at" not in texts(page)


def test_nothing_is_tried_on_wafers_that_students_are_judged_by(visit: Visit, store: Workspace, small_guard):
    page = visit("distill", lot=store.add_lot(small_guard.lot))
    assert "so none may learn from them" in texts(page)
    assert "as the worker gets to it" not in texts(page)
    assert not store.jobs("rehearse")


def test_no_run_of_wafers_that_students_are_judged_by_starts_again(visit: Visit, store: Workspace, small_guard):
    guard = store.add_lot(small_guard.lot)
    run = submit(store, guard)
    store.end_job(run, "failed", "It failed.")
    page = visit("distill", lot=guard, run=str(run))
    page.button(key=f"again-{run}").click().run()
    assert not page.exception
    assert [job.id for job in store.jobs("distil")] == [run]


def test_a_student_whose_folder_is_gone_is_named(visit: Visit, store: Workspace, lot_id: str, finished: int):
    shutil.rmtree(store.student_root / str(store.job(finished).name))
    page = visit("distill", lot=lot_id, run=str(finished))
    assert not page.exception
    assert "no longer in the workspace" in texts(page)


def test_a_zip_holds_the_whole_folder(store: Workspace, finished: int):
    student = store.model(str(store.job(finished).name))
    names = zipfile.ZipFile(io.BytesIO(zip_button.zipped(student))).namelist()
    assert sorted(names) == sorted(f"{student.folder.name}/{path.name}" for path in student.folder.iterdir())


def test_more_runs_than_a_page_are_paged(visit: Visit, store: Workspace, lot_id: str):
    for budget in range(100, 100 + layout.LINES + 2):
        store.end_job(submit(store, lot_id, budget), "cancelled", "Cancelled before it began.")
    first, second = visit("distill", lot=lot_id), visit("distill", lot=lot_id, runs="2")
    opened = [sum(button.label == "Open" for button in page.button) for page in (first, second)]
    assert opened == [layout.LINES, 2]


@pytest.mark.parametrize("size", STUDENT_SIZES)
def test_sizes_say_what_the_networks_weigh(size: str):
    told = sizes.SIZES[size]
    assert told.architecture == STUDENT_SIZES[size]
    assert told.parameters == parameter_count(build(told.architecture))


def test_sizes_say_what_the_shipped_int8_files_take():
    shipped = {
        model.card.architecture: model.entry.bytes for model in shipped_models() if model.entry.precision == "int8"
    }
    for told in (sizes.SIZES["tiny"], sizes.SIZES["small"]):
        assert told.int8 == pytest.approx(shipped[told.architecture], rel=0.02)


def test_a_size_that_does_not_ship_is_told_as_it_is_exported(tmp_path: Path, small_lot: Lot):
    told = sizes.SIZES["base"]
    save_model(
        tmp_path / "base",
        build(told.architecture).eval(),
        name="Base, untrained",
        role="student",
        architecture=told.architecture,
        size=52,
        decoder="free",
        unsure_below=0.1,
        thresholds=(0.5,) * 8,
        calibration=canonical(small_lot.wafers, 52),
        made_from={"data": [], "seed": 0, "steps": 0, "command": "this test"},
    )
    # Untrained weights pack a little tighter.
    assert told.int8 == pytest.approx((tmp_path / "base" / "base.int8.onnx").stat().st_size, rel=0.05)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.4, "0 s"), (38, "38 s"), (60, "1 min"), (90, "1 min 30 s"), (3600, "1 h"), (7500, "2 h 5 min"), (-3, "0 s")],
)
def test_durations_read_as_they_are_said(seconds: float, text: str):
    assert words.duration(seconds) == text
