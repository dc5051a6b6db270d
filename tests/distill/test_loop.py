from types import SimpleNamespace

import numpy as np
import pytest
import torch

from wafer_core.distill import LotAndReplay, Recipe, distil
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


def run(maps, recipe, student=None, held_out=None):
    """Distil the same teacher into a student; return the student and what was told on the way."""
    student = student or network(1)
    teacher, draw = network(0, spread=20.0), LotAndReplay(maps[:40], maps[:0])
    told = list(distil(teacher, student, draw, recipe, maps[40:] if held_out is None else held_out, HALF))
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


def clock(monkeypatch, ticks):
    """Let every look at the clock cost the next of `ticks` seconds, the last one from then on."""
    now, left = 0.0, list(ticks)

    def monotonic():
        nonlocal now
        now += left.pop(0) if len(left) > 1 else left[0]
        return now

    monkeypatch.setattr("wafer_core.distill.loop.time", SimpleNamespace(monotonic=monotonic))


def test_a_timed_run_fits_its_steps_into_its_seconds_and_can_be_repeated(maps, monkeypatch):
    clock(monkeypatch, [1.0])
    timed, told = run(maps, Recipe(seconds=24.0, batch=4))
    assert (told[-1].step, told[-1].steps, told[-1].seconds) == (21, 21, 21.0)
    counted, _ = run(maps, Recipe(steps=21, batch=4))
    assert same(weights(timed), weights(counted))


def test_a_machine_that_slows_down_ends_a_run_early(maps, monkeypatch):
    clock(monkeypatch, [1.0] * 7 + [10.0])
    student, told = run(maps, Recipe(seconds=24.0, batch=4))
    assert told[-1].step == 8
    assert told[-1].steps == 21
    assert not student.training


@pytest.mark.parametrize("seconds", [0.0, -5.0])
def test_a_run_that_has_no_time_left_takes_one_step(maps, seconds):
    _, told = run(maps, Recipe(seconds=seconds, batch=4))
    assert [progress.step for progress in told] == [1]


def test_a_number_of_steps_is_kept_whatever_the_clock_says(maps, monkeypatch):
    clock(monkeypatch, [1000.0])
    _, told = run(maps, Recipe(steps=9, seconds=1.0, batch=4))
    assert told[-1].step == 9


def test_an_endless_recipe_is_refused():
    with pytest.raises(ValueError, match="a number of steps or of seconds"):
        Recipe()
