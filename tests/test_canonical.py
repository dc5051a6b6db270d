import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wafer_core.canonical import area_weights, canonical, canonical_states, channels
from wafer_core.lot import FAIL, NO_DIE, PASS, UNTESTED, Frame, Wafer

LENGTH = st.integers(1, 130)
SIZE = st.sampled_from([1, 7, 16, 52, 64])


def wafer_of(states):
    return Wafer("L", "1", Frame(*states.shape), states)


def states_of(rows, columns, seed):
    return np.random.default_rng(seed).integers(0, 4, (rows, columns), dtype=np.uint8)


@given(LENGTH, SIZE)
def test_weights_average(cells, size):
    weights = area_weights(cells, size)
    assert weights.shape == (size, cells)
    assert weights.dtype == np.float32
    assert weights.min() >= 0
    np.testing.assert_allclose(weights.sum(axis=1), 1, atol=1e-5)
    # Every cell of the source counts alike, so that no die is lost and none counts twice.
    np.testing.assert_allclose(weights.sum(axis=0), size / cells, rtol=1e-4)


@given(LENGTH)
def test_a_grid_of_the_canonical_size_passes_unchanged(size):
    assert np.array_equal(area_weights(size, size), np.eye(size))
    states = states_of(size, size, 0)
    assert np.array_equal(canonical_states(states[None], size)[0], channels(states))


@given(LENGTH, LENGTH, SIZE, st.integers(0, 9))
def test_the_share_of_passing_and_failing_dies_is_kept(rows, columns, size, seed):
    states = states_of(rows, columns, seed)
    found = canonical_states(states[None], size)[0]
    assert found.shape == (2, size, size)
    assert found.dtype == np.float32
    assert found.min() >= 0
    assert found.sum(axis=0).max() <= 1 + 1e-5
    np.testing.assert_allclose(found.mean(axis=(1, 2)), channels(states).mean(axis=(1, 2)), atol=1e-5)


@pytest.mark.parametrize(
    ("cells", "size", "expected"),
    [
        (2, 4, [[1, 0], [1, 0], [0, 1], [0, 1]]),
        (4, 2, [[0.5, 0.5, 0, 0], [0, 0, 0.5, 0.5]]),
        (3, 2, [[2 / 3, 1 / 3, 0], [0, 1 / 3, 2 / 3]]),
        (2, 3, [[1, 0], [0.5, 0.5], [0, 1]]),
    ],
)
def test_weights_are_overlaps(cells, size, expected):
    np.testing.assert_allclose(area_weights(cells, size), expected, atol=1e-6)


def test_shared_weights_cannot_be_written_to():
    assert not area_weights(9, 4).flags.writeable


def test_only_tested_dies_are_seen():
    assert channels(np.array([[NO_DIE, PASS, FAIL, UNTESTED]], np.uint8)).tolist() == [[[0, 1, 0, 0]], [[0, 0, 1, 0]]]


@given(st.lists(st.sampled_from([(16, 16), (20, 31), (7, 5)]), min_size=1, max_size=9), st.randoms())
def test_neither_company_nor_order_changes_a_map(grids, random):
    wafers = [wafer_of(states_of(*grid, seed)) for seed, grid in enumerate(grids)]
    alone = [canonical([wafer], 16)[0] for wafer in wafers]
    order = random.sample(range(len(wafers)), len(wafers))
    together = canonical([wafers[i] for i in order], 16)
    for found, i in zip(together, order, strict=True):
        assert np.array_equal(found, alone[i])


def test_a_partly_tested_wafer_keeps_its_place(disc_states):
    whole = disc_states(30, 30, 0.3)
    part = whole.copy()
    part[18:] = np.where(whole[18:] == NO_DIE, NO_DIE, UNTESTED)
    full, partial = canonical([wafer_of(whole), wafer_of(part)], 15)
    assert np.array_equal(partial[:, :9], full[:, :9])
    assert not partial[:, 9:].any()


def test_many_wafers_of_a_large_grid_take_no_more_memory_than_a_few():
    wafers = [wafer_of(states_of(200, 200, seed % 3)) for seed in range(400)]
    tracemalloc.start()
    try:
        maps = canonical(wafers, 16)
        assert tracemalloc.get_traced_memory()[1] < 5 * 400 * 200 * 200
    finally:
        tracemalloc.stop()
    assert np.array_equal(maps[-1], canonical(wafers[-1:], 16)[0])


def test_no_wafers_make_no_maps():
    assert canonical([], 52).shape == (0, 2, 52, 52)
