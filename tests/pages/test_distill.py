"""The Distill page: starting a run, watching it, and how each way of ending reads."""

import io
import json
import shutil
import zipfile
from collections.abc import Callable
from dataclasses import fields

import pytest
from streamlit.testing.v1 import AppTest

from wafer_core import jobs
from wafer_core.distill import Settings
from wafer_core.lot import Lot
from wafer_core.models.networks import STUDENT_SIZES, build, parameter_count
from wafer_core.ui import comparison, model_cards, run_figures, run_form, runs, words
from wafer_core.workspace import ProgressPoint, Workspace

Visit = Callable[..., AppTest]


@pytest.fixture(autouse=True)
def nobody_works(monkeypatch: pytest.MonkeyPatch) -> None:
    """A queue that nobody serves, and no benchmark: what a run does is not what these tests are about."""
    monkeypatch.setattr(comparison, "shipped_sets", lambda: ())
    monkeypatch.setattr(jobs, "ensure_worker", lambda store: False)


@pytest.fixture
def lot_id(store: Workspace, small_lot: Lot) -> str:
    return store.add_lot(small_lot)


def submit(store: Workspace, lot_id: str, budget: float = 60.0) -> int:
    return jobs.submit_distil(store, lot_id, {"size": "tiny", "budget": budget}, "teacher")


def address(page: AppTest, name: str) -> str:
    value = page.query_params[name]
    return value if isinstance(value, str) else value[0]


def texts(page: AppTest) -> str:
    alerts = (*page.info, *page.warning, *page.error)
    return "\n".join(str(element.value) for element in (*page.markdown, *page.caption, *alerts))


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


def test_a_waiting_run_is_found_without_its_address_and_can_be_cancelled(visit: Visit, store: Workspace, lot_id: str):
    run = submit(store, lot_id)
    page = visit("distill", lot=lot_id)
    assert "Waiting for the worker" in texts(page)
    page.button(key=f"cancel-{run}").click().run()
    assert store.job(run).state == "cancelled"
    page = visit("distill", lot=lot_id, run=str(run))
    assert "no student was made" in texts(page)


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


def test_few_held_out_wafers_are_told_as_counts():
    assert run_figures.share(9, 12) == "9 of 12"
    assert run_figures.share(238, 240) == "99.2 %"
    assert run_figures.counted(9, 12) == "9 of 12 (6 to 11)"
    assert run_figures.counted(238, 240) == "238 of 240 · 99.2 % (97.0 to 99.8)"
    assert run_figures.counted(0, 0) == "none"


@pytest.mark.parametrize("name", run_form.PRESETS)
def test_a_preset_sets_size_and_time(visit: Visit, lot_id: str, name: str):
    preset = run_form.PRESETS[name]
    page = visit("distill", lot=lot_id, size="tiny", time="600")
    page.segmented_control(key="preset").set_value(name).run()
    assert not page.exception
    assert (address(page, "size"), address(page, "time")) == (preset.size, str(preset.seconds))
    assert page.segmented_control(key="preset").value == name


def test_the_rarer_settings_stand_in_the_address_and_reach_the_run(visit: Visit, store: Workspace, lot_id: str):
    page = visit("distill", lot=lot_id, views="0.5", pool="none", seed="3")
    page.button(key="start").click().run()
    settings = store.jobs("distil")[0].payload["settings"]
    assert settings == {"size": "small", "budget": 60.0, "augmentation": 0.5, "pool": "none", "seed": 3}
    assert set(settings) <= {field.name for field in fields(Settings)}


def test_the_page_says_what_the_lot_allows(visit: Visit, store: Workspace, lot_id: str, small_lot: Lot, answer):
    assert "6 wafers to learn from. So few teach little" in texts(visit("distill", lot=lot_id))
    answer(small_lot, store.model("teacher"), ["Center", "Center", "Scratch", "Normal", "Normal", "Normal"])
    said = texts(visit("distill", lot=lot_id))
    assert "names a pattern on 3 of them (Center, Scratch) and is unsure of 0" in said


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
    assert "2 of 4" in texts(page)
    assert "| All held-out wafers | 1 of 4 (0 to 3) | 3 of 4 (1 to 4) |" in texts(page)
    assert "| Where either names a pattern | 0 of 2 (0 to 1) | 1 of 2 (0 to 2) |" in texts(page)
    assert "| Mean difference of logits | 1.23 | 0.50 |" in texts(page)
    page.button(key=f"use-{finished}").click().run()
    assert address(page, "student") == name
    assert {button.label for button in page.get("download_button")} == {"Download", "Download for the tool"}


def test_a_run_is_estimated_from_the_last_one_of_its_size(visit: Visit, finished: int, lot_id: str):
    assert "About 240 steps, at the 200 ms a step" in texts(visit("distill", lot=lot_id, size="tiny"))
    assert "is measured when the run begins" in texts(visit("distill", lot=lot_id, size="base"))


def test_a_student_whose_folder_is_gone_is_named(visit: Visit, store: Workspace, lot_id: str, finished: int):
    shutil.rmtree(store.student_root / str(store.job(finished).name))
    page = visit("distill", lot=lot_id, run=str(finished))
    assert not page.exception
    assert "no longer in the workspace" in texts(page)


def test_a_zip_holds_the_whole_folder(store: Workspace, finished: int):
    student = store.model(str(store.job(finished).name))
    names = zipfile.ZipFile(io.BytesIO(model_cards.zipped(student))).namelist()
    assert sorted(names) == sorted(f"{student.folder.name}/{path.name}" for path in student.folder.iterdir())


def test_more_runs_than_a_page_are_paged(visit: Visit, store: Workspace, lot_id: str):
    for budget in range(100, 100 + runs.PAGE + 2):
        store.end_job(submit(store, lot_id, budget), "cancelled", "Cancelled before it began.")
    first, second = visit("distill", lot=lot_id), visit("distill", lot=lot_id, runs="2")
    opened = [sum(button.label == "Open" for button in page.button) for page in (first, second)]
    assert opened == [runs.PAGE, 2]


@pytest.mark.parametrize("size", STUDENT_SIZES)
def test_sizes_say_what_the_networks_weigh(size: str):
    parameters, int8 = run_form.STUDENTS[size]
    assert parameters == parameter_count(build(STUDENT_SIZES[size]))
    assert 1.0 * parameters < int8 < 2.0 * parameters


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.4, "0 s"), (38, "38 s"), (60, "1 min"), (90, "1 min 30 s"), (3600, "1 h"), (7500, "2 h 5 min"), (-3, "0 s")],
)
def test_durations_read_as_they_are_said(seconds: float, text: str):
    assert words.duration(seconds) == text
