"""Flipped dies as text: what is written reads back, steps are undone, and nothing but tested dies is flipped."""

import tracemalloc
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wafer_core.lot import FAIL, NO_DIE, PASS, UNTESTED, Frame, Wafer
from wafer_core.ui.wafer.attempt import MOST_DIES, MOST_LETTERS, Attempt, named_dies


def wafer(rows=30, columns=50, seed=0):
    states = np.random.default_rng(seed).choice([PASS, PASS, FAIL], size=(rows, columns)).astype(np.uint8)
    states[0, :4] = NO_DIE, UNTESTED, PASS, FAIL
    return Wafer("L", "01", Frame(rows, columns), states)


@cache
def large():
    """A wafer of half a million dies, all tested."""
    return Wafer("L", "01", Frame(700, 700), np.full((700, 700), PASS, dtype=np.uint8))


@given(st.lists(st.lists(st.integers(2, 1499), min_size=1, max_size=40), max_size=6))
def test_what_is_written_reads_back(steps):
    made = Attempt(wafer()).taken(steps)
    again = Attempt.read(made.text, wafer())
    assert again.steps == made.steps
    assert again.dies == made.dies


def test_the_text_is_short_and_needs_no_escaping():
    made = Attempt(wafer()).taken([[100, 101, 102, 103], [7, 1300]])
    head, *steps = made.text.split("~")
    assert wafer().map_hash.startswith(head)
    assert steps == ["2s-4", "7.104"]


def test_a_die_flipped_twice_is_as_it_was_and_steps_are_undone():
    made = Attempt(wafer()).then([5, 6]).then([6, 7])
    assert made.dies == (5, 7)
    assert made.altered.map_hash == Attempt(wafer()).then([5, 7]).altered.map_hash
    assert made.undone().dies == (5, 6)
    assert made.undone().undone().altered.map_hash == wafer().map_hash
    assert made.undone().undone().undone().steps == ()


def test_it_is_counted_what_passes_and_what_fails_now():
    made = Attempt(wafer()).then([2, 3])
    assert (made.mended, made.broken) == (1, 1)


def test_only_tested_dies_are_flipped():
    made = Attempt(wafer()).taken([[0, 1], [1, 2, 9999]])
    assert made.steps == ((2,),)


@pytest.mark.parametrize("text", [None, "", "2s", "00000000~2s", "~~"])
def test_another_wafers_flips_are_none_of_this_one(text):
    assert Attempt.read(text, wafer()) is None
    assert Attempt.read(Attempt(wafer(seed=1)).then([5]).text, wafer()) is None


def test_no_more_is_read_than_an_address_may_hold():
    head = Attempt(wafer()).text
    assert Attempt.read(f"{head}{'~2-zzzz' * 250}", wafer()).steps
    assert Attempt.read(f"{head}{'~2-zzzz' * 300}", wafer()) is None


def test_a_step_that_names_a_wafer_over_and_over_takes_no_more_than_one_that_names_it_once():
    head = Attempt(large()).text
    once, often = f"{head}~0-zzzz", f"{head}~0-zzzz{'.0-zzzz' * 279}"
    tracemalloc.start()
    try:
        assert Attempt.read(often, large()) == Attempt.read(once, large())
        assert tracemalloc.get_traced_memory()[1] < 64 << 20
    finally:
        tracemalloc.stop()


def test_a_wafer_named_in_every_step_is_more_than_an_address_may_hold():
    head, size = Attempt(large()).text, large().states.size
    most = MOST_DIES // size
    tracemalloc.start()
    try:
        assert Attempt.read(f"{head}{'~0-zzzz' * 280}", large()) is None
        assert tracemalloc.get_traced_memory()[1] < 192 << 20
    finally:
        tracemalloc.stop()
    assert len(Attempt.read(f"{head}{'~0-zzzz' * most}", large()).steps) == most
    made = Attempt(large(), (tuple(range(size)),) * most)
    assert made.fits
    assert not replace(made, steps=made.steps + made.steps[:1]).fits


def test_what_cannot_be_read_is_passed_over():
    head = Attempt(wafer()).text
    assert Attempt.read(f"{head}~!!.2s.-~zzzzzz-zzzzzz~5-", wafer()).steps == ((100,),)
    assert len(Attempt.read(f"{head}~2-zzzzzz", wafer()).dies) == 1498
    assert Attempt.read(f"{head}~5.2-3.4-2.2.0-3", wafer()).steps == ((2, 3, 4, 5),)


def test_scattered_dies_of_a_whole_wafer_do_not_fit_into_an_address():
    large = wafer(120, 120)
    assert not Attempt(large).then(range(2, large.states.size, 2)).fits
    assert Attempt(large).then(range(2, large.states.size)).fits
    assert len(Attempt(large).then(range(2, 900, 2)).text) <= MOST_LETTERS


@pytest.mark.parametrize(
    ("text", "cells", "missed"),
    [
        ("12,34", [], ["12,34"]),  # there is no die in the corner
        ("14,34", [2], []),
        ("15,34 16, 33", [3, 54], []),
        ("15/34; 99,99", [3], ["99,99"]),
        ("15 34\n16 34", [3, 4], []),
        ("\N{MINUS SIGN}3,2", [], ["-3,2"]),
        ("no die", [], ["no die"]),
        ("15.5,34", [], ["15.5,34"]),
        ("15, 34, 16", [], ["15, 34, 16"]),
        ("", [], []),
    ],
)
def test_dies_are_named_by_the_coordinates_of_the_file(text, cells, missed):
    framed = Wafer("L", "01", Frame(30, 50, x=12, y=34, y_step=-1), wafer().states)
    assert named_dies(text, framed) == (cells, missed)


def test_a_die_left_of_the_first_is_named_with_either_minus():
    framed = Wafer("L", "01", Frame(30, 50, x=-5, y=0), wafer().states)
    assert named_dies("-2,0", framed) == named_dies("\N{MINUS SIGN}2,0", framed) == ([3], [])
