"""Map pictures and figures of dies: what is drawn where, and what a die says when pointed at."""

import base64
import io
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import plotly.graph_objects as go
import pytest
from numpy.typing import NDArray
from PIL import Image

from wafer_core.charts import DARK, LIGHT, palette
from wafer_core.charts.maps import die_map, map_png, map_pngs, overlay, scale_bar, shared_limit, stacked_map, stacks
from wafer_core.lot import FAIL, NO_DIE, PASS, UNTESTED, Frame, Lot, Wafer

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


def colour(hexadecimal: str) -> tuple[int, ...]:
    return tuple(bytes.fromhex(hexadecimal[1:]))


# Pictures ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_every_die_is_a_block_of_its_own_colour_and_no_die_is_the_page(theme: Any) -> None:
    picture = Image.open(io.BytesIO(map_png(STATES, theme, pixels=6)))
    assert picture.mode == "P"
    assert picture.size == (6, 6)
    pixels = np.asarray(picture.convert("RGBA"))
    colours = palette(theme)
    assert (pixels[:3, :2, 3] == 0).all()
    assert (pixels[:3, 2:4] == (*colour(colours.passing), 255)).all()
    assert (pixels[3:, 2:4] == (*colour(colours.failing), 255)).all()
    assert (pixels[3:, 4:] == (*colour(colours.untested), 255)).all()


@pytest.mark.parametrize("shape", [(1, 1), (3, 5), (26, 26), (45, 48), (101, 103), (300, 7)])
def test_a_picture_reads_back_as_the_dies_it_shows(shape: tuple[int, int]) -> None:
    states = np.random.default_rng(0).integers(0, 4, shape).astype(np.uint8)
    picture = np.asarray(Image.open(io.BytesIO(map_png(states, "light"))))
    down, across = picture.shape[0] // shape[0], picture.shape[1] // shape[1]
    assert picture.shape == (shape[0] * down, shape[1] * across)
    assert np.array_equal(picture[::down, ::across], states)
    assert np.array_equal(np.repeat(np.repeat(states, down, 0), across, 1), picture)


def test_themes_differ_in_their_palette_alone() -> None:
    light, dark = map_pngs(STATES, ("light", "dark"))
    assert light != dark
    assert np.array_equal(*(np.asarray(Image.open(io.BytesIO(picture))) for picture in (light, dark)))


@pytest.mark.parametrize("colours", [LIGHT, DARK])
def test_pass_and_fail_stay_apart_on_a_grey_print(colours: Any) -> None:
    passing, failing = (_luminance(shade) for shade in (colours.passing, colours.failing))
    assert (max(passing, failing) + 0.05) / (min(passing, failing) + 0.05) >= 3


def _luminance(shade: str) -> float:
    linear = [
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4
        for part in (c / 255 for c in colour(shade))
    ]
    return float(np.dot([0.2126, 0.7152, 0.0722], linear))


# Figures -----------------------------------------------------------------------------------------


def heat(figure: go.Figure, which: int = 0) -> go.Heatmap:
    return [trace for trace in figure.data if isinstance(trace, go.Heatmap)][which]


def said(figure: go.Figure, row: int, column: int, which: int = 0) -> str:
    """What the die says when pointed at, as Plotly fills the template in."""
    trace = heat(figure, which)
    text = trace.hovertemplate.replace("%{text}", str(trace.text[row, column]))
    for i, value in enumerate(trace.customdata[row, column]):
        text = text.replace(f"%{{customdata[{i}]}}", str(value))
    return text.removesuffix("<extra></extra>")


def test_a_die_tells_its_own_coordinates_state_and_bin(wafer: Wafer) -> None:
    figure = die_map(wafer, "light")
    assert said(figure, 1, 1) == "x 11, y 4<br>fail · bin 7"
    assert said(figure, 0, 1) == "x 11, y 5<br>pass · bin 1"
    assert said(die_map(replace(wafer, bins=None), "light"), 1, 2) == "x 12, y 4<br>not tested"


def test_a_turned_wafer_keeps_what_its_dies_say(wafer: Wafer) -> None:
    assert said(die_map(wafer.turned("rotate-90"), "light"), 1, 0) == "x 11, y 4<br>fail · bin 7"


def test_cells_without_a_die_are_empty(wafer: Wafer) -> None:
    for by in ("state", "bin"):
        assert np.array_equal(np.isnan(heat(die_map(wafer, "light", by)).z), STATES == NO_DIE)


def test_the_key_counts_dies(wafer: Wafer) -> None:
    names = [trace.name for trace in die_map(wafer, "light").data if trace.name]
    assert names == ["pass 2", "fail 1", "not tested 1"]


def test_bins_beyond_the_colours_share_one() -> None:
    bins = np.arange(36, dtype=np.int32).reshape(6, 6)
    figure = die_map(Wafer("L", "1", Frame(6, 6), np.full((6, 6), FAIL, np.uint8), bins=bins), "dark", "bin")
    names = [trace.name for trace in figure.data if trace.name]
    assert len(names) == 9
    assert names[-1] == "28 other bins 28"
    assert heat(figure).zmax == 8.5


def test_overlays_are_signed_on_one_symmetric_scale(wafer: Wafer) -> None:
    attribution = np.array([[9, 0.0, 9], [0.0, 0.4, -0.1]], dtype=np.float32)
    trace = heat(overlay(wafer, attribution, 0.5, "light"), 1)
    assert (trace.zmin, trace.zmax) == (-0.5, 0.5)
    assert np.array_equal(np.isnan(trace.z), STATES == NO_DIE)
    assert trace.z[1, 1] == pytest.approx(0.4)
    assert trace.colorscale[0][0] == 0.0
    assert trace.colorscale[-1][0] == 1.0
    assert said(overlay(wafer, attribution, 0.5, "light"), 1, 1, which=1).startswith("x 11, y 4<br>fail · bin 7<br>")
    assert scale_bar(0.5, "light").data[0].zmax == 0.5


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


def test_wafers_stack_by_grid(small_lot: Lot) -> None:
    found = stacks(small_lot)
    assert [(stack.frame.shape, stack.wafers) for stack in found] == [((20, 20), 3), ((14, 22), 3)]
    members = [wafer.states for wafer in small_lot if wafer.frame.shape == (20, 20)]
    assert np.array_equal(found[0].failing, sum((states == FAIL).astype(int) for states in members))
    assert np.array_equal(np.isnan(found[0].share), members[0] == NO_DIE)
    assert found[0].title == "20 × 20 dies · 3 wafers"
    trace = heat(stacked_map(found[0], "light"))
    assert trace.zmin == 0
    assert trace.zmax == pytest.approx(np.nanmax(found[0].share))


def test_a_stack_nobody_tested_is_empty(
    untested_states: Callable[..., NDArray[np.uint8]], lot_of: Callable[..., Lot]
) -> None:
    (stack,) = stacks(lot_of([untested_states(8, 8)]))
    assert np.isnan(stack.share).all()
    assert stacked_map(stack, "dark").data


def test_dies_travel_as_typed_arrays(small_lot: Lot) -> None:
    sent = die_map(small_lot.wafers[0], "light").to_plotly_json()["data"][0]["z"]
    assert sent["dtype"] == "f4"
    assert len(base64.b64decode(sent["bdata"])) == 4 * 20 * 20
