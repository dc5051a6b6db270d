import math

import numpy as np
import pytest
import torch

from wafer_core.training.places import misplaced, owned_places


def test_a_place_belongs_to_who_alone_made_dies_fail_there():
    regions = np.zeros((8, 8, 8), dtype=bool)
    regions[0, :4] = True  # the upper half, of which
    regions[2, :4, 4:] = True  # the right is another one's as well
    regions[2, 4:, :2] = True  # and a strip below, half a place wide
    places = owned_places(regions, 2)
    assert (places.shape, places.dtype) == ((8, 2, 2), np.float32)
    assert places[0] == pytest.approx(np.array([[0.95, 0.0], [0.0, 0.0]]), abs=0.01)
    assert places[2] == pytest.approx(np.array([[0.0, 0.0], [0.91, 0.0]]), abs=0.01)
    assert not places[[1, 3, 4, 5, 6, 7]].any()


def only(pattern, row, column, value=1.0):
    """Evidence, or what places belong to whom: one value at one place of a 2x2 grid."""
    grid = torch.zeros(1, 8, 2, 2)
    grid[0, pattern, row, column] = value
    return grid


@pytest.mark.parametrize(
    ("found", "owned", "expected"),
    [
        (only(0, 0, 0), only(0, 0, 0), 0.0),
        (only(0, 0, 0), only(0, 0, 0, 0.5), math.log(2)),
        (only(0, 0, 0) + only(0, 1, 1), only(0, 0, 0), math.log(2)),
        (only(0, 0, 0) - only(0, 1, 1), only(0, 0, 0), 0.0),
        (only(0, 1, 1), only(0, 0, 0), math.log(101)),
        (only(3, 1, 1), only(0, 0, 0), 0.0),
        (only(0, 0, 0), torch.zeros(1, 8, 2, 2), 0.0),
        (only(0, 0, 0) + only(1, 0, 0), only(0, 0, 0, 0.5) + only(1, 0, 0, 0.5), math.log(2)),
    ],
)
def test_evidence_is_misplaced_where_other_things_made_dies_fail(found, owned, expected):
    assert misplaced(found, owned).item() == pytest.approx(expected, abs=0.02)
