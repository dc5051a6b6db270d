"""Credit summed over neighbouring failing dies, and put where the places speak."""

import numpy as np
import pytest

from wafer_core.explain.neighbourhood import REACH, WINDOW, placed, summed_nearby


def test_a_lone_die_spreads_nothing_and_a_pair_shares():
    failing = np.zeros((9, 30), bool)
    failing[5, 3:5] = failing[0, 29] = True
    credit = np.zeros((1, 9, 30), np.float32)
    credit[0, 5, 3], credit[0, 0, 29] = 8.0, 0.5
    near = summed_nearby(credit, failing)[0]
    middle, beside = WINDOW[REACH], WINDOW[REACH + 1]
    assert near[5, 3] == pytest.approx(8 * middle * middle)
    assert near[5, 4] == pytest.approx(8 * middle * beside)
    assert near[0, 29] == pytest.approx(0.5 * middle * middle)
    assert np.count_nonzero(near) == 3


def test_the_window_is_a_bell_that_sums_to_one():
    assert sum(WINDOW) == pytest.approx(1)
    assert WINDOW[::-1] == WINDOW
    assert sum(WINDOW[REACH - 2 : REACH + 3]) == pytest.approx(0.85, abs=0.01)
    assert sum(WINDOW[REACH - 1 : REACH + 2]) == pytest.approx(0.61, abs=0.01)


def test_credit_of_dies_that_do_not_fail_does_not_count():
    failing = np.zeros((5, 5), bool)
    failing[2, 2] = True
    assert summed_nearby(np.ones((1, 5, 5), np.float32), failing)[0, 2, 2] == pytest.approx(WINDOW[REACH] ** 2)


def test_evidence_is_carried_in_proportion_to_credit():
    failing, credit = np.zeros((1, 30), bool), np.zeros((1, 1, 30), np.float32)
    failing[0, [0, 10, 20]] = True
    credit[0, 0, [0, 1, 10, 20]] = 4, 9, 1, -2
    found = placed(credit, np.full((1, 1, 30), 8, np.float32), failing)
    assert found[0, 0, [0, 10, 20]] == pytest.approx([8, 2, 0])
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
