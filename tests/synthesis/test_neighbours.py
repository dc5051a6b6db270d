import numpy as np
import pytest

from wafer_core.lot import FAIL, PASS
from wafer_core.synthesis.neighbours import clustered_fails, failing_neighbours


def test_neighbours_are_counted_diagonals_and_rims_included():
    states = np.full((3, 4), PASS, np.uint8)
    states[0, 0] = states[1, 1] = states[2, 1] = FAIL
    assert failing_neighbours(states).tolist() == [[1, 2, 1, 0], [3, 2, 2, 0], [2, 1, 2, 0]]


def test_a_block_all_failing_counts_eight_in_its_middle():
    assert failing_neighbours(np.full((3, 3), FAIL, np.uint8)).tolist() == [[3, 5, 3], [5, 8, 5], [3, 5, 3]]


@pytest.mark.parametrize(("fails", "clustered"), [(1, 0), (2, 0), (3, 1), (4, 2)])
def test_a_line_is_a_cluster_but_for_its_ends(fails, clustered):
    states = np.full((1, 6), PASS, np.uint8)
    states[0, :fails] = FAIL
    assert clustered_fails(states).sum() == clustered
