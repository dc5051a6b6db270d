"""Where a pattern is: the dies that hold its evidence, how far out they lie and on which side, as drawn."""

import numpy as np
import pytest

from wafer_core.lot import FAIL, PASS, UNTESTED, Frame, Wafer
from wafer_core.trust.whereabouts import Whereabouts, stands_on, whereabouts

SIZE = 41


def wafer_of(failing):
    return Wafer("L", "01", Frame(*failing.shape), np.where(failing, FAIL, PASS).astype(np.uint8))


def places(rows=SIZE, columns=SIZE):
    """How far out each die lies, and at which hour, as a clock's hand goes."""
    row, column = np.indices((rows, columns))
    down, across = (2 * row + 1) / rows - 1, (2 * column + 1) / columns - 1
    return np.hypot(across, down), np.degrees(np.arctan2(across, -down)) % 360 / 30


def cluster(hour, rows=SIZE, columns=SIZE):
    """Failing dies around the hour, not far from the edge."""
    radius, clock = places(rows, columns)
    apart = np.abs(clock - hour) % 12
    return (radius > 0.7) & (radius < 0.95) & (np.minimum(apart, 12 - apart) < 0.8)


def whole(failing, strength=0.3):
    return whereabouts(wafer_of(failing), np.where(failing, strength, -1).astype(np.float32))


@pytest.mark.parametrize("hour", range(1, 13))
def test_a_cluster_lies_at_its_hour(hour):
    found = whole(cluster(hour % 12))
    assert found.clock == hour
    assert found.radius == pytest.approx(0.83, abs=0.03)


@pytest.mark.parametrize(
    ("orientation", "hour"),
    [("as-read", 2), ("flip-left-right", 10), ("flip-up-down", 4), ("rotate-90", 5), ("transpose", 7)],
)
def test_the_hour_is_that_of_the_wafer_as_it_is_drawn(orientation, hour):
    wafer = wafer_of(cluster(2, rows=30, columns=48)).turned(orientation)
    assert whereabouts(wafer, (wafer.states == FAIL).astype(np.float32)).clock == hour


@pytest.mark.parametrize(
    "failing",
    [places()[0] > 0.9, places()[0] < 0.3, np.abs(places()[0] - 0.5) < 0.1, cluster(0) | cluster(6)],
    ids=["ring", "centre", "donut", "two sides"],
)
def test_what_surrounds_the_centre_stands_on_no_side(failing):
    found = whole(failing)
    assert found.clock is None
    assert found.radius == pytest.approx(places()[0][failing].mean())


def test_three_quarters_of_a_ring_stand_on_no_side_and_less_than_two_thirds_do():
    radius, clock = places()
    assert whole((radius > 0.8) & (clock < 9)).clock is None
    assert whole((radius > 0.8) & (clock < 7.4)).clock == 4
    assert whole((radius > 0.8) & (clock < 6)).clock == 3


@pytest.mark.parametrize(("column", "clock"), [(20, None), (21, None), (22, None), (23, 3), (17, 9)])
def test_dies_about_the_wafers_centre_stand_on_no_side(column, clock):
    """They have one by themselves, but nobody would say that a die beside the centre is at three o'clock."""
    failing = np.zeros((SIZE, SIZE), bool)
    failing[19:22, column] = True
    assert whole(failing).clock == clock


def test_the_fewest_strongest_dies_hold_four_fifths_of_what_speaks_for_it():
    failing = np.zeros((SIZE, SIZE), bool)
    failing[5, :20] = True
    credit = np.zeros((SIZE, SIZE), np.float32)
    credit[5, :4] = 0.2
    credit[5, 4:14] = 0.02
    credit[5, 14:20] = -3
    found = whereabouts(wafer_of(failing), credit)
    assert (found.dies, found.failing, found.share) == (4, 20, 0.2)
    assert np.argwhere(stands_on(wafer_of(failing), credit)).tolist() == [[5, 0], [5, 1], [5, 2], [5, 3]]
    # A little less on the strong ones, and the weak ones are needed: all of them, for they are alike.
    credit[5, :4] = 0.19
    assert whereabouts(wafer_of(failing), credit).dies == 14


def test_only_failing_dies_count():
    failing = cluster(3)
    states = np.where(failing, FAIL, PASS).astype(np.uint8)
    states[:, :10] = UNTESTED
    wafer = Wafer("L", "01", Frame(SIZE, SIZE), states)
    found = whereabouts(wafer, np.ones((SIZE, SIZE), np.float32))
    assert found == Whereabouts(failing.sum(), failing.sum(), found.radius, 3)


def test_without_evidence_there_is_no_place():
    assert whole(cluster(4), strength=-0.5) is None
    assert whole(np.zeros((SIZE, SIZE), bool)) is None
    assert not stands_on(wafer_of(cluster(4)), np.full((SIZE, SIZE), -0.5, np.float32)).any()
