import itertools

import numpy as np
import pytest
import torch

from wafer_core.lot import FAIL, PASS, UNTESTED
from wafer_core.patterns import ALLOWED_SETS
from wafer_core.synthesis.shares import Shares
from wafer_core.synthesis.unlabelled import Unlabelled, stream
from wafer_core.synthesis.views import any_view


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


def test_without_real_wafers_all_are_simulated():
    source, random = Unlabelled([], 12, seed=0), np.random.default_rng(0)
    shapes = [source.map(random).shape for _ in range(30)]
    assert (52, 52) in shapes
    assert (64, 64) not in shapes


@pytest.mark.parametrize(
    ("shares", "drawn"),
    [
        (Shares(real=1, overlays=0), lambda source, random: any_view(source._real(random), random)),
        (Shares(real=0, overlays=1), lambda source, random: any_view(source._overlay(random), random)),
        (Shares(real=0, overlays=0), lambda source, random: Unlabelled([], 12, seed=0).map(random)),
    ],
    ids=["real", "overlays", "simulated"],
)
def test_shares_say_what_is_drawn(real, shares, drawn):
    source = Unlabelled(real, 12, seed=0, shares=shares)
    for seed in range(9):
        one, other = np.random.default_rng(seed), np.random.default_rng(seed)
        other.random()
        assert np.array_equal(source.map(one), drawn(source, other))


def test_simulated_wafers_are_blemished_where_that_is_asked_for(real):
    untested = {}
    for share in (0.0, 1.0):
        source, random = Unlabelled(real, 12, seed=0, shares=Shares(0.0, 0.0, share)), np.random.default_rng(0)
        untested[share] = sum((source.map(random) == UNTESTED).any() for _ in range(40))
    assert untested[0.0] == 0
    assert untested[1.0] > 8


def test_wafers_that_are_rarely_called_come_more_often(real, disc_states):
    rare = disc_states(21, 20, 0.3, 3)
    called = np.zeros((16, 8), dtype=bool)
    called[15, 4] = True
    random = np.random.default_rng(0)
    shapes = [Unlabelled([*real * 7, real[0], rare], 12, seed=0, called=called)._real(random).shape for _ in range(100)]
    # Drawn by the square root of 15 and of 1 it is one in five, and one in sixteen as it occurs.
    assert 12 <= shapes.count(rare.shape) <= 30


def test_overlays_are_of_patterns_that_can_stand_together(disc_states):
    """Wafers that fail all over but for a mark of their own show in an overlay who was in it."""
    called = np.eye(8, dtype=bool)
    real = [np.full((64, 64), PASS, np.uint8) for _ in called]
    for k, states in enumerate(real):
        states[31:33, 31:33] = PASS
        states[0:64, 0:64][np.hypot(*np.mgrid[-31.5:32, -31.5:32]).astype(int) == 3 * k + 2] = FAIL
    source, random = Unlabelled(real, 12, seed=0, called=called), np.random.default_rng(0)
    allowed = {tuple(members) for members in ALLOWED_SETS["38"]}
    kinds = set()
    for _ in range(60):
        fails = source._overlay(random) == FAIL
        parts = tuple(bool(fails[31, 32 + 3 * k + 2]) for k in range(8))
        assert parts in allowed
        kinds.add(sum(parts))
    assert kinds == {2, 3}


def test_a_stream_in_this_process_gives_chunks_as_they_come(real):
    source = Unlabelled(real, 12, seed=1, chunk=3)
    found = first(stream(source, workers=0))
    assert all(torch.equal(a, b) for a, b in zip(found, first(iter(source)), strict=True))
