"""Verdicts as CSV: the columns of the command line, a row for every wafer."""

import csv
import io
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from wafer_core.decode import decode
from wafer_core.lot import Lot
from wafer_core.verdicts_csv import COLUMNS, verdicts_csv


def test_every_wafer_keeps_its_row_and_numbers_read_back(
    disc_states: Callable[..., NDArray[np.uint8]], lot_of: Callable[..., Lot]
) -> None:
    lot = lot_of([disc_states(9, 9, seed=i) for i in range(4)], lot="A,1")
    logits = np.full((4, 8), -3.0, dtype=np.float32)
    logits[0, [0, 6]] = 2.5
    logits[2] = np.nan
    logits[3, [0, 1]] = 4.0, 1.0
    verdicts = decode(logits, [0.5] * 8, "38")
    head, *rows = csv.reader(io.StringIO(verdicts_csv(lot, verdicts)))
    assert tuple(head) == COLUMNS
    assert [row[:2] for row in rows] == [["A,1", wafer.wafer] for wafer in lot]
    assert [row[10:12] for row in rows] == [["Center+Scratch", ""], ["Normal", ""], ["", ""], ["Center", "Donut"]]
    assert rows[2][2:] == [""] * 13
    for row in (0, 1, 3):
        assert np.array_equal(np.array(rows[row][2:10], dtype=np.float32), verdicts.probabilities[row])
        assert np.float32(rows[row][12]) == verdicts.margin[row]


def test_novelty_and_flag_follow_the_margin(
    disc_states: Callable[..., NDArray[np.uint8]], lot_of: Callable[..., Lot]
) -> None:
    lot = lot_of([disc_states(9, 9, seed=i) for i in range(5)])
    logits = np.full((5, 8), -3.0, dtype=np.float32)
    logits[4] = np.nan
    novelty = np.array([0.25, 1.0, 1.5, np.nan, 2.0], dtype=np.float32)
    verdicts = decode(logits, [0.5] * 8, "38", novelty=novelty)
    head, *rows = csv.reader(io.StringIO(verdicts_csv(lot, verdicts)))
    assert head[-3:] == ["margin", "novelty", "flag"]
    assert [row[-2:] for row in rows] == [["0.25", "no"], ["1.0", "no"], ["1.5", "yes"], ["", ""], ["", ""]]
    assert rows[2][10] == "Normal"
    assert verdicts.flagged.tolist() == [False, False, True, False, False]


def test_a_wafer_is_flagged_from_the_first_number_above_one(
    disc_states: Callable[..., NDArray[np.uint8]], lot_of: Callable[..., Lot]
) -> None:
    novelty = np.array([1.0, np.nextafter(np.float32(1), np.float32(2))], dtype=np.float32)
    verdicts = decode(np.full((2, 8), -3.0, dtype=np.float32), [0.5] * 8, "38", novelty=novelty)
    lot = lot_of([disc_states(9, 9, seed=i) for i in range(2)])
    _, *rows = csv.reader(io.StringIO(verdicts_csv(lot, verdicts)))
    assert [row[-2:] for row in rows] == [["1.0", "no"], ["1.0000001", "yes"]]


@pytest.mark.parametrize("name", ["05\r+1+1", "05\n+1+1", "05\r\n+1", '05"\r'])
def test_a_row_stays_one_row_whatever_breaks_an_id(
    disc_states: Callable[..., NDArray[np.uint8]], lot_of: Callable[..., Lot], name: str
) -> None:
    lot = lot_of([disc_states(9, 9, seed=i) for i in range(2)])
    lot = replace(lot, wafers=(replace(lot.wafers[0], wafer=name), lot.wafers[1]))
    said = verdicts_csv(lot, decode(np.zeros((2, 8), np.float32), [0.5] * 8, "38"))
    _, first, second = csv.reader(io.StringIO(said, newline=""))
    assert first[1] == name
    assert len(first) == len(second) == len(COLUMNS)


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ('=HYPERLINK("http://example.org")', '\'=HYPERLINK("http://example.org")'),
        ("+1+cmd|' /C calc'!A0", "'+1+cmd|' /C calc'!A0"),
        ("-1-cmd", "'-1-cmd"),
        ("@SUM(1)", "'@SUM(1)"),
        ("\t=1+1", "'\t=1+1"),
        ("-3", "-3"),
        ("+7", "+7"),
        ("A-1", "A-1"),
        ("", ""),
    ],
)
def test_no_spreadsheet_runs_an_id_as_a_formula(
    name: str, written: str, disc_states: Callable[..., NDArray[np.uint8]], lot_of: Callable[..., Lot]
) -> None:
    wafer = replace(lot_of([disc_states(9, 9, seed=0)]).wafers[0], lot=name, wafer=name)
    verdicts = decode(np.full((1, 8), -3.0, dtype=np.float32), [0.5] * 8, "38")
    _, row = csv.reader(io.StringIO(verdicts_csv(Lot("A", (wafer,)), verdicts)))
    assert row[:2] == [written, written]
    assert float(row[12]) == verdicts.margin[0]
