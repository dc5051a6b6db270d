import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from wafer_core.decode import (
    decode,
    decode_with,
    least_certain,
    logit,
    match_thresholds,
    set_titles,
    sigmoid,
    verdict_titles,
)
from wafer_core.models.folder import files_of
from wafer_core.patterns import ALLOWED_SETS, flags

HALF = (0.5,) * 8
LOGITS = st.integers(-2000, 2000).map(lambda hundredths: hundredths / 100)
"""In steps, because sums of floats cannot tell logits apart that differ by less than rounding."""
SOME_LOGITS = st.integers(0, 12).flatmap(lambda n: arrays(np.float32, (n, 8), elements=LOGITS))
THRESHOLDS = arrays(np.float64, 8, elements=st.integers(1, 99).map(lambda percent: percent / 100))


def brute_force(row, thresholds, allowed):
    """The worth of every allowed set, added up one pattern at a time."""
    gains = [float(value) - float(np.log(t / (1 - t))) for value, t in zip(row, thresholds, strict=True)]
    return [sum(gains[k] for k in range(8) if members[k]) for members in ALLOWED_SETS[allowed]]


@pytest.mark.parametrize("allowed", ALLOWED_SETS)
@given(logits=SOME_LOGITS, thresholds=THRESHOLDS)
@settings(deadline=None)
def test_the_most_valuable_allowed_set_is_chosen(allowed, logits, thresholds):
    verdicts = decode(logits, thresholds, allowed, unsure_below=0.5)
    for i, row in enumerate(logits):
        worth = brute_force(row, thresholds, allowed)
        best, second = sorted(worth, reverse=True)[:2]
        chosen = [
            w
            for w, members in zip(worth, ALLOWED_SETS[allowed], strict=True)
            if (members == verdicts.detected[i]).all()
        ]
        assert chosen == pytest.approx([best], abs=1e-6)
        assert verdicts.margin[i] == pytest.approx(best - second, abs=1e-4)
        assert verdicts.unsure[i] == (verdicts.margin[i] < 0.5) or verdicts.margin[i] == pytest.approx(0.5)


@pytest.mark.parametrize("allowed", ALLOWED_SETS)
@given(logits=SOME_LOGITS, thresholds=THRESHOLDS)
@settings(deadline=None)
def test_the_thresholded_set_is_the_answer_where_it_is_allowed(allowed, logits, thresholds):
    verdicts = decode(logits, thresholds, allowed)
    above = logits.astype(np.float64) > logit(thresholds)
    possible = (above[:, None] == ALLOWED_SETS[allowed][None]).all(axis=2).any(axis=1)
    assert (verdicts.detected[possible] == above[possible]).all()
    assert (verdicts.excluded == (above & ~verdicts.detected)).all()
    assert not verdicts.excluded[possible].any()
    assert verdicts.excluded[~possible].any(axis=1).all()


@pytest.mark.parametrize(
    ("patterns", "allowed", "detected", "excluded"),
    [
        ({}, "38", "Normal", ""),
        ({"Center": 1}, "38", "Center", ""),
        ({"Center": 1, "Donut": 2}, "38", "Donut", "Center"),
        ({"Center": 1, "Donut": 2}, "free", "Center+Donut", ""),
        ({"Random": 3, "Loc": 1, "Scratch": 1}, "38", "Random", "Loc+Scratch"),
        ({"Random": 1, "Loc": 1, "Scratch": 1}, "38", "Loc+Scratch", "Random"),
        ({"Near-Full": 1, "Loc": 2}, "free", "Loc", "Near-Full"),
        ({"Near-Full": 3, "Loc": 2}, "free", "Near-Full", "Loc"),
    ],
)
def test_what_an_engineer_reads(patterns, allowed, detected, excluded):
    row = np.full((1, 8), -4, np.float32)
    for name, value in patterns.items():
        row[0, flags([name])] = value
    verdicts = decode(row, HALF, allowed)
    assert verdict_titles(verdicts) == [detected]
    assert set_titles(verdicts.excluded, empty="") == [excluded]


def test_of_sets_worth_the_same_the_smaller_is_chosen():
    verdicts = decode(np.zeros((1, 8), np.float32), HALF, "free")
    assert verdict_titles(verdicts) == ["Normal"]
    assert verdicts.margin[0] == 0


def test_a_wafer_that_was_not_scored_has_no_verdict():
    logits = np.full((2, 8), 3, np.float32)
    logits[0, 4] = np.nan
    verdicts = decode(logits, HALF, "free", unsure_below=9)
    assert verdicts.scored.tolist() == [False, True]
    assert verdict_titles(verdicts)[0] == ""
    assert not verdicts.detected[0].any()
    assert not verdicts.excluded[0].any()
    assert not verdicts.unsure[0]
    assert np.isnan(verdicts.probabilities[0]).all()


def test_infinite_logits_are_certain_and_not_missing():
    verdicts = decode(np.array([[np.inf, *[-np.inf] * 7]], np.float32), HALF, "38")
    assert verdict_titles(verdicts) == ["Center"]
    assert verdicts.probabilities[0].tolist() == [1, *[0] * 7]


def test_no_wafers_are_no_verdicts():
    verdicts = decode(np.empty((0, 8), np.float32), HALF, "38")
    assert len(verdicts) == 0
    assert verdict_titles(verdicts) == []


@pytest.mark.parametrize(
    ("logits", "thresholds", "allowed", "sentence"),
    [
        (np.zeros((2, 7)), HALF, "38", "not \\(n, 8\\)"),
        (np.zeros((2, 8)), (0.5,) * 7, "38", "8 probabilities"),
        (np.zeros((2, 8)), (*HALF[1:], 1.0), "38", "between 0 and 1"),
        (np.zeros((2, 8)), HALF, "39", "no decoder"),
    ],
)
def test_impossible_questions_are_refused(logits, thresholds, allowed, sentence):
    with pytest.raises(ValueError, match=sentence):
        decode(logits, thresholds, allowed)


@settings(deadline=None)
@given(arrays(np.float64, 5, elements=st.floats(0.001, 0.999)))
def test_logit_undoes_sigmoid(probabilities):
    assert sigmoid(logit(probabilities)) == pytest.approx(probabilities)


def test_sigmoid_of_far_logits_overflows_nowhere():
    assert sigmoid([-1e9, 0, 1e9]).tolist() == [0, 0.5, 1]


def test_the_least_certain_share_lies_below_its_margin():
    margins = np.array([*np.arange(100), np.nan])
    assert (margins[:100] < least_certain(margins)).mean() == 0.05
    assert least_certain(np.array([])) == 0


def test_a_model_decodes_with_its_own_card(tiny_folder):
    model = files_of(tiny_folder)[0]
    logits = np.random.default_rng(0).normal(size=(20, 8)).astype(np.float32)
    expected = decode(logits, model.entry.thresholds, model.card.decoder, model.card.unsure_below)
    assert (decode_with(model, logits).detected == expected.detected).all()


@settings(deadline=None)
@given(
    st.integers(1, 12).flatmap(
        lambda n: st.tuples(
            arrays(bool, n),
            arrays(np.float32, n, elements=st.sampled_from(np.linspace(-3, 3, 13).tolist())),
        )
    )
)
def test_matched_thresholds_leave_the_fewest_disagreements(calls_and_logits):
    calls, logits = calls_and_logits
    thresholds = match_thresholds(np.tile(calls[:, None], 8), np.tile(logits[:, None], 8))
    values = np.unique(logits)
    cuts = [-9, *((values[1:] + values[:-1]) / 2), 9]
    fewest = min(int(((logits > cut) != calls).sum()) for cut in cuts)
    assert len(set(thresholds)) == 1
    assert int(((logits > logit(thresholds[0])) != calls).sum()) == fewest


@pytest.mark.parametrize(
    ("calls", "logits", "expected"),
    [
        ([0, 0, 1, 1], [-3, -1, 2, 4], 0.5),  # the middle of the gap from -1 to 2
        ([0, 0, 0], [-3, -2, -1], 0.0),  # the teacher calls none, nor does one half
        ([0, 0, 0], [-3, -2, 1], 1.5),  # one half would call the last one
        ([1, 1, 1], [1, 2, 3], 0.0),
        ([1, 1, 1], [-1, 2, 3], -1.5),
        ([0, 1, 0, 1], [-2, -1, 0.5, 2], 1.25),  # two cuts are equally good; -1.5 is farther from one half
        ([], [], 0.0),
    ],
)
def test_where_a_matched_threshold_stands(calls, logits, expected):
    calls = np.tile(np.array(calls, bool)[:, None], 8)
    logits = np.tile(np.array(logits, np.float32)[:, None], 8)
    assert logit(match_thresholds(calls, logits)) == pytest.approx([expected] * 8)


@pytest.mark.parametrize(
    ("calls", "logits", "settled", "expected"),
    [
        ([0, 0, 1, 1], [-3, -1, 2, 4], 1.8, 1.8),  # as good as the middle of the gap
        ([0, 0, 1, 1, 1, 1, 1], [-3, -1, 2, 3, 4, 5, 7], 6.0, 6.0),  # four wafers mended may be chance
        ([0, 0, 1, 1, 1, 1, 1, 1], [-3, -1, 2, 3, 4, 5, 6, 8], 7.0, 0.5),  # five are not
        ([0, 0, 1, 1, 0, 1, 1, 1, 1], [-3, -1, 2, 3, 3.5, 4, 5, 6, 8], 7.0, 7.0),  # five are where one is broken
        ([1, 1, 1, 1, 1, 1], [-5, -4, -3, -2, -1, 9], 0.0, -5.5),
        # two cuts are equally good; 0.5 is nearer to one half, but farther from what is settled
        ([0, 0, 1, 0, 1, 1, 1, 1, 1, 1], [-3, -1, 2, 3, 4, 5, 6, 7, 8, 9], 10.0, 3.5),
        ([], [], 0.7, 0.7),
    ],
)
def test_a_settled_threshold_moves_where_that_mends_more_than_chance_would(calls, logits, settled, expected):
    calls = np.tile(np.array(calls, bool)[:, None], 8)
    logits = np.tile(np.array(logits, np.float32)[:, None], 8)
    before = tuple(sigmoid([settled] * 8))
    assert logit(match_thresholds(calls, logits, before)) == pytest.approx([expected] * 8)


def test_every_pattern_has_its_own_threshold():
    logits = np.random.default_rng(1).normal(size=(400, 8)).astype(np.float32)
    teacher = np.linspace(-1, 1, 8)
    thresholds = match_thresholds(logits > teacher, logits)
    assert logit(thresholds) == pytest.approx(teacher, abs=0.1)
    assert (decode(logits, thresholds, "free").probabilities.shape) == (400, 8)


def test_decisions_and_logits_must_fit():
    with pytest.raises(ValueError, match="must both be"):
        match_thresholds(np.zeros((3, 8), bool), np.zeros((2, 8), np.float32))


def test_titles_of_every_set():
    sets = np.array(list(itertools.product((False, True), repeat=8)))
    titles = set_titles(sets)
    assert titles[0] == "Normal"
    assert len(set(titles)) == 256
    assert titles[-1] == "Center+Donut+Edge-Loc+Edge-Ring+Loc+Near-Full+Scratch+Random"
