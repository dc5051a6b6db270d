import itertools
import json
import math
import shutil
from dataclasses import asdict

import numpy as np
import pytest
import torch

from wafer_core.distill import loop
from wafer_core.distill.lesson import Lesson, Recipe, rehearsal
from wafer_core.distill.loop import Progress, distil
from wafer_core.distill.sources import LotAndReplay, Replay
from wafer_core.errors import UsageError
from wafer_core.models.networks import build

HALF = torch.zeros(8)
"""Thresholds of one half, as logits."""


def network(seed, spread=1.0):
    torch.manual_seed(seed)
    made = build("separable-4-8-8-8").eval()
    with torch.no_grad():
        made.head.weight.mul_(spread)
    return made


@pytest.fixture(scope="module")
def maps():
    """Canonical maps that fail on one side or another, so that networks differ about them."""
    random = np.random.default_rng(0)
    slope = np.linspace(-1, 1, 16)
    failing = [
        np.clip(0.3 + np.add.outer(a * slope, b * slope) + 0.2 * random.random((16, 16)), 0, 1)
        for a, b in random.normal(0, 0.8, (48, 2))
    ]
    fails = torch.tensor(np.array(failing), dtype=torch.float32)
    return torch.stack([1 - fails, fails], dim=1)


def run(maps, recipe, student=None, held_out=None, **options):
    """Distil the same teacher into a student; return the student and what was told on the way."""
    student = student or network(1)
    teacher, draw = network(0, spread=20.0), LotAndReplay(maps[:40], maps[:0])
    held_out = maps[40:] if held_out is None else held_out
    told = list(distil(teacher, student, draw, recipe, held_out, HALF, **options))
    return student, told


def weights(student):
    return {name: tensor.clone() for name, tensor in student.state_dict().items()}


def same(a, b):
    return all(torch.equal(tensor, b[name]) for name, tensor in a.items())


def test_a_student_approaches_its_teacher(maps):
    student, told = run(maps, Recipe(steps=80, batch=16, rate=1e-2))
    losses = [progress.loss for progress in told]
    assert np.mean(losses[-10:]) < 0.8 * np.mean(losses[:10])
    teacher = network(0, spread=20.0)
    with torch.inference_mode():
        wanted = teacher(maps)
        before, after = ((one(maps) - wanted).square().mean() for one in (network(1), student))
    assert after < 0.5 * before
    assert not student.training


def test_progress_counts(maps):
    _, told = run(maps, Recipe(steps=12, batch=4, evaluate=5))
    assert [progress.step for progress in told] == list(range(1, 13))
    assert {progress.steps for progress in told} == {12}
    assert {progress.held_out for progress in told} == {8}
    assert all(0 <= progress.agreed <= 8 for progress in told)
    seconds = [progress.seconds for progress in told]
    assert seconds == sorted(seconds)
    assert seconds[0] > 0


def test_agreement_is_what_was_last_measured(maps):
    student, told = run(maps, Recipe(steps=12, batch=4, evaluate=5, rate=1e-2))
    teacher = network(0, spread=20.0)
    with torch.inference_mode():
        first, last = (
            int(((one(maps[40:]) > HALF) == (teacher(maps[40:]) > HALF)).all(dim=1).sum())
            for one in (network(1), student)
        )
    assert [progress.agreed for progress in told[:4]] == [first] * 4
    assert told[-1].agreed == last


def test_a_look_counts_every_pattern_and_tells_the_first_wafers_one_by_one(maps):
    student, told = run(maps, Recipe(steps=12, batch=4, evaluate=5, rate=1e-2))
    look = told[-1].look
    with torch.inference_mode():
        logits, wanted = student(maps[40:]), network(0, spread=20.0)(maps[40:]) > HALF
    found = logits > HALF
    assert (look.agreed, told[-1].agreed) == (int((found == wanted).all(dim=1).sum()),) * 2
    assert look.both == tuple((found & wanted).sum(dim=0).tolist())
    assert look.either == tuple((found | wanted).sum(dim=0).tolist())
    assert max(look.either) > 0
    np.testing.assert_allclose(look.first, logits[: loop.SHOWN], atol=0.006)
    assert told[5].look == told[4].look != told[-1].look


def test_a_look_outlives_json():
    look = loop.Look(3, (1, 0), (2, 1), ((0.5, -1.25), (0.0, 2.0)))
    assert loop.Look.of(json.loads(json.dumps(asdict(look)))) == look


def test_progress_is_json(maps):
    _, told = run(maps, Recipe(steps=1, batch=4))
    assert set(told[0].to_json()) == {"step", "steps", "seconds", "loss", "agreed", "held_out"}
    assert told[0].to_json()["step"] == 1


def test_one_that_is_its_own_teacher_agrees_before_the_first_look(maps):
    _, told = run(maps, Recipe(steps=2, batch=4), student=network(0, spread=20.0))
    assert told[0].agreed == 8


def test_no_held_out_wafers_are_none_that_agree(maps):
    _, told = run(maps, Recipe(steps=2, batch=4), held_out=maps[:0])
    assert [(progress.agreed, progress.held_out) for progress in told] == [(0, 0)] * 2


def test_the_same_seed_and_steps_give_the_same_weights(maps):
    once, again, other = (weights(run(maps, Recipe(steps=7, batch=8, seed=seed))[0]) for seed in (3, 3, 4))
    assert same(once, again)
    assert not same(once, other)


def test_the_teacher_is_not_trained(maps):
    teacher = network(0)
    before = weights(teacher)
    for _ in distil(teacher, network(1), LotAndReplay(maps, maps[:0]), Recipe(steps=3, batch=8), maps[:4], HALF):
        pass
    assert same(weights(teacher), before)
    assert all(weight.grad is None for weight in teacher.parameters())


def left_after(steps, maps, recipe, student, checkpoint):
    """Distil until so many steps are done and leave the run there."""
    going = distil(
        network(0, spread=20.0),
        student,
        LotAndReplay(maps[:40], maps[:0]),
        recipe,
        maps[40:],
        HALF,
        checkpoint=checkpoint,
    )
    told = list(itertools.islice(going, steps))
    going.close()
    return told


@pytest.mark.parametrize("left", [[1], [6], [11], [1, 2, 3, 9]])
def test_a_run_that_was_left_repeats_an_uninterrupted_one(maps, tmp_path, left):
    recipe = Recipe(steps=12, batch=8, evaluate=5, rate=1e-2)
    whole, expected = run(maps, recipe)
    for steps in left:
        left_after(steps, maps, recipe, network(1), tmp_path / "run")
    student, told = run(maps, recipe, checkpoint=tmp_path / "run")
    assert same(weights(student), weights(whole))
    assert [counted(each) for each in told] == [counted(each) for each in expected]
    assert [each.seconds for each in told] == sorted(each.seconds for each in told)


def counted(progress):
    return progress.step, progress.loss, progress.agreed, progress.look if progress.step > 11 else None


def test_a_kill_costs_what_came_after_the_last_checkpoint_and_nothing_else(maps, tmp_path, monkeypatch):
    recipe, path = Recipe(steps=9, batch=8), tmp_path / "run"
    monkeypatch.setattr(loop, "SAVING", math.inf)
    going = distil(
        network(0, spread=20.0), network(1), LotAndReplay(maps[:40], maps[:0]), recipe, maps[40:], HALF, checkpoint=path
    )
    assert [each.step for each in itertools.islice(going, 4)] == [1, 2, 3, 4]
    # What lies on the disk now is what a kill would leave.
    shutil.copy(path, tmp_path / "killed")
    going.close()
    student, told = run(maps, recipe, checkpoint=tmp_path / "killed")
    assert [each.step for each in told] == list(range(1, 10))
    assert same(weights(student), weights(run(maps, recipe)[0]))


def test_a_finished_run_is_told_again_without_another_step(maps, tmp_path):
    recipe, path = Recipe(steps=3, batch=8), tmp_path / "run"
    once, told = run(maps, recipe, checkpoint=path)
    draw = Counted(LotAndReplay(maps[:40], maps[:0]))
    student = network(1)
    again = list(distil(network(0, spread=20.0), student, draw, recipe, maps[40:], HALF, checkpoint=path))
    assert again == told
    assert draw.count == 0
    assert same(weights(student), weights(once))


class Counted:
    """A source of maps that counts how often it was asked."""

    def __init__(self, source):
        self.source, self.count = source, 0

    def __call__(self, count, random):
        self.count += 1
        return self.source(count, random)


@pytest.mark.parametrize("change", [{"steps": 8}, {"rate": 1e-3}, {"seed": 1}])
def test_a_checkpoint_of_another_recipe_is_refused(maps, tmp_path, change):
    run(maps, Recipe(**{"steps": 3, "batch": 4}), checkpoint=tmp_path / "run")
    with pytest.raises(UsageError, match="run is left from a run with other options"):
        run(maps, Recipe(**{"steps": 3, "batch": 4, **change}), checkpoint=tmp_path / "run")
    with pytest.raises(UsageError, match="run is left from a run with other options"):
        run(maps, Recipe(**{"steps": 3, "batch": 4}), checkpoint=tmp_path / "run", asked="of another teacher")


def test_a_run_told_that_it_is_enough_ends_there_and_looks_once_more(maps, tmp_path):
    recipe, path = Recipe(steps=12, batch=4), tmp_path / "run"
    student, told = run(maps, recipe, checkpoint=path, enough=lambda progress: progress.step == 7)
    assert (told[-1].step, told[-1].steps) == (7, 12)
    assert not student.training
    again, told = run(maps, recipe, checkpoint=path, enough=lambda progress: progress.step == 7)
    assert told[-1].step == 7
    assert same(weights(again), weights(student))


@pytest.mark.parametrize("settled", [True, False])
def test_a_settled_student_keeps_its_statistics_and_learns_all_the_same(maps, settled):
    student, _ = run(maps, Recipe(steps=5, batch=8, settled=settled, rate=1e-2))
    came, found = network(1).state_dict(), student.state_dict()
    statistics = [name for name in came if "running" in name]
    assert len(statistics) > 4
    assert all(torch.equal(came[name], found[name]) == settled for name in statistics)
    assert not torch.equal(came["head.weight"], found["head.weight"])


def test_an_anchored_student_leaves_between_what_it_came_with_and_what_it_learned(maps):
    free, half, none = (
        weights(run(maps, Recipe(steps=5, batch=8, settled=True, rate=1e-2, anchor=anchor))[0])
        for anchor in (0.0, 0.5, 1.0)
    )
    came = weights(network(1))
    assert same(none, came)
    for name, tensor in came.items():
        assert torch.allclose(half[name].double(), (tensor.double() + free[name].double()) / 2, atol=1e-6)
    assert not same(half, came)


def test_an_anchored_student_is_looked_at_as_it_leaves(maps):
    student, told = run(maps, Recipe(steps=5, batch=8, settled=True, rate=1e-2, anchor=0.5))
    with torch.no_grad():
        left = student(maps[40:])
    assert np.allclose(told[-1].look.first, left[: loop.SHOWN], atol=0.006)


def test_no_step_follows_a_gradient_longer_than_one(maps):
    student = network(1, spread=50.0)
    lesson = Lesson(network(0, spread=20.0), student, Replay(maps), Recipe(steps=5, batch=16, settled=True))
    lesson.advance()
    gradients = torch.cat([each.grad.flatten() for each in student.parameters() if each.grad is not None])
    assert gradients.norm().item() == pytest.approx(1.0, abs=1e-3)


def test_what_is_recalled_is_answered_as_before(maps):
    """Rising slopes are learned from the teacher; falling ones too, or as the student answered them when it came."""
    slopes = (maps[:, 1, :, 8:].mean(dim=(1, 2)) - maps[:, 1, :, :8].mean(dim=(1, 2))).argsort()
    falling, rising = maps[slopes[:20]], maps[slopes[-20:]]
    recipe, came = Recipe(steps=60, batch=16, rate=5e-3, settled=True, overlays=0.0, noise=0.0), network(1)
    teacher, moved = network(0, spread=20.0), {}
    for name, draw, recall in (
        ("taught", LotAndReplay(rising, falling), None),
        ("recalled", LotAndReplay(rising, maps[:0]), Replay(falling)),
    ):
        student = network(1)
        for _ in distil(teacher, student, draw, recipe, maps[40:], HALF, recall=recall):
            pass
        with torch.no_grad():
            moved[name] = [float((student(part) - came(part)).abs().mean()) for part in (rising, falling)]
    assert moved["recalled"][0] > 0.5 * moved["taught"][0]
    assert moved["recalled"][1] < 0.6 * moved["taught"][1]


def test_a_long_run_keeps_a_thousand_points():
    kept = [step for step in range(1, 2501) if Progress(step, 2500, 0.0, 0.0, 0, 0).kept]
    assert (kept[0], kept[1], kept[-1], len(kept)) == (1, 3, 2500, 835)
    assert all(Progress(step, 900, 0.0, 0.0, 0, 0).kept for step in range(1, 901))


def test_a_rehearsed_step_takes_time_and_leaves_no_trace(maps):
    teacher, student, draw = network(0), network(1), LotAndReplay(maps, maps[:0])
    before = weights(student)
    seconds = list(itertools.islice(rehearsal(teacher, student, draw, Recipe(steps=1, batch=4)), 3))
    assert all(each > 0 for each in seconds)
    assert same(weights(student), before)
    assert not student.training
