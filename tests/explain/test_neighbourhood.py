"""Credit summed over neighbouring failing dies, and put where the places speak."""

import numpy as np
import pytest

from wafer_core.explain.neighbourhood import (
    CONTESTED,
    NEAR,
    WIDE,
    averaged_around,
    bell,
    contested,
    placed,
    summed_nearby,
)


def test_a_lone_die_spreads_nothing_and_a_pair_shares():
    failing = np.zeros((9, 30), bool)
    failing[5, 3:5] = failing[0, 29] = True
    credit = np.zeros((1, 9, 30), np.float32)
    credit[0, 5, 3], credit[0, 0, 29] = 8.0, 0.5
    near = summed_nearby(credit, failing)[0]
    middle, beside = bell(NEAR)[NEAR : NEAR + 2]
    assert near[5, 3] == pytest.approx(8 * middle * middle)
    assert near[5, 4] == pytest.approx(8 * middle * beside)
    assert near[0, 29] == pytest.approx(0.5 * middle * middle)
    assert np.count_nonzero(near) == 3


@pytest.mark.parametrize(("reach", "within_one", "within_two"), [(NEAR, 0.61, 0.85), (WIDE, 0.33, 0.53)])
def test_a_window_is_a_bell_that_sums_to_one(reach, within_one, within_two):
    weights = bell(reach)
    assert sum(weights) == pytest.approx(1)
    assert weights[::-1] == weights
    assert sum(weights[reach - 1 : reach + 2]) == pytest.approx(within_one, abs=0.01)
    assert sum(weights[reach - 2 : reach + 3]) == pytest.approx(within_two, abs=0.01)


def test_credit_of_dies_that_do_not_fail_does_not_count():
    failing = np.zeros((5, 5), bool)
    failing[2, 2] = True
    assert summed_nearby(np.ones((1, 5, 5), np.float32), failing)[0, 2, 2] == pytest.approx(bell(NEAR)[NEAR] ** 2)


def test_evidence_is_carried_by_the_square_of_credit():
    failing, credit = np.zeros((1, 60), bool), np.zeros((1, 1, 60), np.float32)
    failing[0, [0, 20, 40]] = True
    credit[0, 0, [0, 1, 20, 40]] = 4, 9, 1, -2
    found = placed(credit, np.full((1, 1, 60), 8, np.float32), failing)
    assert found[0, 0, [0, 20, 40]] == pytest.approx([8, 0.5, 0])
    assert np.count_nonzero(found) == 2


def test_where_a_place_speaks_against_its_failing_dies_do():
    failing = np.array([[True, False, True]])
    found = placed(np.ones((1, 1, 3), np.float32), np.array([[[-3.0, -3, 2]]], np.float32), failing)
    assert found[0, 0].tolist() == [-3, 0, 2]


def test_each_pattern_has_its_own_scale():
    failing = np.ones((1, 1), bool)
    credit = np.array([[[5.0]], [[0.1]], [[-1.0]], [[0.0]]], np.float32)
    found = placed(credit, np.full((4, 1, 1), 7.0, np.float32), failing)
    assert found.ravel().tolist() == [7, 7, 0, 0]


@pytest.mark.parametrize("patterns", [0, 2])
def test_a_wafer_without_fails_carries_nothing(patterns):
    credit = np.ones((patterns, 4, 6), np.float32)
    assert not placed(credit, credit, np.zeros((4, 6), bool)).any()


def test_evidence_is_averaged_up_to_the_ends_of_the_map():
    level = averaged_around(np.full((2, 7, 40), 3.0, np.float32))
    assert level == pytest.approx(3.0)
    middle = 2 * WIDE
    step = np.zeros((1, 50, 2 * middle), np.float32)
    step[0, :, middle:] = 1.0
    found = averaged_around(step)[0]
    assert found[0] == pytest.approx(found[30])
    assert (np.diff(found[20]) >= -1e-6).all()
    assert found[20, middle - 1] == pytest.approx(0.5 - bell(WIDE)[WIDE] / 2)
    assert found[20, middle - WIDE - 1] == 0.0
    assert found[20, middle + WIDE] == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("own", "other", "third", "left"),
    [
        (2.0, 0.0, 0.0, 2.0),
        (2.0, 4.0, 0.0, 2.0 - 4 * CONTESTED),
        (2.0, 4.0, 2.0, 2.0 - 6 * CONTESTED),
        (2.0, 4.0, -9.0, 2.0 - 4 * CONTESTED),
        (2.0, 90.0, 0.0, 0.0),
        (-2.0, 90.0, 0.0, -2.0),
    ],
)
def test_a_place_that_speaks_for_others_too_says_less_for_one(own, other, third, left):
    evidence = np.array([third, own, other], np.float32).reshape(3, 1, 1)
    assert contested(evidence, [1]).tolist() == [[[left]]]


def test_contested_evidence_comes_in_the_order_asked_for():
    evidence = np.array([4.0, 1.0, 0.0], np.float32).reshape(3, 1, 1)
    assert contested(evidence, [1, 0]).ravel().tolist() == [0.0, 4.0 - CONTESTED]
