"""Rivals beside each other: measured once, then printed and recorded, trained or not."""

from dataclasses import asdict

import numpy as np
import pytest
from torch import nn

from measurements.costs import MICROCONTROLLERS, Cost, cost
from measurements.evaluation import (
    Table,
    measure_rivals,
    print_costs,
    print_rival_costs,
    print_rivals,
    record,
)
from measurements.rival_costs import NOT_EXPORTED
from rivals.shelf import Made, Rival, multiplications
from wafer_core.models.folder import resolve
from wafer_core.models.weights import load_network
from wafer_core.training.validation import Examples

SIZE, TEACHER = 12, "f" * 64
COST = Cost(480, 2_672, 2_392, 3_000, 1_234_567, 0.25, 60_000_000, 812.5)
ASKED = {
    "student-soft": {"ONNX fp32": COST, "ONNX int8": COST},
    "logistic-regression": {NOT_EXPORTED: COST},
    "dc-net-plain": {},
}
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


def test_every_seed_has_a_row_of_figures_with_intervals(rivalled, capsys):
    print_rivals(rivalled, TEACHER)
    *_, zero, one, _ = capsys.readouterr().out.splitlines()
    for seed, row in enumerate((zero, one)):
        rates = [found[seed] for found in rivalled[0].rates.values()]
        told = [f"{100 * rate.value:.1f} ({100 * rate.low:.1f} to {100 * rate.high:.1f})" for rate in rates]
        assert row == f"| student-soft | no | 7 | {seed} | {' | '.join(told)} |"
        assert all(rate.low < rate.high for rate in rates)
    assert "| 0.0 (" in zero
    assert "| 100.0 (" in one


def test_what_was_not_trained_is_said_not_to_be(rivalled, capsys):
    print_rivals(rivalled, TEACHER)
    *_, head, _, _, _, missing = capsys.readouterr().out.splitlines()
    assert missing.startswith("| dc-net-plain | yes | not trained here |")
    assert missing.count("|") == head.count("|")
    print_rival_costs(ASKED)
    rows = [line for line in capsys.readouterr().out.splitlines() if line.startswith("|")]
    assert rows[-1] == "| dc-net-plain |" + " not trained here |" * 9
    assert len({row.count("|") for row in rows}) == 1


def test_what_is_run_of_a_rival_has_every_cost(capsys):
    print_rival_costs(ASKED)
    said = capsys.readouterr().out
    told = f"480 | 2,672 | 2,392 | 3,000 | 1,234,567 | 0.250 | 60,000,000 | 812.500 | {MICROCONTROLLERS[0][0]} |"
    for name in ("student-soft, ONNX fp32", "student-soft, ONNX int8", f"logistic-regression, {NOT_EXPORTED}"):
        assert f"| {name} | {told}" in said
    assert "no graph: logistic-regression. Its costs are those of finding its 59 features" in said


def test_features_are_not_spoken_of_where_there_are_none(capsys):
    print_rival_costs({"student-soft": ASKED["student-soft"]})
    assert "features" not in capsys.readouterr().out


def test_models_cost_a_row_each_too(capsys):
    print_costs({"student-int8": COST})
    head, _, row = capsys.readouterr().out.strip().splitlines()
    assert row.startswith("| student-int8 | 480 | 2,672 |")
    assert head.count("|") == row.count("|")


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
    assert all(each["low"] <= each["value"] <= each["high"] for each in found)


def test_the_record_holds_every_cost(rivalled):
    found = record(Table([], {}, "validation", {}, [], {}), rivalled, ASKED)["rival_costs"]
    assert [(each["method"], each["run"]) for each in found] == [
        ("student-soft", "ONNX fp32"),
        ("student-soft", "ONNX int8"),
        ("logistic-regression", NOT_EXPORTED),
    ]
    assert all(each["cost"] == asdict(COST) for each in found)
    assert {each["would_fit"] for each in found} == {MICROCONTROLLERS[0][0]}


def test_multiplications_are_those_of_the_shipped_graph():
    model = resolve("student")
    assert multiplications(load_network(model), model.card.size) == cost(resolve("student-onnx"), repeats=1).macs
