"""What a distillation writes and tells, recomputed from its wafers, its teacher and the folder it leaves."""

import json
from dataclasses import replace
from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file

from wafer_core.canonical import canonical
from wafer_core.decode import decode_with, least_certain, logit, sigmoid
from wafer_core.distill.loop import Progress
from wafer_core.distill.settings import Settings
from wafer_core.distill_lot import maps, pool, run, start
from wafer_core.distill_lot.agreement import Agreement
from wafer_core.distill_lot.distil import distil_lot
from wafer_core.distill_lot.plan import Plan
from wafer_core.distill_lot.stages import Examples
from wafer_core.held_out import held_out
from wafer_core.lot import ORIENTATIONS, Lot
from wafer_core.models.asking import network_logits
from wafer_core.models.card import Card
from wafer_core.models.folder import files_of
from wafer_core.models.networks import build
from wafer_core.models.reference import embeddings
from wafer_core.models.sizes import STUDENT_SIZES
from wafer_core.models.weights import load_network
from wafer_core.novelty import limit_of, reference_of
from wafer_core.readers import read_paths

from .untrained import untrained_model

SIZE = 16


@pytest.fixture(scope="module", autouse=True)
def small_runs():
    """Start from random weights, and replay as few maps as novelty can be told from."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(start, "SHIPPED", pool.REPLAY / "nothing-shipped")
        patch.setattr(pool, "REPLAYED", 220)
        yield


def settings(**changes):
    return Settings(**{"size": "tiny", "steps": 3, "seed": 5, **changes})


@pytest.fixture(scope="module")
def lot(lot_of, disc_states):
    """Wafers from clean to half failing, of which some are held out and watched."""
    return lot_of([disc_states(18, 18 + 2 * (i % 2), 0.01 * i, i) for i in range(50)], title="fifty")


@pytest.fixture(scope="module")
def other(lot_of, disc_states, untested_states):
    """Another lot to stand beside it, two wafers of which nobody tested."""
    tested = [disc_states(17, 17, 0.02 + 0.02 * i, 100 + i) for i in range(30)]
    return lot_of([untested_states(17, 17), *tested, untested_states(15, 15)], lot="L2", title="other")


def model_of(folder, lot, share, change):
    """Write a model that says something else of every wafer and calls every pattern on a share of a lot's.

    Two of them that differ in `change`, a part of the weights, differ on a few wafers.
    """
    torch.manual_seed(3)
    network, canonicals = build(STUDENT_SIZES["tiny"]).eval(), canonical(lot.wafers, SIZE)
    with torch.no_grad():
        network.head.weight *= 3000 * (1 + change * torch.randn_like(network.head.weight))
    untrained_model(folder, STUDENT_SIZES["tiny"], canonicals[:8], network)
    cuts = sigmoid(np.quantile(network_logits(network, canonicals), 1 - share, axis=0))
    card = json.loads((folder / "card.json").read_text())
    for entry in card["files"].values():
        entry["thresholds"] = cuts.tolist()
    (folder / "card.json").write_text(json.dumps(card))
    return files_of(folder)[0]


def logits_of(model, canonicals):
    return network_logits(load_network(model), canonicals)


def calls_of(model, canonicals):
    return decode_with(model, logits_of(model, canonicals)).detected


@pytest.fixture(scope="module")
def teacher(lot, tmp_path_factory):
    return model_of(tmp_path_factory.mktemp("models") / "teacher", lot, share=0.3, change=0.0)


@pytest.fixture(scope="module")
def beginner(lot, tmp_path_factory):
    """A student that comes with weights, and with cuts of its own that the lot has reason to mend."""
    return model_of(tmp_path_factory.mktemp("models") / "beginner", lot, share=0.2, change=0.05)


def gathered(lot, teacher, chosen, beside=()):
    """The maps of a run, its stages left out."""
    going = maps.gather([lot], load_network(teacher), partial(calls_of, teacher), SIZE, chosen, beside)
    while True:
        try:
            next(going)
        except StopIteration as end:
            return end.value


def rows(canonicals):
    return {row.tobytes() for row in canonicals}


@pytest.fixture(scope="module")
def written(lot, other, teacher, beginner, tmp_path_factory):
    """A whole run from a student that came with weights, and all that it was to look at."""
    out, chosen = tmp_path_factory.mktemp("runs") / "student", settings(start=beginner.folder, pool="both")
    told = list(distil_lot([lot], teacher, out, chosen, beside=[other]))
    found = gathered(lot, teacher, chosen, [other])
    return SimpleNamespace(
        student=files_of(out)[0],
        card=Card.read(out),
        record=json.loads((out / "run.json").read_text()),
        told=told,
        maps=found,
        calibration=np.concatenate([found.learned[:200], found.pool.maps[:200]]),
    )


# The folder --------------------------------------------------------------------------------------


def test_a_student_is_unsure_where_its_own_answers_are_the_least_certain(written):
    margins = decode_with(written.student, logits_of(written.student, written.calibration)).margin
    assert written.card.unsure_below == pytest.approx(least_certain(margins), abs=1e-5)
    assert written.card.unsure_below > 0


def test_agreement_before_is_that_of_the_student_as_it_came(written, teacher, beginner):
    expected = agreement(teacher, beginner, written.maps.watched)
    assert written.record["agreement"]["before"] == pytest.approx(expected, abs=1e-5)


def test_agreement_after_is_that_of_the_student_that_was_written(written, teacher):
    expected = agreement(teacher, written.student, written.maps.watched)
    assert written.record["agreement"]["after"] == pytest.approx(expected, abs=1e-5)
    logits, cuts = logits_of(written.student, written.maps.watched), logit(written.student.entry.thresholds)
    undecoded = Agreement.between(calls_of(teacher, written.maps.watched), logits, logits > cuts, logits)
    assert undecoded.exact != expected["exact"]


def agreement(teacher, student, canonicals):
    answers = [(calls_of(model, canonicals), logits_of(model, canonicals)) for model in (teacher, student)]
    return Agreement.between(*answers[0], *answers[1]).to_json()


def test_thresholds_are_matched_on_maps_of_the_lot_and_of_the_pool(written, teacher):
    assert np.array_equal(written.maps.calibration, written.calibration)
    assert written.maps.calibration_logits == pytest.approx(logits_of(teacher, written.calibration), abs=1e-5)
    assert not rows(written.calibration) & rows(written.maps.watched)


def test_novelty_is_told_from_learned_maps_and_limited_by_others(written):
    known, ordinary = written.maps.known
    assert not rows(known) & rows(ordinary)
    assert rows(written.maps.learned) < rows(known)
    assert rows(written.maps.watched) < rows(ordinary)
    graph = next(model for model in files_of(written.student.folder) if model.engine == "onnx")
    reference = reference_of(embeddings(graph, known))
    novelty = written.card.novelty
    limit = limit_of(reference.distances(embeddings(graph, ordinary)))
    assert load_file(written.student.folder / novelty.file)["centre"] == pytest.approx(reference.centre, abs=1e-5)
    assert novelty.limits[graph.file] == pytest.approx(limit, rel=1e-4)


# What is told ------------------------------------------------------------------------------------


def test_the_wafers_shown_are_held_out_and_told_with_their_own_logits(written, lot, teacher, beginner):
    [shown] = [each for each in written.told if isinstance(each, Examples)]
    watched = [wafer.name for wafer, out in zip(lot, held_out(lot.wafers), strict=True) if out]
    assert set(shown.wafers) < set(watched)
    assert list(shown.wafers) != watched[: len(shown.wafers)]
    by_name = {wafer.name: wafer for wafer in lot}
    canonicals = canonical([by_name[name] for name in shown.wafers], SIZE)
    assert np.array(shown.teacher) == pytest.approx(logits_of(teacher, canonicals), abs=0.006)
    assert np.array(shown.student) == pytest.approx(logits_of(beginner, canonicals), abs=0.006)


def test_a_run_that_the_clock_ends_says_so_and_at_which_step(small_lot, teacher, tmp_path, monkeypatch):
    monkeypatch.setattr(Plan, "spent_by", lambda plan, progress: progress.step == 3)
    out, planned = tmp_path / "run", 1_500  # so many that the third is no point of the curves
    told = list(distil_lot([small_lot], teacher, out, settings(steps=planned, pool="none")))
    made, record = Card.read(out).made_from, json.loads((out / "run.json").read_text())
    assert [each.step for each in told if isinstance(each, Progress)] == [1, 2, 3]
    assert [point["step"] for point in record["history"]] == [1, 2, 3]
    assert (record["plan"]["steps"], record["steps"], record["ended_early"]) == (planned, 3, True)
    assert made["steps"] == 3
    assert f"--steps {planned}" in made["command"]


# What teaches ------------------------------------------------------------------------------------


@pytest.fixture
def handed(monkeypatch):
    """What the loop was handed, for a run that need not write anything."""
    found, distil = {}, run.distil

    def spied(teacher, student, draw, recipe, held_out, cuts, **more):
        found.update(recipe=recipe, held_out=held_out, cuts=cuts, threads=torch.get_num_threads(), **more)
        return distil(teacher, student, draw, recipe, held_out, cuts, **more)

    monkeypatch.setattr(run, "distil", spied)
    return found


def until_a_step(lot, teacher, out, chosen):
    going = distil_lot([lot], teacher, out, chosen)
    next(each for each in going if isinstance(each, Progress))
    going.close()


def test_the_loop_is_handed_what_the_teacher_calls_at_its_own_cuts(handed, lot, teacher, beginner, tmp_path):
    until_a_step(lot, teacher, tmp_path / "run", settings(pool="none", start=beginner.folder))
    logits, cuts = logits_of(teacher, handed["held_out"].numpy()), logit(teacher.entry.thresholds)
    assert handed["cuts"].numpy() == pytest.approx(cuts, abs=1e-6)
    assert np.array_equal(handed["answers"].numpy(), logits > cuts)
    assert not np.array_equal(logits > cuts, logits > 0)


@pytest.mark.parametrize("augmentation", [1.0, 0.5])
@pytest.mark.parametrize(("came_with_weights", "usual"), [(False, run.FRESH), (True, run.GOING_ON)])
def test_what_came_with_weights_is_taught_with_care(
    handed, small_lot, teacher, beginner, tmp_path, came_with_weights, usual, augmentation
):
    begins = {"start": beginner.folder} if came_with_weights else {"fresh": True}
    until_a_step(small_lot, teacher, tmp_path / "run", settings(pool="none", augmentation=augmentation, **begins))
    varied = {"overlays": augmentation * usual.overlays, "noise": augmentation * usual.noise}
    assert handed["recipe"] == replace(usual, steps=3, seed=5, **varied)
    assert run.FRESH.rate > run.GOING_ON.rate


def test_a_run_holds_torch_to_one_thread(handed, small_lot, teacher, tmp_path):
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        until_a_step(small_lot, teacher, tmp_path / "run", settings(pool="none"))
    finally:
        torch.set_num_threads(before)
    assert handed["threads"] == 1


# The pool ----------------------------------------------------------------------------------------


def test_maps_of_all_kinds_are_among_the_first_of_a_pool(written):
    shipped = written.maps.pool.shipped
    assert 0 < shipped[:20].sum() < 20
    assert 0 < shipped[-20:].sum() < 20


def test_a_pool_takes_no_untested_wafer_of_other_lots(written, other):
    tested = canonical([wafer for wafer in other if wafer.scorable], SIZE)
    assert rows(written.maps.pool.maps[~written.maps.pool.shipped]) == rows(tested)
    assert {"name": "other", "sha256": other.lot_hash, "labels": False, "maps": 30} in written.maps.pool.data


def test_no_shipped_wafer_that_is_the_lots_own_in_another_turn_is_replayed(teacher, monkeypatch):
    shipped, drawn_from = read_paths([pool.REPLAY]), []
    unlabelled = pool.Unlabelled
    monkeypatch.setattr(
        pool, "Unlabelled", lambda states, *more: drawn_from.append(states) or unlabelled(states, *more)
    )
    turned = tuple(wafer.turned(ORIENTATIONS[5]) for wafer in shipped.wafers[3:])
    found = gathered(Lot("turned", turned), teacher, settings(pool="shipped"))
    assert [each["maps"] for each in found.pool.data] == [3, pool.REPLAYED]
    [states] = drawn_from
    assert all(map(np.array_equal, states, [wafer.states for wafer in shipped.wafers[:3]]))
    assert len(states) == 3
