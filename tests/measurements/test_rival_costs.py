import numpy as np
import pytest
import torch
from torch import nn

from measurements.inputs import maps_file
from measurements.rival_costs import NOT_EXPORTED, most_alive, rival_costs
from rivals.features import COUNT, LogisticRegression
from rivals.networks import wafersegclassnet_like
from rivals.shelf import Made, Rival, multiplications
from wafer_core.models.networks import parameter_count

SIZE = 16


def rival(method, network):
    return Rival(Made(method, 0, 7, SIZE, "free", (0.5,) * 8, "f" * 64), network.eval())


def taught(network):
    """A network no two of whose tensors are equal, as training leaves them."""
    with torch.no_grad():
        for parameter in network.parameters():
            parameter += 0.01 * torch.randn_like(parameter)
    network.train()(torch.rand(8, 2, SIZE, SIZE))
    return network


class Added(nn.Module):
    def __init__(self):
        super().__init__()
        self.convolution = nn.Conv2d(2, 4, 3, padding=1)

    def forward(self, maps):
        first = self.convolution(maps)
        return first.relu() + first


def test_what_torch_holds_at_once_is_counted_by_hand():
    # The map, and of 4 channels each: the convolution's, its ReLU's and their sum.
    assert most_alive(Added(), 8) == 4 * (2 + 3 * 4) * 64


def test_what_is_let_go_of_counts_no_more():
    layers = nn.Sequential(nn.Conv2d(2, 4, 1), nn.ReLU(), nn.ReLU(), nn.ReLU(), nn.ReLU())
    assert most_alive(layers, 8) == 4 * (2 + 2 * 4) * 64


def test_weights_and_views_of_them_are_no_activations():
    flat = nn.Sequential(nn.Flatten(), nn.Linear(2 * 64, 8))
    assert most_alive(flat, 8) == 4 * (2 * 64 + 8)


@pytest.fixture(scope="module")
def costs(tmp_path_factory):
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("costs")
    rivals = {
        "wafersegclassnet-like": [rival("wafersegclassnet-like", taught(wafersegclassnet_like()))] * 2,
        "logistic-regression": [rival("logistic-regression", LogisticRegression())],
        "dc-net-plain": [],
    }
    return rivals, rival_costs(rivals, folder / "rivals", maps_file(folder, 12), repeats=3)


def test_what_is_not_trained_costs_nothing(costs):
    assert costs[1]["dc-net-plain"] == {}


def test_a_network_costs_what_its_graphs_do(costs):
    (one, *_), found = (each["wafersegclassnet-like"] for each in costs)
    whole, small = found["ONNX fp32"], found["ONNX int8"]
    assert whole.parameters == small.parameters == parameter_count(one.network)
    assert whole.macs == small.macs == multiplications(one.network, SIZE)
    assert whole.activation_bytes == 4 * small.activation_bytes
    assert small.weight_bytes < small.file_bytes < whole.file_bytes
    for each in (whole, small):
        assert each.milliseconds > 0
        assert 0 < each.wafers_per_second < 1000 / each.milliseconds
        assert 20e6 < each.process_bytes < 400e6


def test_features_cost_what_torch_needs_for_them(costs):
    (found,) = costs[1]["logistic-regression"].values()
    assert list(costs[1]["logistic-regression"]) == [NOT_EXPORTED]
    assert found.parameters == 8 * (COUNT + 1)
    assert found.weight_bytes == 4 * (8 * (COUNT + 1) + 2 * COUNT)
    assert found.weight_bytes < found.file_bytes
    assert found.macs > 8 * COUNT
    assert found.activation_bytes > 4 * 2 * SIZE * SIZE
    assert found.milliseconds > 0
    assert found.wafers_per_second > 0
    assert found.process_bytes > costs[1]["wafersegclassnet-like"]["ONNX fp32"].process_bytes


def test_every_cost_is_there(costs):
    for runs in costs[1].values():
        for each in runs.values():
            assert np.isfinite(list(vars(each).values())).all()
