import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from wafer_core.errors import BrokenModel
from wafer_core.kit.bare.layers import Addition, Convolution, Grid, integer_graph
from wafer_core.models.folder import files_of
from wafer_core.models.turning import Turning


@pytest.fixture(scope="module")
def data(tiny_folder):
    return next(file for file in files_of(tiny_folder) if file.entry.precision == "int8").read()


@pytest.fixture
def model(data):
    return onnx.load_model_from_string(data)


def test_layers_are_those_of_the_architecture(data):
    """separable-4-8-8-8 on maps of 16: stem, one dense convolution, two blocks that add their input."""
    graph = integer_graph(data, "tiny")
    found = [
        ("add",) if isinstance(layer, Addition) else (layer.weights.shape, layer.stride, layer.groups, layer.source)
        for layer in graph.layers
    ]
    assert found == [
        ((4, 2, 3, 3), 2, 1, None),
        ((8, 4, 3, 3), 2, 1, 0),
        ((8, 1, 5, 5), 1, 8, 1),
        ((8, 8, 1, 1), 1, 1, 2),
        ("add",),
        ((8, 1, 5, 5), 1, 8, 4),
        ((8, 8, 1, 1), 1, 1, 5),
        ("add",),
    ]
    assert [layer.out.side for layer in graph.layers] == [8, 4, 4, 4, 4, 4, 4, 4]
    assert (graph.size, graph.head.shape, graph.bias.shape) == (16, (8, 8), (8,))


def test_weights_are_whole_numbers_with_a_scale_a_channel(data):
    stem, *others = (layer for layer in integer_graph(data, "tiny").layers if isinstance(layer, Convolution))
    assert stem.weights.dtype == np.float32
    for layer in others:
        assert layer.weights.dtype == np.int8
        assert layer.scales.shape == layer.bias.shape == layer.weights.shape[:1]


def _other_kind(model):
    next(node for node in model.graph.node if node.op_type == "Add").op_type = "Mul"


def _dilated(model):
    node = [node for node in model.graph.node if node.op_type == "Conv"][-1]
    node.attribute.append(onnx.helper.make_attribute("dilations", [2, 2]))


def _lopsided(model):
    node = [node for node in model.graph.node if node.op_type == "Conv"][1]
    next(each for each in node.attribute if each.name == "strides").ints[:] = [2, 1]


def _without_axes(model):
    del next(node for node in model.graph.node if node.op_type == "ReduceMean").input[1]


def _without_a_tensor(model):
    del model.graph.initializer[:]


def _behind_no_relu(model):
    """Give every quantised value a zero point of its own."""
    used = {node.input[2] for node in model.graph.node if node.op_type == "QuantizeLinear"}
    for tensor in model.graph.initializer:
        if tensor.name in used:
            tensor.CopyFrom(numpy_helper.from_array(np.array(9, np.uint8), tensor.name))


def _signed(model):
    used = {node.input[2] for node in model.graph.node if node.op_type == "QuantizeLinear"}
    for tensor in model.graph.initializer:
        if tensor.name in used:
            tensor.CopyFrom(numpy_helper.from_array(np.array(0, np.int8), tensor.name))


def _without_zero_points(model):
    for node in model.graph.node:
        if node.op_type == "QuantizeLinear":
            del node.input[2]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (_without_zero_points, "the graph is none that a recogniser has"),
        (_other_kind, "the graph holds Mul"),
        (_dilated, "a convolution of this shape"),
        (_lopsided, "a convolution of this shape"),
        (_without_a_tensor, "not stored with it"),
        (_without_axes, "a mean without stored axes"),
        (_behind_no_relu, "not behind a ReLU"),
        (_signed, "int8 where uint8 was expected"),
    ],
)
def test_what_there_is_no_c_for_is_refused(model, change, said):
    change(model)
    with pytest.raises(BrokenModel, match=f"^tiny: .*{said}"):
        integer_graph(model.SerializeToString(), "tiny")


def test_an_fp32_graph_is_refused(tiny_folder):
    whole = next(file for file in files_of(tiny_folder) if (file.engine, file.entry.precision) == ("onnx", "fp32"))
    with pytest.raises(BrokenModel, match="where DequantizeLinear was expected"):
        integer_graph(whole.read(), "tiny")


def test_what_is_no_graph_is_refused():
    with pytest.raises(BrokenModel, match="no ONNX file"):
        integer_graph(b"\xff\xff", "tiny")


def weighed(weights, groups=1, bias=None, scales=None):
    outputs = len(weights)
    bias = np.zeros(outputs) if bias is None else bias
    scales = np.ones(outputs) if scales is None else scales
    return Convolution(0, weights, scales, bias, 1, 0, groups, Grid(4, outputs, 1.0, 0), 0)


@pytest.mark.parametrize(("layer", "turns"), [(Turning(2, 3, 3), 8), (Turning(3, 3, 5, groups=3), 1)])
def test_of_a_kernel_in_eight_turns_one_is_kept(layer, turns):
    weights = np.rint(100 * layer.unfolded().detach().numpy()).astype(np.int8)
    kept = weighed(weights, layer.groups).kept
    assert kept.turns == turns
    assert kept.weights.shape == layer.weight.shape
    assert 8 * kept.weights.size == weights.size


def test_all_of_a_kernel_is_kept_where_one_output_is_no_turn_of_another():
    weights = np.rint(100 * Turning(2, 3, 3).unfolded().detach().numpy()).astype(np.int8)
    changed = weights.copy()
    changed[5, 1, 2, 0] += 1
    unlike = np.arange(24.0)
    others = (weighed(changed), weighed(weights, bias=unlike), weighed(weights, scales=unlike), weighed(weights[:-8]))
    for other in others:
        assert other.kept.turns == 0
        assert np.array_equal(other.kept.weights.ravel(), other.weights.ravel())
