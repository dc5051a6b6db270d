"""The queue and its worker: real processes, real models, killed for real."""

import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from threading import Thread

import numpy as np
import pytest
from patience import ENDLESS, ROOT, SHORT, STUDENT, TEACHER, all_turns, ended, eventually, running, trained

from wafer_core import jobs
from wafer_core.canonical import canonical
from wafer_core.errors import UnsupportedMethod, UnusableLot
from wafer_core.jobs import process, tasks, worker
from wafer_core.jobs.process import worker_lock
from wafer_core.jobs.queue import Urgency, readable
from wafer_core.recognise import load_recognizer
from wafer_core.trust.altered import flipped, taken_away
from wafer_core.workspace.database import VERSION

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


def test_the_order_is_flips_view_student_teacher_then_explanation_then_the_rest(workspace, small_lot):
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
        jobs.submit_altered(workspace, lot_id, 0, teacher, [3]),
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


@pytest.mark.parametrize(("model", "method"), [(TEACHER, "deeplift"), (STUDENT, "occlusion")])
def test_an_explanation_comes_with_the_answers_that_check_it(workspace, worker, small_lot, model, method):
    lot_id, wafer, file = workspace.add_lot(small_lot), small_lot.wafers[2], workspace.model(model)
    jobs.submit_score(workspace, lot_id, model)
    jobs.submit_explain(workspace, lot_id, 2, model, method, [0, 6])
    assert not jobs.explained(workspace, wafer, file, method, [0, 6])
    all_turns(worker)
    assert jobs.explained(workspace, wafer, file, method, [0, 6])
    assert not jobs.explained(workspace, wafer, file, method, [0, 1])
    credits = workspace.attributions(file.sha256, wafer.map_hash, method, [0, 6])
    stored = taken_away(
        lambda wafers: workspace.scores(file.sha256, [each.map_hash for each in wafers]).logits, wafer, credits
    )
    asked = taken_away(lambda wafers: load_recognizer(file, threads=1).score(wafers).logits, wafer, credits)
    assert set(stored) == {0, 6}
    for pattern, told in stored.items():
        assert (told.after, told.at_random) == pytest.approx((asked[pattern].after, asked[pattern].at_random), abs=1e-5)


def test_flipped_dies_are_answered_for_and_the_lot_stays(workspace, worker, small_lot):
    lot_id, wafer, file = workspace.add_lot(small_lot), small_lot.wafers[2], workspace.model(STUDENT)
    dies = np.flatnonzero(wafer.states)[5:9].tolist()
    altered = flipped(wafer, dies)
    job_id = jobs.submit_altered(workspace, lot_id, 2, STUDENT, dies)
    assert jobs.submit_altered(workspace, lot_id, 2, STUDENT, dies[::-1]) == job_id
    all_turns(worker)
    assert workspace.job(job_id).state == "done"
    stored = workspace.scores(file.sha256, [altered.map_hash]).logits
    np.testing.assert_allclose(stored, load_recognizer(file, threads=1).score([altered]).logits, atol=1e-5)
    assert workspace.lot(lot_id).lot_hash == small_lot.lot_hash
    assert jobs.missing(workspace, small_lot, STUDENT) == tuple(range(6))


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


@pytest.mark.parametrize(
    "signed",
    ["0", str(VERSION), f"{VERSION} {'0' * 16}", f"{VERSION} {'0' * 16} {process.PACKAGE}", f"0 {'0' * 16} /opt"],
    ids=["schema", "before", "code", "upgraded", "elsewhere"],
)
def test_a_worker_of_another_version_gives_way_to_one_of_this(workspace, small_lot, signed):
    """It outlived a server, and what it answers would be kept as this version's."""
    job_id = jobs.submit_distil(workspace, workspace.add_lot(small_lot), ENDLESS, teacher=TEACHER)
    running(workspace, job_id)
    older = jobs.worker_pid(workspace)
    # A server that comes later did not start it.
    child, _ = process._started.pop(workspace.root)
    (workspace.root / "worker.version").write_text(f"{older} {signed}")
    eventually(lambda: jobs.worker_pid(workspace) not in (None, older), workspace)
    assert child.wait() < 0
    reached = trained(workspace, job_id)
    eventually(lambda: trained(workspace, job_id) > reached, workspace)


def test_a_worker_of_another_installation_goes_on(workspace, small_lot):
    """Its server is there as well and would end ours in turn, until the work of both is given up."""
    job_id = jobs.submit_distil(workspace, workspace.add_lot(small_lot), ENDLESS, teacher=TEACHER)
    running(workspace, job_id)
    theirs = jobs.worker_pid(workspace)
    started = process._started.pop(workspace.root)
    (workspace.root / "worker.version").write_text(f"{theirs} {VERSION} {'0' * 16} /opt/another one/wafer_core")
    assert not jobs.ensure_worker(workspace)
    process._started[workspace.root] = started
    reached = trained(workspace, job_id)
    eventually(lambda: trained(workspace, job_id) > reached, workspace)
    assert jobs.worker_pid(workspace) == theirs


def test_a_worker_waits_for_a_workspace_that_is_away(workspace, small_lot):
    job_id = jobs.submit_distil(workspace, workspace.add_lot(small_lot), ENDLESS, teacher=TEACHER)
    running(workspace, job_id)
    pid = jobs.worker_pid(workspace)
    away = workspace.root.rename(workspace.root.with_name("away"))
    time.sleep(1.0)
    away.rename(workspace.root)
    reached = trained(workspace, job_id)
    eventually(lambda: trained(workspace, job_id) > reached, workspace)
    assert jobs.worker_pid(workspace) == pid


def test_a_worker_leaves_a_workspace_that_is_gone(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", None)
    monkeypatch.setattr(worker, "GONE", 0.2)
    monkeypatch.setattr(worker, "PAUSE", 0.5)  # a turn that takes longer is no absence
    going = Thread(target=worker.serve, args=(tmp_path / "home", 3600.0), daemon=True)
    going.start()
    while not (tmp_path / "home" / "runs").exists():
        time.sleep(0.01)
    (tmp_path / "home").rename(tmp_path / "elsewhere")
    going.join(60.0)
    assert not going.is_alive()


@pytest.mark.parametrize("asked", ["cancel", "pause"])
def test_looking_for_what_is_asked_of_runs_passes_over_jobs_that_have_ended(workspace, asked):
    """They are never removed, and the worker looks before every step."""
    statements = []
    workspace.database._connection.set_trace_callback(statements.append)
    assert workspace._running(asked) == []
    workspace.database._connection.set_trace_callback(None)
    [plan] = workspace.database.rows(f"EXPLAIN QUERY PLAN {statements[-1]}")
    assert "USING INDEX most_urgent" in plan["detail"]


def test_the_version_of_a_worker_follows_the_code_on_disk_that_it_runs(tmp_path, monkeypatch):
    """A server that an upgrade left running would else end every worker it starts."""
    monkeypatch.setattr(process, "PACKAGE", tmp_path)
    for name in ("jobs/worker.py", "ui/lot.py"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_text("before = True")
    before = process._signature(1)
    (tmp_path / "ui" / "lot.py").write_text("before = False")
    assert process._signature(1) == before
    (tmp_path / "jobs" / "worker.py").write_text("before = False")
    changed = process._signature(1)
    (tmp_path / "jobs" / "another.py").write_text("")
    assert len({before, changed, process._signature(1)}) == 3


def test_a_process_that_has_the_number_of_a_dead_worker_is_left_alone(workspace, small_lot):
    """Another worker holds the lock and has not written down its own number yet."""
    jobs.submit_score(workspace, workspace.add_lot(small_lot), STUDENT)
    stranger = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    (workspace.root / "worker.pid").write_text(str(stranger.pid))
    (workspace.root / "worker.version").write_text(f"{stranger.pid} 0")
    with worker_lock(workspace.root) as held:
        assert held
        assert not jobs.ensure_worker(workspace)
    stranger.communicate(b"\n")
    assert stranger.returncode == 0


def test_those_who_ask_for_a_worker_do_not_take_each_other_for_one(workspace):
    with ThreadPoolExecutor(8) as pages:
        assert not any(pages.map(lambda _: jobs.worker_alive(workspace), range(400)))
    with worker_lock(workspace.root):
        assert jobs.worker_alive(workspace)


def test_a_page_turned_during_a_step_keeps_its_urgency(workspace, worker, big_lot, monkeypatch):
    monkeypatch.setitem(tasks.WAFERS_A_STEP, "onnx", 2)
    lot_id = workspace.add_lot(big_lot)
    job_id = jobs.submit_score(workspace, lot_id, STUDENT, first=(7, 9))
    # As the step ends it tells how urgent what it had read of another page was.
    workspace.report(job_id, {}, Urgency.REST_TEACHER, first=(1, 2))
    assert workspace.job(job_id).urgency == Urgency.VIEW_TEACHER
    # Or it has answered all of this one.
    workspace.report(job_id, {}, Urgency.REST_TEACHER, first=(7, 9))
    assert workspace.job(job_id).urgency == Urgency.REST_TEACHER
    assert jobs.submit_score(workspace, lot_id, STUDENT, first=(7, 9)) == job_id
    assert workspace.job(job_id).urgency == Urgency.VIEW_TEACHER


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
