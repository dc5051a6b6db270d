import numpy as np
import pytest

from wafer_core.models.turns import TURNS, unfolding


@pytest.mark.parametrize("side", [1, 2, 3, 4])
def test_the_first_turn_is_the_kernel_itself(side):
    assert unfolding(side, 1)[0].tolist() == [[*range(side * side)]]
    assert unfolding(side, TURNS)[0].ravel().tolist() == [*range(TURNS * side * side)]


@pytest.mark.parametrize(("side", "turns"), [(1, 8), (2, 1), (2, 8), (3, 1), (3, 8), (5, 1)])
def test_every_turn_has_all_weights_of_the_first(side, turns):
    for turn in unfolding(side, turns):
        assert sorted(turn.ravel().tolist()) == [*range(turns * side * side)]


def test_a_kernel_of_one_turn_is_seen_in_eight():
    kernels = {tuple(turn.ravel().tolist()) for turn in unfolding(2, 1)}
    assert len(kernels) == TURNS
    assert (1, 3, 0, 2) in kernels  # a quarter of a turn
    assert (1, 0, 3, 2) in kernels  # the mirror image


def test_no_two_turns_read_a_turn_of_the_grid_by_the_same_weights():
    which = unfolding(1, TURNS)[:, :, 0]
    for read in range(TURNS):
        assert len(set(which[:, read].tolist())) == TURNS
    assert np.array_equal(np.diag(which), np.zeros(TURNS))
