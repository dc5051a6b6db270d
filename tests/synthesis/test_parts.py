import numpy as np
import pytest

from wafer_core.patterns import PATTERNS
from wafer_core.synthesis.outline import MIXED_OUTLINE, disc
from wafer_core.synthesis.parts import PARTS, clears_inside

SEEDS = range(12)


def drawn(name, seed, outline=MIXED_OUTLINE):
    return PARTS[name](outline, np.random.default_rng(seed))


def mean_radius(name):
    """How far out the defect lies, over many draws, in wafer radii."""
    radius = np.where(MIXED_OUTLINE.inside, MIXED_OUTLINE.radius, 0)
    weights = [np.where(MIXED_OUTLINE.inside, drawn(name, seed), 0) for seed in SEEDS]
    return np.mean([(chances * radius).sum() / chances.sum() for chances in weights])


def test_every_pattern_has_a_part():
    assert tuple(PARTS) == PATTERNS


@pytest.mark.parametrize("outline", [MIXED_OUTLINE, disc(24, 90), disc(90, 24)], ids=["mixed", "wide", "high"])
@pytest.mark.parametrize("name", PATTERNS)
def test_chances_are_chances(name, outline):
    for seed in SEEDS:
        chances = drawn(name, seed, outline)
        assert chances.shape == outline.shape
        assert chances.dtype == np.float32
        assert 0 <= chances.min() <= chances.max() <= 1


@pytest.mark.parametrize("name", PATTERNS)
def test_the_same_seed_draws_the_same_and_another_something_else(name):
    assert np.array_equal(drawn(name, 3), drawn(name, 3))
    assert not np.array_equal(drawn(name, 3), drawn(name, 4))


def test_patterns_lie_where_their_names_say():
    distance = {name: mean_radius(name) for name in ("Center", "Donut", "Loc", "Edge-Loc", "Edge-Ring")}
    assert list(distance) == sorted(distance, key=distance.get)
    assert distance["Center"] < 0.4
    assert distance["Edge-Loc"] > 0.8


@pytest.mark.parametrize(
    ("name", "least", "most"), [("Near-Full", 0.75, 1.0), ("Random", 0.2, 0.7), ("Scratch", 0.002, 0.12)]
)
def test_how_much_of_a_wafer_a_pattern_takes(name, least, most):
    shares = [drawn(name, seed)[MIXED_OUTLINE.inside].mean() for seed in SEEDS]
    assert least <= min(shares)
    assert max(shares) <= most


def test_a_ring_goes_all_the_way_round_and_a_local_edge_does_not():
    _, angle = MIXED_OUTLINE.around(0.0, 0.0)
    edge = MIXED_OUTLINE.inside & (MIXED_OUTLINE.radius > 0.94)
    sector = ((angle + np.pi) / (np.pi / 4)).astype(int) % 8

    def sectors(name, seed):
        chances = drawn(name, seed)
        return sum(chances[edge & (sector == i)].max() > 0.3 for i in range(8))

    assert all(sectors("Edge-Ring", seed) == 8 for seed in SEEDS)
    assert np.mean([sectors("Edge-Loc", seed) for seed in SEEDS]) < 6.5


def test_the_hole_of_a_donut_is_what_it_encloses():
    distance, _ = MIXED_OUTLINE.around(0.2, -0.1)
    ring = ((distance > 0.3) & (distance < 0.5)).astype(np.float32)
    hole = clears_inside(MIXED_OUTLINE, ring)
    assert hole[distance < 0.25].all()
    assert not hole[distance > 0.4].any()
    assert not clears_inside(MIXED_OUTLINE, np.zeros_like(ring)).any()
