import numpy as np
import onnx
import pytest
import torch
from torch import nn

from wafer_core.models.export import export_onnx, quantise
from wafer_core.models.networks import build
from wafer_core.models.saving import network_logits
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


@pytest.fixture(scope="module", params=["separable-4-8-8-16", "residual-8-1-1"])
def exported(request, tmp_path_factory):
    """A network and its two graphs."""
    network = settled(request.param)
    folder = tmp_path_factory.mktemp("exported")
    export_onnx(network, SIZE, folder / "net.onnx")
    quantise(
        folder / "net.onnx", folder / "net.int8.onnx", np.concatenate([maps(16, s) ** (1 + s % 4) for s in range(8)])
    )
    return network, folder / "net.onnx", folder / "net.int8.onnx"


@pytest.mark.parametrize("n", [1, 2, 7])
def test_the_graph_repeats_the_network_at_every_batch_size(exported, n):
    network, graph, _ = exported
    logits, embedding = GraphSession(graph.read_bytes(), graph.name, threads=1).run(maps(n))
    with torch.inference_mode():
        expected = network.logits_and_embedding(torch.tensor(maps(n)))
    assert np.abs(logits - expected[0].numpy()).max() < 1e-4
    assert np.abs(embedding - expected[1].numpy()).max() < 1e-4


def test_int8_stays_close_and_is_int8(exported):
    network, graph, small = exported
    seen = np.concatenate([maps(16, s) ** (1 + s % 4) for s in range(8)])
    logits, _ = GraphSession(small.read_bytes(), small.name).run(seen)
    expected = network_logits(network, seen)
    assert 0 < np.abs(logits - expected).mean() < 0.1 * expected.std()
    stored = {tensor.data_type for tensor in onnx.load(small).graph.initializer}
    assert onnx.TensorProto.INT8 in stored
    assert small.stat().st_size < graph.stat().st_size


def test_graphs_carry_nothing_but_the_model(exported):
    for path in exported[1:]:
        model = onnx.load(path)
        onnx.checker.check_model(model, full_check=True)
        names = [name for node in model.graph.node for name in node.output]
        assert len(set(names)) == len(names)
        assert not model.metadata_props
        assert not model.graph.value_info
        assert not any(node.name or node.doc_string or node.metadata_props for node in model.graph.node)
        assert not any(tensor.external_data for tensor in model.graph.initializer)
        assert max(len(name) for name in names if name not in ("logits", "embedding")) <= 3


def test_exporting_leaves_the_network_as_it_was(tmp_path):
    network = settled("separable-4-8-8-8").train()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    export_onnx(network, SIZE, tmp_path / "net.onnx")
    assert network.training
    assert before.keys() == network.state_dict().keys()
    assert all(torch.equal(tensor, network.state_dict()[name]) for name, tensor in before.items())


@pytest.mark.parametrize(
    ("architecture", "most_kib"), [("separable-24-48-88-88-88-88-160", 96), ("separable-12-24-48-48-64", 32)]
)
def test_shipped_sizes_stay_in_reach(tmp_path, architecture, most_kib):
    export_onnx(build(architecture).eval(), SIZE, tmp_path / "net.onnx")
    quantise(tmp_path / "net.onnx", tmp_path / "net.int8.onnx", maps(4))
    assert (tmp_path / "net.int8.onnx").stat().st_size <= most_kib * 1024
