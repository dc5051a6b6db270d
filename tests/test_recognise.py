import hashlib
import json
import os
import re
import shutil
import subprocess
import sys

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import helper, numpy_helper

from wafer_core.canonical import canonical
from wafer_core.decode import decode_with
from wafer_core.errors import BrokenModel
from wafer_core.models.folder import files_of
from wafer_core.models.weights import load_network
from wafer_core.recognise import load_recognizer, network_calls

KINDS = {"torch": 0, "onnx": 1, "int8": 2}


@pytest.fixture(params=KINDS)
def recognizer(request, tiny_folder):
    """The same untrained model on every engine."""
    return load_recognizer(files_of(tiny_folder)[KINDS[request.param]])


def test_scores_say_who_gave_them(recognizer, small_lot):
    scores = recognizer.score(small_lot.wafers)
    assert scores.logits.shape == (6, 8)
    assert scores.embedding.shape == (6, recognizer.width)
    assert scores.logits.dtype == scores.embedding.dtype == np.float32
    assert scores.model == recognizer.model.sha256
    assert len(scores) == 6


@pytest.mark.parametrize("batch", [1, 4, 128])
def test_a_score_is_a_wafers_own(recognizer, small_lot, batch):
    scores = recognizer.score(small_lot.wafers, batch)
    for position in (0, 3, 5):
        alone = recognizer.score([small_lot.wafers[position]])
        assert scores.logits[position] == pytest.approx(alone.logits[0], abs=1e-5)


def test_maps_and_wafers_score_alike(recognizer, small_lot):
    maps = canonical(small_lot.wafers, recognizer.model.card.size)
    assert np.array_equal(recognizer.score_maps(maps).logits, recognizer.score(small_lot.wafers).logits)


def test_no_wafers_are_no_scores(recognizer):
    scores = recognizer.score([])
    assert scores.logits.shape == (0, 8)
    assert scores.embedding.shape == (0, recognizer.width)


@pytest.mark.parametrize("maps", [np.zeros((1, 2, 15, 16), np.float32), np.zeros((1, 2, 16, 16))])
def test_other_maps_are_refused(recognizer, maps):
    with pytest.raises(ValueError, match=r"not float32 \(n, 2, 16, 16\)"):
        recognizer.score_maps(maps)


def test_engines_agree(tiny_folder, small_lot):
    trained, graph, small = (load_recognizer(model, threads=1) for model in files_of(tiny_folder))
    assert (trained.network is not None, graph.network, small.network) == (True, None, None)
    expected = trained.score(small_lot.wafers)
    assert np.abs(graph.score(small_lot.wafers).logits - expected.logits).max() < 1e-4
    assert np.abs(graph.score(small_lot.wafers).embedding - expected.embedding).max() < 1e-4
    assert np.abs(small.score(small_lot.wafers).logits - expected.logits).max() < 0.1


def test_scoring_a_graph_imports_no_torch_and_reports_to_nobody(tiny_folder, tmp_path):
    program = """
import sys
from pathlib import Path
import numpy as np
from wafer_core.decode import decode_with, verdict_titles
from wafer_core.lot import Frame, Wafer
from wafer_core.models.folder import files_of, resolve, shipped_models
from wafer_core.recognise import load_recognizer

shipped_models()
model = files_of(Path(sys.argv[1]))[2]
wafer = Wafer("L1", "01", Frame(20, 30), np.ones((20, 30), np.uint8))
scores = load_recognizer(resolve(str(model.path)), threads=1).score([wafer])
print(*verdict_titles(decode_with(model, scores.logits)))
assert "torch" not in sys.modules, "torch was imported"
"""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("XDG", "ORT"))}
    command, home = [sys.executable, "-c", program, str(tiny_folder)], {**kept, "HOME": str(tmp_path)}
    done = subprocess.run(command, env=home, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()
    # Where ONNX Runtime is not told otherwise it keeps an id of its user there, and calls home.
    assert list(tmp_path.iterdir()) == []


def graph_of(gives="logits", shape=("n", 2, 16, 16), fill=1.0, rows=()):
    """A graph that answers the same to every map; `rows` are what makes `rows` from `flat`, if anything does."""
    cells = shape[1] * shape[2] * shape[3]
    weights = [
        numpy_helper.from_array(np.full((cells, width), fill, np.float32), name) for name, width in (("a", 8), ("b", 4))
    ]
    nodes = [
        helper.make_node("Flatten", ["map"], ["flat"]),
        *(rows or [helper.make_node("Identity", ["flat"], ["rows"])]),
        helper.make_node("MatMul", ["rows", "a"], [gives]),
        helper.make_node("MatMul", ["rows", "b"], ["embedding"]),
    ]
    ends = ((gives, ("n", 8)), ("embedding", ("n", 4)))
    outputs = [helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, size) for name, size in ends]
    taken = [helper.make_tensor_value_info("map", onnx.TensorProto.FLOAT, shape)]
    graph = helper.make_graph(nodes, "g", taken, outputs, weights)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10).SerializeToString()


def graph_model(tiny_folder, tmp_path, data):
    """A copy of the untrained model with another graph, for which its card vouches."""
    folder = shutil.copytree(tiny_folder, tmp_path / "other")
    model = files_of(folder)[1]
    model.path.write_bytes(data)
    card = json.loads((folder / "card.json").read_text())
    card["files"][model.file].update(bytes=len(data), sha256=hashlib.sha256(data).hexdigest())
    (folder / "card.json").write_text(json.dumps(card))
    return files_of(folder)[1]


def test_any_graph_with_the_right_ends_is_a_model(tiny_folder, tmp_path):
    recognizer = load_recognizer(graph_model(tiny_folder, tmp_path, graph_of()))
    assert recognizer.score_maps(np.ones((3, 2, 16, 16), np.float32)).logits.tolist() == [[512.0] * 8] * 3


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"no graph", rf"ONNX Runtime {re.escape(ort.__version__)} cannot load it"),
        (graph_of(gives="classes"), "gives logits and embedding"),
        (graph_of(shape=("n", 1, 32, 16)), "square maps of 2 channels"),
        (graph_of(shape=("n", 2, 8, 8)), "maps of 8, its card says 16"),
    ],
)
def test_graphs_that_are_no_model_are_refused(tiny_folder, tmp_path, data, sentence):
    with pytest.raises(BrokenModel, match=sentence):
        load_recognizer(graph_model(tiny_folder, tmp_path, data))


ONE_ROW = [
    helper.make_node("Constant", [], ["axes"], value_ints=[0]),
    helper.make_node("ReduceMean", ["flat", "axes"], ["rows"]),
]
EVERY_ROW_TWICE = [helper.make_node("Concat", ["flat", "flat"], ["rows"], axis=0)]


@pytest.mark.parametrize("rows", [ONE_ROW, EVERY_ROW_TWICE])
def test_answers_of_another_number_than_maps_are_refused(tiny_folder, tmp_path, rows):
    recognizer = load_recognizer(graph_model(tiny_folder, tmp_path, graph_of(rows=rows)))
    with pytest.raises(BrokenModel, match="logits and an embedding of its own"):
        recognizer.score_maps(np.ones((3, 2, 16, 16), np.float32))


def test_answers_that_are_no_numbers_are_refused(tiny_folder, tmp_path):
    recognizer = load_recognizer(graph_model(tiny_folder, tmp_path, graph_of(fill=np.inf)))
    with pytest.raises(BrokenModel, match="not a number"):
        recognizer.score_maps(np.ones((1, 2, 16, 16), np.float32))


def test_a_network_calls_what_its_recognizer_calls(tiny_folder):
    model = files_of(tiny_folder)[0]
    maps = np.random.default_rng(0).random((200, 2, 16, 16), dtype=np.float32)
    called = network_calls(model, load_network(model), maps)
    assert np.array_equal(called, decode_with(model, load_recognizer(model).score_maps(maps).logits).detected)
    assert called.any()
    assert not called.all()
