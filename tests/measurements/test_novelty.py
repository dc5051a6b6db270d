import numpy as np
import pytest

from measurements.novelty import Without, auroc, drawn_from
from measurements.oddities import ODDITIES, marked
from wafer_core.lot import FAIL, NO_DIE
from wafer_core.patterns import index
from wafer_core.training.data import native_maps, resized_maps
from wafer_core.training.mixture import Mixture


@pytest.mark.parametrize(
    ("higher", "lower", "area"),
    [
        ([2, 3], [0, 1], 1.0),
        ([0, 1], [2, 3], 0.0),
        ([1, 1], [1, 1, 1], 0.5),
        ([1, 3], [2, 2], 0.5),
        ([2], [1, 2], 0.75),
    ],
)
def test_the_area_is_how_often_one_is_above_the_other(higher, lower, area):
    assert auroc(np.array(higher, float), np.array(lower, float)) == area


@pytest.mark.parametrize("name", ODDITIES)
@pytest.mark.parametrize("shape", [(64, 64), (21, 40)])
def test_marks_only_make_dies_fail(name, shape, disc_states):
    states = disc_states(*shape, failing=0.05)
    odd = marked(states, ODDITIES[name], np.random.default_rng(1))
    changed = odd != states
    assert changed.any()
    assert (odd[changed] == FAIL).all()
    assert ((odd == NO_DIE) == (states == NO_DIE)).all()


def test_a_pattern_left_out_is_drawn_nowhere(fake_data):
    mixture = Without(resized_maps(fake_data, "train"), native_maps(fake_data, "train"), 16, 0)
    mixture.without = "Scratch"
    random = np.random.default_rng(0)
    labels = np.array([mixture.labelled_sample(random).labels for _ in range(60)])
    assert labels.any()
    assert not labels[:, index("Scratch")].any()


def test_references_are_made_from_what_a_network_is_taught_on(fake_data):
    mixture = Mixture(resized_maps(fake_data, "train"), native_maps(fake_data, "train"), 16, 0, chunk=3)
    known = drawn_from(mixture, chunks=2)
    assert (known.maps.shape, known.maps.dtype) == ((6, 2, 16, 16), np.uint8)
    assert (known.labels.shape, known.labels.dtype) == ((6, 8), np.bool_)
