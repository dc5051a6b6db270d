import numpy as np
import pytest

from wafer_core.held_out import held_out


def maps_of(count, seed=0):
    return np.random.default_rng(seed).random((count, 2, 6, 6)).astype(np.float32)


def test_a_fifth_is_held_out():
    assert held_out(maps_of(1000)).mean() == pytest.approx(0.2, abs=0.04)
    assert held_out(maps_of(1000), share=0.5).mean() == pytest.approx(0.5, abs=0.05)


def test_what_is_held_out_depends_on_the_map_alone():
    maps = maps_of(60)
    kept = held_out(maps)
    order = np.random.default_rng(1).permutation(60)
    assert np.array_equal(held_out(maps[order]), kept[order])
    both = held_out(np.concatenate([maps_of(30, seed=2), maps]))
    assert np.array_equal(both[30:], kept)


def test_equal_maps_fall_on_the_same_side():
    maps = maps_of(40)
    kept = held_out(np.concatenate([maps, maps]))
    assert np.array_equal(kept[:40], kept[40:])


@pytest.mark.parametrize("count", [2, 3, 5])
@pytest.mark.parametrize("seed", range(12))
def test_a_small_lot_has_maps_on_both_sides(count, seed):
    assert 0 < held_out(maps_of(count, seed)).sum() < count


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_a_small_lot_has_maps_on_both_sides_whatever_the_share(share):
    assert 0 < held_out(maps_of(4), share).sum() < 4


@pytest.mark.parametrize("maps", [maps_of(0), maps_of(1), np.repeat(maps_of(1), 5, axis=0)], ids=["no", "one", "equal"])
@pytest.mark.parametrize("share", [0.2, 1.0])
def test_where_there_is_one_map_it_is_learned_from(maps, share):
    assert not held_out(maps, share).any()
