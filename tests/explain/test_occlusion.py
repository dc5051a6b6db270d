"""Occlusion: legal flips, as few as allowed, right for networks made by hand, and without torch for ONNX files."""

import hashlib
import subprocess
import sys
import tracemalloc

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from tests.explaining import ARCHITECTURES, GRIDS, SIZE, Direct, Linear, healthy, round_wafer
from wafer_core.canonical import canonical_states
from wafer_core.explain import attribute
from wafer_core.explain.occlusion import flip_squares, occlude
from wafer_core.lot import FAIL, PASS
from wafer_core.models.card import Card, FileEntry


def linear_graph(folder):
    """A model folder whose only file is an ONNX graph that answers as `Linear` does."""
    weights = np.zeros((2, SIZE, SIZE, 8), np.float32)
    weights[1, :, :, 0] = Linear().weights
    nodes = [
        helper.make_node("Flatten", ["map"], ["flat"]),
        helper.make_node("MatMul", ["flat", "weights"], ["logits"]),
        helper.make_node("Identity", ["logits"], ["embedding"]),
    ]
    taken = helper.make_tensor_value_info("map", TensorProto.FLOAT, ["n", 2, SIZE, SIZE])
    given = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", 8]) for name in ("logits", "embedding")]
    held = [numpy_helper.from_array(weights.reshape(-1, 8), "weights")]
    graph = helper.make_graph(nodes, "linear", [taken], given, held)
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    onnx.checker.check_model(made)
    data = made.SerializeToString()
    entry = FileEntry("onnx", "fp32", 1, len(data), hashlib.sha256(data).hexdigest(), (0.5,) * 8)
    made_from = {"teacher_sha256": None, "data": [], "seed": 0, "steps": 0, "command": "by hand"}
    (folder / "linear.onnx").write_bytes(data)
    Card("M", "student", ARCHITECTURES[1], SIZE, "free", 0.0, {"linear.onnx": entry}, made_from).write(folder)
    return folder / "linear.onnx"


def test_occlusion_of_an_onnx_file_needs_no_torch(tmp_path):
    path, wafer = linear_graph(tmp_path), round_wafer(23, 31)
    np.save(tmp_path / "states.npy", wafer.states)
    code = f"""
import sys, numpy as np
from wafer_core.explain import attribute
from wafer_core.lot import Frame, Wafer
from wafer_core.models.folder import resolve
from wafer_core.recognise import load_recognizer
wafer = Wafer("L", "01", Frame(23, 31), np.load({str(tmp_path / "states.npy")!r}))
np.save({str(tmp_path / "dies.npy")!r}, attribute(load_recognizer(resolve({str(path)!r})), wafer, "occlusion", [0]))
print({{"torch", "captum"}} & set(sys.modules))
"""
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (said.stdout, said.stderr) == ("set()\n", "")
    expected = attribute(Direct(Linear(), "onnx"), wafer, "occlusion", [0])
    assert np.load(tmp_path / "dies.npy") == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("grid", GRIDS)
@pytest.mark.parametrize("most", [1000, 20])
def test_occlusion_has_the_sign_of_a_network_made_by_hand(grid, most):
    wafer = round_wafer(*grid)
    first, second = occlude(Linear(), wafer.states, SIZE, [0, 5], most, reach=0)
    rows, columns = np.nonzero(wafer.states == FAIL)
    middle = wafer.states.shape[0] / 2
    # Dies flipped in squares share their credit, so those at the middle answer for both halves.
    clear = np.abs(rows + 0.5 - middle) > (1 if most == 1000 else grid[0] / 4)
    credit = first[rows, columns]
    assert np.array_equal(np.sign(credit[clear]), np.sign(middle - rows - 0.5)[clear])
    assert clear.any()
    assert not second.any()


def test_dies_that_flip_alone_explain_a_linear_network_exactly():
    wafer = round_wafer(23, 31)
    dies = occlude(Linear(), wafer.states, SIZE, [0], reach=0)[0]
    answer = Linear()(canonical_states(np.stack([wafer.states, healthy(wafer.states)]), SIZE))[:, 0]
    assert dies.sum() == pytest.approx(answer[0] - answer[1], abs=1e-3)
    row, column = np.argwhere(wafer.states == FAIL)[0]
    altered = wafer.states.copy()
    altered[row, column] = PASS
    without = Linear()(canonical_states(altered[None], SIZE))[0, 0]
    assert dies[row, column] == pytest.approx(answer[0] - without, abs=1e-5)


def test_a_die_has_the_mean_of_its_shares_in_the_flips_around_it():
    """Three fails in a row: the outer ones flip in pairs, the middle one in all three flips."""
    states = np.full((1, 7), PASS, np.uint8)
    states[0, 2:5] = FAIL
    value = np.array([0, 0, 5, 1, 3, 0, 0], np.float32)

    def score(maps):
        return np.repeat((maps[:, 1, :1] @ value), 8, axis=1)

    pairs, all_three = [6 / 2, 4 / 2], 9 / 3
    expected = [(pairs[0] + all_three) / 2, (sum(pairs) + all_three) / 3, (pairs[1] + all_three) / 2]
    wide = np.repeat(states, 7, axis=0)
    wide[1:] = PASS
    assert occlude(score, wide, 7, [0])[0, 0, 2:5] == pytest.approx(expected)


@pytest.mark.parametrize("most", [1, 7, 64, 512])
def test_occlusion_asks_for_no_more_wafers_than_it_may(most):
    asked = []

    def count(maps):
        asked.append(len(maps))
        assert maps.min() >= 0
        assert maps.sum(axis=1).max() <= 1 + 1e-6
        return Linear()(maps)

    occlude(count, round_wafer(53, 53, fails=0.9).states, SIZE, [0], most)
    assert sum(asked) <= most + 1


@pytest.mark.parametrize("reach", [0, 1])
@pytest.mark.parametrize("most", [1, 10, 100, 1000])
def test_flips_are_squares_that_hold_every_failing_die(most, reach):
    failing = round_wafer(40, 30).states == FAIL
    squares = flip_squares(failing, most, reach)
    assert len(squares) <= most
    flips = np.zeros((len(squares), *failing.shape), dtype=bool)
    for flip, square in zip(flips, squares, strict=True):
        flip[square] = True
    flips = flips[:, failing]
    assert flips.any(axis=0).all()
    assert flips.any(axis=1).all()
    if most == 1000:
        assert len(flips) == failing.sum()
        assert flips.diagonal().all()
    for flip in flips:
        rows, columns = (place[flip] for place in np.nonzero(failing))
        square = failing[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
        assert square.sum() == flip.sum()


def test_what_a_large_wafer_takes_does_not_grow_with_the_number_of_flips():
    states = round_wafer(400, 400, fails=1.0).states
    tracemalloc.start()
    try:
        assert occlude(Linear(), states, SIZE, [0, 5])[0].any()
        assert tracemalloc.get_traced_memory()[1] < 128 * states.size
    finally:
        tracemalloc.stop()
