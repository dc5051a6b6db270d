"""A set before a model: only what is called counts, every method gets its items, and agreement is by die."""

import numpy as np
import pytest

from wafer_core.explain import attribute
from wafer_core.lot import Frame, Wafer
from wafer_core.models.folder import files_of
from wafer_core.patterns import index
from wafer_core.recognise import load_recognizer
from wafer_core.trust.exam import Answered, agreement, examine, methods_named
from wafer_core.trust.flips import FILLS
from wafer_core.trust.regions import Constructed

EDGE_LOC, LOC = index("Edge-Loc"), index("Loc")


@pytest.fixture(scope="module")
def recognizer(tiny_folder):
    """Untrained: it calls Center and Edge-Loc on everything."""
    return load_recognizer(files_of(tiny_folder)[0], threads=1)


@pytest.fixture(scope="module")
def wafers(disc_states):
    """Wafers whose upper fails are said to be Edge-Loc's, and the lower ones Loc's, which it does not call."""
    made = []
    for seed in range(4):
        wafer = Wafer("made", f"{seed}", Frame(20, 20), disc_states(20, 20, 0.3, seed))
        failing, regions = wafer.states == 2, np.zeros((8, 20, 20), bool)
        regions[EDGE_LOC, :10], regions[LOC, 10:] = failing[:10], failing[10:]
        made.append(Constructed(wafer, regions, regions, np.zeros((20, 20), bool)))
    return made


@pytest.fixture(scope="module")
def exam(recognizer, wafers):
    return examine(recognizer, "made", wafers, methods_named(["deeplift", "gradcam"]), checked=2)


def test_only_called_patterns_are_scored(exam):
    for answered in exam.answers.values():
        assert [(item.wafer, item.pattern) for item in answered.items] == [(wafer, EDGE_LOC) for wafer in range(4)]
        assert len(answered.items) == len(answered.earned) == len(answered.milliseconds)
        assert answered.typical_milliseconds > 0


def test_the_dear_scores_are_taken_on_the_first_wafers(exam):
    for answered in exam.answers.values():
        checked = ["max-sensitivity" in item.parts for item in answered.items]
        assert checked == [True, True, False, False]
        assert ["randomised weights" in item.parts for item in answered.items] == checked


def test_both_fills_are_tried_on_every_wafer(exam):
    for answered in exam.answers.values():
        for fill in FILLS:
            assert all(f"deletion, {fill}" in item.parts for item in answered.items)


def test_credit_is_kept_by_failing_die(exam, recognizer, wafers):
    (number, pattern), earned = next(iter(exam.answers["deeplift"].earned.items()))
    made = wafers[number]
    expected = attribute(recognizer, made.wafer, "deeplift", [pattern])[0][made.failing]
    assert np.array_equal(earned, expected)


def test_a_method_agrees_with_itself_and_is_compared_where_both_answer(exam):
    same = agreement(exam.answers["deeplift"], exam.answers["deeplift"])
    assert [item.parts["agreement"].top for item in same] == pytest.approx([1.0] * len(same))
    few = Answered(earned={(0, 0): np.arange(5.0), (1, 0): np.arange(30.0), (2, 0): np.arange(30.0)})
    other = Answered(earned={(0, 0): np.arange(5.0), (1, 0): -np.arange(30.0)})
    found = agreement(few, other)
    assert [(item.wafer, item.parts["agreement"].top) for item in found] == [(1, pytest.approx(-1))]


def test_rankings_are_compared_from_twenty_failing_dies_on():
    counts = [8, 19, 20, 21]
    both = Answered(earned={(wafer, 0): np.arange(float(count)) for wafer, count in enumerate(counts)})
    assert sorted(item.wafer for item in agreement(both, both)) == [2, 3]


def test_three_models_with_weights_dealt_anew_take_turns(recognizer, wafers):
    explained = []

    def remembering(model, wafer, patterns):
        if model is not recognizer:
            explained.append(model)
        return np.zeros((len(patterns), *wafer.states.shape), np.float32)

    examine(recognizer, "made", wafers, {"remembering": remembering}, checked=4)
    first, second, third, again = (model.score([wafers[0].wafer]).logits for model in explained)
    assert np.array_equal(first, again)
    for one, other in ((first, second), (first, third), (second, third)):
        assert np.abs(one - other).max() > 1e-3


def test_progress_is_told(recognizer, wafers):
    told = []
    examine(recognizer, "made", wafers[:2], {}, 0, told.append)
    assert told == [1, 2]
