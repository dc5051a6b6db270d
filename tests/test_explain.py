"""Attributions: they add up, stay on dies, and point where a network made by hand looks."""

import hashlib
import subprocess
import sys
from dataclasses import dataclass, field

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import nn

from wafer_core.canonical import canonical_states, channels
from wafer_core.errors import UnsupportedMethod, UsageError
from wafer_core.explain import DEFAULT, GRADIENT_METHODS, METHODS, TITLES, attribute, check_method, methods_for
from wafer_core.explain.gradients import AreaResize, explain_network
from wafer_core.explain.occlusion import group_dies, occlude
from wafer_core.lot import FAIL, NO_DIE, PASS, UNTESTED, Frame, Wafer
from wafer_core.models.card import Card, FileEntry
from wafer_core.models.folder import ModelFile
from wafer_core.models.networks import build
from wafer_core.patterns import PATTERNS
from wafer_core.recognise import Recognizer

SIZE = 24
GRIDS = [(SIZE, SIZE), (23, 31), (37, 15), (9, 53)]
ARCHITECTURES = ["residual-8-1-2", "separable-6-8-12-16"]
SUMMING = ["deeplift", "integrated-gradients"]


def round_wafer(rows, columns, seed=0, fails=0.3):
    """A round wafer with failing, passing and a few untested dies."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[:rows, :columns]
    inside = np.hypot((y + 0.5) / rows - 0.5, (x + 0.5) / columns - 0.5) <= 0.5
    states = np.where(random.random(inside.shape) < fails, FAIL, PASS)
    states[random.random(inside.shape) < 0.05] = UNTESTED
    states[~inside] = NO_DIE
    return Wafer("L", "01", Frame(rows, columns), states.astype(np.uint8))


def trained_like(architecture, seed=0):
    """A network whose normalisations have seen data and whose logits move by several units."""
    torch.manual_seed(seed)
    network = build(architecture)
    network.train()
    with torch.no_grad():
        for number in range(20):
            states = [round_wafer(SIZE, SIZE, 100 * number + i, fails=i / 8).states for i in range(8)]
            network(torch.from_numpy(canonical_states(np.stack(states), SIZE)))
    network.eval()
    wafer = round_wafer(SIZE, SIZE)
    gained = logits(network, wafer.states) - logits(network, healthy(wafer.states))
    with torch.no_grad():
        network.head.weight *= 5.0 / float(np.abs(gained).max())
    return network


@dataclass
class Linear:
    """A network made by hand: the first pattern counts fails above the middle, less those below."""

    weights: np.ndarray = field(default_factory=lambda: np.sign(SIZE / 2 - 0.5 - np.arange(SIZE))[:, None])

    def __call__(self, maps):
        evidence = (maps[:, 1] * self.weights).sum(axis=(1, 2))
        return np.stack([evidence, *[np.zeros_like(evidence)] * 7], axis=1).astype(np.float32)


def logits(network, states):
    with torch.inference_mode():
        return network(torch.from_numpy(canonical_states(states[None], SIZE)))[0].numpy()


def healthy(states):
    return np.where(states == FAIL, PASS, states).astype(np.uint8)


def model_file(engine):
    kind = {"torch": "m.safetensors", "onnx": "m.int8.onnx"}[engine]
    entry = FileEntry(engine, "fp32" if engine == "torch" else "int8", 1, 1, "0" * 64, (0.5,) * 8)
    card = Card("M", "student", ARCHITECTURES[1], SIZE, "free", 0.0, {kind: entry}, {})
    return ModelFile("m-int8" if engine == "onnx" else "m", None, kind, card)


class Direct(Recognizer):
    """A recognizer over a network, or any function of maps, that is already in hand."""

    def __init__(self, answer, engine):
        super().__init__(model_file(engine), 1)
        self.answer, self.network = answer, answer if engine == "torch" else None

    def _run(self, maps):
        if self.network is None:
            return self.answer(maps), np.zeros((len(maps), 1), np.float32)
        with torch.inference_mode():
            return self.network(torch.from_numpy(maps)).numpy(), np.zeros((len(maps), 1), np.float32)


@pytest.mark.parametrize("grid", GRIDS)
def test_the_first_layer_is_the_canonical_grid(grid):
    states = round_wafer(*grid).states
    resized = AreaResize(*grid, SIZE)(torch.from_numpy(channels(states)[None])).numpy()
    assert resized == pytest.approx(canonical_states(states[None], SIZE), abs=1e-6)


@pytest.mark.parametrize("method", SUMMING)
@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("grid", GRIDS)
def test_dies_sum_to_what_the_logit_gained_over_the_healthy_wafer(method, architecture, grid):
    network, states = trained_like(architecture), round_wafer(*grid).states
    gained = logits(network, states) - logits(network, healthy(states))
    dies = explain_network(network, states, SIZE, method, list(range(8)))
    # An integral of steps misses a little where many activations switch at once.
    tolerance = 1e-4 if method == "deeplift" else 0.05 * max(float(np.abs(gained).max()), 1.0)
    assert dies.sum(axis=(1, 2)) == pytest.approx(gained, abs=tolerance)
    assert np.abs(gained).max() > 1.0


@pytest.mark.parametrize("method", [*SUMMING, "occlusion"])
def test_only_failing_dies_earn_credit(method):
    wafer = round_wafer(23, 31)
    dies = attribute(Direct(trained_like(ARCHITECTURES[0]), "torch"), wafer, method, [0, 3])
    assert np.all(dies[:, wafer.states != FAIL] == 0)
    assert np.any(dies[:, wafer.states == FAIL] != 0)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("grid", GRIDS)
def test_nothing_is_credited_where_there_is_no_die(method, grid):
    wafer = round_wafer(*grid)
    dies = attribute(Direct(trained_like(ARCHITECTURES[1]), "torch"), wafer, method, [2])
    assert (dies.dtype, dies.shape) == (np.float32, (1, *grid))
    assert np.all(dies[:, wafer.states == NO_DIE] == 0)
    assert np.isfinite(dies).all()
    assert dies.any()


@pytest.mark.parametrize("method", METHODS)
def test_patterns_together_are_patterns_one_by_one(method):
    recognizer, wafer = Direct(trained_like(ARCHITECTURES[0]), "torch"), round_wafer(37, 15)
    order = [6, 0, 3]
    together = attribute(recognizer, wafer, method, order)
    alone = np.concatenate([attribute(recognizer, wafer, method, [pattern]) for pattern in order])
    assert together == pytest.approx(alone, abs=1e-5 * float(np.abs(alone).max()))
    assert np.abs(together[0] - together[1]).max() > 1e-3 * np.abs(alone).max()


@pytest.mark.parametrize("method", METHODS)
def test_explaining_leaves_the_network_as_it_was(method):
    network, wafer = trained_like(ARCHITECTURES[0]), round_wafer(23, 31)
    recognizer, before = Direct(network, "torch"), logits(network, wafer.states)
    first = attribute(recognizer, wafer, method, [0])
    assert np.array_equal(attribute(recognizer, wafer, method, [0]), first)
    assert np.array_equal(logits(network, wafer.states), before)
    assert all(parameter.grad is None for parameter in network.parameters())


def test_gradcam_is_the_evidence_per_place():
    network, states = trained_like(ARCHITECTURES[0]), round_wafer(SIZE, SIZE).states
    dies = explain_network(network, states, SIZE, "gradcam", list(range(8)))
    with torch.inference_mode():
        features = network.features(torch.from_numpy(canonical_states(states[None], SIZE)))
        evidence = network.class_maps(features)[0].numpy()
    step = SIZE // evidence.shape[-1]
    each = evidence.repeat(step, 1).repeat(step, 2) / evidence[0].size
    assert dies == pytest.approx(each, abs=1e-5 * float(np.abs(each).max()))


@pytest.mark.parametrize("grid", GRIDS)
def test_gradcam_of_even_evidence_is_even(grid):
    network = trained_like(ARCHITECTURES[1])
    nn.init.zeros_(network.body[-1].pointwise[1].weight)
    nn.init.ones_(network.body[-1].pointwise[1].bias)
    network.body[-1].adds = False
    dies = explain_network(network, round_wafer(*grid).states, SIZE, "gradcam", [4])
    assert dies == pytest.approx(np.full_like(dies, dies.mean()), rel=1e-5)


@pytest.mark.parametrize("states", [PASS, NO_DIE, UNTESTED])
@pytest.mark.parametrize("method", [*SUMMING, "occlusion"])
def test_a_wafer_without_fails_owes_nothing_to_its_dies(method, states):
    wafer = Wafer("L", "01", Frame(7, 5), np.full((7, 5), states, np.uint8))
    assert not attribute(Direct(trained_like(ARCHITECTURES[1]), "torch"), wafer, method, [0, 1]).any()


@pytest.mark.parametrize("engine", ["torch", "onnx"])
def test_no_pattern_is_no_attribution(engine):
    answer = trained_like(ARCHITECTURES[1]) if engine == "torch" else Linear()
    assert attribute(Direct(answer, engine), round_wafer(9, 7), "occlusion", []).shape == (0, 9, 7)


@pytest.mark.parametrize("method", GRADIENT_METHODS)
def test_a_gradient_method_on_onnx_names_occlusion(method):
    with pytest.raises(UnsupportedMethod, match=f"{TITLES[method]}.*m-int8.*occlusion"):
        attribute(Direct(Linear(), "onnx"), round_wafer(9, 7), method, [0])


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


def test_unknown_methods_and_patterns_are_refused():
    recognizer = Direct(Linear(), "onnx")
    with pytest.raises(UsageError, match="'magic' is no explanation method"):
        check_method(recognizer.model, "magic")
    with pytest.raises(ValueError, match=r"not \[8\]"):
        attribute(recognizer, round_wafer(9, 7), "occlusion", [0, len(PATTERNS)])


def test_methods_are_offered_by_engine():
    assert methods_for(model_file("torch")) == METHODS
    assert methods_for(model_file("onnx")) == ("occlusion",)
    assert DEFAULT in GRADIENT_METHODS


@pytest.mark.parametrize("grid", GRIDS)
@pytest.mark.parametrize("most", [1000, 20])
def test_occlusion_has_the_sign_of_a_network_made_by_hand(grid, most):
    wafer = round_wafer(*grid)
    first, second = occlude(Linear(), wafer.states, SIZE, [0, 5], most)
    rows, columns = np.nonzero(wafer.states == FAIL)
    middle = wafer.states.shape[0] / 2
    # Dies flipped in squares share their credit, so those at the middle answer for both halves.
    clear = np.abs(rows + 0.5 - middle) > (1 if most == 1000 else grid[0] / 4)
    credit = first[rows, columns]
    assert np.array_equal(np.sign(credit[clear]), np.sign(middle - rows - 0.5)[clear])
    assert clear.any()
    assert not second.any()


def test_occlusion_of_a_linear_network_is_exact():
    wafer = round_wafer(23, 31)
    dies = attribute(Direct(Linear(), "onnx"), wafer, "occlusion", [0])[0]
    answer = Linear()(canonical_states(np.stack([wafer.states, healthy(wafer.states)]), SIZE))[:, 0]
    assert dies.sum() == pytest.approx(answer[0] - answer[1], abs=1e-3)
    row, column = np.argwhere(wafer.states == FAIL)[0]
    altered = wafer.states.copy()
    altered[row, column] = PASS
    without = Linear()(canonical_states(altered[None], SIZE))[0, 0]
    assert dies[row, column] == pytest.approx(answer[0] - without, abs=1e-5)


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


@pytest.mark.parametrize("most", [1, 10, 100, 1000])
def test_dies_are_grouped_in_squares(most):
    failing = round_wafer(40, 30).states == FAIL
    group = group_dies(failing, most)
    assert np.array_equal(np.unique(group), np.arange(group.max() + 1))
    assert group.max() < most
    if most == 1000:
        assert np.array_equal(np.sort(group), np.arange(failing.sum()))
