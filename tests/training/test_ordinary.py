import numpy as np
import pytest

from wafer_core.canonical import canonical_states
from wafer_core.training.data import unlabelled_maps
from wafer_core.training.ordinary import decided_maps, held_out_maps, taught_maps


def nothing(maps):
    return np.zeros((len(maps), 8), dtype=bool)


def much(maps):
    """Center on every other wafer, Loc on the rest."""
    return np.stack([np.arange(8) == (0 if i % 2 else 4) for i in range(len(maps))])


def taught(data, size, count):
    return taught_maps(data, size, nothing, count)


@pytest.mark.parametrize("drawn", [held_out_maps, taught])
def test_ordinary_maps_repeat_and_differ_from_each_other(fake_data, drawn):
    maps, again = (drawn(fake_data, 12, count=60) for _ in range(2))
    assert np.array_equal(maps, again)
    assert maps.dtype == np.float32
    assert maps.shape == (60, 2, 12, 12)
    assert 0 <= maps.min() <= maps.max() <= 1
    assert len({wafer.tobytes() for wafer in maps}) > 50


def test_half_of_the_held_out_maps_are_validation_wafers_as_they_are(fake_data):
    real = {
        canonical_states(states[None], 12)[0].tobytes() for states in unlabelled_maps(fake_data, "validation").states
    }
    maps = held_out_maps(fake_data, 12, count=30)
    assert sum(wafer.tobytes() in real for wafer in maps) >= 15


def test_a_student_decides_on_all_validation_wafers_and_on_views_of_what_is_called(fake_data):
    real = np.stack(
        [canonical_states(states[None], 12)[0] for states in unlabelled_maps(fake_data, "validation").states]
    )
    drawn = {called: decided_maps(fake_data, 12, called, count=40) for called in (nothing, much)}
    for called, (maps, decided) in drawn.items():
        assert maps.shape == (len(real) + 40, 2, 12, 12)
        assert np.array_equal(maps[: len(real)], real)
        assert np.array_equal(decided, np.concatenate([called(maps[: len(real)]), called(maps[len(real) :])]))
    assert not np.array_equal(drawn[nothing][0], drawn[much][0])


def test_what_a_model_was_taught_is_drawn_by_what_it_calls(fake_data):
    assert not np.array_equal(taught_maps(fake_data, 12, nothing, 40), taught_maps(fake_data, 12, much, 40))
