"""Figures out of items: sums over wafers, by pattern and pair, with intervals over wafers."""

import numpy as np
import pytest

from wafer_core.patterns import index
from wafer_core.trust.tally import BETTER, Reached, reached
from wafer_core.trust.trial import Item, Part

CENTER, LOC, SCRATCH = map(index, ("Center", "Loc", "Scratch"))


def item(wafer, pattern, hit, own=2.0, other=1.0, beside=()):
    parts = {"pointing": Part(hit, 1.0, 0.25), "own/other": Part(own, other, 1.0)}
    return Item(wafer, pattern, parts, {k: Part(own * (k + 1), other, 1.0) for k in beside})


def one(figures, score, pattern=None, other=None):
    return next(each for each in figures if (each.score, each.pattern, each.other) == (score, pattern, other))


def test_figures_are_pooled_and_told_by_pattern_and_pair():
    items = [
        item(0, CENTER, 1, beside=[LOC]),
        item(0, LOC, 0, 4, 1, beside=[CENTER]),
        item(1, CENTER, 1, 6, 2, [LOC, SCRATCH]),
    ]
    figures = reached(items)
    assert one(figures, "pointing").value == pytest.approx(2 / 3)
    assert one(figures, "pointing").n == 2
    assert one(figures, "pointing").chance == 0.25
    assert one(figures, "own/other").value == pytest.approx(12 / 4)
    assert one(figures, "own/other", "Center").value == pytest.approx(8 / 3)
    assert one(figures, "own/other", "Center", "Loc").value == pytest.approx((LOC + 1) * 8 / 3)
    assert one(figures, "pointing", "Center", "Scratch").n == 1
    assert {each.other for each in reached(items, pairs=False)} == {None}


def test_intervals_come_from_wafers_not_from_patterns():
    random = np.random.default_rng(0)
    hits = random.random(200) < 0.7
    once = one(reached([item(i, CENTER, hit) for i, hit in enumerate(hits)]), "pointing")
    twice = one(reached([item(i, k, hit) for i, hit in enumerate(hits) for k in (CENTER, LOC)]), "pointing")
    assert (twice.low, twice.high) == pytest.approx((once.low, once.high), abs=0.01)
    assert once.high - once.low == pytest.approx(2 * 1.96 * np.sqrt(0.7 * 0.3 / 200), rel=0.2)
    assert once.low < once.value < once.high


def test_an_interval_of_quotients_holds_95_of_100():
    own = np.random.default_rng(0).normal(2.0, 0.5, 400)
    figure = one(reached([item(i, CENTER, 1.0, each) for i, each in enumerate(own)]), "own/other")
    assert figure.value == pytest.approx(own.mean())
    assert figure.high - figure.low == pytest.approx(2 * 1.96 * own.std() / np.sqrt(400), rel=0.1)
    assert figure.high - figure.value == pytest.approx(figure.value - figure.low, rel=0.2)


@pytest.mark.parametrize("score", ["pointing", "own/other", "removal"])
def test_chance_is_the_mean_of_all_attributions(score):
    chances = [0.1, 0.2, 0.6, 0.7]
    items = [Item(i // 2, CENTER, {score: Part(1.0, 1.0, chance)}) for i, chance in enumerate(chances)]
    assert one(reached(items), score).chance == pytest.approx(0.4)


def test_hits_all_alike_are_not_certain():
    figure = one(reached([item(i, CENTER, 1.0) for i in range(10)]), "pointing")
    assert (figure.value, figure.high) == (1, 1)
    assert 0.6 < figure.low < 0.8


def test_what_cannot_be_divided_is_no_figure():
    assert [each.score for each in reached([item(0, CENTER, 1, own=3.0, other=0.0)])] == ["pointing"] * 2
    assert reached([]) == []


@pytest.mark.parametrize(
    ("score", "low", "high", "beats"),
    [
        ("pointing", 0.5, 0.7, True),
        ("pointing", 0.3, 0.7, False),
        ("removal", 0.2, 0.35, True),
        ("removal", 0.3, 0.5, False),
    ],
)
def test_beating_chance_takes_the_whole_interval(score, low, high, beats):
    assert Reached(score, None, None, (low + high) / 2, low, high, 0.4, 20).beats_chance == beats


def test_every_score_says_on_which_side_of_chance_is_good():
    assert set(BETTER.values()) == {"higher", "lower"}
    assert {score for score, side in BETTER.items() if side == "lower"} == {
        "removal",
        "deletion, passing",
        "deletion, untested",
        "infidelity",
        "max-sensitivity",
        "randomised weights",
    }
    assert {score for score, side in BETTER.items() if side == "higher"} == {
        "pointing",
        "pointing, evenly",
        "pointing, unclaimed",
        "pointing, unshared",
        "own/other",
        "insertion, passing",
        "insertion, untested",
        "agreement",
    }
