import itertools

import numpy as np
import pytest
import torch

from wafer_core.lot import FAIL, UNTESTED
from wafer_core.patterns import PATTERNS, names
from wafer_core.synthesis.neighbours import failing_neighbours
from wafer_core.synthesis.shares import TEACHING, Shares
from wafer_core.training.data import native_maps, resized_maps
from wafer_core.training.mixture import EXCLUSIVE, OVERLAID, Mixture


@pytest.fixture(scope="module")
def real(fake_data):
    return resized_maps(fake_data, "train"), native_maps(fake_data, "train")


def mixture(wafers, seed=0, shares=TEACHING):
    return Mixture(*wafers, size=12, seed=seed, shares=shares, chunk=5)


def fails(states):
    return int((states == FAIL).sum())


def test_chunks_are_canonical_maps_in_255ths_with_labels_and_places(real):
    for maps, labels, places in itertools.islice(iter(mixture(real)), 2):
        assert (maps.shape, maps.dtype) == ((5, 2, 12, 12), torch.uint8)
        assert (labels.shape, labels.dtype) == ((5, 8), torch.bool)
        assert (places.shape, places.dtype) == ((5, 8, 3, 3), torch.uint8)
        assert not places.amax(dim=(2, 3))[~labels].any()


def test_a_stream_repeats_from_its_seed(real):
    once, again, other = (next(iter(mixture(real, seed))) for seed in (1, 1, 2))
    assert all(torch.equal(a, b) for a, b in zip(once, again, strict=True))
    assert not torch.equal(once[0], other[0])


def test_a_real_wafer_keeps_its_label(real):
    """The made-up wafers of a label fail at a share of their dies that is this label's own."""
    source, random = mixture(real, shares=Shares(real=1.0, overlays=0.0)), np.random.default_rng(0)
    seen = set()
    for _ in range(150):
        wafer = source.labelled_sample(random)
        states, found = wafer.states, names(wafer.labels)
        seen.update(found or ("Normal",))
        tested = np.isin(states, (1, FAIL)).sum()
        if found and found != ("Scratch",):  # a Scratch may be one of the native maps
            expected = 0.05 + 0.1 * (1 + PATTERNS.index(found[0]))
            assert len(found) == 1
            assert fails(states) / tested == pytest.approx(expected, abs=0.13)
    assert seen == {"Normal", *PATTERNS}


def test_an_overlay_carries_the_labels_of_all_that_lie_in_it(real):
    source, random = mixture(real), np.random.default_rng(1)
    counts = set()
    for _ in range(60):
        wafer = source.labelled_overlay(random, as_they_are=1.0)
        states, found = wafer.states, names(wafer.labels)
        counts.add(len(found))
        assert states.shape == (64, 64)
        assert set(found) <= set(OVERLAID)
        assert not any(set(pair) <= set(found) for pair in EXCLUSIVE)
        # It fails at least where its worst wafer does.
        assert fails(states) >= 0.9 * max(0.05 + 0.1 * (1 + PATTERNS.index(name)) for name in found) * 3200
    assert counts == {2, 3}


def test_overlays_of_two_are_of_two(real):
    source, random = mixture(real), np.random.default_rng(2)
    assert {len(names(source.labelled_overlay(random, most=2).labels)) for _ in range(20)} == {2}


def test_thinned_overlays_fail_less(real):
    source = mixture(real)
    plain, thinned = (
        np.mean([fails(source.labelled_overlay(np.random.default_rng(s), 2, share).states) for s in range(15)])
        for share in (1.0, 0.0)
    )
    assert thinned < plain


def test_what_is_neither_real_nor_overlaid_is_simulated(real):
    source, random = mixture(real, shares=Shares(real=0.0, overlays=0.0)), np.random.default_rng(3)
    samples = [source.labelled_sample(random) for _ in range(30)]
    assert sum(wafer.states.shape == (52, 52) for wafer in samples) > 5
    assert max(len(names(wafer.labels)) for wafer in samples) > 2


def test_simulated_wafers_are_blemished_where_that_is_asked_for(real):
    untested = {}
    for share in (0.0, 1.0):
        source, random = mixture(real, shares=Shares(0.0, 0.0, share)), np.random.default_rng(3)
        untested[share] = sum((source.labelled_sample(random).states == UNTESTED).any() for _ in range(40))
    assert untested[0.0] == 0
    assert untested[1.0] > 8


@pytest.mark.parametrize("shares", [Shares(real=0.0, overlays=1.0), Shares(0.0, 0.0), Shares(0.0, 0.0, 1.0)])
def test_a_region_is_failing_dies_of_a_pattern_that_is_there(real, shares):
    source, random = mixture(real, shares=shares), np.random.default_rng(4)
    for _ in range(30):
        wafer = source.labelled_sample(random)
        assert not wafer.regions[~wafer.labels].any()
        assert (wafer.states[wafer.regions.any(axis=0)] == FAIL).all()
        assert wafer.regions.any() or not wafer.labels.any()


def test_nobody_knows_the_regions_of_a_real_wafer(real):
    source, random = mixture(real, shares=Shares(real=1.0, overlays=0.0)), np.random.default_rng(5)
    assert not any(source.labelled_sample(random).regions.any() for _ in range(20))


def test_an_overlay_s_regions_are_what_clusters_on_each_wafer(real):
    source = mixture(real)
    wafer = source.labelled_overlay(np.random.default_rng(6), as_they_are=1.0)
    alone = wafer.regions.sum(axis=0) == 1
    assert alone.any()
    assert (failing_neighbours(wafer.states)[wafer.regions.any(axis=0)] >= 2).all()
