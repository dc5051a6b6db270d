"""The mathematics of the scores, against hand counts, against Captum's own, and against chance."""

import numpy as np
import pytest
import torch
from captum.metrics import infidelity, sensitivity_max

from wafer_core.trust import scores


def die_map(*rows):
    return np.array(rows, np.float32)


def mask(*rows):
    return np.array(rows, bool)


@pytest.mark.parametrize(
    ("credit", "expected"), [([3, 1, 0], 1), ([1, 3, 0], 0), ([2, 2, 1], 0.5), ([0, 0, 0], 1 / 3), ([-1, -2, -3], 1)]
)
def test_pointing_asks_for_the_top_die(credit, expected):
    assert scores.pointing(die_map(*credit), mask(True, False, False)) == pytest.approx(expected)


def test_pointing_at_random_is_the_share_of_the_region():
    random, region = np.random.default_rng(0), mask(*[True] * 3, *[False] * 7)
    hits = [scores.pointing(random.random(10), region) for _ in range(2000)]
    assert np.mean(hits) == pytest.approx(0.3, abs=0.04)


def test_densities_are_shares_of_evidence_over_shares_of_dies():
    credit = die_map(6, 2, 1, 1, -5)
    failing, own, other = np.ones(5, bool), mask(1, 0, 0, 0, 0), mask(0, 1, 1, 0, 0)
    # Of the 10 positive the one own die holds 6, the two others 3; of three dies one is its own.
    assert scores.densities(credit, failing, own, other) == pytest.approx((0.6 * 3, 0.3 * 3 / 2))


def test_densities_leave_out_shared_dies_and_those_that_pass():
    credit, failing = die_map(4, 9, 2, 7), mask(1, 1, 1, 0)
    own, other = mask(1, 1, 0, 0), mask(0, 1, 1, 1)
    here, there = scores.densities(credit, failing, own, other)
    assert (here, there) == pytest.approx((4 / 15 * 3, 2 / 15 * 3 / 2))


def test_densities_at_random_are_equal():
    random, failing = np.random.default_rng(0), np.ones(200, bool)
    own, other = np.arange(200) < 30, np.arange(200) > 120
    found = np.array([scores.densities(random.normal(size=200), failing, own, other) for _ in range(300)])
    assert found[:, 0].mean() / found[:, 1].mean() == pytest.approx(1, abs=0.05)


def test_densities_need_something_to_share():
    failing = np.ones(2, bool)
    assert scores.densities(die_map(0, -1), failing, mask(1, 0), mask(0, 1)) == (0, 0)
    with pytest.raises(ValueError, match="not the other's"):
        scores.densities(die_map(0, 1), failing, mask(1, 0), mask(1, 1))


def test_places_follow_falling_credit_and_equals_are_drawn():
    random = np.random.default_rng(0)
    assert scores.by_credit(die_map(1, 5, -2, 3), random).tolist() == [2, 0, 3, 1]
    first = [scores.by_credit(die_map(1, 1, 1, 1), random)[0] for _ in range(200)]
    assert np.bincount(first, minlength=4).min() > 25


def test_a_curve_is_one_at_the_start_and_nothing_on_the_healthy_wafer():
    assert scores.normalised(die_map(4, 1, -2), healthy=-2.0, start=4.0).tolist() == [1, 0.5, 0]
    assert scores.area(np.array([1.0, 0.5, 0.0])) == pytest.approx(0.5)
    assert scores.area(np.array([1.0, 0.0, 0.0, 0.0])) == pytest.approx(1 / 6)


def test_infidelity_is_captums_at_its_best_scale():
    """A linear model, an attribution that misses it a little, and flips of single dies and of groups."""
    random = np.random.default_rng(0)
    weights = random.normal(size=12)
    credit = 0.3 * weights + 0.05 * random.normal(size=12)
    gone = random.random((40, 12)) < 0.3
    draws = iter(torch.tensor(gone, dtype=torch.float64))

    def perturb(inputs):
        taken = torch.stack([next(draws) for _ in inputs])
        return taken, inputs - taken

    expected = infidelity(
        lambda dies: dies @ torch.tensor(weights),
        perturb,
        torch.ones(1, 12, dtype=torch.float64),
        torch.tensor(credit)[None],
        n_perturb_samples=40,
        normalize=True,
    )
    lost = gone @ weights
    found = scores.unexplained(gone @ credit, lost)
    assert found == pytest.approx(expected.item() / np.mean(lost**2), rel=1e-6)
    assert 0 < found < 0.3


def test_infidelity_ends():
    lost = np.array([1.0, -2.0, 3.0])
    assert scores.unexplained(7 * lost, lost) == pytest.approx(0)
    assert scores.unexplained(-lost, lost) == 1
    assert scores.unexplained(np.zeros(3), lost) == 1
    assert scores.unexplained(lost, np.zeros(3)) == 1


def test_max_change_is_captums_max_sensitivity():
    random = np.random.default_rng(1)
    dies, noise = random.normal(size=(1, 12)), random.normal(size=(5, 12))
    expected = sensitivity_max(
        lambda inputs: (inputs[0] ** 3,),
        torch.tensor(dies),
        perturb_func=lambda inputs: (inputs[0] + torch.tensor(noise),),
        n_perturb_samples=5,
    )
    found = scores.max_change((dies**3).reshape(3, 4), ((dies + noise) ** 3).reshape(5, 3, 4))
    assert found == pytest.approx(expected.item())


def test_an_attribution_of_nothing_does_not_move():
    assert scores.max_change(np.zeros(3), np.ones((2, 3))) == 0


@pytest.mark.parametrize(
    ("second", "expected"),
    [([10, 20, 30, 40], 1), ([4, 3, 2, 1], -1), ([1, 1, 1, 1], 0), ([1, 2, 2, 3], 0.9486833), ([2, 1, 4, 3], 0.6)],
)
def test_rank_correlation_shares_ranks_among_equals(second, expected):
    assert scores.spearman(np.arange(4.0), np.array(second, float)) == pytest.approx(expected)
