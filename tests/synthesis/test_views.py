import numpy as np
import pytest

from wafer_core.lot import FAIL, NO_DIE, PASS, UNTESTED
from wafer_core.synthesis.views import (
    GRIDS,
    any_view,
    any_view_alike,
    on_random_grid,
    regridded,
    thinned,
    turned,
    with_more_fails,
    with_untested_rows,
)


def random(seed=0):
    return np.random.default_rng(seed)


@pytest.fixture
def wafer(disc_states):
    """A failing tenth, in a grid with a blank row above and below."""
    return np.pad(disc_states(28, 30, 0.1, 3), ((1, 1), (0, 0)))


def eight_turns(states):
    return [flip for k in range(4) for flip in (np.rot90(states, k), np.rot90(states, k)[:, ::-1])]


def test_turns_are_the_eight_and_all_of_them_come(wafer):
    found = {turned(wafer, random(seed)).tobytes() for seed in range(60)}
    assert found == {np.ascontiguousarray(view).tobytes() for view in eight_turns(wafer)}


@pytest.mark.parametrize("grid", [(30, 30), (15, 60), (61, 20)])
def test_a_regridded_map_takes_the_state_at_each_dies_centre(wafer, grid):
    view = regridded(wafer, *grid)
    assert view.shape == grid
    assert view.dtype == np.uint8
    for row, column in [(0, 0), (7, 11), (grid[0] - 1, grid[1] - 1), (grid[0] // 2, grid[1] // 3)]:
        there = int((row + 0.5) * 30 / grid[0]), int((column + 0.5) * 30 / grid[1])
        assert view[row, column] == wafer[there]


def test_regridding_to_the_same_grid_or_to_a_multiple_and_back_changes_nothing(wafer):
    assert np.array_equal(regridded(wafer, 30, 30), wafer)
    assert np.array_equal(regridded(regridded(wafer, 90, 90), 30, 30), wafer)


def test_random_grids_are_near_real_ones(wafer):
    for seed in range(30):
        rows, columns = on_random_grid(wafer, random(seed)).shape
        near = [grid for a, b in GRIDS for grid in ((a, b), (b, a))]
        assert any(abs(rows - a) <= 2 and abs(columns - b) <= 2 for a, b in near)


@pytest.mark.parametrize(("share", "untested"), [(0.0, 0), (0.25, 7), (0.5, 14), (1.0, 28)])
def test_an_interrupted_test_leaves_the_last_rows_untested(wafer, share, untested):
    view = with_untested_rows(wafer, share)
    first = 29 - untested
    assert np.array_equal(view[:first], wafer[:first])
    assert np.array_equal(view[first:], np.where(wafer[first:] == NO_DIE, NO_DIE, UNTESTED))
    assert np.array_equal(view != NO_DIE, wafer != NO_DIE)


def test_thinning_takes_lonely_fails_alone():
    states = np.full((9, 9), PASS, np.uint8)
    states[1, 1] = FAIL  # alone
    states[1, 6] = states[2, 7] = FAIL  # two that touch
    states[5:8, 2:5] = FAIL  # a cluster
    states[8, 8] = NO_DIE
    view = thinned(states, random(), 1.0)
    assert (view[5:8, 2:5] == FAIL).all()
    assert (view == FAIL).sum() == 9
    assert np.array_equal(view == NO_DIE, states == NO_DIE)
    assert np.array_equal(thinned(states, random(), 0.0), states)


def test_a_share_of_the_lonely_fails_goes(disc_states):
    sparse = disc_states(60, 60, 0.02)
    left = (thinned(sparse, random(9), 0.5) == FAIL).sum() / (sparse == FAIL).sum()
    assert 0.3 < left < 0.7


@pytest.mark.parametrize("rate", [0.0, 0.3, 1.0])
def test_more_fails_come_from_passing_dies_alone(wafer, rate):
    view = with_more_fails(wafer, random(), rate)
    assert np.array_equal(view != NO_DIE, wafer != NO_DIE)
    assert (view[wafer == FAIL] == FAIL).all()
    assert (view[wafer == PASS] == FAIL).mean() == pytest.approx(rate, abs=0.06)


@pytest.mark.parametrize("view", [turned, on_random_grid, any_view, lambda s, r: thinned(s, r, 1.0)])
def test_a_view_leaves_the_map_as_it_is_and_follows_the_seed(wafer, view):
    before = wafer.copy()
    first, again = view(wafer, random(5)), view(wafer, random(5))
    assert np.array_equal(first, again)
    assert first.dtype == np.uint8
    assert np.array_equal(wafer, before)


def test_some_views_are_interrupted_tests(wafer):
    views = [any_view(wafer, random(seed)) for seed in range(100)]
    assert 2 <= sum(bool((view == UNTESTED).any()) for view in views) <= 25


def test_what_lies_on_a_map_is_seen_alike(wafer):
    """A layer that says which dies fail says so of every view, but of what is no longer tested."""
    layers = np.stack([wafer, wafer == FAIL])
    for seed in range(60):
        states, failing = any_view_alike(layers, random(seed))
        assert np.array_equal(failing.astype(bool), states == FAIL)
        assert np.array_equal(states, any_view(wafer, random(seed)))
