import numpy as np
import pytest

from wafer_core.lot import NO_DIE, PASS
from wafer_core.synthesis.outline import MIXED_OUTLINE, disc


def test_the_outline_of_mixedwm38():
    assert MIXED_OUTLINE.shape == (52, 52)
    assert MIXED_OUTLINE.inside.sum() == 2061
    assert not MIXED_OUTLINE.inside[0].any()
    assert not MIXED_OUTLINE.inside[:, 0].any()


@pytest.mark.parametrize("grid", [(24, 24), (31, 44), (90, 24)])
def test_a_disc_fills_its_grid_evenly(grid):
    outline = disc(*grid)
    assert outline.shape == grid
    assert outline.inside.any(axis=0).all()
    assert outline.inside.any(axis=1).all()
    assert np.array_equal(outline.inside, outline.inside[::-1, ::-1])
    assert outline.inside.mean() == pytest.approx(np.pi / 4, abs=0.02)
    assert outline.pitch == pytest.approx(2 / np.sqrt(grid[0] * grid[1]))


def test_a_blank_wafer_passes_everywhere_inside():
    outline = disc(25, 27)
    assert np.array_equal(outline.blank() == PASS, outline.inside)
    assert np.array_equal(outline.blank() == NO_DIE, ~outline.inside)
    assert outline.blank().dtype == np.uint8


def test_polar_coordinates_are_seen_from_a_point():
    outline = disc(40, 40)
    distance, angle = outline.around(0.5, 0.0)
    row, column = np.unravel_index(distance.argmin(), outline.shape)
    assert outline.right[row, column] == pytest.approx(0.5, abs=outline.pitch)
    assert outline.down[row, column] == pytest.approx(0.0, abs=outline.pitch)
    assert np.abs(angle).max() <= np.pi + 1e-6
    centre, _ = outline.around(0.0, 0.0)
    np.testing.assert_allclose(centre, outline.radius)
