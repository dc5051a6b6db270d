import pytest
import torch
from torch import nn

from wafer_core.models.learning import blend, fastest_layout, laid_out, lower_precision, pick_device, schedule
from wafer_core.models.networks import build


@pytest.mark.parametrize(
    ("progress", "share"), [(0.0, 0.02), (0.001, 0.02), (0.05, 0.5), (0.1, 1.0), (0.55, 0.5), (1.0, 0.0)]
)
def test_the_rate_warms_up_and_falls_as_a_cosine(progress, share):
    assert schedule(progress, warm=0.1, least=0.02) == pytest.approx(share, abs=1e-9)


@pytest.mark.parametrize("keep", [0.0, 0.25, 1.0])
def test_an_average_moves_towards_the_network(keep):
    average, network = nn.BatchNorm2d(3), nn.BatchNorm2d(3)
    with torch.no_grad():
        network.weight.fill_(5.0)
        network.running_mean.fill_(-4.0)
        network.num_batches_tracked.fill_(7)
    blend(average, network, keep)
    assert average.weight.tolist() == pytest.approx([keep + 5 * (1 - keep)] * 3)
    assert average.running_mean.tolist() == pytest.approx([-4 * (1 - keep)] * 3)
    assert average.num_batches_tracked == 7
    assert network.weight.tolist() == [5.0] * 3


@pytest.mark.parametrize(
    ("architecture", "layout"),
    [
        ("residual-16-1-1", torch.contiguous_format),
        ("residual-18-1-1", torch.channels_last),
        ("finer-12-24-48-48-64", torch.channels_last),
        ("separable-4-8-8-8", torch.channels_last),
    ],
)
def test_a_narrow_teacher_is_not_laid_out_in_a_way_that_breaks_the_heap(architecture, layout):
    assert fastest_layout(build(architecture)) == layout


def test_the_layout_leaves_the_weights_as_they_are():
    torch.manual_seed(0)
    network = build("residual-8-1-1")
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    assert laid_out(network) is network
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())
    first = network.body[0][0].weight
    assert first.is_contiguous(memory_format=torch.channels_last)


def test_a_processor_multiplies_in_full_precision():
    with lower_precision(torch.device("cpu")):
        assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == torch.float32


def test_the_device_is_one_that_works():
    assert torch.ones(1, device=pick_device()).item() == 1.0
