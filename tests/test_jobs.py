"""The queue and its worker: real processes, real models, killed and cancelled for real."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from wafer_core import jobs
from wafer_core.canonical import canonical
from wafer_core.errors import UnsupportedMethod, UnusableLot
from wafer_core.jobs import tasks
from wafer_core.jobs.process import worker_lock
from wafer_core.jobs.queue import Urgency, readable
from wafer_core.jobs.worker import Worker
from wafer_core.lot import Lot
from wafer_core.recognise import load_recognizer
from wafer_core.workspace import JobRow, Workspace

ROOT = Path(__file__).resolve().parents[1]
TEACHER, STUDENT = "tiny-untrained", "tiny-untrained-int8"
ENDLESS = {"size": "tiny", "budget": 500.0, "steps": 1_000_000}
"""A distillation that is still running whenever a test looks."""
SHORT = {"size": "tiny", "budget": 500.0, "steps": 4}


@pytest.fixture
def workspace(home: Path, tiny_folder: Path):
    """A workspace that holds the untrained teacher; whatever worker it got is ended with it."""
    opened = Workspace()
    shutil.copytree(tiny_folder, opened.student_root / TEACHER)
    yield opened
    pid = jobs.worker_pid(opened)
    if pid is not None:
        os.kill(pid, signal.SIGKILL)
    opened.close()


@pytest.fixture
def worker(workspace: Workspace):
    """A worker within this process, which does nothing until its turn is taken."""
    with worker_lock(workspace.root) as held:
        assert held
        yield Worker(workspace)


@pytest.fixture
def big_lot(lot_of, disc_states) -> Lot:
    """Forty wafers: several steps of torch."""
    return lot_of([disc_states(20, 20, seed=seed) for seed in range(40)], title="Lot 17184")


def eventually(condition: Callable[[], object], workspace: Workspace, seconds: float = 240) -> None:
    """Wait for something, starting workers as a page does at every redraw."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, (
            f"it never came; {workspace.jobs()}; {(workspace.logs / 'worker.log').read_text()}"
        )
        jobs.ensure_worker(workspace)
        time.sleep(0.05)


def ended(workspace: Workspace, job_id: int) -> JobRow:
    eventually(lambda: workspace.job(job_id).over, workspace)
    return workspace.job(job_id)


def running(workspace: Workspace, job_id: int) -> None:
    eventually(lambda: len(workspace.progress(job_id)) >= 2, workspace)


def all_turns(worker: Worker) -> None:
    while worker.turn():
        pass


# Score and explain -------------------------------------------------------------------------------


@pytest.mark.parametrize("model", [TEACHER, STUDENT])
def test_a_lot_is_scored_by_a_process_of_its_own(workspace, small_lot, model):
    lot_id = workspace.add_lot(small_lot)
    assert jobs.missing(workspace, lot_id, model) == tuple(range(6))
    job = ended(workspace, jobs.submit_score(workspace, lot_id, model))
    assert (job.state, job.progress) == ("done", {"done": 6, "total": 6})
    assert jobs.missing(workspace, lot_id, model) == ()
    file = workspace.model(model)
    stored = workspace.scores(file.sha256, [wafer.map_hash for wafer in small_lot]).logits
    np.testing.assert_allclose(stored, load_recognizer(file, threads=1).score(small_lot.wafers).logits, atol=1e-5)


def test_a_wafer_without_tested_dies_is_answered_with_nothing(workspace, worker, lot_of, disc_states, untested_states):
    lot = lot_of([disc_states(12, 12), untested_states(12, 12)])
    lot_id = workspace.add_lot(lot)
    job_id = jobs.submit_score(workspace, lot_id, STUDENT)
    all_turns(worker)
    assert workspace.job(job_id).state == "done"
    assert jobs.missing(workspace, lot, STUDENT) == ()
    logits = workspace.scores(workspace.model(STUDENT).sha256, [wafer.map_hash for wafer in lot]).logits
    assert np.isnan(logits).all(axis=1).tolist() == [False, True]


def test_wafers_in_view_come_first_even_when_a_page_turns_later(workspace, worker, big_lot, monkeypatch):
    monkeypatch.setitem(tasks.WAFERS_A_STEP, "onnx", 2)
    lot_id = workspace.add_lot(big_lot)
    job_id = jobs.submit_score(workspace, lot_id, STUDENT, first=(30, 31))
    worker.turn()
    assert set(range(40)) - set(jobs.missing(workspace, big_lot, STUDENT)) == {30, 31}
    assert workspace.job(job_id).urgency == Urgency.REST_TEACHER
    assert jobs.submit_score(workspace, lot_id, STUDENT, first=(7, 9)) == job_id
    assert workspace.job(job_id).urgency == Urgency.VIEW_TEACHER
    worker.turn()
    assert set(range(40)) - set(jobs.missing(workspace, big_lot, STUDENT)) == {7, 9, 30, 31}


def test_the_order_is_view_student_teacher_then_explanation_then_the_rest(workspace, small_lot):
    lot_id = workspace.add_lot(small_lot)
    student = shutil.copytree(workspace.student_root / TEACHER, workspace.student_root / "s-1") / "card.json"
    student.write_text(student.read_text().replace('"role": "teacher"', '"role": "student"'))
    # The copy has the same weights, so it is asked for as a file and not found again by them.
    pupil, teacher = workspace.model("s-1"), workspace.model(TEACHER)
    other = workspace.add_lot(replace(small_lot, wafers=small_lot.wafers[:3]))
    asked = [
        jobs.submit_distil(workspace, lot_id, SHORT, teacher=TEACHER),
        jobs.submit_score(workspace, lot_id, teacher),
        jobs.submit_explain(workspace, lot_id, 0, teacher, "gradcam", [0]),
        jobs.submit_score(workspace, other, teacher, first=(1,)),
    ]
    order = []
    while (job := workspace.most_urgent()) is not None:
        order.append(job.id)
        workspace.end_job(job.id, "done", "Well.")
    assert order == asked[::-1]
    assert jobs.submit_score(workspace, other, pupil, first=(1,)) == workspace.most_urgent().id


def test_attributions_are_kept_and_not_made_twice(workspace, small_lot):
    lot_id = workspace.add_lot(small_lot)
    wafer, model = small_lot.wafers[2], workspace.model(TEACHER)
    job_id = jobs.submit_explain(workspace, lot_id, 2, TEACHER, "deeplift", [6, 0])
    assert jobs.submit_explain(workspace, lot_id, 2, TEACHER, "deeplift", [0, 6]) == job_id
    assert ended(workspace, job_id).state == "done"
    found = workspace.attributions(model.sha256, wafer.map_hash, "deeplift", [0, 6])
    assert {pattern: dies.shape for pattern, dies in found.items()} == {0: (14, 22), 6: (14, 22)}
    assert jobs.missing_attributions(workspace, wafer, model, "deeplift", [0, 1, 6]) == (1,)


def test_a_method_that_cannot_explain_a_model_is_refused_before_it_is_queued(workspace, small_lot):
    with pytest.raises(UnsupportedMethod, match="occlusion"):
        jobs.submit_explain(workspace, workspace.add_lot(small_lot), 0, STUDENT, "deeplift", [0])
    assert workspace.jobs() == []


# What goes wrong ---------------------------------------------------------------------------------


def test_a_failing_job_says_a_sentence(workspace, small_lot):
    lot_id = workspace.add_lot(small_lot)
    job_id = jobs.submit_score(workspace, lot_id, STUDENT)
    weights = workspace.model(STUDENT).path
    weights.write_bytes(bytes(weights.stat().st_size))
    job = ended(workspace, job_id)
    assert job.state == "failed"
    assert "sha256" in job.message
    assert job.message.endswith(".")


def test_a_fault_in_the_program_says_a_sentence_and_is_logged(workspace, small_lot):
    lot_id = workspace.add_lot(small_lot)
    job_id = workspace.put_job("explain", "faulty", lot_id, {"nothing": "it needs"}, Urgency.EXPLAIN)
    job = ended(workspace, job_id)
    assert job.state == "failed"
    assert "KeyError" in job.message
    assert "\n" not in job.message
    assert "Traceback" in (workspace.logs / "worker.log").read_text()
    sound = jobs.submit_score(workspace, lot_id, STUDENT)
    assert ended(workspace, sound).state == "done"


def test_a_model_that_is_gone_is_a_sentence(workspace, worker, small_lot):
    job_id = jobs.submit_score(workspace, workspace.add_lot(small_lot), STUDENT)
    shutil.rmtree(workspace.student_root / TEACHER)
    all_turns(worker)
    assert workspace.job(job_id).state == "failed"
    assert "no longer in the workspace" in workspace.job(job_id).message


def test_a_lot_without_tested_dies_is_not_distilled(workspace, lot_of, untested_states):
    lot_id = workspace.add_lot(lot_of([untested_states(9, 9)]))
    with pytest.raises(UnusableLot, match="no tested die"):
        jobs.submit_distil(workspace, lot_id, SHORT, teacher=TEACHER)


def test_an_onnx_file_cannot_teach(workspace, small_lot):
    with pytest.raises(UnsupportedMethod, match="cannot teach"):
        jobs.submit_distil(workspace, workspace.add_lot(small_lot), SHORT, teacher=STUDENT)


def test_settings_that_cannot_be_used_end_in_a_sentence(workspace, worker, small_lot):
    lot_id = workspace.add_lot(small_lot)
    job_id = jobs.submit_distil(workspace, lot_id, {**SHORT, "size": "enormous"}, teacher=TEACHER)
    all_turns(worker)
    assert workspace.job(job_id).state == "failed"
    assert "enormous" in workspace.job(job_id).message


# One worker --------------------------------------------------------------------------------------


def test_exactly_one_worker_serves_a_workspace(workspace):
    command = [sys.executable, "-m", "wafer_core.jobs", "--workspace", str(workspace.root), "--idle", "3"]
    several = [subprocess.Popen(command, cwd=ROOT) for _ in range(3)]
    deadline = time.monotonic() + 120
    while sum(process.poll() is None for process in several) > 1:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    [alive] = [process for process in several if process.poll() is None]
    eventually(lambda: jobs.worker_pid(workspace) == alive.pid, workspace)
    assert not jobs.ensure_worker(workspace)
    assert [process.wait(timeout=120) for process in several] == [0, 0, 0]
    assert not jobs.worker_alive(workspace)


def test_no_worker_starts_without_work(workspace):
    assert not jobs.ensure_worker(workspace)
    assert jobs.worker_pid(workspace) is None


# Distillation ------------------------------------------------------------------------------------


def test_a_distillation_ends_in_a_student_that_scores(workspace, big_lot):
    lot_id = workspace.add_lot(big_lot)
    job_id = jobs.submit_distil(workspace, lot_id, SHORT, teacher=TEACHER)
    job = ended(workspace, job_id)
    assert (job.state, job.name) == ("done", "lot17184-tiny-1")
    student = workspace.model("lot17184-tiny-1")
    assert student.role == "student"
    assert {path.name for path in student.folder.iterdir()} >= {"card.json", "run.json"}
    assert "lot17184-tiny-1-int8" in [model.name for model in workspace.models()]
    assert not tasks.staging_root(workspace).joinpath(str(job_id)).exists()
    points = jobs.progress(workspace, job_id)
    assert points[-1].step == 4
    assert job.progress["step"] == 4
    again = jobs.submit_distil(workspace, lot_id, SHORT, teacher=TEACHER)
    assert workspace.job(again).name == "lot17184-tiny-2"
    assert ended(workspace, jobs.submit_score(workspace, lot_id, "lot17184-tiny-1-int8")).state == "done"


def test_a_second_click_starts_nothing_twice(workspace, big_lot):
    lot_id = workspace.add_lot(big_lot)
    first = jobs.submit_distil(workspace, lot_id, ENDLESS, teacher=TEACHER)
    assert jobs.submit_distil(workspace, lot_id, dict(ENDLESS), teacher=TEACHER) == first
    assert jobs.submit_distil(workspace, lot_id, {**ENDLESS, "seed": 1}, teacher=TEACHER) != first


def test_scores_arrive_between_the_steps_of_a_distillation(workspace, big_lot, small_lot):
    run = jobs.submit_distil(workspace, workspace.add_lot(big_lot), ENDLESS, teacher=TEACHER)
    running(workspace, run)
    score = jobs.submit_score(workspace, workspace.add_lot(small_lot), TEACHER)
    explain = jobs.submit_explain(workspace, workspace.add_lot(small_lot), 1, TEACHER, "occlusion", [0])
    assert ended(workspace, score).state == "done"
    assert ended(workspace, explain).state == "done"
    before = workspace.job(run)
    assert before.state == "running"
    eventually(lambda: workspace.job(run).progress["step"] > before.progress["step"], workspace)


def test_a_running_distillation_is_cancelled(workspace, big_lot):
    job_id = jobs.submit_distil(workspace, workspace.add_lot(big_lot), ENDLESS, teacher=TEACHER)
    running(workspace, job_id)
    jobs.cancel(workspace, job_id)
    job = ended(workspace, job_id)
    assert (job.state, job.message) == ("cancelled", "Cancelled.")
    assert [folder.name for folder in workspace.student_root.iterdir()] == [TEACHER]
    assert not (tasks.staging_root(workspace) / str(job_id)).exists()


def test_a_queued_job_is_cancelled_at_once(workspace, big_lot):
    job_id = jobs.submit_distil(workspace, workspace.add_lot(big_lot), SHORT, teacher=TEACHER)
    jobs.cancel(workspace, job_id)
    assert workspace.job(job_id).state == "cancelled"
    assert not jobs.ensure_worker(workspace)


def test_a_killed_worker_loses_no_run(workspace, big_lot):
    job_id = jobs.submit_distil(workspace, workspace.add_lot(big_lot), ENDLESS, teacher=TEACHER)
    running(workspace, job_id)
    killed = jobs.worker_pid(workspace)
    os.kill(killed, signal.SIGKILL)
    eventually(lambda: not jobs.worker_alive(workspace) or jobs.worker_pid(workspace) != killed, workspace)
    eventually(lambda: workspace.job(job_id).attempts == 2, workspace)
    running(workspace, job_id)
    assert workspace.job(job_id).state == "running"
    jobs.cancel(workspace, job_id)
    assert ended(workspace, job_id).state == "cancelled"


def test_cancelling_what_a_dead_worker_left_ends_it(workspace, big_lot):
    job_id = jobs.submit_distil(workspace, workspace.add_lot(big_lot), ENDLESS, teacher=TEACHER)
    running(workspace, job_id)
    killed = jobs.worker_pid(workspace)
    os.kill(killed, signal.SIGKILL)
    while jobs.worker_alive(workspace):
        time.sleep(0.05)
    jobs.cancel(workspace, job_id)
    assert workspace.job(job_id).state == "cancelled"


def test_a_run_survives_the_server_that_started_it(workspace, big_lot):
    lot_id = workspace.add_lot(big_lot)
    server = (
        "from wafer_core import jobs; from wafer_core.workspace import Workspace; w = Workspace(); "
        f"print(jobs.submit_distil(w, {lot_id!r}, {SHORT!r}, teacher={TEACHER!r})); jobs.ensure_worker(w); "
        "import os, signal; print(flush=True); os.kill(os.getpid(), signal.SIGKILL)"
    )
    ran = subprocess.run([sys.executable, "-c", server], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert ran.returncode == -signal.SIGKILL, ran.stderr
    job_id = int(ran.stdout.split()[0])
    deadline = time.monotonic() + 240
    while not workspace.job(job_id).over:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert workspace.job(job_id).state == "done"
    assert workspace.job(job_id).attempts == 1


def test_a_student_made_just_before_the_kill_is_not_made_again(workspace, worker, big_lot):
    job_id = jobs.submit_distil(workspace, workspace.add_lot(big_lot), ENDLESS, teacher=TEACHER)
    shutil.copytree(workspace.student_root / TEACHER, workspace.student_root / workspace.job(job_id).name)
    all_turns(worker)
    assert workspace.job(job_id).state == "done"


def test_a_new_worker_clears_half_made_students_away(workspace, worker):
    half = tasks.staging_root(workspace) / "7" / "half"
    half.mkdir(parents=True)
    worker.recover()
    assert not half.exists()


def test_labels_change_nothing_in_the_student(workspace, worker, big_lot):
    """One lot with true, with shuffled and with no labels: the same weights for the same seed and steps."""
    true = np.random.default_rng(0).random((len(big_lot), 8)) < 0.3
    weights = set()
    for labels in (true, true[::-1], None):
        marked = [replace(wafer, labels=None if labels is None else labels[i]) for i, wafer in enumerate(big_lot)]
        lot = replace(big_lot, wafers=tuple(marked))
        home = Workspace(workspace.root / f"labels-{len(weights)}-{labels is None}")
        shutil.copytree(workspace.student_root / TEACHER, home.student_root / TEACHER)
        job_id = jobs.submit_distil(home, home.add_lot(lot), SHORT, teacher=TEACHER)
        all_turns(Worker(home))
        assert home.job(job_id).state == "done", home.job(job_id).message
        weights.add(home.model(home.job(job_id).name).sha256)
        home.close()
    assert len(weights) == 1


@pytest.mark.parametrize(
    ("title", "head"),
    [
        ("lot17184", "lot17184"),
        ("Lot 17184", "lot17184"),
        ("Lot 17184 · 25 wafers", "lot17184-25-wafers"),
        ("../../etc/passwd", "etc-passwd"),
        ("批次", "lot"),
        ("a" * 80, "a" * 32),
    ],
)
def test_students_are_named_readably(title, head):
    assert readable(title) == head


def test_canonical_maps_of_the_lot_are_what_the_store_answers_for(workspace, worker, small_lot):
    """The worker's batches change nothing in an answer."""
    jobs.submit_score(workspace, workspace.add_lot(small_lot), TEACHER)
    all_turns(worker)
    recognizer = load_recognizer(workspace.model(TEACHER), threads=1)
    one_by_one = [recognizer.score_maps(canonical([wafer], 16)).logits[0] for wafer in small_lot]
    stored = workspace.scores(recognizer.model.sha256, [wafer.map_hash for wafer in small_lot]).logits
    np.testing.assert_allclose(stored, one_by_one, atol=1e-5)
