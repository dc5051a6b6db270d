"""Rivals beside each other: measured once, then printed and recorded, trained or not."""

import numpy as np
import pytest
from torch import nn

from measurements.costs import cost
from measurements.evaluation import Table, measure_rivals, print_rivals, record
from rivals.shelf import Made, Rival, multiplications
from wafer_core.models.folder import resolve
from wafer_core.models.weights import load_network
from wafer_core.training.validation import Examples

SIZE, TEACHER = 12, "f" * 64
LABELS = np.eye(9, 8, dtype=bool)
"""A wafer of each pattern and a normal one."""


class Reads(nn.Module):
    """Finds the label that each map was made of, or everything on each."""

    def __init__(self, everything):
        super().__init__()
        self.everything = everything

    def forward(self, maps):
        seen = maps[:, 0, 0, :8]
        return 10.0 + 0 * seen if self.everything else 20 * seen - 10


def rival(seed):
    made = Made("student-soft", seed, 7, SIZE, "free", (0.5,) * 8, TEACHER)
    return Rival(made, Reads(everything=seed == 1))


@pytest.fixture
def rivalled():
    maps = np.zeros((len(LABELS), 2, SIZE, SIZE), np.float16)
    maps[:, 0, 0, :8] = LABELS
    sets = {"resized": Examples("resized", maps, LABELS, "free")}
    return measure_rivals({"student-soft": [rival(0), rival(1)], "dc-net-plain": []}, sets)


def test_every_seed_of_what_was_trained_is_measured(rivalled):
    soft, missing = rivalled
    figures = {line.metric: [rate.value for rate in found] for line, found in soft.rates.items()}
    assert figures["macro-F1"][0] == 1.0
    assert figures["macro-F1"][1] < 0.5
    assert figures["normal wafers called defective"] == [0.0, 1.0]
    assert missing.rivals == []


def test_what_was_not_trained_is_said_not_to_be(rivalled, capsys):
    print_rivals(rivalled, TEACHER)
    *_, soft, missing = capsys.readouterr().out.splitlines()
    assert "| student-soft | no | 7 | 0, 1 |" in soft
    assert "| 0.0 / 100.0 |" in soft
    assert missing.startswith("| dc-net-plain | yes | not trained here |")


def test_rivals_of_another_teacher_are_named(rivalled, capsys):
    print_rivals(rivalled, "0" * 64)
    assert capsys.readouterr().out.endswith("Made beside another teacher: student-soft-0, student-soft-1.\n")


def test_the_record_names_method_seed_and_figure(rivalled):
    nothing = Table([], {}, "validation", {}, [], {})
    found = record(nothing, rivalled)["rivals"]
    assert {(each["method"], each["seed"], each["steps"]) for each in found} == {
        ("student-soft", 0, 7),
        ("student-soft", 1, 7),
    }
    assert {each["set"] for each in found} == {"resized"}


def test_multiplications_are_those_of_the_shipped_graph():
    model = resolve("student")
    assert multiplications(load_network(model), model.card.size) == cost(model, repeats=1).macs
