"""One wafer scored: what a network made by hand must reach, and what chance reaches."""

from functools import partial

import numpy as np
import pytest

from tests.explaining import SIZE, Direct, Linear
from wafer_core.explain.occlusion import occlude
from wafer_core.lot import FAIL, PASS, Frame, Wafer
from wafer_core.trust.flips import FILLS
from wafer_core.trust.regions import Constructed
from wafer_core.trust.trial import ORDERS, Trial

OWN, OTHER = 0, 3


def constructed():
    """Fails in two corners: the upper one belongs to the pattern that `Linear` sees there, the lower one to another."""
    states = np.full((SIZE, SIZE), PASS, np.uint8)
    regions = np.zeros((8, SIZE, SIZE), bool)
    regions[OWN, 1:5, 1:7] = regions[OTHER, 14:22, 12:20] = True
    states[regions.any(axis=0)] = FAIL
    states[8, 20] = FAIL
    wafer = Wafer("made", "01", Frame(SIZE, SIZE), states)
    return Constructed(wafer, regions, regions, np.zeros((SIZE, SIZE), bool))


class Upper(Linear):
    """`Linear` that counts the fails above the middle alone, and calls its pattern from 12 of them on."""

    def __init__(self):
        super().__init__(np.maximum(Linear().weights, 0))

    def __call__(self, maps):
        answer = super().__call__(maps)
        answer[:, 0] -= 11.5
        return answer


@pytest.fixture(scope="module")
def recognizer():
    return Direct(Upper(), "onnx")


@pytest.fixture(scope="module")
def trial(recognizer):
    return Trial(recognizer, constructed(), [OWN], 0)


def explained(recognizer, wafer, patterns):
    """What each die alone is worth: exact for a network that counts."""
    return occlude(lambda maps: recognizer.score_maps(maps).logits, wafer.states, SIZE, patterns, reach=0)


@pytest.fixture(scope="module")
def exact(recognizer):
    return explained(recognizer, constructed().wafer, [OWN])


def parts(trial, credit):
    return trial.items(credit)[0].parts


def test_a_faithful_attribution_finds_its_region(trial, exact):
    found = parts(trial, exact)
    # The background die counts as much as the 24 of the region, so the top is shared.
    assert found["pointing"].top == pytest.approx(24 / 25)
    assert found["pointing"].chance == pytest.approx(24 / 89)
    assert found["own/other"].bottom == 0
    assert found["own/other"].top == pytest.approx(24 / 25 * 88 / 24)


def test_a_faithful_attribution_takes_away_what_counts(trial, exact):
    found = parts(trial, exact)
    # Of 25 fails that count 14 have to go; at random so many are among the first 50 of 89.
    assert found["removal"].top == pytest.approx(14 / 52, abs=0.08)
    for fill in FILLS:
        assert found[f"deletion, {fill}"].top < 0.25 < found[f"deletion, {fill}"].chance
        assert found[f"deletion, {fill}"].chance == pytest.approx(0.5, abs=0.05)
        assert found[f"insertion, {fill}"].top > 0.75
    assert found["infidelity"].top < 0.02 < found["infidelity"].chance


def test_the_opposite_attribution_is_worse_than_chance(trial, exact):
    found = parts(trial, -exact)
    assert found["pointing"].top == 0
    assert found["removal"].top > 1.3
    assert found["deletion, passing"].top > found["deletion, passing"].chance
    assert found["infidelity"].top == 1


@pytest.mark.parametrize("score", ["pointing", "removal", "deletion, passing", "insertion, passing", "infidelity"])
def test_chance_is_what_random_attributions_reach(trial, score):
    random, failing = np.random.default_rng(5), trial.constructed.failing
    credits = [np.where(failing, random.random(failing.shape), 0).astype(np.float32) for _ in range(60)]
    found = [parts(trial, credit[None])[score] for credit in credits]
    spread = np.std([part.top for part in found]) / np.sqrt(len(found)) + 0.02
    expected = np.mean([part.chance for part in found])
    assert np.mean([part.top for part in found]) == pytest.approx(expected, abs=3 * spread)


def test_own_to_other_is_told_beside_each_other_pattern(trial, exact):
    item = trial.items(np.maximum(exact, 0.001))[0]
    assert list(item.beside) == [OTHER]
    assert item.beside[OTHER] == pytest.approx(item.parts["own/other"])


def test_shared_dies_are_set_aside_where_pointing_says_so(recognizer, exact):
    made = constructed()
    top = np.unravel_index(exact[0].argmax(), exact[0].shape)
    shared, regions = made.shared.copy(), made.regions.copy()
    shared[top], regions[OWN][top] = True, False
    overlaid = Constructed(made.wafer, regions, made.brought, shared)
    found = parts(Trial(recognizer, overlaid, [OWN], 0), exact)
    assert found["pointing"].top == pytest.approx(23 / 25)
    assert found["pointing, unshared"].top == pytest.approx(23 / 24)
    assert found["pointing, unshared"].chance == pytest.approx(23 / 88)
    assert found["pointing, evenly"].top == pytest.approx(23 / 24)


class Both(Upper):
    """`Upper` that counts the fails below the middle for the other pattern."""

    def __call__(self, maps):
        answer = super().__call__(maps)
        answer[:, OTHER] = maps[:, 1, SIZE // 2 :].sum(axis=(1, 2)) - 11.5
        return answer


@pytest.mark.parametrize(("claim", "right"), [(0.0, 1.0), (0.09, 1.0), (0.2, 0.0)])
def test_a_shared_die_is_right_unless_the_other_pattern_claims_it(claim, right):
    made = constructed()
    shared, regions = made.shared.copy(), made.regions.copy()
    shared[2, 2], regions[OWN][2, 2] = True, False
    both = Trial(Direct(Both(), "onnx"), Constructed(made.wafer, regions, made.brought, shared), [OWN, OTHER], 0)
    credit = np.zeros((2, SIZE, SIZE), dtype=np.float32)
    credit[0, 2, 2] = credit[1, 16, 16] = 1.0
    credit[1, 2, 2] = claim
    own, other = (item.parts for item in both.items(credit))
    assert own["pointing"].top == 0.0
    assert own["pointing, unclaimed"].top == right
    assert own["pointing, unclaimed"].chance == pytest.approx((23 + right) / 89)
    assert other["pointing, unclaimed"] == other["pointing"]


def test_where_no_other_pattern_is_explained_a_shared_die_is_wrong(recognizer, exact):
    made = constructed()
    shared, regions = made.shared.copy(), made.regions.copy()
    shared[1:5, 1:7], regions[OWN, 1:5, 1:6] = True, False
    found = parts(Trial(recognizer, Constructed(made.wafer, regions, made.brought, shared), [OWN], 0), exact)
    assert found["pointing, unclaimed"] == found["pointing"]


def test_a_steady_explanation_moves_less_than_a_shuffled_one(recognizer, trial, exact):
    moved = trial.sensitivity(exact, partial(explained, recognizer))[0]
    assert 0 < moved.top < moved.chance
    still = trial.sensitivity(exact, lambda wafer, patterns: exact)[0]
    assert still.top == 0


def test_alike_is_one_for_the_same_ranks_either_way_round(trial):
    random, failing = np.random.default_rng(0), trial.constructed.failing
    credit = np.where(failing, random.random(failing.shape), 0).astype(np.float32)[None]
    assert trial.alike(credit, credit)[0].top == pytest.approx(1)
    assert trial.alike(credit, -credit)[0].top == pytest.approx(1)
    assert trial.alike(credit, credit)[0].chance < 0.3


def test_a_pattern_that_owes_nothing_to_failing_dies_is_left_out(recognizer):
    assert Trial(recognizer, constructed(), [OWN, OTHER], 0).patterns == [OWN]


def test_what_a_method_reaches_does_not_depend_on_its_company(recognizer, trial, exact):
    alone = Trial(recognizer, constructed(), [OWN], 0).items(exact)[0].parts
    after = trial.items(exact)[0].parts
    assert {name: after[name] for name in alone} == alone


def test_every_fill_is_tried(trial, exact):
    names = set(trial.items(exact)[0].parts)
    assert {f"{curve}, {fill}" for curve in ("deletion", "insertion") for fill in ("passing", "untested")} <= names
    assert ORDERS == 20
