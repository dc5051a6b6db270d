"""Distillations as jobs: cancelled, paused, killed, and what they leave."""

import errno
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from patience import ENDLESS, ROOT, SHORT, TEACHER, all_turns, ended, eventually, kill_worker, running, trained

from wafer_core import jobs
from wafer_core.benchmark import guard_set
from wafer_core.distill_lot import kept, pool
from wafer_core.distill_lot.kept import CHECKPOINT
from wafer_core.distill_lot.plan import Plan
from wafer_core.errors import OutdatedRun, UnreadableFile, UnusableLot
from wafer_core.jobs import folders, tasks
from wafer_core.jobs.report import Report
from wafer_core.jobs.worker import Worker, serve
from wafer_core.whole_files import partial_of
from wafer_core.workspace import Workspace
from wafer_core.workspace.job_rows import ATTEMPTS

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
    assert not tasks.run_folder(workspace, job_id).exists()
    points = jobs.progress(workspace, job_id)
    assert points[-1].step == 4
    assert job.progress["step"] == job.progress["plan"]["steps"] == 4
    assert len(job.progress["examples"]["wafers"]) == len(job.progress["look"]["first"]) == 4
    said = [line.split("  ", 1)[1] for line in jobs.log_lines(workspace, job_id)]
    assert (said[0], said[-1]) == ("begins", f"done: {job.message}")
    assert sum(line.startswith("step ") for line in said) == 4
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
    assert not tasks.run_folder(workspace, job_id).exists()


def test_a_queued_job_is_cancelled_at_once(workspace, big_lot):
    job_id = jobs.submit_distil(workspace, workspace.add_lot(big_lot), SHORT, teacher=TEACHER)
    jobs.cancel(workspace, job_id)
    assert workspace.job(job_id).state == "cancelled"
    assert not jobs.ensure_worker(workspace)


def test_a_killed_worker_loses_no_run(workspace, big_lot):
    job_id = jobs.submit_distil(workspace, workspace.add_lot(big_lot), ENDLESS, teacher=TEACHER)
    running(workspace, job_id)
    kill_worker(workspace)
    eventually(lambda: workspace.job(job_id).attempts == 2, workspace)
    running(workspace, job_id)
    assert workspace.job(job_id).state == "running"
    jobs.cancel(workspace, job_id)
    assert ended(workspace, job_id).state == "cancelled"


def test_a_killed_run_goes_on_and_makes_the_student_it_would_have_made(workspace, big_lot):
    """A real worker, killed twice in the middle, against one that nobody disturbed."""
    lot_id = workspace.add_lot(big_lot)
    steps = 300
    run = {"size": "tiny", "budget": 500.0, "steps": steps}
    job_id = jobs.submit_distil(workspace, lot_id, run, teacher=TEACHER)
    reached = 0
    for _ in range(2):
        before = reached
        eventually(lambda: trained(workspace, job_id) > before + 10, workspace)  # noqa: B023 - called at once
        reached = trained(workspace, job_id)
        assert reached < steps, "the run was over before it could be killed"
        kill_worker(workspace)
    job = ended(workspace, job_id)
    assert job.state == "done", job.message
    whole = jobs.submit_distil(workspace, lot_id, run, teacher=TEACHER)
    assert ended(workspace, whole).state == "done"
    students = [workspace.model(workspace.job(each).name) for each in (job_id, whole)]
    assert students[0].sha256 == students[1].sha256
    steps_told = [point.step for point in workspace.progress(job_id)]
    assert steps_told == sorted(set(steps_told))
    assert steps_told[-1] == steps


def test_a_run_that_gets_further_between_kills_is_not_given_up(workspace, big_lot):
    job_id = jobs.submit_distil(workspace, workspace.add_lot(big_lot), ENDLESS, teacher=TEACHER)
    for further in range(2 * ATTEMPTS):
        assert workspace.begin_job(job_id)
        workspace.report(job_id, {"step": further}, kept=True)
        assert workspace.requeue_orphans() == [job_id]
    for _ in range(ATTEMPTS - 1):
        assert workspace.job(job_id).state == "queued"
        assert workspace.begin_job(job_id)
        workspace.report(job_id, {"step": 0})
        workspace.requeue_orphans()
    job = workspace.job(job_id)
    assert (job.state, job.attempts) == ("paused", 0)
    assert job.message == (
        "The worker stopped 5 times in the middle of this; it keeps what it has done: resume it to try once more."
    )


def test_a_run_learns_beside_other_lots_and_without_some_wafers(workspace, worker, big_lot, small_lot):
    lot_id, other = workspace.add_lot(big_lot), workspace.add_lot(small_lot)
    chosen = {**SHORT, "pool": "lots", "pool_lots": [other], "without": ["L1/01", "L1/02"]}
    job_id = jobs.submit_distil(workspace, lot_id, chosen, teacher=TEACHER)
    all_turns(worker)
    job = workspace.job(job_id)
    assert job.state == "done", job.message
    student = workspace.model(job.name)
    learned = [(each["name"], each["sha256"]) for each in student.card.made_from["data"][:2]]
    assert learned == [(big_lot.title, big_lot.lot_hash), (small_lot.title, small_lot.lot_hash)]
    record = json.loads((student.folder / "run.json").read_text())
    assert record["settings"]["without"] == ["L1/01", "L1/02"]
    assert record["wafers"] == 38
    assert record["pool"] == [{"name": "small", "sha256": small_lot.lot_hash, "labels": False, "maps": 6}]


def test_a_run_without_wafers_or_beside_itself_is_refused_before_it_is_queued(workspace, small_lot):
    lot_id = workspace.add_lot(small_lot)
    with pytest.raises(UnusableLot, match="Every wafer of small is left out"):
        jobs.submit_distil(workspace, lot_id, {"without": [wafer.name for wafer in small_lot]}, teacher=TEACHER)
    with pytest.raises(UnusableLot, match="beside itself"):
        jobs.submit_distil(workspace, lot_id, {"pool": "lots", "pool_lots": [lot_id]}, teacher=TEACHER)
    assert workspace.jobs() == []


def test_a_rehearsal_plans_what_a_run_would_do_and_leaves_nothing(workspace, worker, small_lot, monkeypatch):
    monkeypatch.setattr(pool, "REPLAYED", 8)
    teacher = workspace.model(TEACHER)
    lot_id, students = workspace.add_lot(small_lot), workspace.student_folders()
    job_id = jobs.submit_rehearsal(workspace, lot_id, "tiny", TEACHER)
    assert jobs.submit_rehearsal(workspace, lot_id, "tiny", TEACHER) == job_id
    began = time.monotonic()
    worker.turn()
    time.sleep(1.0)
    all_turns(worker)
    job = workspace.job(job_id)
    assert job.state == "done", job.message
    assert jobs.last_rehearsal(workspace, lot_id, "tiny", teacher) == job
    assert jobs.last_rehearsal(workspace, lot_id, "small", teacher) is None
    plan = Plan(**job.progress)
    assert min(plan.step_seconds, plan.writing_seconds, plan.wafer_seconds) > 0
    # What lay between two of its turns is not its own.
    assert plan.prepared < time.monotonic() - began - 1.0
    assert workspace.student_folders() == students


def test_a_killed_rehearsal_leaves_nothing_where_nobody_clears_away(workspace, small_lot, tmp_path, monkeypatch):
    elsewhere = tmp_path / "tmp"
    elsewhere.mkdir()
    monkeypatch.setenv("TMPDIR", str(elsewhere))

    def left() -> set[str]:
        return {folder.name for folder in folders.scratch(workspace).iterdir()}

    jobs.submit_rehearsal(workspace, workspace.add_lot(small_lot), "tiny", TEACHER)
    eventually(left, workspace)
    kill_worker(workspace)
    killed = left()
    assert any(name.startswith("rehearsal-") for name in killed)
    assert not [each for each in elsewhere.iterdir() if each.is_dir()]
    eventually(lambda: not killed & left(), workspace)


def test_a_run_goes_before_a_rehearsal(workspace, small_lot):
    lot_id = workspace.add_lot(small_lot)
    jobs.submit_rehearsal(workspace, lot_id, "tiny", TEACHER)
    run = jobs.submit_distil(workspace, lot_id, SHORT, teacher=TEACHER)
    assert workspace.most_urgent().id == run


def test_a_lot_that_students_are_judged_by_teaches_none_whatever_it_is_called(workspace, worker):
    guard = guard_set().lot
    renamed = replace(guard, title="mine", wafers=tuple(replace(wafer, lot="mine") for wafer in guard.wafers[:5]))
    run = jobs.submit_distil(workspace, workspace.add_lot(renamed), SHORT, teacher=TEACHER)
    all_turns(worker)
    job = workspace.job(run)
    assert job.state == "failed"
    assert "5 wafers of the guard set or the benchmark, by which students are judged" in job.message


# What goes wrong ---------------------------------------------------------------------------------

FULL = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
LATE = [
    (FULL, os.strerror(errno.ENOSPC)),
    (sqlite3.OperationalError("database or disk is full"), "database or disk is full"),
    (MemoryError(), "too little memory"),
    (RuntimeError("DefaultCPUAllocator: can't allocate memory"), "too little memory"),
    (RuntimeError("no graph"), "RuntimeError"),
    (UnreadableFile("lot7", "the stored copy is damaged; upload its files again."), "the stored copy is damaged"),
]


def raising(fault):
    def fail(*_):
        raise fault

    return fail


def test_jobs_go_on_once_the_workspace_can_be_written_again(workspace, worker, big_lot):
    running = jobs.submit_distil(workspace, workspace.add_lot(big_lot), SHORT, teacher=TEACHER)
    while not trained(workspace, running):
        worker.turn()
    workspace.database.rows("PRAGMA query_only = ON")
    for _ in range(2):
        with pytest.raises(sqlite3.OperationalError):
            all_turns(worker)
    workspace.database.rows("PRAGMA query_only = OFF")
    worker.begin_anew()
    all_turns(worker)
    assert workspace.job(running).state == "done", workspace.job(running).message


def test_a_worker_outlasts_a_workspace_that_cannot_be_written(workspace, small_lot, monkeypatch):
    faults = [FULL, sqlite3.OperationalError("database or disk is full")]
    turn = Worker.turn

    def sometimes(worker):
        if faults:
            raise faults.pop()
        return turn(worker)

    monkeypatch.setattr(Worker, "turn", sometimes)
    monkeypatch.setattr("wafer_core.jobs.worker.RETRY", 0.01)
    monkeypatch.setattr(tempfile, "tempdir", None)
    job_id = jobs.submit_score(workspace, workspace.add_lot(small_lot), workspace.model("student-tiny-int8"))
    serve(workspace.root, idle=0.5)
    assert not faults
    assert workspace.job(job_id).state == "done"
    # What a task makes for a moment has a place again.
    assert Path(tempfile.gettempdir()).is_dir()
    assert workspace.root in Path(tempfile.gettempdir()).parents


def test_a_run_that_can_never_go_on_is_over_and_keeps_nothing(workspace, worker, big_lot, monkeypatch):
    job_id = jobs.submit_distil(workspace, workspace.add_lot(big_lot), SHORT, teacher=TEACHER)
    while not trained(workspace, job_id):
        worker.turn()
    monkeypatch.setattr(Report, "take", raising(OutdatedRun("This run was begun with other weights; start it again.")))
    worker.turn()
    job = workspace.job(job_id)
    assert (job.state, job.message) == ("failed", "This run was begun with other weights; start it again.")
    assert not tasks.run_folder(workspace, job_id).exists()


@pytest.mark.parametrize(("fault", "said"), LATE, ids=lambda each: type(each).__name__)
def test_a_run_that_fails_in_the_middle_is_paused_and_can_be_taken_up_again(
    workspace, worker, big_lot, monkeypatch, fault, said
):
    job_id = jobs.submit_distil(workspace, workspace.add_lot(big_lot), SHORT, teacher=TEACHER)
    while not trained(workspace, job_id):
        worker.turn()
    with monkeypatch.context() as patch:
        patch.setattr(Report, "take", raising(fault))
        worker.turn()
    job = workspace.job(job_id)
    assert job.state == "paused"
    assert said in job.message
    assert job.message.endswith("The run keeps what it has done; resume it once that is mended.")
    assert jobs.log_lines(workspace, job_id)[-1].endswith(f"paused: {job.message}")
    assert (tasks.run_folder(workspace, job_id) / CHECKPOINT).exists()
    assert not worker.turn()
    Worker(workspace).begin_anew()
    jobs.resume(workspace, job_id)
    assert workspace.job(job_id).message == ""
    all_turns(worker)
    assert workspace.job(job_id).state == "done", workspace.job(job_id).message
    assert "goes on from what was kept" in "".join(jobs.log_lines(workspace, job_id))
    assert not tasks.run_folder(workspace, job_id).exists()


@pytest.mark.parametrize(
    ("fault", "state"),
    [
        (FULL, "paused"),
        (sqlite3.OperationalError("database or disk is full"), "paused"),
        (MemoryError(), "paused"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory"), "paused"),
        (RuntimeError("no graph"), "failed"),
        (UnusableLot("It is of no use."), "failed"),
    ],
    ids=lambda each: type(each).__name__,
)
def test_a_run_that_has_nothing_to_lose_fails_unless_the_machine_is_why(
    workspace, worker, big_lot, monkeypatch, fault, state
):
    job_id = jobs.submit_distil(workspace, workspace.add_lot(big_lot), SHORT, teacher=TEACHER)
    monkeypatch.setattr(worker.bench, "lot", raising(fault))
    all_turns(worker)
    assert workspace.job(job_id).state == state


def test_a_run_that_fails_as_it_is_cancelled_is_cancelled(workspace, worker, big_lot, monkeypatch):
    job_id = jobs.submit_distil(workspace, workspace.add_lot(big_lot), SHORT, teacher=TEACHER)

    def cancelled_meanwhile(_):
        workspace.request_cancel(job_id)
        raise FULL

    monkeypatch.setattr(worker.bench, "lot", cancelled_meanwhile)
    all_turns(worker)
    assert workspace.job(job_id).state == "cancelled"


def test_a_log_that_cannot_be_written_keeps_no_run_from_being_paused(workspace, worker, big_lot, monkeypatch):
    job_id = jobs.submit_distil(workspace, workspace.add_lot(big_lot), SHORT, teacher=TEACHER)
    while not trained(workspace, job_id):
        worker.turn()
    jobs.log_path(workspace, job_id).unlink()
    jobs.log_path(workspace, job_id).mkdir()
    workspace.request_pause(job_id)
    worker.turn()
    assert workspace.job(job_id).state == "paused"


# Pausing -----------------------------------------------------------------------------------------


def test_what_a_paused_run_kept_goes_the_moment_it_is_cancelled(workspace, worker, big_lot):
    job_id = jobs.submit_distil(workspace, workspace.add_lot(big_lot), ENDLESS, teacher=TEACHER)
    while not trained(workspace, job_id):
        worker.turn()
    workspace.request_pause(job_id)
    worker.turn()
    assert (tasks.run_folder(workspace, job_id) / CHECKPOINT).exists()
    jobs.cancel(workspace, job_id)
    assert workspace.job(job_id).state == "cancelled"
    assert not tasks.run_folder(workspace, job_id).exists()


def test_a_run_is_paused_and_resumed_and_makes_the_student_it_would_have_made(workspace, big_lot):
    worker, lot_id = Worker(workspace), workspace.add_lot(big_lot)
    made = []
    for pauses in (0, 2):
        job_id = jobs.submit_distil(workspace, lot_id, SHORT, teacher=TEACHER)
        for step in range(1, pauses + 1):
            while trained(workspace, job_id) < step:
                worker.turn()
            jobs.pause(workspace, job_id)
            worker.turn()
            assert workspace.job(job_id).state == "paused"
            assert not worker.turn()
            jobs.resume(workspace, job_id)
        all_turns(worker)
        assert workspace.job(job_id).state == "done", workspace.job(job_id).message
        made.append(workspace.model(workspace.job(job_id).name).sha256)
    assert made[0] == made[1]


def test_a_paused_run_waits_for_a_person_and_not_for_the_worker(workspace, worker, big_lot, small_lot):
    job_id = jobs.submit_distil(workspace, workspace.add_lot(big_lot), ENDLESS, teacher=TEACHER)
    while not trained(workspace, job_id):
        worker.turn()
    workspace.request_pause(job_id)
    next_run = jobs.submit_distil(workspace, workspace.add_lot(small_lot), ENDLESS, teacher=TEACHER)
    worker.turn()
    assert [workspace.job(each).state for each in (job_id, next_run)] == ["paused", "running"]
    assert jobs.submit_distil(workspace, workspace.job(job_id).lot, ENDLESS, teacher=TEACHER) == job_id
    jobs.cancel(workspace, next_run)
    jobs.cancel(workspace, job_id)
    assert workspace.job(job_id).state == "cancelled"


def test_a_queued_run_is_paused_at_once_and_keeps_its_place_for_later(workspace, worker, big_lot):
    job_id = jobs.submit_distil(workspace, workspace.add_lot(big_lot), SHORT, teacher=TEACHER)
    workspace.request_pause(job_id)
    assert workspace.job(job_id).state == "paused"
    assert not worker.turn()
    jobs.resume(workspace, job_id)
    all_turns(worker)
    assert workspace.job(job_id).state == "done"


def test_a_pause_that_is_taken_back_in_time_changes_nothing(workspace, worker, big_lot):
    job_id = jobs.submit_distil(workspace, workspace.add_lot(big_lot), ENDLESS, teacher=TEACHER)
    worker.turn()
    workspace.request_pause(job_id)
    jobs.resume(workspace, job_id)
    worker.turn()
    assert workspace.job(job_id).state == "running"


def test_pausing_what_a_dead_worker_left_pauses_it(workspace, big_lot):
    job_id = jobs.submit_distil(workspace, workspace.add_lot(big_lot), ENDLESS, teacher=TEACHER)
    assert workspace.begin_job(job_id)
    jobs.pause(workspace, job_id)
    assert workspace.job(job_id).state == "paused"


@pytest.mark.parametrize("stage", ["draw wafers to replay", "train", "int8"])
def test_a_run_is_cancelled_in_every_stage(workspace, worker, big_lot, stage):
    job_id = jobs.submit_distil(workspace, workspace.add_lot(big_lot), SHORT, teacher=TEACHER)
    while workspace.job(job_id).progress.get("stage") != stage:
        assert worker.turn()
    workspace.request_cancel(job_id)
    all_turns(worker)
    assert workspace.job(job_id).state == "cancelled"
    assert [folder.name for folder in workspace.student_root.iterdir()] == [TEACHER]
    assert not tasks.run_folder(workspace, job_id).exists()


def test_a_run_that_came_to_nothing_takes_no_name(workspace, worker, big_lot):
    lot_id = workspace.add_lot(big_lot)
    for _ in range(2):
        job_id = jobs.submit_distil(workspace, lot_id, SHORT, teacher=TEACHER)
        assert workspace.job(job_id).name == "lot17184-tiny-1"
        worker.turn()
        workspace.request_cancel(job_id)
        worker.turn()
        assert (workspace.job(job_id).state, workspace.job(job_id).name) == ("cancelled", None)


def test_cancelling_what_a_dead_worker_left_ends_it(workspace, big_lot):
    job_id = jobs.submit_distil(workspace, workspace.add_lot(big_lot), ENDLESS, teacher=TEACHER)
    running(workspace, job_id)
    kill_worker(workspace)
    jobs.cancel(workspace, job_id)
    assert workspace.job(job_id).state == "cancelled"
    assert not tasks.run_folder(workspace, job_id).exists()


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


def test_a_new_worker_clears_away_what_runs_that_are_over_left(workspace, worker, big_lot):
    lot_id = workspace.add_lot(big_lot)
    over = jobs.submit_distil(workspace, lot_id, {**SHORT, "seed": 9}, teacher=TEACHER)
    waiting = jobs.submit_distil(workspace, lot_id, SHORT, teacher=TEACHER)
    workspace.request_cancel(over)
    for job_id in (waiting, over):
        tasks.run_folder(workspace, job_id).mkdir(parents=True)
    (folders.scratch(workspace) / "half").mkdir()
    worker.begin_anew()
    assert [folder.name for folder in folders.runs_root(workspace).iterdir()] == [str(waiting)]


@pytest.mark.parametrize("name", ["exp-2024-03", "scratch", "2024", "9" * 30, "²"])
def test_what_no_run_has_left_is_nobodys_to_clear_away(workspace, worker, name):
    """The workspace may be a folder in which somebody keeps other things."""
    theirs = folders.runs_root(workspace) / name / "weights.pt"
    theirs.parent.mkdir(parents=True)
    theirs.touch()
    worker.begin_anew()
    assert [folder.name for folder in folders.runs_root(workspace).iterdir()] == [name]
    assert theirs.exists()


def test_what_a_run_left_that_a_copy_put_back_knows_nothing_of_is_cleared_away(workspace, worker):
    """A later run would be given its number, and be taken for another one."""
    for name in (kept.ASKED, kept.CHECKPOINT, f"{folders.HALF}/half.safetensors"):
        path = tasks.run_folder(workspace, 7) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    worker.begin_anew()
    assert list(folders.runs_root(workspace).iterdir()) == []


@pytest.mark.parametrize(("age", "stays"), [(0.0, True), (folders.FORGOTTEN + 60, False)])
def test_what_a_kill_left_half_made_is_cleared_away_a_day_later(workspace, worker, age, stays):
    halves = [partial_of(workspace.files.path("ab" * 32)), partial_of(workspace.student_root / "kit")]
    halves[0].parent.mkdir(parents=True)
    halves[0].write_bytes(b"half")
    halves[1].mkdir()
    for half in halves:
        os.utime(half, times=(time.time() - age,) * 2)
    worker.begin_anew()
    assert [half.exists() for half in halves] == [stays, stays]


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
