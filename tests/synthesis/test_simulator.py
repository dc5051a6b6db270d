import numpy as np
import pytest

from wafer_core.lot import FAIL, NO_DIE, PASS
from wafer_core.patterns import ALLOWED_SETS, PATTERNS, flags, index, title
from wafer_core.synthesis.outline import MIXED_OUTLINE, disc
from wafer_core.synthesis.simulator import (
    ALL_OVER,
    labelled_maps,
    labelled_mixed_wafer,
    labelled_wafer,
    mixed_map,
    random_outline,
)


def drawn(labels, seed, outline=MIXED_OUTLINE):
    return labelled_wafer(np.random.default_rng(seed), outline, labels)


@pytest.mark.parametrize("labels", ALLOWED_SETS["38"], ids=title)
def test_a_wafer_carries_the_patterns_it_was_asked_for(labels):
    wafer = drawn(labels, 5)
    assert np.array_equal(wafer.labels, labels)
    assert np.array_equal(wafer.regions.any(axis=(1, 2)), labels)


@pytest.mark.parametrize("outline", [MIXED_OUTLINE, disc(30, 41)], ids=["mixed", "wide"])
@pytest.mark.parametrize("labels", ALLOWED_SETS["38"][::5], ids=title)
def test_regions_are_failing_dies_within_the_outline(labels, outline):
    wafer = drawn(labels, 6, outline)
    assert wafer.states.dtype == np.uint8
    if not labels[ALL_OVER].any():
        assert np.array_equal(wafer.states != NO_DIE, outline.inside)
    assert set(np.unique(wafer.states)) <= {NO_DIE, PASS, FAIL}
    assert (wafer.states[wafer.regions.any(axis=0)] == FAIL).all()


@pytest.mark.parametrize("name", ["Near-Full", "Random"])
def test_where_the_whole_wafer_is_struck_there_is_no_other_background(name):
    wafer = drawn(flags([name]), 7)
    assert np.array_equal(wafer.states == FAIL, wafer.regions[index(name)])


def test_most_wafers_struck_all_over_are_enlarged_from_a_coarser_grid():
    wafers = [drawn(flags(["Random"]), seed) for seed in range(40)]
    own_outline = sum(np.array_equal(wafer.states != NO_DIE, MIXED_OUTLINE.inside) for wafer in wafers)
    assert 2 <= own_outline <= 20
    assert all(wafer.states.shape == wafer.regions.shape[1:] == MIXED_OUTLINE.shape for wafer in wafers)


@pytest.mark.parametrize(("names", "least", "most"), [([], 0.01, 0.16), (["Scratch"], 0.05, 0.35)])
def test_the_background_is_that_of_mixedwm38(names, least, most):
    fails = [(drawn(flags(names), seed).states == FAIL).sum() / 2061 for seed in range(20)]
    assert least <= np.mean(fails) <= most


def test_the_same_seed_draws_the_same_wafer():
    wafers = [labelled_mixed_wafer(np.random.default_rng(seed)) for seed in (1, 1, 2)]
    assert np.array_equal(wafers[0].states, wafers[1].states)
    assert np.array_equal(wafers[0].regions, wafers[1].regions)
    assert not np.array_equal(wafers[0].states, wafers[2].states)


def test_a_map_without_labels_is_the_same_map():
    assert np.array_equal(mixed_map(np.random.default_rng(8)), labelled_mixed_wafer(np.random.default_rng(8)).states)


def test_maps_come_on_many_grids_and_every_pattern_among_them():
    states, labels = labelled_maps(120, seed=0)
    assert len(states) == len(labels) == 120
    assert len({grid.shape for grid in states}) > 20
    assert labels.shape == (120, len(PATTERNS))
    assert labels.any(axis=0).all()
    allowed = {tuple(row) for row in ALLOWED_SETS["38"]}
    assert {tuple(row) for row in labels} <= allowed


def test_half_of_the_outlines_are_mixedwm38s():
    random = np.random.default_rng(0)
    outlines = [random_outline(random) for _ in range(100)]
    assert 35 <= sum(outline is MIXED_OUTLINE for outline in outlines) <= 65
    assert all(24 <= side <= 90 for outline in outlines for side in outline.shape)
