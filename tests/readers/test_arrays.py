import io

import numpy as np
import pytest

from wafer_core.errors import ReadingQuestion, UnreadableFile
from wafer_core.lot import FAIL, PASS, UNTESTED, Lot, ReadingOptions
from wafer_core.patterns import names
from wafer_core.readers import NamedBytes, read

GRID = np.array([[0, 1, 1, 0], [1, 2, 1, 1], [1, 1, 2, 1], [0, 1, 1, 0]], dtype=np.uint8)
STACK = np.stack([GRID, GRID.T, GRID[::-1]])
BITS = np.eye(8, dtype=np.uint8)[:3]


def npy(array):
    file = io.BytesIO()
    np.save(file, array, allow_pickle=True)
    return NamedBytes("A1234.npy", file.getvalue())


def npz(*arrays, name="A1234.npz", **named):
    file = io.BytesIO()
    np.savez_compressed(file, *arrays, **named)
    return NamedBytes(name, file.getvalue())


def texts(lot: Lot, kind):
    return [note.text for note in lot.notes if note.kind == kind]


@pytest.mark.parametrize(
    ("file", "wafers"),
    [
        (npy(GRID), 1),
        (npy(STACK), 3),
        (npy(STACK[:, None]), 3),
        (npy(STACK[..., None]), 3),
        (npy(np.asfortranarray(STACK)), 3),
        (npy(STACK.astype(">i4")), 3),
        (npy(STACK.astype(np.float32)), 3),
        (npz(STACK), 3),
        (npz(maps=STACK, other=np.arange(5)), 3),
        (npz(a=STACK, maps=STACK[:2]), 2),
        (npz(w1=GRID, w2=GRID.T), 2),
        (npz(STACK, BITS), 3),
    ],
)
def test_arrays_of_states_are_read_as_they_stand(file, wafers):
    lot = read([file])
    assert len(lot) == wafers
    assert np.array_equal(lot.wafers[0].states, GRID)
    assert lot.wafers[0].bins is None
    assert lot.wafers[0].lot == "A1234"


def test_top_row_of_an_array_comes_first():
    frame = read([npy(GRID)]).wafers[0].frame
    assert (frame.x, frame.y, frame.x_step, frame.y_step) == (0, 0, 1, 1)


@pytest.mark.parametrize(("count", "first", "last"), [(1, "01", "01"), (3, "01", "03"), (120, "001", "120")])
def test_wafers_without_ids_are_numbered_from_one(count, first, last):
    lot = read([npy(np.tile(GRID, (count, 1, 1)))])
    assert (lot.wafers[0].wafer, lot.wafers[-1].wafer) == (first, last)
    assert texts(lot, "assumed")


def test_ids_and_labels_beside_the_maps_are_kept():
    lot = read(
        [
            npz(
                maps=STACK,
                lot=np.array(["L7", "L7", "L8"]),
                wafer=np.array([5, 6, 5]),
                label=["", "none", "Edge-Loc+Loc"],
            )
        ]
    )
    assert [wafer.name for wafer in lot] == ["L7/5", "L7/6", "L8/5"]
    assert [None if w.labels is None else names(w.labels) for w in lot] == [None, (), ("Edge-Loc", "Loc")]


def test_labels_nobody_knows_are_left_out_and_reported():
    lot = read([npz(maps=STACK, label=np.array(["Center", "Blob", ""]))])
    assert not lot.labelled
    assert "'Blob'" in texts(lot, "changed")[0]


@pytest.mark.parametrize(
    ("file", "state", "kind"),
    [
        (npz(np.where(STACK == 2, 3, STACK), BITS), FAIL, "changed"),
        (npz(np.where(STACK == 2, 3, STACK)), UNTESTED, "assumed"),
        (npy(np.where(STACK == 2, 3, STACK)), UNTESTED, "assumed"),
    ],
)
def test_value_3_fails_only_in_the_layout_of_mixedwm38(file, state, kind):
    lot = read([file])
    assert (lot.wafers[0].states[GRID == 2] == state).all()
    assert any("value 3" in text for text in texts(lot, kind))


def test_labels_of_mixedwm38_are_its_eight_bits():
    lot = read([npz(STACK, BITS)])
    assert lot.labelled
    assert [names(wafer.labels) for wafer in lot] == [("Center",), ("Donut",), ("Edge-Loc",)]


@pytest.mark.parametrize(
    ("values", "options", "passing"),
    [
        ([[0, 1, 0], [1, 7, 1], [0, 1, 0]], ReadingOptions(), 4),
        ([[0, 4, 0], [4, 7, 4], [0, 4, 0]], ReadingOptions(pass_bins=(4,)), 4),
        ([[-1, 0, -1], [0, 7, 0], [-1, 0, -1]], ReadingOptions(pass_bins=(0,)), 4),
        ([[0, 1, 0], [1, 2, 1], [0, 1, 0]], ReadingOptions(cells="bins", pass_bins=(2,)), 1),
        ([[0, 1, 0], [1, 3, 1], [0, 1, 0]], ReadingOptions(pass_bins=(3,)), 1),
        ([[np.nan, 1, np.nan], [1, 7, 1], [np.nan, 1, np.nan]], ReadingOptions(), 4),
        ([[-2, 1, -1], [1, 7, 1], [-999, 1, -32768]], ReadingOptions(), 4),
        ([[-2.0, 1, -7.0], [1, 7, 1], [np.nan, 1, -1]], ReadingOptions(pass_bins=(1,)), 4),
    ],
)
def test_arrays_of_bins_keep_them(values, options, passing):
    wafer = read([npy(np.array(values))], options).wafers[0]
    assert wafer.passing == passing
    assert wafer.dies == 5
    assert wafer.bins[0, 0] == -1
    assert wafer.bins[1, 1] == values[1][1]


def test_what_the_arrays_of_one_file_hold_is_judged_together():
    one, two = np.array([[0, 1, 0], [3, 7, 1]]), np.array([[0, 3], [1, 1]], dtype=np.float32)
    lot = read([npz(w01=one, w02=two)])
    assert [wafer.bins is None for wafer in lot] == [False, False]
    assert [(wafer.passing, wafer.failing) for wafer in lot] == [(2, 2), (2, 1)]
    assert lot.wafers[1].bins.tolist() == [[-1, 3], [1, 1]]


@pytest.mark.parametrize(
    ("values", "option"),
    [
        ([[0, 4, 0], [4, 7, 4], [0, 4, 0]], "pass_bins"),
        ([[0, 1, 0], [1, 0.5, 1], [0, 1, 0]], "cells"),
        ([[0, 1, 0], [1, np.inf, 1], [0, 1, 0]], "cells"),
    ],
)
def test_arrays_that_can_be_read_in_several_ways_are_asked_about(values, option):
    with pytest.raises(ReadingQuestion) as asked:
        read([npy(np.array(values))])
    assert asked.value.option == option
    assert f"--{option.replace('_', '-')}" in str(asked.value)


def test_fractions_count_as_untested_once_the_meaning_is_stated():
    lot = read([npy(np.array([[0, 1, 0], [1, 0.5, 1], [0, 1, 0]]))], ReadingOptions(cells="states"))
    assert lot.wafers[0].states[1, 1] == UNTESTED
    assert lot.wafers[0].states[0, 1] == PASS
    assert texts(lot, "changed")


@pytest.mark.parametrize(
    ("file", "words"),
    [
        (npy(np.zeros(5, dtype=np.uint8)), "array of 5"),
        (npy(np.uint8(5)), "single value"),
        (npy(np.zeros((0, 5, 5), dtype=np.uint8)), "array of 0"),
        (npy(np.zeros((2, 3, 4, 5), dtype=np.uint8)), "array of 2 x 3 x 4 x 5"),
        (npy(np.array([["a", "b"], ["c", "d"]])), "text"),
        (npy(np.zeros((2, 2), dtype=complex)), "<c16"),
        (npy(np.zeros(3, dtype=[("x", int)])), "plain numbers"),
        (npy(np.array([None, {}], dtype=object)), "Python objects"),
        (npz(a=STACK, b=STACK), "several arrays"),
        (npz(a=np.arange(4)), "no wafer maps"),
        (npy(np.full((4, 4), 2**40)), "not bins"),
        (npy(np.zeros((5000, 2), dtype=np.uint8)), "5,000 x 2"),
        (NamedBytes("a.npy", npy(STACK).data[:-1]), "ends before"),
        (NamedBytes("a.npz", npz(STACK).data[:-30]), "damaged or cut short"),
    ],
)
def test_arrays_that_are_no_maps_are_refused_with_a_reason(file, words):
    with pytest.raises(UnreadableFile, match=words):
        read([file])


def test_states_out_of_range_are_refused_when_states_are_stated():
    with pytest.raises(UnreadableFile, match="--cells bins"):
        read([npy(GRID * 3)], ReadingOptions(cells="states"))
