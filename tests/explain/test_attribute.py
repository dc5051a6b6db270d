"""Every method: stays on dies, answers for patterns together as one by one, leaves the network alone."""

import numpy as np
import pytest

from tests.explaining import ARCHITECTURES, GRIDS, Direct, Linear, logits, model_file, round_wafer, trained_like
from wafer_core.errors import UnsupportedMethod, UsageError
from wafer_core.explain import (
    DEFAULT,
    GRADIENT_METHODS,
    MEANINGS,
    METHODS,
    TITLES,
    attribute,
    check_method,
    methods_for,
)
from wafer_core.lot import FAIL, NO_DIE, PASS, UNTESTED, Frame, Wafer
from wafer_core.patterns import PATTERNS

ON_FAILS = [method for method in METHODS if method != "gradcam"]


@pytest.mark.parametrize("method", ON_FAILS)
def test_only_failing_dies_earn_credit(method):
    wafer = round_wafer(23, 31)
    dies = attribute(Direct(trained_like(ARCHITECTURES[0]), "torch"), wafer, method, [0, 3])
    assert np.all(dies[:, wafer.states != FAIL] == 0)
    assert np.any(dies[:, wafer.states == FAIL] != 0)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("grid", GRIDS)
def test_nothing_is_credited_where_there_is_no_die(method, grid):
    wafer = round_wafer(*grid)
    dies = attribute(Direct(trained_like(ARCHITECTURES[1]), "torch"), wafer, method, [0, 2])
    assert (dies.dtype, dies.shape) == (np.float32, (2, *grid))
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


@pytest.mark.parametrize("states", [PASS, NO_DIE, UNTESTED])
@pytest.mark.parametrize("method", ON_FAILS)
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
    assert set(MEANINGS) == set(TITLES) == set(METHODS)
