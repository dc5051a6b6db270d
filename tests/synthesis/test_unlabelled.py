import itertools

import numpy as np
import pytest
import torch

from wafer_core.synthesis.unlabelled import Unlabelled, stream


@pytest.fixture
def real(disc_states):
    return [disc_states(30, 30, 0.2, 1), disc_states(26, 33, 0.4, 2)]


def first(chunks, count=2):
    return [maps for (maps,) in itertools.islice(chunks, count)]


def test_chunks_are_canonical_maps_in_255ths(real):
    for maps in first(iter(Unlabelled(real, 20, seed=0, chunk=6))):
        assert maps.shape == (6, 2, 20, 20)
        assert maps.dtype == torch.uint8
        # Rounding may lift the two halves of a cell by half a 255th each.
        assert maps.int().sum(dim=1).max() <= 256
        assert maps.any(dim=3).any(dim=2).any(dim=1).all()


def test_a_stream_repeats_from_its_seed_and_no_two_chunks_are_the_same(real):
    once, again, other = (first(iter(Unlabelled(real, 12, seed, chunk=4))) for seed in (3, 3, 4))
    assert all(torch.equal(a, b) for a, b in zip(once, again, strict=True))
    assert not torch.equal(once[0], once[1])
    assert not torch.equal(once[0], other[0])


def test_real_overlaid_and_simulated_wafers_are_drawn(real):
    source = Unlabelled(real, 12, seed=0)
    random = np.random.default_rng(0)
    grids = [source.map(random).shape for _ in range(60)]
    assert (64, 64) in grids
    assert (52, 52) in grids
    assert {(30, 30), (26, 33), (33, 26)} & set(grids)


def test_a_stream_in_this_process_gives_chunks_as_they_come(real):
    source = Unlabelled(real, 12, seed=1, chunk=3)
    found = first(stream(source, workers=0))
    assert all(torch.equal(a, b) for a, b in zip(found, first(iter(source)), strict=True))
