"""Map pictures pixel by pixel, and wafers laid on one another."""

import io
from typing import Any

import numpy as np
import pytest
from PIL import Image

from wafer_core.charts import DARK, LIGHT, palette
from wafer_core.charts.maps import Stack, map_png, map_pngs, stacks, worst_dies
from wafer_core.lot import FAIL, NO_DIE, PASS, UNTESTED, Frame, Lot

STATES = np.array(
    [
        [NO_DIE, PASS, NO_DIE],
        [PASS, FAIL, UNTESTED],
    ],
    dtype=np.uint8,
)


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


# Stacks ------------------------------------------------------------------------------------------


def test_wafers_stack_by_grid(small_lot: Lot) -> None:
    found = stacks(small_lot)
    assert [(stack.frame.shape, stack.wafers) for stack in found] == [((20, 20), 3), ((14, 22), 3)]
    members = [wafer.states for wafer in small_lot if wafer.frame.shape == (20, 20)]
    assert np.array_equal(found[0].failing, sum((states == FAIL).astype(int) for states in members))
    assert np.array_equal(np.isnan(found[0].share), members[0] == NO_DIE)
    assert found[0].title == "20 × 20 dies · 3 wafers"


@pytest.mark.parametrize(
    ("tested", "least", "share", "worst"),
    [
        ([0, 1, 18, 19, 38], 19, [np.nan, np.nan, np.nan, 1 / 19, 1 / 38], [(3, 0, 1, 19), (4, 0, 1, 38)]),
        ([0, 1, 1, 2, 2], 1, [np.nan, 1, 1, 0.5, 0.5], [(1, 0, 1, 1), (2, 0, 1, 1), (3, 0, 1, 2), (4, 0, 1, 2)]),
        ([0, 0, 0, 0, 0], 1, [np.nan] * 5, []),
    ],
)
def test_a_die_that_few_wafers_were_tested_at_is_not_counted(tested, least, share, worst) -> None:
    stack = Stack(Frame(1, 5), 38, np.minimum([tested], 1), np.array([tested]))
    assert stack.least == least
    np.testing.assert_allclose(stack.share, [share], rtol=1e-6)
    assert worst_dies(stack) == worst
    assert stack.few.tolist() == [[0 < n < least for n in tested]]
