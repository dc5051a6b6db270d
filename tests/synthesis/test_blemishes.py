import hashlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wafer_core.lot import FAIL, NO_DIE, PASS, UNTESTED
from wafer_core.patterns import ALLOWED_SETS, PATTERNS, flags, index, title
from wafer_core.synthesis.blemishes import (
    BLEMISHES,
    KEPT,
    TESTED,
    any_mixed_map,
    blemished,
    clumps,
    cut_off,
    labelled_blemished_maps,
    missing_inside,
    perhaps_blemished,
    ragged_rim,
    stopped_early,
    untested_blocks,
    untested_here_and_there,
    untested_in_every_reticle,
)
from wafer_core.synthesis.outline import MIXED_OUTLINE, disc
from wafer_core.synthesis.simulator import LabelledWafer, labelled_maps, labelled_mixed_wafer, labelled_wafer, mixed_map
from wafer_core.synthesis.unlabelled import Unlabelled
from wafer_core.training.data import native_maps, resized_maps
from wafer_core.training.mixture import Mixture

TOOK_DIES = (ragged_rim, cut_off, missing_inside)
NOT_TESTED = (untested_here_and_there, untested_blocks, untested_in_every_reticle, stopped_early)


def random(seed=0):
    return np.random.default_rng(seed)


def dies_tested(states):
    return np.isin(states, (PASS, FAIL)).sum()


def groups(chosen):
    """The cells of each group of chosen ones that touch, corners included."""
    left, found = {tuple(cell) for cell in np.argwhere(chosen).tolist()}, []
    while left:
        waiting, group = [left.pop()], []
        while waiting:
            row, column = waiting.pop()
            group.append((row, column))
            near = {(row + down, column + right) for down in (-1, 0, 1) for right in (-1, 0, 1)} & left
            left -= near
            waiting += near
        found.append(group)
    return found


@pytest.mark.parametrize("labels", ALLOWED_SETS["38"], ids=title)
def test_a_blemished_wafer_still_shows_its_patterns(labels):
    for seed in range(6):
        whole = labelled_wafer(random(seed), MIXED_OUTLINE, labels)
        wafer = blemished(whole, random(100 + seed))
        assert np.array_equal(wafer.labels, labels)
        assert not (wafer.regions & ~whole.regions).any()
        assert np.array_equal(wafer.regions, whole.regions & (wafer.states == FAIL))
        assert (wafer.regions.sum(axis=(1, 2)) >= KEPT * whole.regions.sum(axis=(1, 2))).all()
        assert dies_tested(wafer.states) >= TESTED * dies_tested(whole.states)
        # Nothing grows where there was no die, and the wafer that was given is as it was.
        assert not wafer.states[whole.states == NO_DIE].any()
        again = labelled_wafer(random(seed), MIXED_OUTLINE, labels)
        assert np.array_equal(whole.states, again.states)
        assert np.array_equal(whole.regions, again.regions)


def test_a_blemish_that_hides_a_pattern_is_left_out():
    states = MIXED_OUTLINE.blank()
    states[-3:][states[-3:] == PASS] = FAIL
    regions = np.zeros((len(PATTERNS), *states.shape), dtype=bool)
    regions[index("Edge-Loc"), -3:] = states[-3:] == FAIL
    wafer = LabelledWafer(states, flags(["Edge-Loc"]), regions)
    found = [blemished(wafer, random(seed)) for seed in range(120)]
    assert all(one.regions.sum() >= KEPT * regions.sum() for one in found)
    # On a wafer without a pattern nothing hinders the test to stop early, which it does in one of seven.
    nothing = LabelledWafer(states, flags([]), np.zeros_like(regions))
    unread = [(blemished(nothing, random(seed)).states[-3:] == UNTESTED).sum() for seed in range(120)]
    assert max(unread) > 0.9 * regions.sum()


def test_most_wafers_get_some_blemish_and_every_kind_comes():
    wafers = [labelled_mixed_wafer(random(seed)) for seed in range(150)]
    found = [blemished(wafer, random(seed)).states for seed, wafer in enumerate(wafers)]
    pairs = [(one.states, other) for one, other in zip(wafers, found, strict=True)]
    assert np.mean([np.array_equal(one, other) for one, other in pairs]) < 0.06
    assert 0.4 < np.mean([((one == PASS) & (other == FAIL)).any() for one, other in pairs]) < 0.9
    assert 0.4 < np.mean([((one != NO_DIE) & (other == NO_DIE)).any() for one, other in pairs]) < 0.9
    assert 0.2 < np.mean([(other == UNTESTED).any() for _, other in pairs]) < 0.7


@pytest.mark.parametrize("seed", range(12))
def test_clumps_are_small_scattered_and_few(seed):
    states = MIXED_OUTLINE.blank()
    noisy = clumps(states, random(seed))
    found = groups(noisy == FAIL)
    assert found
    assert all(2 <= len(group) <= 6 for group in found)
    assert all((np.ptp(group, axis=0) <= 2).all() for group in found)
    assert (noisy == FAIL).sum() < 0.06 * (states == PASS).sum()
    assert np.array_equal(noisy != NO_DIE, states != NO_DIE)


def test_clumps_do_not_gather_where_a_wafer_is_clean():
    """Of a wafer that fails everywhere but in a hole in its middle, the hole stays one."""
    rows, columns = np.indices(MIXED_OUTLINE.shape)
    hole = np.hypot(rows - 26, columns - 26) < 9
    states = np.where(MIXED_OUTLINE.inside & ~hole & ((rows + columns) % 2 == 0), FAIL, MIXED_OUTLINE.blank())
    shares = [(clumps(states.astype(np.uint8), random(seed))[hole] == FAIL).mean() for seed in range(12)]
    assert 0 < max(shares) < 0.15


@pytest.mark.parametrize("blemish", TOOK_DIES + NOT_TESTED, ids=lambda blemish: blemish.__name__)
def test_what_is_missing_or_untested_changes_nothing_else(blemish, disc_states):
    state = NO_DIE if blemish in TOOK_DIES else UNTESTED
    changes = []
    for seed in range(20):
        states = disc_states(40, 45, 0.2, seed)
        found = blemish(states, random(seed))
        changed = found != states
        assert (found[changed] == state).all()
        assert not changed[states == NO_DIE].any()
        changes.append(changed.sum() / (states != NO_DIE).sum())
    assert 0 < np.mean(changes) < 0.3


def test_a_ragged_rim_is_that_of_the_outline():
    inner = disc(52, 52, 1, 0.84).inside
    for seed in range(40):
        missing = MIXED_OUTLINE.inside & (ragged_rim(MIXED_OUTLINE.blank(), random(seed)) == NO_DIE)
        assert not (missing & inner).any()


def test_flats_notches_and_wedges_begin_at_the_edge():
    for seed in range(40):
        missing = MIXED_OUTLINE.inside & (cut_off(MIXED_OUTLINE.blank(), random(seed)) == NO_DIE)
        assert len(groups(missing)) <= 1
        assert not (missing & disc(52, 52, 1, 0.55).inside).any()


def test_test_structures_stand_on_a_lattice():
    counts = set()
    for seed in range(60):
        row, column = np.nonzero(MIXED_OUTLINE.inside & (missing_inside(MIXED_OUTLINE.blank(), random(seed)) == NO_DIE))
        counts.add(len(row))
        if len(row) == 9:
            assert {len(set(row)), len(set(column))} == {3}
            assert all(np.ptp(np.diff(sorted(set(line)))) <= 1 for line in (row, column))
    assert counts <= set(range(1, 10))
    assert {2, 4, 6, 9} <= counts


def test_a_block_or_a_stripe_of_untested_dies_is_a_whole_one():
    for seed in range(30):
        untested = untested_in_every_reticle(np.full((30, 30), PASS, np.uint8), random(seed)) == UNTESTED
        rows, columns = np.unique(np.nonzero(untested)[0]), np.unique(np.nonzero(untested)[1])
        assert untested.sum() == len(rows) * len(columns)
        assert len(set(np.diff(rows))) == 1
        assert len(set(np.diff(columns))) == 1
        blocks = groups(untested_blocks(np.full((30, 30), PASS, np.uint8), random(seed)) == UNTESTED)
        assert 1 <= len(blocks) <= 3


@given(st.integers(1, 14), st.integers(1, 14), st.integers(0, 2**32 - 1), st.sampled_from([0.0, 0.3, 1.0]))
def test_any_grid_whatever_lies_on_it_can_be_blemished(rows, columns, seed, dies):
    draws = random(seed)
    states = np.where(draws.random((rows, columns)) < dies, draws.integers(1, 4, (rows, columns)), NO_DIE)
    states = states.astype(np.uint8)
    regions = np.zeros((len(PATTERNS), rows, columns), dtype=bool)
    regions[index("Loc")] = states == FAIL
    for _, blemish in BLEMISHES:
        found = blemish(states, draws)
        assert (found.shape, found.dtype) == (states.shape, np.uint8)
        assert set(np.unique(found)) <= {NO_DIE, PASS, FAIL, UNTESTED}
        assert not found[states == NO_DIE].any()
    wafer = blemished(LabelledWafer(states, flags(["Loc"]), regions), draws)
    assert (wafer.states[wafer.regions.any(axis=0)] == FAIL).all()
    assert wafer.regions.sum() >= KEPT * regions.sum()


def test_the_same_seed_blemishes_alike():
    wafer = labelled_mixed_wafer(random(1))
    one, again, other = (blemished(wafer, random(seed)) for seed in (2, 2, 3))
    assert np.array_equal(one.states, again.states)
    assert np.array_equal(one.regions, again.regions)
    assert not np.array_equal(one.states, other.states)


def test_a_share_of_wafers_is_blemished_and_none_draws_nothing():
    wafer, draws = labelled_mixed_wafer(random(4)), random(5)
    assert perhaps_blemished(wafer, draws, 0.0) is wafer
    assert draws.random() == random(5).random()
    count = sum(perhaps_blemished(wafer, draws, 0.3) is not wafer for _ in range(200))
    assert 35 <= count <= 85
    assert np.array_equal(any_mixed_map(random(6), 0.0), mixed_map(random(6)))
    assert not np.array_equal(any_mixed_map(random(6), 1.0), mixed_map(random(6)))


def test_labelled_maps_are_of_the_38_sets_on_many_grids():
    states, labels = labelled_blemished_maps(80, seed=3)
    assert len(states) == len(labels) == 80
    assert len({grid.shape for grid in states}) > 15
    assert {tuple(row) for row in labels} <= {tuple(row) for row in ALLOWED_SETS["38"]}
    assert any((grid == UNTESTED).any() for grid in states)


def digest(wafers):
    found = hashlib.sha256()
    for states in wafers:
        found.update(repr(states.shape).encode() + states.tobytes())
    return found.hexdigest()


def drawn(draw, count, seed):
    draws = random(seed)
    return [draw(draws) for _ in range(count)]


def test_whatever_asks_for_no_blemish_draws_what_it_drew_before_there_were_any(fake_data):
    """Figures, shipped models and killed runs rest on these draws."""
    resized, native = resized_maps(fake_data, "train"), native_maps(fake_data, "train")
    learning, simulated = Unlabelled(resized.states + native.states, 12, seed=0), Unlabelled([], 12, seed=0)
    taught = drawn(Mixture(resized, native, 12, seed=0).labelled_sample, 60, 5)
    found = {
        "labelled maps": digest(labelled_maps(40, seed=7)[0]),
        "labelled wafers": digest(wafer.states for wafer in drawn(labelled_mixed_wafer, 12, 3)),
        "learning": digest(drawn(learning.map, 60, 5)),
        "learning without real wafers": digest(drawn(simulated.map, 60, 5)),
        "teaching": digest(layer for wafer in taught for layer in (wafer.states, wafer.regions)),
    }
    assert found == {
        "labelled maps": "0d9714a6ee1908afe72d5cfebc14154446fa5749e528618921d2e7a37f6d0e7f",
        "labelled wafers": "09804da2b896b871b3e04992593289b4048a72f67480b2dfe30b2ce20d136d97",
        "learning": "bf9aa4ac5f109cbb3119c702d37747db419bcbc74b526ae9c8b2434e8c1b1d41",
        "learning without real wafers": "efc3b8a3d5d85facad9a86129fb7ee4cd8f2467c409003f45545bef970c02e21",
        "teaching": "b920a51c74945b25cf552a479829d2380cb8fb996c3460d98f8d7cbe31e564be",
    }
