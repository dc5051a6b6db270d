"""Dies read otherwise: the wafer itself stays, the strongest go first, and chance is beside them."""

import numpy as np
import pytest

from tests.explaining import SIZE, Direct, Linear, round_wafer
from wafer_core.decode import sigmoid
from wafer_core.lot import FAIL, NO_DIE, PASS, UNTESTED, Frame, Wafer
from wafer_core.trust.altered import COUNT, DRAWS, alterations, flipped, taken_away


def fails_above(count):
    """A wafer with fails only above the middle, each worth one logit to `Linear`'s first pattern."""
    states = np.full((SIZE, SIZE), PASS, np.uint8)
    states[: SIZE // 2].ravel()[:count] = FAIL
    return Wafer("L", "01", Frame(SIZE, SIZE), states)


def downwards(wafer):
    """Credit that falls from row to row."""
    return np.where(wafer.states == FAIL, np.linspace(1, 0.1, SIZE)[:, None], 0).astype(np.float32)


def answers(wafers):
    return Direct(Linear(), "onnx").score(wafers).logits


def test_flipping_turns_tested_dies_over_and_leaves_the_wafer_alone():
    states = np.array([[NO_DIE, PASS, FAIL], [UNTESTED, FAIL, PASS]], np.uint8)
    wafer = Wafer("L", "01", Frame(2, 3), states.copy(), bins=np.ones((2, 3), np.int32), labels=np.ones(8, bool))
    altered = flipped(wafer, [0, 1, 2, 3, 3, 6, -1])
    assert altered.states.tolist() == [[NO_DIE, FAIL, PASS], [UNTESTED, FAIL, PASS]]
    assert (wafer.states == states).all()
    assert altered.bins is None
    assert altered.labels is None
    assert altered.map_hash != wafer.map_hash
    assert flipped(altered, [1, 2]).map_hash == flipped(wafer, []).map_hash == wafer.map_hash


def test_the_strongest_dies_pass_and_as_many_random_ones_do_elsewhere():
    wafer = round_wafer(SIZE, SIZE)
    strongest, *others = alterations(wafer, [downwards(wafer)])
    gone = np.argwhere(strongest.states != wafer.states)
    assert len(gone) == COUNT
    assert gone[:, 0].max() <= np.argwhere(wafer.states == FAIL)[:COUNT, 0].max()
    assert len(others) == DRAWS
    assert all(((other.states == PASS) & (wafer.states == FAIL)).sum() == COUNT for other in others)
    assert len({other.map_hash for other in others}) == DRAWS


def test_the_same_is_asked_again_so_that_it_is_answered_once():
    wafer = round_wafer(SIZE, SIZE)
    level = (wafer.states == FAIL).astype(np.float32)
    once, again = ([each.map_hash for each in alterations(wafer, [level])] for _ in range(2))
    assert once == again
    # What is drawn at random follows from the wafer, whatever is explained on it.
    assert [each.map_hash for each in alterations(wafer, [])] == once[1:]


def test_taking_away_is_told_beside_chance():
    wafer = round_wafer(SIZE, SIZE)
    credit = downwards(wafer)
    told = taken_away(answers, wafer, {0: credit, 3: credit})
    assert (told[0].count, told[0].failing) == (COUNT, wafer.failing)
    assert told[0].before == pytest.approx(sigmoid(answers([wafer]))[0, 0])
    # The ten uppermost fails are worth a logit each; of ten random ones as many speak for it as against.
    assert told[0].after == pytest.approx(
        told[0].before / (told[0].before + (1 - told[0].before) * np.exp(10)), rel=1e-3
    )
    assert told[0].after < told[0].at_random
    # To the other patterns no die means anything.
    assert told[3].before == told[3].after == told[3].at_random == pytest.approx(0.5)


def test_chance_is_the_mean_of_the_random_choices():
    wafer = round_wafer(SIZE, SIZE)
    drawn = sigmoid(answers(alterations(wafer, [])))[:, 0]
    assert np.ptp(drawn) > 0.1
    assert taken_away(answers, wafer, {0: downwards(wafer)})[0].at_random == pytest.approx(drawn.mean())


@pytest.mark.parametrize(("failing", "count"), [(1, 1), (4, 4), (COUNT, COUNT)])
def test_where_so_few_fail_all_are_taken_away_and_nothing_is_left_to_chance(failing, count):
    wafer = fails_above(failing)
    told = taken_away(answers, wafer, {0: downwards(wafer)})[0]
    assert (told.count, told.failing, told.at_random) == (count, failing, None)
    assert told.after == pytest.approx(0.5)


def test_nothing_is_told_of_a_wafer_without_fails_or_before_it_is_answered():
    assert taken_away(answers, fails_above(0), {0: np.zeros((SIZE, SIZE), np.float32)}) == {}
    wafer = fails_above(30)

    def unanswered(wafers):
        logits = answers(wafers)
        logits[-1] = np.nan
        return logits

    assert taken_away(unanswered, wafer, {0: downwards(wafer)}) == {}
