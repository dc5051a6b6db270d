"""Explaining a whole lot: everything a model calls, nothing twice, and from where it stood after a kill."""

import numpy as np
import pytest
from patience import STUDENT, TEACHER, all_turns, ended, eventually, kill_worker

from wafer_core import jobs
from wafer_core.decode import decode_with, logit
from wafer_core.errors import UnsupportedMethod
from wafer_core.jobs import tasks
from wafer_core.jobs.queue import Urgency
from wafer_core.patterns import PATTERNS, flags
from wafer_core.recognise import Scores

METHOD = "gradcam"


def answer(workspace, lot, name, sets):
    """Lay a model's verdicts ready: one set of patterns a wafer, as `Center+Scratch`."""
    model = workspace.model(name)
    wanted = np.array([flags(each.split("+")) for each in sets])
    logits = (logit(np.array(model.entry.thresholds)) + np.where(wanted, 4.0, -4.0)).astype(np.float32)
    maps = [wafer.map_hash for wafer in lot]
    workspace.put_scores(model.sha256, maps, Scores(logits, np.zeros((len(maps), 4), np.float32), model.sha256))
    return wanted


def stored(workspace, lot, name, method=METHOD):
    return workspace.attributed(workspace.model(name).sha256, [wafer.map_hash for wafer in lot], method)


@pytest.mark.parametrize(("name", "method"), [(TEACHER, METHOD), (STUDENT, "occlusion")])
def test_all_that_a_model_calls_is_explained_and_nothing_else(workspace, worker, small_lot, name, method):
    lot_id = workspace.add_lot(small_lot)
    called = answer(
        workspace, small_lot, name, ["Center", "Normal", "Center+Scratch", "Normal", "Edge-Loc+Loc", "Donut"]
    )
    job_id = jobs.submit_explain_lot(workspace, lot_id, name, method)
    assert jobs.submit_explain_lot(workspace, lot_id, name, method) == job_id
    all_turns(worker)
    job = workspace.job(job_id)
    assert job.state == "done"
    assert "4 wafers of small" in job.message
    assert (job.progress["done"], job.progress["total"], job.progress["explained"]) == (4, 4, 4)
    wanted = {(small_lot.wafers[wafer].map_hash, pattern) for wafer, pattern in np.argwhere(called).tolist()}
    assert stored(workspace, small_lot, name, method) == wanted
    assert jobs.unexplained(workspace, small_lot, workspace.model(name), method, called) == []
    maps = [wafer.map_hash for wafer in small_lot]
    shapes = {key: dies.shape for key, _, dies in workspace.all_attributions(job.payload["sha256"], maps, method)}
    assert shapes == {small_lot.wafers[i].map_hash: small_lot.wafers[i].frame.shape for i in (0, 2, 4, 5)}


def test_wafers_nobody_has_read_are_read_first(workspace, worker, small_lot):
    lot_id = workspace.add_lot(small_lot)
    jobs.submit_explain_lot(workspace, lot_id, TEACHER, METHOD)
    all_turns(worker)
    model = workspace.model(TEACHER)
    assert jobs.missing(workspace, small_lot, model) == ()
    logits = workspace.scores(model.sha256, [wafer.map_hash for wafer in small_lot]).logits
    called = decode_with(model, logits).detected
    assert called.any()
    assert len(stored(workspace, small_lot, TEACHER)) == called.sum()


def test_what_a_wafers_own_page_had_explained_is_not_made_again(workspace, worker, small_lot, monkeypatch):
    lot_id = workspace.add_lot(small_lot)
    answer(workspace, small_lot, TEACHER, ["Center+Loc", "Center", "Normal", "Normal", "Normal", "Normal"])
    jobs.submit_explain(workspace, lot_id, 0, TEACHER, METHOD, [PATTERNS.index("Center")])
    all_turns(worker)
    made = []
    attribute = tasks.attribute

    def counted(recognizer, wafer, method, patterns):
        made.append((wafer.wafer, [PATTERNS[pattern] for pattern in patterns]))
        return attribute(recognizer, wafer, method, patterns)

    monkeypatch.setattr(tasks, "attribute", counted)
    jobs.submit_explain_lot(workspace, lot_id, TEACHER, METHOD)
    all_turns(worker)
    assert made == [("01", ["Loc"]), ("02", ["Center"])]
    again = jobs.submit_explain_lot(workspace, lot_id, TEACHER, METHOD)
    all_turns(worker)
    assert workspace.job(again).state == "done"
    assert len(made) == 2


def test_twins_are_explained_once(workspace, worker, lot_of, disc_states):
    lot = lot_of([disc_states(12, 12)] * 3)
    answer(workspace, lot, TEACHER, ["Loc"] * 3)
    job_id = jobs.submit_explain_lot(workspace, workspace.add_lot(lot), TEACHER, METHOD)
    all_turns(worker)
    progress = workspace.job(job_id).progress
    assert (progress["done"], progress["total"], progress["explained"]) == (3, 3, 1)


def test_a_wafer_someone_waits_for_comes_in_between(workspace, worker, big_lot):
    lot_id = workspace.add_lot(big_lot)
    answer(workspace, big_lot, TEACHER, ["Center"] * 40)
    lot_job = jobs.submit_explain_lot(workspace, lot_id, TEACHER, METHOD)
    for _ in range(3):
        worker.turn()
    asked = jobs.submit_explain(workspace, lot_id, 39, TEACHER, METHOD, [0, 1])
    assert workspace.most_urgent().id == asked
    # It explains, asks what checks the explanation, and ends.
    for _ in range(3):
        worker.turn()
    assert workspace.job(asked).state == "done"
    assert workspace.job(lot_job).progress["done"] == 3
    assert Urgency.REST_TEACHER < workspace.job(lot_job).urgency < Urgency.DISTIL


def test_a_cancelled_lot_keeps_what_it_has_and_goes_on_from_there(workspace, worker, small_lot):
    lot_id, model = workspace.add_lot(small_lot), workspace.model(TEACHER)
    called = answer(workspace, small_lot, TEACHER, ["Loc"] * 6)
    first = jobs.submit_explain_lot(workspace, lot_id, TEACHER, METHOD)
    for _ in range(2):
        worker.turn()
    jobs.cancel(workspace, first)
    all_turns(worker)
    assert workspace.job(first).state == "cancelled"
    assert [position for position, _ in jobs.unexplained(workspace, small_lot, model, METHOD, called)] == [2, 3, 4, 5]
    # A page finds the last that was asked for, of this lot, these weights and this method alone.
    assert jobs.last_explain_lot(workspace, lot_id, model, METHOD).id == first
    assert jobs.last_explain_lot(workspace, lot_id, model, "deeplift") is None
    second = jobs.submit_explain_lot(workspace, lot_id, TEACHER, METHOD)
    assert second != first
    all_turns(worker)
    progress = workspace.job(second).progress
    assert (progress["done"], progress["total"], progress["explained"]) == (6, 6, 4)


def test_a_killed_worker_goes_on_from_what_was_kept(workspace, big_lot):
    lot_id = workspace.add_lot(big_lot)
    answer(workspace, big_lot, TEACHER, ["Center+Edge-Loc+Loc+Scratch"] * 40)
    job_id = jobs.submit_explain_lot(workspace, lot_id, TEACHER, "integrated-gradients")
    eventually(lambda: workspace.job(job_id).progress.get("done", 0) >= 2, workspace)
    kill_worker(workspace)
    kept = stored(workspace, big_lot, TEACHER, "integrated-gradients")
    assert 8 <= len(kept) < 160
    job = ended(workspace, job_id)
    assert job.state == "done"
    assert job.progress["done"] == 40
    # One that was being explained when the worker died is begun anew; none is explained twice.
    assert 39 <= job.progress["explained"] <= 40
    assert len(stored(workspace, big_lot, TEACHER, "integrated-gradients")) == 160


def test_how_long_a_wafer_takes_is_measured_and_not_guessed(workspace, worker, small_lot):
    lot_id, model = workspace.add_lot(small_lot), workspace.model(TEACHER)
    assert jobs.seconds_a_wafer(workspace, model, METHOD) is None
    jobs.submit_explain(workspace, lot_id, 0, TEACHER, METHOD, [0])
    all_turns(worker)
    alone = jobs.seconds_a_wafer(workspace, model, METHOD)
    assert alone > 0
    answer(workspace, small_lot, TEACHER, ["Center"] * 6)
    job_id = jobs.submit_explain_lot(workspace, lot_id, TEACHER, METHOD)
    all_turns(worker)
    told = workspace.job(job_id).progress
    assert told["explained"] == 5
    assert jobs.seconds_a_wafer(workspace, model, METHOD) == pytest.approx((alone + told["seconds"]) / 6)
    assert jobs.seconds_a_wafer(workspace, model, "deeplift") is None


def test_a_method_that_cannot_explain_the_model_is_refused(workspace, small_lot):
    with pytest.raises(UnsupportedMethod, match="occlusion"):
        jobs.submit_explain_lot(workspace, workspace.add_lot(small_lot), STUDENT, METHOD)
    assert workspace.jobs() == []


def test_a_lot_without_patterns_is_done_at_once(workspace, worker, small_lot):
    answer(workspace, small_lot, TEACHER, ["Normal"] * 6)
    job_id = jobs.submit_explain_lot(workspace, workspace.add_lot(small_lot), TEACHER, METHOD)
    all_turns(worker)
    assert workspace.job(job_id).state == "done"
    assert stored(workspace, small_lot, TEACHER) == set()
