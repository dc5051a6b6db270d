"""Bars of patterns: how long, how marked, and what they say."""

import numpy as np
import pytest

from wafer_core.charts.bars import pattern_bars, probability_bars
from wafer_core.patterns import PATTERNS, flags


def test_bars_of_a_lot_are_shares_of_the_longest() -> None:
    rows = pattern_bars({"teacher": {"Center": 8, "Loc": 0}, "student": {"Center": 4, "Loc": 1200}})
    assert [(row["name"], [bar["role"] for bar in row["bars"]]) for row in rows] == [
        ("Center", ["teacher", "student"]),
        ("Loc", ["teacher", "student"]),
    ]
    assert [bar["share"] for row in rows for bar in row["bars"]] == pytest.approx([8 / 1200, 4 / 1200, 0, 1])
    assert [bar["text"] for row in rows for bar in row["bars"]] == ["8", "4", "0", "1,200"]


def test_bars_of_nothing_found_are_empty() -> None:
    rows = pattern_bars({"teacher": {"Loc": 0}, "student": {"Loc": 0}})
    assert [bar["share"] for bar in rows[0]["bars"]] == [0, 0]


def test_a_probability_stands_against_its_threshold() -> None:
    probabilities = np.linspace(0, 1, 8)
    rows = probability_bars(probabilities, [0.3] * 8, flags(["Loc"]), "student")
    assert [row["name"] for row in rows] == list(PATTERNS)
    assert [row["bars"][0]["share"] for row in rows] == pytest.approx(probabilities)
    assert {row["bars"][0]["mark"] for row in rows} == {0.3}
    assert [row["name"] for row in rows if row["strong"]] == ["Loc"]
    assert [row["name"] for row in rows if not row["bars"][0]["quiet"]] == ["Loc"]
    assert rows[4]["bars"][0]["hint"] == "Loc: probability 0.5714, threshold 0.3000"


def test_what_was_before_stands_beside_what_is_now():
    rows = probability_bars([0.31] * 8, [0.5] * 8, [False] * 8, "student", before=[0.97, 0.314, *[0.0] * 6])
    first, second, *_ = (row["bars"][0] for row in rows)
    assert (first["share"], first["before"], first["text"]) == (0.31, 0.97, "0.97 → 0.31")
    # What does not change in two digits is said once; the hint has four.
    assert (second["text"], second["before"]) == ("0.31", 0.314)
    assert second["hint"].endswith("before 0.3140")
