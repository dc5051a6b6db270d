import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wafer_core.kit.bare.source import c_source, common_multipliers, multiplier
from wafer_core.models.folder import files_of


@given(st.floats(1e-9, 1e4))
def test_a_multiplier_is_as_near_as_31_bits_allow(factor):
    whole, shift = multiplier(factor)
    assert 0 <= whole < 1 << 31
    assert 1 <= shift <= 62
    assert math.isclose(math.ldexp(whole, -shift), factor, rel_tol=2.0**-30)


def test_a_channel_that_is_worth_nothing_is_multiplied_by_nothing():
    assert multiplier(0.0)[0] == 0


@given(st.lists(st.floats(1e-4, 1e3), min_size=2, max_size=2))
def test_factors_that_share_a_shift_keep_their_proportion(factors):
    wholes, shift = common_multipliers(factors)
    assert all(0 <= whole < 1 << 31 for whole in wholes)
    found = [math.ldexp(whole, -shift) for whole in wholes]
    np.testing.assert_allclose(found, factors, rtol=2.0**-30, atol=2.0**-30 * max(factors))


@pytest.fixture
def int8(tiny_folder):
    return next(file for file in files_of(tiny_folder) if file.entry.precision == "int8")


def test_the_header_says_which_graph_it_came_from(int8):
    assert int8.sha256 in c_source(int8)["model.h"]


@pytest.mark.parametrize("name", ["*/ #error \\ x", "**// #error x", "*" + "*/" * 3 + "/ #error", "*\\/ x /*", "*??/"])
def test_a_name_cannot_leave_its_remark(int8, name):
    named = replace(int8, card=replace(int8.card, name=name))
    head = c_source(named)["model.h"].partition("#ifndef")[0]
    assert head.count("*/") == 1
    assert head.count("/*") == 1
    assert not set("\\?#") & set(head)


def test_the_source_includes_nothing_but_the_compilers_own(int8):
    files = c_source(int8)
    included = {line for text in files.values() for line in text.splitlines() if line.startswith("#include")}
    assert included == {"#include <stdint.h>", "#include <string.h>", '#include "model.h"'}
    assert "malloc" not in files["model.c"]
