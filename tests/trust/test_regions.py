"""The truth by construction: what each pattern made fail, and when an overlay counts for it."""

import numpy as np
import pytest

from wafer_core.lot import FAIL, NO_DIE, PASS
from wafer_core.patterns import PATTERNS, index
from wafer_core.synthesis.neighbours import clustered_fails
from wafer_core.trust.regions import SIDE, real_overlays, simulated_mixes, single_patterns

CENTER, DONUT, EDGE_RING, LOC = map(index, ("Center", "Donut", "Edge-Ring", "Loc"))


def block(first, last, side=SIDE):
    """A wafer without a rim whose dies fail in one square, seen alike from the middle however it is turned."""
    states = np.full((side, side), PASS, np.uint8)
    states[first:last, first:last] = FAIL
    return states


def ring(outer, inner, side=SIDE):
    states = block(outer, side - outer, side)
    states[inner : side - inner, inner : side - inner] = PASS
    return states


def test_simulated_regions_are_failing_dies_of_at_least_two_patterns():
    mixes = simulated_mixes(40, seed=0)
    assert all(2 <= len(made.patterns) <= 4 for made in mixes)
    assert all((made.failing | ~made.regions).all() for made in mixes)
    assert {k for made in mixes for k in made.patterns} == {PATTERNS.index(name) for name in PATTERNS} - {5, 7}
    assert len({made.wafer.frame.shape for made in mixes}) > 5


def test_the_background_of_a_simulated_wafer_belongs_to_no_region():
    outside = [(made.failing & ~made.regions.any(axis=0)).sum() for made in simulated_mixes(20, seed=1)]
    assert np.mean(outside) > 50


def test_shared_dies_are_those_of_two_regions():
    for made in simulated_mixes(20, seed=2):
        assert np.array_equal(made.shared, made.regions.sum(axis=0) > 1)
    assert any(made.shared.any() for made in simulated_mixes(20, seed=2))


@pytest.mark.parametrize("make", [simulated_mixes, lambda n, seed: real_overlays(sources(), n, seed)])
def test_the_same_seed_makes_the_same_wafers(make):
    one, two, other = make(6, 3), make(6, 3), make(6, 4)
    assert all(np.array_equal(a.wafer.states, b.wafer.states) for a, b in zip(one, two, strict=True))
    assert any(not np.array_equal(a.wafer.states, b.wafer.states) for a, b in zip(one, other, strict=True))


def sources():
    random = np.random.default_rng(0)
    noisy = [np.where(random.random((SIDE, SIDE)) < 0.1, FAIL, PASS).astype(np.uint8) for _ in range(4)]
    return {CENTER: [np.maximum(block(28, 36), each) for each in noisy], EDGE_RING: [ring(0, 2)]}


def test_each_region_is_what_its_wafer_alone_brought():
    made = real_overlays({CENTER: [block(24, 40)], EDGE_RING: [ring(0, 3)]}, 1, seed=0)[0]
    assert made.patterns == [CENTER, EDGE_RING]
    assert np.array_equal(made.regions[CENTER], block(24, 40) == FAIL)
    assert np.array_equal(made.regions[EDGE_RING], ring(0, 3) == FAIL)
    assert made.others(CENTER) == [EDGE_RING]
    assert not made.shared.any()


def test_dies_that_fail_on_both_wafers_are_nobodys():
    made = real_overlays({CENTER: [block(20, 44)], EDGE_RING: [ring(0, 22)]}, 1, seed=0)[0]
    assert made.shared.sum() == 24 * 24 - 20 * 20
    assert not (made.regions[CENTER] & made.shared).any()
    assert made.regions[CENTER].sum() == 20 * 20
    assert np.array_equal(made.brought[CENTER], block(20, 44) == FAIL)


def test_dies_with_fewer_than_two_failing_neighbours_are_left_out():
    made = real_overlays(sources(), 1, seed=0)[0]
    own = made.regions[CENTER]
    lonely = made.failing & ~made.regions.any(axis=0) & ~made.shared
    assert lonely.sum() > 100
    assert (clustered_fails(made.wafer.states) | ~own).all()


@pytest.mark.parametrize(
    ("centre", "counts"),
    [(block(30, 33), False), (block(30, 34), True), (block(20, 44), False), (block(23, 41), True)],
    ids=["nine dies", "sixteen dies", "a quarter unshared", "almost a half unshared"],
)
def test_an_overlay_counts_with_ten_dies_of_its_own_a_third_of_them_unshared(centre, counts):
    beside = ring(0, 1) if (centre == FAIL).sum() < 20 else ring(0, 26)
    made = real_overlays({CENTER: [centre], EDGE_RING: [beside]}, 1, seed=0)[0]
    assert (CENTER in made.patterns) == counts


def test_every_pair_that_can_stand_together_takes_its_turn():
    maps = {CENTER: [block(28, 36)], DONUT: [ring(20, 24)], EDGE_RING: [ring(0, 2)], LOC: [block(8, 14)]}
    made = real_overlays(maps, 10, seed=0)
    pairs = [(CENTER, EDGE_RING), (CENTER, LOC), (DONUT, EDGE_RING), (DONUT, LOC), (EDGE_RING, LOC)]
    assert [tuple(each.patterns) for each in made] == pairs * 2


def test_wafers_of_other_grids_are_stretched_after_their_neighbours_are_counted():
    small = block(14, 18, side=32)
    small[2, 2] = FAIL
    made = real_overlays({CENTER: [small], EDGE_RING: [ring(0, 2)]}, 1, seed=0)[0]
    assert made.wafer.frame.shape == (SIDE, SIDE)
    assert made.regions[CENTER].sum() == 4 * 16
    assert made.failing.sum() == 4 * 17 + (ring(0, 2) == FAIL).sum()


def test_patterns_that_never_stand_together_make_no_overlay():
    with pytest.raises(ValueError, match="Center, Donut no two"):
        real_overlays({CENTER: [block(28, 36)], DONUT: [ring(20, 24)]}, 1, seed=0)


def test_a_die_is_never_made_to_fail_where_there_is_none():
    states = block(24, 40)
    states[:4] = NO_DIE
    made = real_overlays({CENTER: [states], EDGE_RING: [ring(6, 8)]}, 1, seed=0)[0]
    assert (made.wafer.states[made.brought.any(axis=0)] == FAIL).all()


def test_only_wafers_of_one_pattern_make_overlays():
    states = [block(i, i + 3) for i in range(4)]
    labels = np.zeros((4, len(PATTERNS)), dtype=bool)
    labels[0, LOC] = labels[2, CENTER] = labels[3, CENTER] = labels[3, DONUT] = True
    found = single_patterns(states, labels)
    assert list(found) == [CENTER, LOC]
    assert [len(wafers) for wafers in found.values()] == [1, 1]
    assert found[LOC][0] is states[0]
