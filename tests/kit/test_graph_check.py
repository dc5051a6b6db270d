import numpy as np
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper

from wafer_core.errors import BrokenModel
from wafer_core.kit.graph_check import MOST_NODES, check_graph
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
