import numpy as np
import pytest
import torch
from onnx import AttributeProto, TensorProto, helper, numpy_helper

from wafer_core.errors import BrokenModel
from wafer_core.kit.graph_check import MOST_AXES, MOST_GRAPH_BYTES, MOST_NODES, check_graph
from wafer_core.models.export import export_onnx, quantise
from wafer_core.models.folder import files_of, shipped_models
from wafer_core.models.networks import build


def bytes_of(nodes, tensors=(), changed=lambda model: None):
    """A graph from `map` (n, 2, 8, 8) to `logits`."""
    stored = [numpy_helper.from_array(np.asarray(values), name) for name, values in dict(tensors).items()]
    maps = helper.make_tensor_value_info("map", TensorProto.FLOAT, ["n", 2, 8, 8])
    logits = helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["n", 8])
    graph = helper.make_graph(nodes, "g", [maps], [logits], stored)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)])
    changed(model)
    return model.SerializeToString()


def ordinary(kind="Relu", **attributes):
    return helper.make_node(kind, ["map"], ["logits"], **attributes)


def test_shipped_graphs_are_fine():
    graphs = [file for model in shipped_models() for file in files_of(model.folder) if file.engine == "onnx"]
    assert len(graphs) >= 6
    for file in graphs:
        check_graph(file.read(), file.file)


def test_a_huge_file_is_not_even_read():
    with pytest.raises(BrokenModel, match="bytes, more than any recogniser"):
        check_graph(bytes(MOST_GRAPH_BYTES + 1), "a kit")


def test_a_shape_that_is_stored_in_either_way_is_told():
    shape = np.array([0, -1])
    reshape = helper.make_node("Reshape", ["map", "shape"], ["logits"])
    check_graph(bytes_of([reshape], {"shape": shape}), "a kit")
    constant = helper.make_node("Constant", [], ["shape"], value=numpy_helper.from_array(shape))
    check_graph(bytes_of([constant, reshape]), "a kit")


@pytest.mark.parametrize("architecture", ["residual-8-1-1", "finest-4-8-8", "turning-2x1-4-4-6"])
def test_whatever_the_product_exports_is_fine(tmp_path, architecture):
    torch.manual_seed(0)
    export_onnx(build(architecture).eval(), 16, tmp_path / "a.onnx")
    quantise(tmp_path / "a.onnx", tmp_path / "b.onnx", np.random.default_rng(0).random((8, 2, 16, 16), np.float32))
    for name in ("a.onnx", "b.onnx"):
        check_graph((tmp_path / name).read_bytes(), name)


def _with_a_function(model):
    function = helper.make_function("own", "Mine", ["x"], ["y"], [helper.make_node("Relu", ["x"], ["y"])], [])
    model.functions.append(function)


def _claiming_a_small_value(model):
    model.graph.value_info.append(helper.make_tensor_value_info("wide", TensorProto.FLOAT, [1, 2, 8, 8]))


def _of_any_number_below_zero(model):
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_value = -1


def _with_weights_in_an_attribute_elsewhere(model):
    tensor = model.graph.node[0].attribute[0].t
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    entry = tensor.external_data.add()
    entry.key, entry.value = "location", "/etc/passwd"


def tiled(times):
    return [helper.make_node("Tile", ["map", "times"], ["logits"])], {"times": np.array(times)}


def many_alive():
    """Forty values of a hundred thousand numbers, all of them needed at the end."""
    wide = [helper.make_node("Tile", ["map", "times"], [f"wide{i}"]) for i in range(40)]
    sums = [helper.make_node("Add", [f"sum{i}", f"wide{i}"], [f"sum{i + 1}"]) for i in range(40)]
    ends = [helper.make_node("Identity", ["wide0"], ["sum0"]), helper.make_node("Identity", ["sum40"], ["logits"])]
    return [*wide, ends[0], *sums, ends[1]], {"times": np.array([1, 1, 28, 28])}


def pooled_by(kernel, source, tensors=()):
    half = kernel // 2
    pads = [half] * 2 + [kernel - 1 - half] * 2
    return [helper.make_node("AveragePool", [source], ["logits"], kernel_shape=[kernel] * 2, pads=pads)], tensors


def doubling(kind, times, first, **attributes):
    """A value made of itself twice, again and again, beside all that the answer comes from."""
    nodes = [helper.make_node(kind, [f"c{i}", f"c{i}"], [f"c{i + 1}"], **attributes) for i in range(times)]
    return [*nodes, ordinary()], {"c0": first}


def shaped(shape):
    return [helper.make_node("Reshape", ["c", "shape"], ["again"]), ordinary()], {
        "c": np.zeros(1, np.float32),
        "shape": np.array(shape),
    }


def sparse(**elsewhere):
    values = numpy_helper.from_array(np.zeros(16, np.float32), "values")
    if elsewhere:
        values.ClearField("raw_data")
        values.data_location = TensorProto.EXTERNAL
    for key, value in elsewhere.items():
        entry = values.external_data.add()
        entry.key, entry.value = key, value
    places = numpy_helper.from_array(np.arange(16), "places")
    return [
        helper.make_node("Constant", [], ["c"], sparse_value=helper.make_sparse_tensor(values, places, [2, 8])),
        ordinary(),
    ]


def _with_a_hidden(field):
    """An attribute says that it is a number, and holds something else beside it."""

    def change(model):
        getattr(model.graph.node[0].attribute.add(name="axis", type=AttributeProto.INT, i=1), field).SetInParent()

    return change


def _with_a_tensor_of_another_size(model):
    model.graph.initializer[0].dims[0] = 1 << 40


def squared_by_the_batch():
    """One number a wafer, along two axes, added: as many as wafers squared."""
    return [
        helper.make_node("ReduceMean", ["map", "axes"], ["means"], keepdims=0),
        helper.make_node("Reshape", ["means", "down"], ["column"]),
        helper.make_node("Reshape", ["means", "across"], ["row"]),
        helper.make_node("Add", ["column", "row"], ["logits"]),
    ], {"axes": np.array([1, 2, 3]), "down": np.array([-1, 1]), "across": np.array([1, -1])}


CONSTANT = helper.make_node("Constant", [], ["c"], value=numpy_helper.from_array(np.zeros(8, np.float32), "c"))
WIDE = helper.make_node("Conv", ["map", "w"], ["wide"], pads=[9000] * 4)
KERNEL = {"w": np.zeros((1, 2, 1, 1), np.float32)}
LOOP = helper.make_graph([], "body", [], [])


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"\xff", "no ONNX file"),
        (bytes_of([ordinary("RandomNormalLike")]), "holds RandomNormalLike"),
        (bytes_of([ordinary("Loop", body=LOOP)]), "holds Loop"),
        (bytes_of([ordinary("Relu", domain="elsewhere")]), "holds Relu"),
        (bytes_of([ordinary()], changed=_with_a_function), "operations of its own"),
        (bytes_of([ordinary("Identity")] * (MOST_NODES + 1)), "more than any recogniser"),
        (bytes_of([WIDE, helper.make_node("Relu", ["wide"], ["logits"])], KERNEL), "more memory or time"),
        (
            bytes_of([WIDE, helper.make_node("Relu", ["wide"], ["logits"])], KERNEL, _claiming_a_small_value),
            "more memory or time",
        ),
        (bytes_of(*tiled([1, 1, 4096, 4096])), "more memory or time"),
        (bytes_of(*tiled([1, 1, 1400, 1400]), _of_any_number_below_zero), "more memory or time"),
        (bytes_of(*tiled([-1, 1, 1, 1])), "do not fit|cannot be told"),
        (bytes_of(*many_alive()), "more memory or time"),
        (bytes_of(*pooled_by(1 << 40, "map")), "more memory or time"),
        (bytes_of(*pooled_by(1 << 20, "c", {"c": np.zeros((1, 1, 8, 8), np.float32)})), "more memory or time"),
        (bytes_of(*squared_by_the_batch()), "grows faster"),
        (
            bytes_of(
                [CONSTANT, helper.make_node("Add", ["map", "c"], ["logits"])],
                changed=_with_weights_in_an_attribute_elsewhere,
            ),
            "another file",
        ),
        (
            bytes_of(
                [helper.make_node("Gather", ["map", "where"], ["logits"], axis=1)],
                {"where": np.zeros((1 << 20,), np.int64)},
            ),
            "more memory or time",
        ),
        (bytes_of([helper.make_node("MatMul", ["map", "w"], ["logits"])], {"w": np.zeros((3, 3))}), "do not fit"),
        (bytes_of([ordinary(), ordinary()]), "do not fit"),
        (bytes_of([helper.make_node("Relu", ["nothing"], ["logits"])]), "cannot be told"),
        (bytes_of([helper.make_node("Constant", [], [""], value_int=1)]), "cannot be told|do not fit"),
        (bytes_of(*doubling("Concat", 40, np.ones(8, np.int64), axis=0)), "more memory or time"),
        (bytes_of(*doubling("Gather", 40, np.zeros((1, 1), np.int64))), "cannot be told"),
        (bytes_of(*shaped([1] * (MOST_AXES + 1))), "cannot be told"),
        (bytes_of([ordinary("Squeeze", axes=[0] * 1000)]), "holds 'axes' of Squeeze"),
        (bytes_of(sparse()), "holds 'sparse_value' of Constant"),
        (bytes_of(sparse(location="weights.bin", length="64")), "holds 'sparse_value' of Constant"),
        (bytes_of([ordinary("Flatten")], changed=_with_a_hidden("sparse_tensor")), "holds 'axis' of Flatten"),
        (bytes_of([ordinary("Flatten")], changed=_with_a_hidden("g")), "holds 'axis' of Flatten"),
        (bytes_of([helper.make_node("Add", ["map", "w"], ["logits"])], {"w": np.float32([np.nan])}), "no numbers"),
        (bytes_of([helper.make_node("Add", ["map", "w"], ["logits"])], {"w": np.float16([np.inf])}), "no numbers"),
        (bytes_of([helper.make_node("Constant", [], ["c"], value_floats=[1.0, np.nan]), ordinary()]), "no numbers"),
        (bytes_of([helper.make_node("Gemm", ["map", "map"], ["logits"], alpha=np.inf)]), "no numbers"),
        (
            bytes_of(
                [helper.make_node("Add", ["map", "w"], ["logits"])],
                {"w": np.zeros(2, np.float32)},
                _with_a_tensor_of_another_size,
            ),
            "another size than it states",
        ),
        (
            bytes_of(
                [
                    helper.make_node("Cast", ["map"], ["times"], to=TensorProto.INT64),
                    helper.make_node("Reshape", ["times", "flat"], ["row"]),
                    helper.make_node("Tile", ["map", "row"], ["logits"]),
                ],
                {"flat": np.array([-1])},
            ),
            "cannot be told",
        ),
    ],
)
def test_a_graph_that_nobody_should_run_is_refused(data, said):
    with pytest.raises(BrokenModel, match=f"^a kit: .*{said}"):
        check_graph(data, "a kit")
