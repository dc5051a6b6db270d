"""Gradient methods: what adds up does, Grad-CAM is the evidence per place, and focusing joins the two."""

import numpy as np
import pytest
import torch
from torch import nn

from tests.explaining import ARCHITECTURES, GRIDS, SIZE, healthy, logits, round_wafer, trained_like
from wafer_core.canonical import canonical_states, channels
from wafer_core.explain.gradients import AreaResize, explain_network
from wafer_core.explain.neighbourhood import averaged_around, contested, placed
from wafer_core.lot import FAIL

SUMMING = ["deeplift", "integrated-gradients"]


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


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("grid", GRIDS)
def test_focused_deeplift_is_the_evidence_of_places_carried_by_dies(architecture, grid):
    network, states = trained_like(architecture), round_wafer(*grid).states
    patterns = [5, 0, 7, 3, 1, 2, 6, 4]
    focused, credit = (
        explain_network(network, states, SIZE, method, patterns) for method in ("focused-deeplift", "deeplift")
    )
    evidence = explain_network(network, states, SIZE, "gradcam", list(range(8)))
    expected = placed(credit, contested(averaged_around(evidence), patterns), states == FAIL)
    assert focused == pytest.approx(expected, abs=1e-4 * float(np.abs(expected).max()))
    assert expected.min() < 0 < expected.max()
