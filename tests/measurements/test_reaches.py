import shutil
from dataclasses import replace

import numpy as np
import pytest

from measurements.evaluation import LINES, Table
from measurements.reaches import AT_MOST, LOST, figures, keep_in_cards
from wafer_core.compare import Paired, Rate
from wafer_core.models.card import Card
from wafer_core.models.folder import files_of
from wafer_core.training.validation import Examples

LINE = {(line.set, line.metric): line for line in LINES}
F1, ALARMS = LINE["resized", "macro-F1"], LINE["resized", "normal wafers called defective"]
NATIVE, STOPPED = LINE["native", "macro-F1"], LINE["native, 10% of rows untested", "macro-F1"]
COMMAND = "python -m measurements.table"


def rate(value):
    return Rate(value, value - 0.01, value + 0.01, 60)


def pair(n, loss, upper):
    return Paired(n, 5, 3, Rate(loss, loss - 0.001, loss + 0.001, n), upper, 0.5)


@pytest.fixture
def models(tiny_folder, tmp_path):
    folder = shutil.copytree(tiny_folder, tmp_path / "model")
    return files_of(folder)[:2]


@pytest.fixture
def table(models):
    sets = {
        line.set: Examples(line.set, np.zeros((2, 2, 4, 4), np.float16), np.zeros((2, 8), bool), "free")
        for line in (F1, NATIVE, STOPPED)
    }
    rates = {F1: [0.95, 0.9], ALARMS: [0.005, 0.02], NATIVE: [0.94, 0.93], STOPPED: [0.92, 0.89]}
    return Table(
        models,
        sets,
        "test",
        {line: [rate(value) for value in found] for line, found in rates.items()},
        [],
        {"resized": [pair(6_000, 0.0025, 0.0051)], "native": [pair(400, 0.02, 0.03)]},
    )


def told(table, number):
    return {(one.set, one.metric): (one.reach, one.reached) for one in figures(table, number, COMMAND)}


def test_a_figure_says_what_was_meant_and_whether_it_was_reached(table):
    teacher, student = told(table, 0), told(table, 1)
    assert teacher["WM-811K resized", "macro-F1"] == (0.93, True)
    assert student["WM-811K resized", "macro-F1"] == (0.93, False)
    assert teacher["WM-811K resized", ALARMS.metric] == (0.01, True)
    assert student["WM-811K resized", ALARMS.metric] == (0.01, False)
    few = "macro-F1 over patterns of 10 wafers or more"
    assert teacher["WM-811K native, 10% of rows untested", few] == (pytest.approx(0.91), True)
    assert student["WM-811K native, 10% of rows untested", few] == (pytest.approx(0.90), False)


def test_a_loss_is_bounded_where_there_are_many_wafers_and_nothing_to_tell_where_there_are_few(table):
    student = told(table, 1)
    assert student["WM-811K resized", LOST] == (0.003, True)
    assert student["WM-811K resized", AT_MOST] == (0.005, False)
    assert student["WM-811K native", LOST] == (0.0, False)
    assert ("WM-811K native", AT_MOST) not in student
    assert not any(metric == LOST for _, metric in told(table, 0))


def test_nothing_is_judged_on_validation(table):
    assert {reach for reach, _ in told(replace(table, part="validation"), 1).values()} == {None}


def test_cards_keep_the_latest_figures_of_a_part_and_all_others(table, models):
    folder = models[0].folder
    before = Card.read(folder).figures
    keep_in_cards(replace(table, part="validation"), COMMAND)
    keep_in_cards(table, COMMAND)
    keep_in_cards(table, COMMAND)
    found = Card.read(folder).figures
    assert found[: len(before)] == before
    assert [one.split for one in found[len(before) :]].count("test") == 4 + 7
    assert len(found) == len(before) + 2 * (4 + 7)
    missed = [one.file for one in found if one.reached is False]
    assert missed == [models[1].file] * 5
