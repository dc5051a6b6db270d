"""Randomised weights: an explainer that does not look at the weights is caught."""

import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper

from tests.explaining import Direct, Linear
from tests.untrained import untrained_model
from wafer_core.explain import attribute
from wafer_core.lot import FAIL, Frame, Wafer
from wafer_core.models.folder import files_of, resolve
from wafer_core.recognise import load_recognizer
from wafer_core.synthesis.neighbours import failing_neighbours
from wafer_core.trust.exam import examine
from wafer_core.trust.regions import simulated_mixes
from wafer_core.trust.sanity import passed, randomised
from wafer_core.trust.tally import Reached, reached


def crowded(recognizer, wafer, patterns):
    """Broken on purpose: credits a failing die with its failing neighbours, whatever the model."""
    credit = np.where(wafer.states == FAIL, failing_neighbours(wafer.states) + 1.0, 0.0).astype(np.float32)
    return np.repeat(credit[None], len(patterns), axis=0)


def deeplift(recognizer, wafer, patterns):
    return attribute(recognizer, wafer, "deeplift", patterns)


@pytest.fixture(scope="module")
def figures():
    """Both explainers on the shipped student, which has learnt something."""
    recognizer = load_recognizer(resolve("student"), threads=1)
    methods = {"broken": crowded, "deeplift": deeplift}
    exam = examine(recognizer, "simulated", simulated_mixes(5, seed=3), methods)
    return {
        name: next(each for each in reached(answered.items) if each.score == "randomised weights")
        for name, answered in exam.answers.items()
    }


def test_an_explainer_that_ignores_the_weights_fails(figures):
    assert figures["broken"].value == pytest.approx(1)
    assert not passed(figures["broken"])


def test_one_that_follows_them_passes(figures):
    assert figures["deeplift"].value < figures["broken"].value
    assert passed(figures["deeplift"])


@pytest.mark.parametrize(("value", "high", "passes"), [(0.2, 0.49, True), (0.2, 0.5, False), (0.4, 0.6, False)])
def test_the_whole_interval_has_to_lie_below_a_half(value, high, passes):
    assert passed(Reached("randomised weights", None, None, value, 0.1, high, 0.1, 20)) == passes


@pytest.mark.parametrize("file", range(3), ids=["torch", "onnx", "int8"])
def test_randomised_models_answer_otherwise_and_leave_the_model_alone(tiny_folder, file, disc_states):
    recognizer = load_recognizer(files_of(tiny_folder)[file], threads=1)
    states = disc_states(16, 16, 0.2)
    wafer = Wafer("L", "01", Frame(16, 16), states)
    before = recognizer.score([wafer]).logits
    one, again, other = (randomised(recognizer, seed).score([wafer]).logits for seed in (0, 0, 1))
    assert np.array_equal(one, again)
    assert np.abs(one - before).max() > 1e-3
    assert np.abs(one - other).max() > 1e-3
    assert np.array_equal(recognizer.score([wafer]).logits, before)


def test_shuffled_weights_are_the_same_numbers(tiny_folder):
    recognizer = load_recognizer(files_of(tiny_folder)[0], threads=1)
    twin = randomised(recognizer, 0)
    for old, new in zip(recognizer.network.parameters(), twin.network.parameters(), strict=True):
        assert torch.equal(old.flatten().sort().values, new.flatten().sort().values)


def test_where_weights_of_a_graph_go_is_not_shuffled(tmp_path):
    maps = np.random.default_rng(0).random((8, 2, 16, 16), dtype=np.float32)
    files = untrained_model(tmp_path / "turning", "turning-3x1-5-6", maps)
    recognizer = load_recognizer(next(file for file in files if file.engine == "onnx"), threads=1)
    old, new = (
        {each.name: numpy_helper.to_array(each) for each in onnx.load_from_string(one.graph).graph.initializer}
        for one in (recognizer, randomised(recognizer, 0))
    )
    places = [name for name, values in old.items() if values.dtype.kind == "u"]
    weights = [name for name, values in old.items() if values.ndim > 1 and name not in places]
    assert len(places) > 2
    assert len(weights) > 4
    assert all(np.array_equal(old[name], new[name]) for name in places)
    assert not any(np.array_equal(old[name], new[name]) for name in weights)


def test_what_has_no_weights_cannot_be_randomised():
    with pytest.raises(TypeError, match="Direct has no weights"):
        randomised(Direct(Linear(), "onnx"), 0)
