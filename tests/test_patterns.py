import numpy as np
import pytest

from wafer_core.patterns import ALLOWED_SETS, NORMAL, PATTERNS, SUSPECTS, flags, index, names, title


def members(decoder):
    return {names(row) for row in ALLOWED_SETS[decoder]}


def test_the_order_is_that_of_mixedwm38():
    assert PATTERNS == ("Center", "Donut", "Edge-Loc", "Edge-Ring", "Loc", "Near-Full", "Scratch", "Random")
    assert [index(name) for name in PATTERNS] == list(range(8))


@pytest.mark.parametrize(("decoder", "count"), [("38", 38), ("free", 129)])
def test_the_allowed_sets_are_distinct_and_hold_normal_and_every_single_pattern(decoder, count):
    assert ALLOWED_SETS[decoder].shape == (count, 8)
    assert len(members(decoder)) == count
    assert {(), *((name,) for name in PATTERNS)} <= members(decoder)
    assert not ALLOWED_SETS[decoder].flags.writeable


@pytest.mark.parametrize("pair", [("Center", "Donut"), ("Edge-Loc", "Edge-Ring")])
def test_mixed_sets_never_hold_a_pattern_and_its_rival(pair):
    assert not any(set(pair) <= set(found) for found in members("38"))
    assert any(set(pair) <= set(found) for found in members("free"))


def test_patterns_that_cover_the_wafer_stand_alone():
    assert [found for found in members("38") if {"Near-Full", "Random"} & set(found) and len(found) > 1] == []
    assert [found for found in members("free") if "Near-Full" in found] == [("Near-Full",)]


def test_every_mixed_set_but_none_is_a_free_one():
    assert members("38") <= members("free")
    assert max(len(found) for found in members("38")) == 4


def test_flags_and_names_undo_each_other():
    for row in ALLOWED_SETS["free"]:
        assert np.array_equal(flags(names(row)), row)


@pytest.mark.parametrize(
    ("given", "text"),
    [([], "Normal"), ([NORMAL], "Normal"), (["Loc"], "Loc"), (["Scratch", "Center"], "Center+Scratch")],
)
def test_titles_are_written_in_the_order_of_the_columns(given, text):
    assert title(flags(given)) == text


@pytest.mark.parametrize("ask", [index, lambda name: flags([name])])
def test_an_unknown_pattern_is_named_with_those_there_are(ask):
    with pytest.raises(ValueError, match="'Edge-ring' is not a pattern; the patterns are Center, Donut"):
        ask("Edge-ring")


def test_every_pattern_has_a_suspect():
    assert set(SUSPECTS) == set(PATTERNS)
