from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wafer_core.errors import UnknownWafer
from wafer_core.lot import FAIL, NO_DIE, ORIENTATIONS, PASS, UNTESTED, Frame, Lot, Wafer

INVERSE = {name: name for name in ORIENTATIONS} | {"rotate-90": "rotate-270", "rotate-270": "rotate-90"}

FRAMES = st.builds(
    Frame,
    rows=st.integers(1, 7),
    columns=st.integers(1, 7),
    x=st.integers(-50, 50),
    y=st.integers(-50, 50),
    x_step=st.sampled_from([1, -1]),
    y_step=st.sampled_from([1, -1]),
    swapped=st.booleans(),
)


def wafer_of(frame, seed=0, **changes):
    random = np.random.default_rng(seed)
    states = random.integers(0, 4, frame.shape, dtype=np.uint8)
    bins = np.where(states == NO_DIE, -1, random.integers(0, 100, frame.shape)).astype(np.int32)
    return Wafer("L7", "03", frame, states, **{"bins": bins, "notch": "down", **changes})


def dies_of(wafer):
    """State and bin of every cell by the file's own coordinates."""
    row, column = np.indices(wafer.frame.shape)
    x, y = wafer.frame.coordinates(row, column)
    cells = (x, y, wafer.states, wafer.bins)
    return {(int(x), int(y)): (int(s), int(b)) for x, y, s, b in zip(*(cell.flat for cell in cells), strict=True)}


@given(FRAMES, st.sampled_from(ORIENTATIONS))
def test_every_die_keeps_its_coordinates_state_and_bin(frame, orientation):
    wafer = wafer_of(frame)
    assert dies_of(wafer.turned(orientation)) == dies_of(wafer)


@given(FRAMES, st.sampled_from(ORIENTATIONS))
def test_an_inverse_turn_restores(frame, orientation):
    wafer = wafer_of(frame)
    back = wafer.turned(orientation).turned(INVERSE[orientation])
    assert np.array_equal(back.states, wafer.states)
    assert np.array_equal(back.bins, wafer.bins)
    assert back.notch == wafer.notch
    # One row or column says nothing about the direction across it.
    if min(frame.shape) > 1:
        assert back.frame == frame
        assert back.map_hash == wafer.map_hash


PICTURE = np.array([[0, 1, 2], [3, 1, 0]], np.uint8)


@pytest.mark.parametrize(
    ("orientation", "expected", "notch"),
    [
        ("as-read", [[0, 1, 2], [3, 1, 0]], "down"),
        ("flip-left-right", [[2, 1, 0], [0, 1, 3]], "down"),
        ("flip-up-down", [[3, 1, 0], [0, 1, 2]], "up"),
        ("rotate-90", [[3, 0], [1, 1], [0, 2]], "left"),
        ("rotate-180", [[0, 1, 3], [2, 1, 0]], "up"),
        ("rotate-270", [[2, 0], [1, 1], [0, 3]], "right"),
        ("transpose", [[0, 3], [1, 1], [2, 0]], "right"),
        ("anti-transpose", [[0, 2], [1, 1], [3, 0]], "left"),
    ],
)
def test_turns_are_the_ones_seen_on_the_screen(orientation, expected, notch):
    wafer = Wafer("L", "1", Frame(2, 3), PICTURE, notch="down")
    turned = wafer.turned(orientation)
    assert turned.states.tolist() == expected
    assert turned.notch == notch
    assert replace(wafer, notch="unknown").turned(orientation).notch == "unknown"


def test_coordinates_run_as_the_frame_says():
    x, y = Frame(3, 4, x=-2, y=9, y_step=-1).coordinates(np.array([0, 2]), np.array([0, 3]))
    assert x.tolist() == [-2, 1]
    assert y.tolist() == [9, 7]
    assert [int(c) for c in Frame(3, 4, swapped=True).coordinates(2, 1)] == [2, 1]


@pytest.mark.parametrize(
    ("states", "expected"),
    [([[PASS, FAIL], [NO_DIE, UNTESTED]], (3, 1, 1, 0.5)), ([[UNTESTED, NO_DIE]], (1, 0, 0, None))],
)
def test_dies_are_counted_and_yield_is_over_tested_ones(states, expected):
    grid = np.array(states, np.uint8)
    wafer = Wafer("L", "1", Frame(*grid.shape), grid)
    assert (wafer.dies, wafer.passing, wafer.failing, wafer.yield_fraction) == expected


def test_a_wafer_cannot_be_written_to():
    wafer = wafer_of(Frame(3, 3), labels=np.zeros(8, bool))
    for array in (wafer.states, wafer.bins, wafer.labels):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 1


@pytest.mark.parametrize("states", [np.zeros((2, 3), np.uint8), np.zeros((3, 2), np.int64)])
def test_states_that_contradict_the_frame_are_refused(states):
    with pytest.raises(ValueError, match=r"the frame says uint8 \(3, 2\)"):
        Wafer("L", "1", Frame(3, 2), states)


@given(FRAMES, st.data())
def test_the_map_hash_changes_with_every_die(frame, data):
    wafer = wafer_of(frame)
    row, column = data.draw(st.integers(0, frame.rows - 1)), data.draw(st.integers(0, frame.columns - 1))
    other = wafer.states.copy()
    other[row, column] = (other[row, column] + 1) % 4
    assert replace(wafer, states=other).map_hash != wafer.map_hash


@pytest.mark.parametrize("change", [{"x": 1}, {"y": 1}, {"x_step": -1}, {"y_step": -1}, {"swapped": True}])
def test_the_map_hash_changes_with_the_frame(change):
    wafer = wafer_of(Frame(4, 4))
    assert replace(wafer, frame=replace(wafer.frame, **change)).map_hash != wafer.map_hash


def test_the_map_hash_tells_grids_of_the_same_bytes_apart():
    hashes = {Wafer("L", "1", Frame(*shape), np.ones(shape, np.uint8)).map_hash for shape in [(2, 6), (6, 2), (3, 4)]}
    assert len(hashes) == 3


@pytest.mark.parametrize(
    ("change", "same_map", "same_lot"),
    [
        ({"labels": np.ones(8, bool)}, True, True),
        ({"notch": "left"}, True, True),
        ({"wafer": "04"}, True, False),
        ({"lot": "L8"}, True, False),
        ({"bins": None}, True, False),
        ({"bins": np.zeros((4, 4), np.int32)}, True, False),
        ({"states": np.ones((4, 4), np.uint8)}, False, False),
        ({"frame": Frame(4, 4, x=1)}, False, False),
    ],
)
def test_what_the_hashes_see(change, same_map, same_lot):
    wafer = wafer_of(Frame(4, 4))
    other = replace(wafer, **change)
    assert (other.map_hash == wafer.map_hash) is same_map
    assert (Lot("b", (other,)).lot_hash == Lot("a", (wafer,)).lot_hash) is same_lot


def test_the_lot_hash_sees_the_order_of_wafers(small_lot):
    assert replace(small_lot, wafers=small_lot.wafers[::-1]).lot_hash != small_lot.lot_hash


def test_a_lot_counts_over_its_wafers(small_lot):
    passing, failing = sum(w.passing for w in small_lot), sum(w.failing for w in small_lot)
    assert small_lot.yield_fraction == passing / (passing + failing)
    assert Lot("nothing", ()).yield_fraction is None
    assert small_lot.lots == ("L1",)
    assert len(small_lot) == 6


def test_a_lot_is_labelled_when_all_its_wafers_are(small_lot):
    labelled = tuple(replace(wafer, labels=np.zeros(8, bool)) for wafer in small_lot)
    assert replace(small_lot, wafers=labelled).labelled
    assert not replace(small_lot, wafers=(*labelled[1:], small_lot.wafers[0])).labelled
    assert not Lot("nothing", ()).labelled


def lot_of_two():
    states = np.ones((2, 2), np.uint8)
    ids = [("A", "01"), ("A", "02"), ("B", "01"), ("B", "03")]
    return Lot("both", tuple(Wafer(lot, wafer, Frame(2, 2), states.copy()) for lot, wafer in ids))


@pytest.mark.parametrize(("name", "position"), [("02", 1), ("A/02", 1), ("B/01", 2), ("03", 3)])
def test_a_wafer_is_found_by_its_name(name, position):
    assert lot_of_two().position(name) == position


@pytest.mark.parametrize(
    ("name", "sentence"),
    [("9", "no wafer '9' in both; it holds A/01, A/02, B/01, B/03"), ("01", "'01': name one of A/01, B/01")],
)
def test_a_name_that_is_not_one_wafer_lists_the_choices(name, sentence):
    with pytest.raises(UnknownWafer, match=sentence):
        lot_of_two().position(name)


def test_a_long_lot_is_not_listed_whole():
    wafers = tuple(Wafer("A", f"{i}", Frame(1, 1), np.ones((1, 1), np.uint8)) for i in range(15))
    with pytest.raises(UnknownWafer, match="A/11 and 3 more"):
        Lot("long", wafers).position("B/1")


@pytest.mark.parametrize(("states", "scorable"), [([[0, 3]], False), ([[1, 3]], True), ([[2, 0]], True)])
def test_a_wafer_can_be_scored_where_a_die_was_tested(states, scorable):
    assert Wafer("A", "1", Frame(1, 2), np.array(states, dtype=np.uint8)).scorable is scorable
