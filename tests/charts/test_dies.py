"""Maps of dies as a page gets them: what every cell carries, in which colours, and what it can say."""

import base64
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from wafer_core.charts import DARK, LIGHT
from wafer_core.charts.dies import (
    DieMap,
    Layer,
    Stage,
    die_map,
    evidence_map,
    evidence_stage,
    flipped_key,
    overlay,
    shared_limit,
    signed_scale,
    stacked_map,
    stacked_stage,
    stage,
)
from wafer_core.charts.maps import Stack, stacks
from wafer_core.explain.stacking import stack_evidence
from wafer_core.lot import FAIL, NO_DIE, PASS, UNTESTED, Frame, Lot, Wafer
from wafer_core.trust.altered import flipped

STATES = np.array(
    [
        [NO_DIE, PASS, NO_DIE],
        [PASS, FAIL, UNTESTED],
    ],
    dtype=np.uint8,
)


@pytest.fixture
def wafer() -> Wafer:
    bins = np.array([[-1, 1, -1], [1, 7, 0]], dtype=np.int32)
    return Wafer("L1", "01", Frame(2, 3, x=10, y=5, y_step=-1), STATES, bins=bins, notch="down")


def unpacked(text: str, kind: str, on: Stage) -> NDArray[Any]:
    """The array that travels as `text`."""
    return np.frombuffer(base64.b64decode(text), dtype=kind).reshape(on["rows"], on["columns"])


def colours(layer: Layer, on: Stage, dark: bool = False) -> NDArray[np.str_]:
    """The colour of every cell of a layer of codes; empty where it has none."""
    shades = ["", *(pair[dark] for pair in layer["colours"])]
    return np.array(shades)[unpacked(layer["codes"], "u1", on)]


def values(drawn: DieMap, on: Stage) -> NDArray[np.float32]:
    return unpacked(drawn["layers"][-1]["values"], "<f4", on)


def test_a_stage_carries_coordinates_states_and_bins(wafer: Wafer) -> None:
    on = stage(wafer)
    assert (on["rows"], on["columns"], on["frame"], on["notch"]) == (2, 3, (10, 5, 1, -1, False), "down")
    assert np.array_equal(unpacked(on["states"], "u1", on), STATES)
    assert np.array_equal(unpacked(on["fields"]["bin"], "<i4", on), wafer.bins)
    assert [on["names"][state] for state in (PASS, FAIL, UNTESTED)] == ["pass", "fail", "not tested"]
    assert not stage(replace(wafer, bins=None))["fields"]


def test_a_turned_wafer_says_along_which_side_its_x_runs(wafer: Wafer) -> None:
    on = stage(wafer.turned("rotate-90"))
    x, y, x_step, y_step, swapped = on["frame"]
    row, column = 1, 0  # where the die at 11, 4 is after the turn
    assert swapped
    assert (x + x_step * row, y + y_step * column) == (11, 4)


@pytest.mark.parametrize(
    ("bins", "lines"), [(True, ["x {x}, y {y}", "{state} · bin {bin}"]), (False, ["x {x}, y {y}", "{state}"])]
)
def test_a_die_tells_its_bin_where_there_are_bins(wafer: Wafer, bins: bool, lines: list[str]) -> None:
    told = wafer if bins else replace(wafer, bins=None)
    assert die_map(told)["lines"] == lines
    assert overlay(told, np.zeros((2, 3), np.float32), signed_scale(1.0))["lines"] == [*lines, "attribution {value}"]


@pytest.mark.parametrize(("dark", "palette"), [(False, LIGHT), (True, DARK)])
def test_states_have_the_colours_of_the_theme_and_no_die_has_none(wafer: Wafer, dark: bool, palette: Any) -> None:
    drawn = die_map(wafer)
    passing, failing, untested = palette.passing, palette.failing, palette.untested
    expected = [["", passing, ""], [passing, failing, untested]]
    assert colours(drawn["layers"][0], stage(wafer), dark).tolist() == expected


def test_the_key_counts_dies(wafer: Wafer) -> None:
    assert [name for name, _ in die_map(wafer)["key"]] == ["pass 2", "fail 1", "not tested 1"]
    assert [name for name, _ in die_map(wafer, "bin")["key"]] == ["pass (bin 1): 2", "bin 7: 1", "not tested: 1"]


@pytest.mark.parametrize(
    ("by", "key"),
    [
        ("state", ["pass 1", "fail 2", "not tested 1"]),
        ("bin", ["pass (bin 1): 1", "bin 7: 1", "not tested: 1", "flipped to fail: 1"]),
    ],
)
def test_the_key_counts_what_flips_make_of_dies(wafer: Wafer, by: str, key: list[str]) -> None:
    assert [name for name, _ in flipped_key(wafer, flipped(wafer, [1]), by)] == key
    assert flipped_key(wafer, wafer, by) == die_map(wafer, by)["key"]


def test_a_die_made_to_pass_has_the_colour_of_passing_ones_in_the_key(wafer: Wafer) -> None:
    key = dict(flipped_key(wafer, flipped(wafer, [4]), "bin"))
    assert list(key) == ["pass (bin 1): 2", "not tested: 1", "flipped to pass: 1"]
    assert key["flipped to pass: 1"] == (LIGHT.passing, DARK.passing)


def test_every_bin_that_passes_is_counted_in_words_and_none_is_called_none() -> None:
    bins = np.array([[1, 2, 3, 4, 5, 6, -1, 7, 7, 7, -1, -1]], dtype=np.int32)
    states = np.array([[PASS] * 7 + [FAIL] * 5], dtype=np.uint8)
    wafer = Wafer("L", "01", Frame(*states.shape), states, bins)
    assert [name for name, _ in die_map(wafer, "bin")["key"]] == [
        "pass (bin 1, 2, 3, 4 and 2 more or no bin): 7",
        "bin 7: 3",
        "no bin: 2",
    ]


def test_bins_beyond_the_colours_share_one() -> None:
    bins = np.arange(36, dtype=np.int32).reshape(6, 6)
    wafer = Wafer("L", "1", Frame(6, 6), np.full((6, 6), FAIL, np.uint8), bins=bins)
    drawn = die_map(wafer, "bin")
    names = [name for name, _ in drawn["key"]]
    assert len(names) == 9
    assert names[-1] == "28 other bins: 28"
    assert len(set(colours(drawn["layers"][0], stage(wafer)).ravel())) == 9


def test_overlays_lie_on_the_wafer_in_grey_and_leave_out_what_is_no_die(wafer: Wafer) -> None:
    attribution = np.array([[9, 0.0, 9], [0.0, 0.4, -0.1]], dtype=np.float32)
    drawn, on = overlay(wafer, attribution, signed_scale(0.5), strength=0.3), stage(wafer)
    ground, above = drawn["layers"]
    grey = [["", LIGHT.passing, ""], [LIGHT.passing, LIGHT.quiet_fail, LIGHT.passing]]
    assert colours(ground, on).tolist() == grey
    assert np.array_equal(np.isnan(values(drawn, on)), STATES == NO_DIE)
    assert values(drawn, on)[1, 1] == pytest.approx(0.4)
    assert above["strength"] == 0.3


def test_dies_are_told_apart_without_colours_too(wafer: Wafer) -> None:
    against = np.array([[-9, -0.06, -9], [-0.04, 0.4, -0.05]], dtype=np.float32)
    signs = overlay(wafer, against, signed_scale(0.5), 0.3, outlined=np.array([[1, 0, 0], [0, 1, 0]], bool))["signs"]
    assert unpacked(signs["hatched"], "u1", stage(wafer)).tolist() == [[0, 1, 0], [0, 0, 1]]
    assert unpacked(signs["outlined"], "u1", stage(wafer)).tolist() == [[0, 0, 0], [0, 1, 0]]
    assert signs["strength"] == 0.3
    plain = overlay(wafer, np.zeros((2, 3), np.float32), signed_scale(0.5))["signs"]
    assert not unpacked(plain["outlined"], "u1", stage(wafer)).any()
    assert not unpacked(plain["hatched"], "u1", stage(wafer)).any()
    # The scale is hatched as far as its dies are.
    scale = signed_scale(0.5)
    assert scale["low"] + scale["hatched"] * (scale["high"] - scale["low"]) == pytest.approx(-0.05)


def test_the_signed_scale_is_symmetric_and_clear_in_the_middle() -> None:
    scale = signed_scale(0.5)
    assert (scale["low"], scale["high"]) == (-0.5, 0.5)
    for stops, palette in ((scale["light"], LIGHT), (scale["dark"], DARK)):
        places, shades, cover = zip(*stops, strict=True)
        assert places == tuple(sorted(places))
        assert np.allclose(np.add(places, places[::-1]), 1)
        assert cover == cover[::-1]
        assert (shades[0], shades[-1]) == (palette.speaks_against, palette.speaks_for)
        assert cover[len(cover) // 2] == 0


@pytest.mark.parametrize(
    ("attributions", "limit"),
    [
        ([], 1.0),
        ([np.zeros((3, 3), np.float32)], 1.0),
        ([np.array([[0.0, -2.0]], np.float32)], 2.0),
        ([np.array([[1.0, 0.0]], np.float32), np.array([[np.nan, -3.0]], np.float32)], 2.99),
    ],
)
def test_the_shared_limit_covers_all_overlays(attributions: list[NDArray[np.float32]], limit: float) -> None:
    assert shared_limit(attributions) == pytest.approx(limit)


def test_a_stack_shows_the_share_and_tells_the_counts(small_lot: Lot) -> None:
    stack = stacks(small_lot)[0]
    (drawn, scale), on = stacked_map(stack), stacked_stage(stack)
    assert np.array_equal(values(drawn, on), stack.share, equal_nan=True)
    assert (scale["low"], scale["high"]) == (0, pytest.approx(np.nanmax(stack.share)))
    assert np.array_equal(unpacked(on["fields"]["failing"], "<i4", on), stack.failing)
    assert np.array_equal(unpacked(on["states"], "u1", on) > 0, stack.tested > 0)


def test_a_die_that_few_wafers_were_tested_at_is_quiet_and_off_the_scale() -> None:
    stack = Stack(Frame(1, 3), 38, np.array([[1, 19, 0]]), np.array([[1, 38, 0]]))
    (drawn, scale), on = stacked_map(stack), stacked_stage(stack)
    np.testing.assert_array_equal(values(drawn, on), [[np.nan, 0.5, np.nan]])
    assert scale["ticks"] == ["0 %", "25 %", "50 %"]
    assert colours(drawn["layers"][0], on).tolist() == [[LIGHT.passing, "", ""]]
    assert [name for name, _ in drawn["key"]] == ["few wafers tested"]
    # It can be pointed at and says on how many it was tested.
    assert unpacked(on["states"], "u1", on).tolist() == [[1, 1, 0]]


@pytest.mark.parametrize(
    ("failing", "ticks"),
    [(1, ["0 %", "2.5 %", "5 %"]), (20, ["0 %", "10 %", "20 %"]), (7, ["0 %", "3.5 %", "7 %"])],
)
def test_the_middle_of_a_scale_is_told_as_it_is(failing: int, ticks: list[str]) -> None:
    stack = Stack(Frame(1, 2), 100, np.array([[failing, 0]]), np.array([[100, 100]]))
    assert stacked_map(stack)[1]["ticks"] == ticks


def test_evidence_on_one_die_ends_at_a_hundred_percent(wafer: Wafer) -> None:
    alone = np.zeros((2, 3), np.float32)
    alone[tuple(np.argwhere(wafer.states == FAIL)[0])] = 2.0
    [[stack]] = stack_evidence([wafer], [(0, 3, alone)]).values()
    assert evidence_map(stack)[1]["ticks"][-1] == "100 %"


def test_a_stack_nobody_tested_is_empty(
    untested_states: Callable[..., NDArray[np.uint8]], lot_of: Callable[..., Lot]
) -> None:
    (stack,) = stacks(lot_of([untested_states(8, 8)]))
    drawn, scale = stacked_map(stack)
    assert np.isnan(values(drawn, stacked_stage(stack))).all()
    assert scale["high"] > 0


def test_stacked_evidence_is_a_share_a_die_and_clear_where_there_is_no_die(wafer: Wafer) -> None:
    other = replace(wafer, states=np.where(STATES == NO_DIE, NO_DIE, FAIL).astype(np.uint8))
    explained = [(0, 3, np.full((2, 3), 2.0, np.float32)), (1, 3, np.array([[9, 1, 9], [1, 0, 0]], np.float32))]
    (stack,) = stack_evidence([wafer, other], explained)[3]
    drawn, scale = evidence_map(stack)
    on = evidence_stage(stack)
    assert np.array_equal(np.isnan(values(drawn, on)), STATES == NO_DIE)
    np.testing.assert_allclose(np.nan_to_num(values(drawn, on)), [[0, 0.25, 0], [0.25, 0.5, 0]])
    assert np.array_equal(unpacked(on["fields"]["speaking"], "<i4", on), [[0, 1, 0], [1, 1, 0]])
    assert drawn["lines"] == ["x {x}, y {y}", "{value} of the evidence", "speaks on {speaking} of 2"]
    assert (scale["low"], scale["high"]) == (0.0, pytest.approx(0.5, abs=0.01))
    assert scale["ticks"] == ["0 %", "25 %", "50 %"]
