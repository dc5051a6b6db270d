import numpy as np
import pytest

from measurements.noise import class_probabilities, suspects


@pytest.mark.parametrize(
    ("probabilities", "labels", "seems"),
    [
        # The last wafer, labelled 1, is surer of 0 than those of label 0 are on average.
        ([[0.8, 0.2], [0.6, 0.4], [0.1, 0.9], [0.9, 0.1]], [0, 0, 1, 1], [0, 0, 1, 0]),
        # Nothing reaches what its own wafers have on average: the labels stay.
        ([[0.9, 0.1], [0.5, 0.5], [0.3, 0.7], [0.2, 0.8]], [0, 0, 1, 1], [0, 0, 1, 1]),
        # Nobody is of class 1, so nobody can seem to be.
        ([[0.1, 0.9], [0.7, 0.3]], [0, 0], [0, 0]),
    ],
)
def test_suspects_seem_surely_of_another_class(probabilities, labels, seems):
    assert suspects(np.array(probabilities), np.array(labels)).tolist() == seems


def test_a_wafer_has_one_pattern_or_none():
    logits = np.full((3, 8), -9, dtype=np.float32)
    logits[1, 2] = logits[2, [3, 4]] = 5
    found = class_probabilities(logits)
    assert found.sum(axis=1) == pytest.approx(1)
    assert found.argmax(axis=1).tolist()[:2] == [8, 2]
    assert found[2, 3] == pytest.approx(found[2, 4]) == pytest.approx(0.5, abs=0.01)
