import pytest
import torch
from torch import nn

from wafer_core.errors import UsageError
from wafer_core.models.folder import files_of
from wafer_core.models.growth import grown, started_from
from wafer_core.models.networks import STUDENT_SIZES, build


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
        (STUDENT_SIZES["small"], STUDENT_SIZES["base"]),
    ],
)
def test_a_grown_network_answers_as_before(before, after):
    network, maps = taught(before), torch.rand(3, 2, 16, 16)
    larger = grown(network, after)
    assert not larger.training
    torch.testing.assert_close(larger(maps), network(maps))


def test_what_is_new_in_it_learns():
    larger = grown(taught("separable-4-8-8"), "finer-4-8-8").train()
    torch.autograd.backward(larger(torch.rand(4, 2, 16, 16)).square().sum())
    new = larger.body[2].convolution[1]
    assert new.weight.grad.abs().max() > 0


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
