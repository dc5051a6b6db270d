import pytest
import torch
from torch import nn

from wafer_core.models.networks import build
from wafer_core.models.turning import MeanOfTurns, Turning, TurnsAlike
from wafer_core.models.turns import TURNS, unfolding


def turned(grids, turn):
    view = torch.rot90(grids, turn % 4, (-2, -1))
    return (view.flip(-1) if turn >= 4 else view).contiguous()


def maps(count=3, size=16):
    return torch.rand(count, 2, size, size, generator=torch.Generator().manual_seed(1))


@pytest.fixture(scope="module")
def network():
    """One whose every number matters: fresh ones have biases and statistics that do nothing."""
    torch.manual_seed(0)
    made = build("turning-3x2-5-5-6")
    for values in made.state_dict().values():
        if values.ndim > 1:
            values.mul_(3)
        elif values.dtype.is_floating_point:
            nn.init.uniform_(values, 0.2, 0.8)
    return made.eval()


@torch.no_grad()
@pytest.mark.parametrize("turn", range(TURNS))
@pytest.mark.parametrize("learning", [False, True])
def test_a_turned_wafer_gets_the_same_logits_from_turned_features(network, turn, learning):
    network.train(learning)
    try:
        features, logits = network.features(maps()), network(maps())
        torch.testing.assert_close(network(turned(maps(), turn)), logits, atol=1e-5, rtol=1e-4)
        torch.testing.assert_close(network.features(turned(maps(), turn)), turned(features, turn), atol=1e-5, rtol=1e-4)
    finally:
        network.eval()
    assert logits.std(dim=0).max() > 1e-2
    assert turn == 0 or not torch.allclose(turned(features, turn), features, atol=1e-2)


@torch.no_grad()
def test_an_ordinary_network_answers_a_turned_wafer_otherwise():
    torch.manual_seed(0)
    ordinary = build("finest-4-8-8").train()
    assert not torch.allclose(ordinary(turned(maps(), 1)), ordinary(maps()), atol=1e-4)


@torch.no_grad()
@pytest.mark.parametrize(
    ("layer", "channels"),
    [
        (lambda: Turning(2, 3, 4, stride=2, lifts=True), 2),
        (lambda: Turning(3, 5, 3), 3 * TURNS),
        (lambda: Turning(3, 5, 1), 3 * TURNS),
        (lambda: Turning(3, 5, 4, stride=2), 3 * TURNS),
        (lambda: Turning(3, 3, 5, groups=3), 3 * TURNS),
    ],
    ids=["lifting", "dense", "pointwise", "strided", "depthwise"],
)
def test_an_ordinary_convolution_does_the_same_with_eight_times_the_weights(layer, channels):
    torch.manual_seed(0)
    turning = layer()
    grid = torch.rand(2, channels, 12, 12)
    ordinary = turning.ordinary()
    assert torch.equal(ordinary(grid), turning(grid))
    assert ordinary.weight.numel() == TURNS * turning.weight.numel()
    assert turning(grid).shape == (2, TURNS * len(turning.weight), 12 // turning.stride, 12 // turning.stride)


def test_what_a_convolution_learns_is_the_sum_over_the_turns_of_its_kernel():
    layer = Turning(2, 3, 3)
    ordinary = layer.ordinary()
    grid, asked = torch.rand(2, 2 * TURNS, 6, 6), torch.randn(2, 3 * TURNS, 6, 6)
    for each in (layer, ordinary):
        torch.autograd.backward((each(grid) * asked).sum())
    by_turn = ordinary.weight.grad.reshape(TURNS, 3, TURNS, 2, 9).permute(1, 3, 0, 2, 4).flatten(2)
    learned = torch.zeros_like(layer.weight).index_add(
        2, torch.from_numpy(unfolding(3, TURNS).copy()).flatten(), by_turn
    )
    torch.testing.assert_close(layer.weight.grad, learned, atol=1e-4, rtol=1e-4)
    assert len(list(layer.parameters())) == 1


def test_a_normalisation_keeps_one_mean_a_feature_and_gives_the_grid_as_it_was_laid_out():
    layer = TurnsAlike(3)
    grid = torch.randn(4, 3 * TURNS, 6, 6)
    out = layer(grid)
    by_feature = out.reshape(4, TURNS, 3, 6, 6).transpose(1, 2).reshape(4, 3, -1)
    assert out.mean(dim=(0, 2, 3)).abs().max() > 0.01
    torch.testing.assert_close(by_feature.mean(dim=(0, 2)), torch.zeros(3), atol=1e-5, rtol=0)
    assert layer.running_mean.shape == (3,)
    for layout in (torch.channels_last, torch.contiguous_format):
        laid = layer.eval()(grid.contiguous(memory_format=layout))
        assert laid.is_contiguous(memory_format=layout)
        torch.testing.assert_close(laid, layer.ordinary()(grid), atol=1e-6, rtol=1e-5)


def test_the_mean_of_turns_is_over_the_turns_of_each_feature():
    grid = torch.arange(TURNS * 2, dtype=torch.float32)[None, :, None, None].expand(1, -1, 3, 3)
    assert MeanOfTurns()(grid)[0, :, 0, 0].tolist() == [7.0, 8.0]
