import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from measurements.costs import MICROCONTROLLERS, Cost, _macs, _most_alive, cost, fits
from measurements.inputs import maps_file
from tests.untrained import untrained_model
from wafer_core.models.folder import resolve


def a_residual_graph():
    """A 3x3 convolution from 2 to 4 channels on 8x8, another of 4, both added, a mean and a head of 8."""
    value, weight = helper.make_tensor_value_info, helper.make_tensor
    nodes = [
        helper.make_node("Conv", ["map", "first"], ["a"], pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["a"], ["b"]),
        helper.make_node("Conv", ["b", "second"], ["c"], pads=[1, 1, 1, 1]),
        helper.make_node("Add", ["b", "c"], ["d"]),
        helper.make_node("GlobalAveragePool", ["d"], ["e"]),
        helper.make_node("Flatten", ["e"], ["f"]),
        helper.make_node("Gemm", ["f", "head"], ["logits"], transB=1),
    ]
    weights = [
        weight("first", TensorProto.FLOAT, (4, 2, 3, 3), [0.0] * 72),
        weight("second", TensorProto.FLOAT, (4, 4, 3, 3), [0.0] * 144),
        weight("head", TensorProto.FLOAT, (8, 4), [0.0] * 32),
    ]
    maps, logits = (
        value(name, TensorProto.FLOAT, shape) for name, shape in (("map", (1, 2, 8, 8)), ("logits", (1, 8)))
    )
    graph = helper.make_graph(nodes, "residual", [maps], [logits], weights)
    return onnx.shape_inference.infer_shapes(helper.make_model(graph)).graph


def test_multiplications_are_counted_by_hand():
    assert _macs(a_residual_graph()) == 64 * 4 * 2 * 9 + 64 * 4 * 4 * 9 + 8 * 4


def test_a_shortcut_is_kept_until_it_is_added():
    # When the two are added the shortcut, the second convolution and the sum are there, 4 x 8 x 8 each.
    assert _most_alive(a_residual_graph()) == 3 * 4 * 64


def test_a_shipped_student_is_measured_in_a_process_of_its_own():
    whole, small = (cost(resolve(name), repeats=3) for name in ("student-onnx", "student-int8"))
    assert whole.macs == small.macs
    assert whole.activation_bytes == 4 * small.activation_bytes
    assert small.weight_bytes < small.file_bytes < whole.weight_bytes
    assert small.milliseconds > 0
    assert 20e6 < small.process_bytes < 400e6


def test_normalising_writes_over_its_input():
    value, weight = helper.make_tensor_value_info, helper.make_tensor
    nodes = [
        helper.make_node("Conv", ["map", "first"], ["a"], pads=[1, 1, 1, 1]),
        helper.make_node("BatchNormalization", ["a", *"smtv"], ["logits"]),
    ]
    weights = [
        weight("first", TensorProto.FLOAT, (4, 2, 3, 3), [0.0] * 72),
        *(weight(name, TensorProto.FLOAT, (4,), [1.0] * 4) for name in "smtv"),
    ]
    maps, given = (value(name, TensorProto.FLOAT, (1, n, 8, 8)) for name, n in (("map", 2), ("logits", 4)))
    graph = helper.make_graph(nodes, "normalised", [maps], [given], weights)
    assert _most_alive(onnx.shape_inference.infer_shapes(helper.make_model(graph)).graph) == (2 + 4) * 64


def test_trained_weights_are_asked_in_torch():
    torch_file, graph = (cost(resolve(name), repeats=3) for name in ("student", "student-onnx"))
    assert torch_file.macs == graph.macs
    assert torch_file.milliseconds > 0
    # All of torch is loaded, and nothing of it for the graph.
    assert torch_file.process_bytes > graph.process_bytes


def test_the_whole_score_command_is_timed_on_a_lot(tmp_path):
    lot = maps_file(tmp_path, 12)
    asked = cost(resolve("student-int8"), repeats=3, lot=lot)
    assert 0 < asked.wafers_per_second < 1000 / asked.milliseconds


@pytest.mark.parametrize(("flash", "ram", "name"), [(128, 18, 0), (129, 18, 1), (128, 19, 1), (4096, 18, None)])
def test_half_of_a_controller_is_left_to_the_rest(flash, ram, name):
    asked = Cost(1, flash * 1024, 1, ram * 1024, 1, 1.0, 1)
    assert fits(asked) == ("none of these" if name is None else MICROCONTROLLERS[name][0])


def test_a_network_that_looks_in_all_turns_is_weighed_by_what_it_stores_and_timed_by_what_it_does(tmp_path):
    maps = np.random.default_rng(0).random((8, 2, 16, 16), dtype=np.float32)
    files = untrained_model(tmp_path / "model", "turning-3x1-5-5-7", maps)
    trained, graph, small = (cost(each, repeats=2) for each in files)
    channels = [8 * features for features in (3, 5, 5, 7)]
    half = 64 * (2 * 16 + 9 * channels[0]) * channels[0]
    quarter = 16 * (4 * channels[0] * channels[1] + 25 * channels[1] + channels[1] ** 2)
    last = 16 * (25 * channels[2] + channels[2] * channels[3]) + 7 * 8
    assert trained.macs == graph.macs == small.macs == half + quarter + last
    assert trained.weight_bytes == 4 * trained.parameters < graph.weight_bytes < 2 * trained.weight_bytes
    assert small.weight_bytes < small.file_bytes < graph.file_bytes
