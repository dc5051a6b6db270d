import numpy as np
import pytest
import torch

from measurements.rounding import answers, exact, graphs_of, rounded
from wafer_core.models.export import export_onnx, folded, quantise
from wafer_core.models.networks import build


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    made = build("finest-4-8-8-16").train()
    # Normalisations get statistics that folding has to carry over.
    made(torch.rand(16, 2, 16, 16))
    return folded(made)


@pytest.fixture(scope="module")
def maps():
    return np.random.default_rng(1).random((64, 2, 16, 16), dtype=np.float32)


def said(network, maps):
    with torch.no_grad():
        return network(torch.from_numpy(maps)).numpy()


def test_a_rounded_network_answers_like_its_int8_file(network, maps, tmp_path):
    export_onnx(network, 16, tmp_path / "a.onnx")
    quantise(tmp_path / "a.onnx", tmp_path / "a.int8.onnx", maps)
    int8, fp32 = answers(tmp_path / "a.int8.onnx", maps), said(network, maps)
    off = np.abs(fp32 - int8).mean()
    assert np.abs(said(rounded(network, maps), maps) - int8).mean() < 0.3 * off
    assert np.allclose(answers(tmp_path / "a.onnx", maps), fp32, atol=1e-4)


def test_rounding_leaves_the_weights_alone(network, maps):
    before = said(network, maps)
    rounding = rounded(network, maps)
    assert not np.allclose(said(rounding, maps), before, atol=1e-6)
    assert np.array_equal(said(exact(rounding), maps), before)
    assert np.array_equal(said(network, maps), before)


def test_weights_that_round_can_be_taught(network, maps):
    rounding = rounded(network, maps).requires_grad_()
    rounding(torch.from_numpy(maps)).square().sum().backward()
    assert all(parameter.grad.abs().sum() > 0 for parameter in rounding.parameters())


def test_a_network_is_shown_with_a_step_a_channel_and_with_a_step_a_tensor(network, maps, tmp_path):
    scaled = folded(network)
    with torch.no_grad():
        # One channel that reaches far takes the others' steps, where they share one.
        next(module for module in list(scaled.modules())[::-1] if hasattr(module, "kernel_size")).weight[0] *= 50
    graphs = graphs_of(scaled, 16, maps, tmp_path / "some-0")
    assert list(graphs) == ["fp32", "int8", "int8, a step a tensor"]
    fp32, channel, tensor = (answers(path, maps) for path in graphs.values())
    assert np.abs(channel - fp32).mean() < np.abs(tensor - fp32).mean()
    sizes = [path.stat().st_size for path in graphs.values()]
    assert sizes == sorted(sizes, reverse=True)
