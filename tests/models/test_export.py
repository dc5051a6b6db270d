from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from torch import nn

from wafer_core.models.asking import network_logits
from wafer_core.models.export import export_onnx, quantise
from wafer_core.models.networks import Network, build, parameter_count
from wafer_core.models.session import GraphSession

SIZE = 16


def maps(n, seed=0):
    passing = np.random.default_rng(seed).random((n, 1, SIZE, SIZE)).astype(np.float32)
    return np.concatenate([passing, 1 - passing], axis=1)


def settled(architecture):
    """A network whose normalisations have seen maps, so that its logits differ from map to map."""
    torch.manual_seed(0)
    network = build(architecture)
    for seed in range(20):
        network(torch.tensor(maps(16, seed) ** (1 + seed % 4)))
    nn.init.normal_(network.head.weight)
    return network.eval()


@dataclass(frozen=True)
class Exported:
    architecture: str
    network: Network
    graph: Path
    small: Path


@pytest.fixture(scope="module", params=["separable-4-8-8-16", "residual-8-1-1"])
def exported(request, tmp_path_factory):
    """A network and its two graphs."""
    network = settled(request.param)
    folder = tmp_path_factory.mktemp("exported")
    export_onnx(network, SIZE, folder / "net.onnx")
    quantise(
        folder / "net.onnx", folder / "net.int8.onnx", np.concatenate([maps(16, s) ** (1 + s % 4) for s in range(8)])
    )
    return Exported(request.param, network, folder / "net.onnx", folder / "net.int8.onnx")


@pytest.mark.parametrize("n", [1, 2, 7])
def test_the_graph_repeats_the_network_at_every_batch_size(exported, n):
    logits, embedding = GraphSession(exported.graph.read_bytes(), "net.onnx", threads=1).run(maps(n))
    with torch.inference_mode():
        expected = exported.network.logits_and_embedding(torch.tensor(maps(n)))
    assert np.abs(logits - expected[0].numpy()).max() < 1e-4
    assert np.abs(embedding - expected[1].numpy()).max() < 1e-4


def test_int8_stays_close_and_is_int8(exported):
    seen = np.concatenate([maps(16, s) ** (1 + s % 4) for s in range(8)])
    logits, _ = GraphSession(exported.small.read_bytes(), "net.int8.onnx").run(seen)
    expected = network_logits(exported.network, seen)
    assert 0 < np.abs(logits - expected).mean() < 0.1 * expected.std()
    stored = {tensor.data_type for tensor in onnx.load(exported.small).graph.initializer}
    assert onnx.TensorProto.INT8 in stored
    assert exported.small.stat().st_size < exported.graph.stat().st_size


def steps_of_weights(path):
    """How many steps each int8 tensor of a graph has."""
    graph = onnx.load(path).graph
    stored = {tensor.name: tensor for tensor in graph.initializer}
    rounded = [node for node in graph.node if node.op_type == "DequantizeLinear" and node.input[0] in stored]
    return {onnx.numpy_helper.to_array(stored[node.input[1]]).size for node in rounded}


def test_weights_of_a_tensor_can_share_one_step(exported, tmp_path):
    seen = np.concatenate([maps(16, s) ** (1 + s % 4) for s in range(8)])
    quantise(exported.graph, tmp_path / "a.onnx", seen, per_channel=False)
    assert steps_of_weights(tmp_path / "a.onnx") == {1}
    assert min(steps_of_weights(exported.small)) > 1
    assert (tmp_path / "a.onnx").stat().st_size < exported.small.stat().st_size
    said = GraphSession((tmp_path / "a.onnx").read_bytes(), "a.onnx").run(seen)[0]
    expected = network_logits(exported.network, seen)
    assert 0 < np.abs(said - expected).mean() < 0.3 * expected.std()


def test_one_map_that_reaches_far_coarsens_no_others(exported, tmp_path):
    usual = np.concatenate([maps(16, seed) ** (1 + seed % 4) for seed in range(8)])
    far = usual.copy()
    far[0] *= 40

    def off(calibration):
        quantise(exported.graph, tmp_path / "a.onnx", calibration)
        asked = maps(64, seed=9)
        said = GraphSession((tmp_path / "a.onnx").read_bytes(), "a.onnx", threads=1).run(asked)[0]
        return np.abs(said - network_logits(exported.network, asked)).mean()

    # The extremes of four batches are averaged, so the far map counts for a quarter.
    assert off(far) < 14 * off(usual)


def test_graphs_carry_nothing_but_the_model(exported):
    for path in (exported.graph, exported.small):
        model = onnx.load(path)
        onnx.checker.check_model(model, full_check=True)
        names = [name for node in model.graph.node for name in node.output]
        assert len(set(names)) == len(names)
        assert not model.metadata_props
        assert not model.graph.value_info
        assert not any(node.name or node.doc_string or node.metadata_props for node in model.graph.node)
        assert not any(tensor.external_data for tensor in model.graph.initializer)
        assert max(len(name) for name in names if name not in ("logits", "embedding")) <= 3


def test_exporting_leaves_the_network_as_it_was(exported):
    before, after = settled(exported.architecture).state_dict(), exported.network.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_a_student_of_its_largest_size_stays_in_reach(tmp_path):
    network = build("separable-24-48-88-88-88-88-160").eval()
    assert parameter_count(network) > 57_000
    export_onnx(network, SIZE, tmp_path / "net.onnx")
    quantise(tmp_path / "net.onnx", tmp_path / "net.int8.onnx", maps(4))
    assert (tmp_path / "net.int8.onnx").stat().st_size <= 96 * 1024
