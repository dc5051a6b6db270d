from dataclasses import replace

import pytest
import torch
from torch import nn

from wafer_core.errors import UsageError
from wafer_core.synthesis.pool import Pool
from wafer_core.training.trainer import Recipe, _loss, train

CPU = torch.device("cpu")
TASK = Recipe(architecture="residual-16-1-1", steps=60, batch=32, rate=5e-3)
SHORT = Recipe(architecture="residual-16-1-1", steps=300, batch=4)


def chunks(size, rows=32):
    """Wafers that fail in the middle are Center; nothing else is on any of them."""
    random = torch.Generator().manual_seed(0)
    while True:
        labels = torch.zeros(rows, 8, dtype=torch.bool)
        labels[:, 0] = torch.rand(rows, generator=random) < 0.5
        failing = (torch.rand(rows, size, size, generator=random) < 0.1).float()
        middle = slice(size // 4, -(size // 4))
        failing[:, middle, middle] = torch.maximum(failing[:, middle, middle], labels[:, :1, None].float())
        yield (255 * torch.stack([1 - failing, failing], dim=1)).to(torch.uint8), labels


def pool_of(size=8):
    return Pool(chunks(size), 128, CPU)


def logits_of(network, size=8):
    maps, labels = next(chunks(size, 200))
    with torch.inference_mode():
        return network(maps.float() / 255), labels


@pytest.fixture(scope="module")
def taught():
    return train(TASK, pool_of(16), CPU)


def test_a_trivial_task_is_learned(taught):
    logits, labels = logits_of(taught, 16)
    assert ((logits > 0) == labels).all(dim=1).float().mean() > 0.95


def test_what_comes_back_is_ready_to_be_used_and_saved(taught):
    assert not taught.training
    assert all(tensor.is_contiguous() for tensor in taught.state_dict().values())


def weights(network):
    return {name: tensor.clone() for name, tensor in network.state_dict().items()}


def same(a, b):
    return all(torch.equal(tensor, b[name]) for name, tensor in a.items())


def test_a_run_repeats_from_its_seed():
    recipe = Recipe(architecture="residual-16-1-1", steps=5, batch=8, seed=3)
    once, again = (weights(train(recipe, pool_of(), CPU)) for _ in range(2))
    other = weights(train(Recipe(architecture="residual-16-1-1", steps=5, batch=8, seed=4), pool_of(), CPU))
    assert same(once, again)
    assert not same(once, other)


class Killed(Exception):
    pass


def test_a_killed_run_continues_from_its_checkpoint(tmp_path):
    checkpoint, told = tmp_path / "run.checkpoint", []

    def die(step, loss, seconds):
        if step == 250:
            raise Killed

    with pytest.raises(Killed):
        train(SHORT, pool_of(), CPU, report=die, checkpoint=checkpoint)
    resumed = train(SHORT, pool_of(), CPU, report=lambda step, *_: told.append(step), checkpoint=checkpoint)
    assert told == [250, 300]
    assert [path.name for path in tmp_path.iterdir()] == ["run.checkpoint"]

    finished = train(SHORT, pool_of(), CPU, report=lambda step, *_: told.append(step), checkpoint=checkpoint)
    assert told == [250, 300]
    assert same(weights(resumed), weights(finished))

    with pytest.raises(UsageError, match=r"run\.checkpoint is left from a run with other options"):
        train(Recipe(architecture="residual-16-1-1", steps=300, batch=4, seed=1), pool_of(), CPU, checkpoint=checkpoint)


@pytest.mark.parametrize("width", [4, 14, 16, 18])
def test_a_narrow_network_trains_at_full_size_too(width):
    recipe = Recipe(architecture=f"residual-{width}-1-1", steps=3, batch=64)
    weights_of = weights(train(recipe, pool_of(size=52), CPU))
    assert all(bool(tensor.isfinite().all()) for tensor in weights_of.values())


def test_a_run_goes_on_from_a_trained_network(taught):
    before = weights(taught)
    recipe = Recipe(steps=1, batch=32, rate=1e-6)
    logits, labels = logits_of(train(recipe, pool_of(16), CPU, start=taught), 16)
    assert ((logits > 0) == labels).all(dim=1).float().mean() > 0.95
    assert same(before, weights(taught))


class Sure(nn.Module):
    """A guide that finds Random on every wafer."""

    def forward(self, maps):
        answers = torch.full((len(maps), 8), -9.0)
        answers[:, 7] = 9.0
        return answers


@pytest.mark.parametrize(("guides", "chance"), [([], 0.01), ([Sure()], 0.5)])
def test_guides_are_believed_by_half(guides, chance):
    network = train(Recipe(architecture="residual-16-1-1", steps=80, batch=16, rate=1e-2), pool_of(), CPU, guides)
    logits, _ = logits_of(network)
    assert logits[:, 7].sigmoid().mean() == pytest.approx(chance, abs=0.15)


class Certain(nn.Module):
    """Answers right, and as surely as it is told to."""

    def __init__(self, logit):
        super().__init__()
        self.logit = logit

    def evidence(self, maps):
        return torch.full((len(maps), 8, 2, 2), float(self.logit))


@pytest.mark.parametrize(("smoothing", "best"), [(0.05, 3), (0.01, 5)])
def test_labels_are_believed_less_than_wholly(smoothing, best):
    maps, labels = torch.zeros(4, 2, 8, 8), torch.ones(4, 8)
    recipe = replace(TASK, smoothing=smoothing)
    losses = {logit: float(_loss(Certain(logit), maps, labels, [], [], recipe, CPU)) for logit in range(-9, 10)}
    assert min(losses, key=losses.__getitem__) == best


def test_a_network_learns_where_its_evidence_belongs():
    """Whether a wafer is Center is told by its middle and, as plainly, by its corner; only one is the pattern's own."""

    def marked(rows=32):
        for maps, labels in chunks(16, rows):
            maps[:, 1, :4, :4] = torch.where(labels[:, :1, None], 255, maps[:, 1, :4, :4])
            owned = torch.zeros(rows, 8, 4, 4, dtype=torch.uint8)
            owned[:, 0, 1:3, 1:3] = 255 * labels[:, :1, None]
            yield maps, labels, owned

    def share_in_the_middle(places):
        network = train(replace(TASK, places=places), Pool(marked(), 128, CPU), CPU)
        maps, labels, _ = next(marked(200))
        with torch.inference_mode():
            speaking = network.evidence(maps.float() / 255)[labels[:, 0], 0].relu()
        return (speaking[:, 1:3, 1:3].sum() / speaking.sum()).item()

    assert share_in_the_middle(1.0) > share_in_the_middle(0.0) + 0.1
