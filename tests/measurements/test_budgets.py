"""What the table of budgets is made of: a new product's lot, the wafers held out, and its verdicts."""

import json
from dataclasses import asdict, replace

import numpy as np
import pytest

from measurements.budgets import Row, held_out_of, new_product, print_rows
from measurements.timing import ROOT
from wafer_core.distill_lot.judged import judging
from wafer_core.lot import FAIL, NO_DIE
from wafer_core.readers import read_paths

ROW = Row(
    lot="a lot",
    student="1" * 64,
    teacher="2" * 64,
    budget=30.0,
    seconds=28.4,
    steps=120,
    before={"wafers": 80, "exact": 70, "called": 40, "exact_called": 31, "logit_difference": 0.81},
    after={"wafers": 80, "exact": 74, "called": 41, "exact_called": 35, "logit_difference": 0.52},
    only_before=1,
    only_after=5,
    guard_loss=0.001,
    guard_upper=0.004,
    guard="kept",
)


def test_a_new_product_fails_more_where_its_tester_is_dirty():
    wafers = np.stack(new_product(20, seed=3))
    assert wafers.shape == (20, 104, 66)
    dies, fails = wafers != NO_DIE, wafers == FAIL
    rate = fails.sum(axis=(0, 1)) / dies.sum(axis=(0, 1))
    assert rate[::4].mean() > rate[1::4].mean() + 0.02
    assert np.array_equal(np.stack(new_product(20, seed=3)), wafers)


def test_equal_wafers_are_held_out_once(tmp_path):
    maps = np.stack(new_product(30, seed=5))
    np.savez(tmp_path / "lot.npz", maps=np.concatenate([maps, maps]))
    found = held_out_of(tmp_path / "lot.npz")
    assert 0 < len(found) < 30
    assert len({wafer.map_hash for wafer in found}) == len(found)


def test_a_wafer_that_students_are_judged_by_is_not_held_out():
    lot = ROOT / "assets" / "lots" / "lot18905.npz"
    found = held_out_of(lot)
    assert len(found) == 1
    assert not judging(found)
    assert judging(read_paths([lot]))


@pytest.mark.parametrize(("budget", "limit"), [(30.0, ("--budget", 30.0)), (None, ("--steps", 120))])
def test_a_row_outlives_its_file(budget, limit):
    row = replace(ROW, budget=budget)
    assert Row(**json.loads(json.dumps(asdict(row)))) == row
    assert row.limit == limit


def test_a_row_of_before_sizes_were_told_is_of_a_small_student():
    old = asdict(ROW)
    del old["size"]
    assert Row(**old).size == "small"


def test_students_of_either_size_stand_below_each_other(capsys):
    print_rows([replace(ROW, size="base"), ROW])
    assert [line.split(" | ")[1] for line in capsys.readouterr().out.splitlines()[2:4]] == ["base", "small"]


@pytest.mark.parametrize(
    ("changed", "missed"),
    [
        ({}, None),
        ({"seconds": 30.5}, "no run took longer than its budget"),
        ({"only_before": 6}, "no lot ends below the shipped student"),
        ({"guard": "lost"}, "no run loses more than half a point on the guard set"),
    ],
)
def test_goals_are_told_from_the_rows(capsys, changed, missed):
    print_rows([ROW, replace(ROW, budget=120.0, **changed)] if missed is None else [replace(ROW, **changed)])
    lines = capsys.readouterr().out.splitlines()
    assert "70 → 74 of 80 | 31 of 40 → 35 of 41" in lines[2]
    assert [line for line in lines if line.startswith("MISSED")] == ([f"MISSED {missed}."] if missed else [])
