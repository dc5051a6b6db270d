import numpy as np
import pytest
import torch

from rivals.features import COUNT, ZONES, LogisticRegression, _largest, _zones, features


def wafers(*fails, size=40):
    """Canonical maps (n, 2, size, size) of square wafers with the cells `fails` picks failing."""
    failing = np.zeros((len(fails), size, size), np.float32)
    for wafer, where in zip(failing, fails, strict=True):
        wafer[where] = 1
    return np.stack([1 - failing, failing], axis=1)


def test_every_map_has_the_same_number_of_finite_features():
    maps = wafers((slice(0), slice(0)), (slice(None), slice(None)), (slice(10, 20), slice(10, 30)))
    found = features(maps)
    assert found.shape == (3, COUNT)
    assert np.isfinite(found).all()


def test_zones_are_shares_of_fails():
    maps = torch.from_numpy(wafers((slice(None), slice(None)), (slice(16, 24), slice(16, 24))))
    whole, middle = _zones(maps[:, 0], maps[:, 1])
    assert torch.allclose(whole, torch.ones(ZONES))
    assert middle[0] > 0.4
    assert middle[5:].sum() == 0


def test_the_largest_region_leaves_smaller_ones_out():
    failing = torch.zeros(1, 12, 12, dtype=torch.bool)
    failing[0, 1:3, 1:3] = True
    failing[0, 3, 3] = True
    failing[0, 8, 5:9] = True
    assert _largest(failing).sum() == 5
    assert _largest(failing)[0, 3, 3]
    assert _largest(torch.zeros(1, 12, 12, dtype=torch.bool)).sum() == 0


@pytest.mark.parametrize("turns", [1, 2, 3])
def test_a_turned_region_keeps_its_shape(turns):
    maps = wafers((slice(5, 9), slice(10, 30)))
    region = features(maps)[0, -6:]
    assert features(np.rot90(maps, turns, (2, 3)).copy())[0, -6:] == pytest.approx(region, abs=1e-4)
    assert region[2] > 3 * region[3]


def test_a_regression_learns_what_a_zone_tells():
    random = np.random.default_rng(0)
    middle = random.random(300) < 0.5
    size = slice(14, 26)
    maps = np.concatenate([wafers((size, size) if there else (slice(0, 6), slice(0, 6))) for there in middle])
    labels = np.zeros((300, 8), bool)
    labels[:, 0] = middle
    regression = LogisticRegression()
    regression.fit(features(maps), labels)
    with torch.inference_mode():
        assert np.array_equal(regression(torch.from_numpy(maps))[:, 0].numpy() > 0, middle)
