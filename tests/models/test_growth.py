import pytest
import torch
from torch import nn

from wafer_core.errors import UsageError
from wafer_core.models.folder import files_of
from wafer_core.models.growth import grown, started_from
from wafer_core.models.networks import build
from wafer_core.models.sizes import STUDENT_SIZES


def taught(architecture, seed=0):
    """A network whose normalisations are no longer those it was made with."""
    torch.manual_seed(seed)
    network = build(architecture)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 2.0)
            nn.init.uniform_(module.running_mean, -0.5, 0.5)
    return network.eval()


@torch.no_grad()
@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("separable-4-8-8", "finer-4-8-8"),
        ("separable-4-8-8", "finest-4-8-8"),
        ("finer-4-8-8", "finest-4-8-8"),
        ("finer-4-8-8", "finer-4-8-8-8"),
        ("finest-4-8-8-12", "densest-4-8-8-8-12-12"),
        ("turning-3x1-6-8", "turning-3x3-6-6-8"),
        (STUDENT_SIZES["small"], STUDENT_SIZES["base"]),
    ],
)
def test_a_grown_network_answers_as_before(before, after):
    network, maps = taught(before), torch.rand(3, 2, 16, 16)
    larger = grown(network, after)
    assert not larger.training
    torch.testing.assert_close(larger(maps), network(maps))


@pytest.mark.parametrize(
    ("before", "after", "new"),
    [
        ("separable-4-8-8", "finer-4-8-8", lambda network: network.body[2].convolution),
        ("finer-4-8-8", "finer-4-8-8-8", lambda network: network.body[-1].pointwise),
    ],
)
def test_what_is_new_in_it_learns(before, after, new):
    larger = grown(taught(before), after).train()
    maps = torch.rand(4, 2, 16, 16, generator=torch.Generator().manual_seed(2))
    torch.autograd.backward(larger(maps).square().sum())
    convolution, normalisation = new(larger)
    assert normalisation.weight.grad.abs().max() > 0
    # Once it adds something, what it adds learns too.
    with torch.no_grad():
        normalisation.weight.sub_(normalisation.weight.grad)
    torch.autograd.backward(larger(maps).square().sum())
    assert convolution.weight.grad.abs().max() > 0


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("finer-4-8-8", "separable-4-8-8"),
        ("finer-4-8-8", "finest-4-8-12"),
        ("finer-4-8-8", "finest-4-8"),
        ("finer-4-8-8", "finest-4-8-8-12"),
        ("finer-4-8-8", "residual-8-1-1"),
        ("finer-4-8-8", "unheard-of-4"),
    ],
)
def test_nothing_else_can_grow(before, after):
    with pytest.raises(ValueError, match=after):
        grown(taught(before), after)


def test_a_start_is_taken_as_it_is_or_refused_by_name(tiny_folder):
    model = files_of(tiny_folder)[0]
    assert model.card.architecture == "separable-4-8-8-8"
    maps = torch.rand(2, 2, 16, 16)
    same, more = (started_from(model, f"{kind}-4-8-8-8").eval() for kind in ("separable", "finest"))
    torch.testing.assert_close(same(maps), more(maps))
    with pytest.raises(UsageError, match=r"is a separable-4-8-8-8: name that --architecture, or start anew"):
        started_from(model, "residual-8-1-1")
