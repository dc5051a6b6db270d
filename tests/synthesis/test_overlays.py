import numpy as np

from wafer_core.lot import FAIL, NO_DIE, PASS, UNTESTED
from wafer_core.synthesis.overlays import overlay


def test_a_die_fails_where_any_map_fails():
    a = np.array([[PASS, FAIL, PASS, NO_DIE]], np.uint8)
    b = np.array([[PASS, PASS, FAIL, NO_DIE]], np.uint8)
    assert overlay([a, b]).tolist() == [[PASS, FAIL, FAIL, NO_DIE]]


def test_a_die_is_there_where_most_maps_have_one_or_one_fails():
    maps = [[PASS, NO_DIE, NO_DIE], [PASS, NO_DIE, FAIL], [NO_DIE, PASS, NO_DIE]]
    assert overlay([np.array([row], np.uint8) for row in maps]).tolist() == [[PASS, NO_DIE, FAIL]]


def test_an_untested_die_counts_as_one_that_is_there():
    assert overlay([np.array([[UNTESTED]], np.uint8)]).tolist() == [[PASS]]


def test_neither_order_nor_repetition_matters(disc_states):
    a, b = disc_states(20, 20, 0.3, 1), disc_states(20, 20, 0.2, 2)
    assert np.array_equal(overlay([a, b]), overlay([b, a]))
    assert np.array_equal(overlay([a, a]), a)
    assert overlay([a, b]).dtype == np.uint8


def test_the_maps_laid_over_each_other_stay_as_they_are(disc_states):
    a, b = disc_states(20, 20, 0.3, 1), disc_states(20, 20, 0.2, 2)
    before = a.copy()
    overlay([a, b])
    assert np.array_equal(a, before)
