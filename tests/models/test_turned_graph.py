import numpy as np
import onnx
import onnxruntime as ort
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import nn

from wafer_core.models.export import export_onnx, quantise
from wafer_core.models.networks import build
from wafer_core.models.session import GraphSession
from wafer_core.models.turned_graph import first_turn, stored_once, unfolded
from wafer_core.models.turning import Turning
from wafer_core.models.turns import TURNS

SIZE = 16


def maps(count=40):
    return np.random.default_rng(0).random((count, 2, SIZE, SIZE), dtype=np.float32)


@pytest.fixture(scope="module", params=["fp32", "int8"])
def exported(request, tmp_path_factory):
    """A turning network and one of its two graphs."""
    torch.manual_seed(0)
    network = build("turning-3x1-6-6-9").eval()
    for values in network.state_dict().values():
        if values.ndim > 1:
            values.mul_(3)
        elif values.dtype.is_floating_point:
            nn.init.uniform_(values, 0.2, 0.8)
    folder = tmp_path_factory.mktemp("exported")
    export_onnx(network, SIZE, folder / "fp32.onnx")
    quantise(folder / "fp32.onnx", folder / "int8.onnx", maps())
    return network, folder / f"{request.param}.onnx"


def stored(model):
    return {each.name: numpy_helper.to_array(each) for each in model.graph.initializer}


def test_a_graph_stores_what_the_network_learned_and_not_its_turns(exported):
    network, path = exported
    kernels = [each for each in stored(onnx.load(path)).values() if each.ndim > 2 and each.dtype.kind in "fi"]
    learned = [module.weight for module in network.modules() if isinstance(module, Turning)]
    assert sorted(each.shape for each in kernels) == sorted(tuple(each.shape) for each in learned)
    beside = [each for each in stored(onnx.load(path)).values() if each.ndim == 1 and each.dtype == np.float32]
    assert {len(each) for each in beside} == {3, 6, 9, 8}  # one turn of each layer's features, and the patterns


def test_unfolded_it_is_an_ordinary_graph_with_the_same_answers(exported):
    _, path = exported
    model = onnx.load(path)
    whole = unfolded(model)
    assert {node.op_type for node in model.graph.node} - {node.op_type for node in whole.graph.node} == {
        "Cast",
        "Gather",
        "Transpose",
        "Tile",
    }
    one, other = (GraphSession(each.SerializeToString(), "a graph") for each in (model, whole))
    for mine, theirs in zip(one.run(maps()), other.run(maps()), strict=True):
        assert np.array_equal(mine, theirs)
    assert one.run(maps())[0].std(axis=0).max() > 1e-4


def test_folding_what_was_unfolded_gives_back_what_was_stored(exported):
    _, path = exported
    model = onnx.load(path)
    again = stored_once(unfolded(model))
    assert {each.tobytes() for each in stored(again).values()} == {each.tobytes() for each in stored(model).values()}


def test_onnx_runtime_unfolds_a_graph_before_it_runs_an_int8_one_on_whole_numbers(exported, tmp_path):
    _, path = exported
    options = ort.SessionOptions()
    options.optimized_model_filepath = str(tmp_path / "optimised.onnx")
    options.log_severity_level = 3
    ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    kinds = [node.op_type for node in onnx.load(options.optimized_model_filepath).graph.node]
    assert not {"Gather", "Tile", "Cast", "Add"} & set(kinds)
    assert kinds.count("Conv") + kinds.count("FusedConv") + kinds.count("QLinearConv") == 7
    assert kinds.count("QLinearConv") == (6 if path.stem == "int8" else 0)


@pytest.mark.parametrize("architecture", ["finest-4-8-8", "residual-8-1-1"])
def test_a_graph_without_turns_stays_as_it_is(architecture, tmp_path):
    export_onnx(build(architecture).eval(), SIZE, tmp_path / "graph.onnx")
    model = onnx.load(tmp_path / "graph.onnx")
    for changed in (stored_once(model), unfolded(model)):
        assert list(changed.graph.node) == list(model.graph.node)
        assert list(changed.graph.initializer) == list(model.graph.initializer)


def test_what_cannot_be_unfolded_is_said(exported):
    _, path = exported
    model = onnx.load(path)
    small = [each for each in model.graph.initializer if each.data_type == TensorProto.UINT8]
    where = next(each for each in small if len(each.dims) == 3)
    where.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(where) + np.uint8(200), where.name))
    with pytest.raises(ValueError, match="Gather cannot be done to"):
        unfolded(model)


def test_an_axis_of_zero_stays_as_long_as_it_was():
    graph = helper.make_graph(
        [helper.make_node("Reshape", ["tensor", "shape"], ["same"]), helper.make_node("Identity", ["same"], ["out"])],
        "g",
        [],
        [helper.make_tensor_value_info("out", TensorProto.FLOAT, [2, 12])],
        [
            numpy_helper.from_array(np.zeros((2, 3, 4), np.float32), "tensor"),
            numpy_helper.from_array(np.array([0, -1]), "shape"),
        ],
    )
    assert stored(unfolded(helper.make_model(graph)))["same"].shape == (2, 12)


@pytest.mark.parametrize(("layer", "turns"), [(Turning(2, 3, 3), 8), (Turning(2, 3, 4, 2, lifts=True), 1)])
def test_the_first_turn_is_found_and_one_changed_weight_is_noticed(layer, turns):
    kernel = layer.unfolded().detach().numpy()
    assert np.array_equal(first_turn(kernel, turns), layer.weight.detach().numpy())
    changed = kernel.copy()
    changed[-1, -1, -1, -1] += 1
    assert first_turn(changed, turns) is None
    assert len(kernel) == TURNS * 3
