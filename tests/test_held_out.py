import numpy as np
import pytest

from wafer_core.held_out import held_out
from wafer_core.lot import ORIENTATIONS, Frame, Wafer


def wafers_of(count, seed=0, at=0):
    states = np.random.default_rng(seed).integers(0, 4, (count, 6, 6)).astype(np.uint8)
    return [Wafer("A", str(i), Frame(6, 6, at, at), each) for i, each in enumerate(states)]


def test_a_fifth_is_held_out():
    assert held_out(wafers_of(1000)).mean() == pytest.approx(0.2, abs=0.04)
    assert held_out(wafers_of(1000), share=0.5).mean() == pytest.approx(0.5, abs=0.05)


def test_what_is_held_out_depends_on_the_map_alone():
    wafers = wafers_of(60)
    kept = held_out(wafers)
    order = np.random.default_rng(1).permutation(60)
    assert np.array_equal(held_out([wafers[i] for i in order]), kept[order])
    assert np.array_equal(held_out([*wafers_of(30, seed=2), *wafers])[30:], kept)


def test_equal_maps_fall_on_the_same_side_wherever_they_lie():
    kept = held_out([*wafers_of(40), *wafers_of(40, at=7)])
    assert kept.any()
    assert np.array_equal(kept[:40], kept[40:])


def test_a_fifth_is_held_out_also_of_wafers_that_are_turns_of_one_another():
    """Of good wafers many have one failing die, and few places that no turn leads to."""
    wafers = []
    for die in range(400):
        states = np.ones((20, 20), np.uint8)
        states.flat[die] = 2
        wafers.append(Wafer("A", str(die), Frame(20, 20), states))
    kept = held_out(wafers)
    assert 0.05 < kept.mean() < 0.4
    assert np.array_equal(kept.reshape(20, 20), kept.reshape(20, 20).T)


@pytest.mark.parametrize("way", ORIENTATIONS)
def test_a_wafer_and_its_turn_fall_on_the_same_side(way):
    wafers = wafers_of(40)
    kept = held_out([*wafers, *(wafer.turned(way) for wafer in wafers)])
    assert 0 < kept.sum() < 80
    assert np.array_equal(kept[:40], kept[40:])
    # Nor does a turned file that is read again later draw what was held out over to the other side.
    assert np.array_equal(held_out([*(wafer.turned(way) for wafer in wafers), *wafers])[40:], kept[:40])


def test_the_split_is_the_same_on_every_machine():
    """Written down once: a split that moves lets a student be checked on what it has learned."""
    assert np.flatnonzero(held_out(wafers_of(40))).tolist() == [2, 22]


@pytest.mark.parametrize("count", [2, 3, 5])
@pytest.mark.parametrize("seed", range(12))
def test_a_small_lot_has_maps_on_both_sides(count, seed):
    assert 0 < held_out(wafers_of(count, seed)).sum() < count


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_a_small_lot_has_maps_on_both_sides_whatever_the_share(share):
    assert 0 < held_out(wafers_of(4), share).sum() < 4


@pytest.mark.parametrize("wafers", [wafers_of(0), wafers_of(1), wafers_of(1) * 5], ids=["no", "one", "equal"])
@pytest.mark.parametrize("share", [0.2, 1.0])
def test_where_there_is_one_map_it_is_learned_from(wafers, share):
    assert not held_out(wafers, share).any()
