"""A wafer is known again in every turn and under every name, and no other is taken for it."""

from dataclasses import replace

import numpy as np
import pytest

from wafer_core.known_wafers import KnownWafers, same_wafers
from wafer_core.lot import ORIENTATIONS, Frame, Wafer


def wafer(states) -> Wafer:
    return Wafer("A", "1", Frame(*states.shape), states)


def some(seed: int = 0) -> Wafer:
    return wafer(np.random.default_rng(seed).integers(1, 3, (7, 5)).astype(np.uint8))


@pytest.mark.parametrize("way", ORIENTATIONS)
def test_a_wafer_is_known_in_every_turn(way):
    assert some().turned(way) in KnownWafers([some(1), some()])
    assert replace(some(), lot="B", wafer="2") in KnownWafers([some().turned(way)])


def test_a_blank_margin_makes_no_other_wafer():
    padded = wafer(np.pad(some().states, ((0, 2), (3, 1))))
    assert padded in KnownWafers([some()])
    assert some().turned("rotate-90") in KnownWafers([padded])


@pytest.mark.parametrize("die", [(0, 0), (3, 2), (6, 4)])
def test_one_die_makes_another_wafer(die):
    states = some().states.copy()
    states[die] = 3 - states[die]
    assert wafer(states) not in KnownWafers([some()])
    assert some() not in KnownWafers([])


def test_a_fail_moved_to_a_place_as_far_from_the_middle_makes_another_wafer():
    """They have the same traits, and no turn leads from one to the other."""
    states = np.ones((7, 7), np.uint8)
    one, two = states.copy(), states.copy()
    one[[0, 0, 6], [0, 6, 3]] = 2
    two[[0, 6, 0], [0, 6, 3]] = 2
    assert wafer(one) not in KnownWafers([wafer(two)])
    assert same_wafers([wafer(one), wafer(two)]) == {}


def test_the_same_wafers_are_found_among_many():
    many = [some(seed) for seed in range(20)]
    assert same_wafers(many) == {}
    many[3], many[17] = many[11].turned("transpose"), many[11].turned("rotate-180")
    [(mark, positions)] = same_wafers(many).items()
    assert positions == [3, 11, 17]
    # The hash is that of the wafer, whichever of its turns there are.
    assert list(same_wafers([many[11].turned("flip-up-down"), many[11].turned("rotate-90")])) == [mark]
    assert list(same_wafers([wafer(np.zeros((3, 3), np.uint8))] * 2).values()) == [[0, 1]]
    assert same_wafers([]) == {}
