import base64
import tracemalloc
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wafer_core.models.groups import MOST_BYTES, check_groups, pack_groups, unpack_groups

GROUPS = st.sets(st.builds("{}{}".format, st.sampled_from(["m", "lot", "n"]), st.integers(0, 50_000)), max_size=50)


@settings(deadline=None)
@given(GROUPS)
def test_packing_loses_no_group(groups):
    assert unpack_groups(pack_groups(groups)) == groups


def test_a_whole_training_set_fits_into_a_card():
    packed = pack_groups(f"m{number}" for number in range(44_403) if (number * 2_654_435_761) % 97 < 70)
    assert len(packed["m"]) < 8_192


@pytest.mark.parametrize("group", ["17", "lot", "lot-", "m07", "m1.5", "m9999999"])
def test_other_names_are_refused(group):
    with pytest.raises(ValueError, match="letters followed by a number"):
        pack_groups([group])


@pytest.mark.parametrize("text", ["not base64!", "AAAA", "é"])
def test_what_was_not_packed_is_refused(text):
    with pytest.raises(ValueError, match="not a packed bitmap"):
        unpack_groups({"m": text})


def packed(bitmap):
    return base64.b64encode(zlib.compress(bitmap, 9)).decode()


EVERY = packed(b"\xff" * (1 << 19))
"""A few hundred letters that stand for four million groups, the most that one text may."""


def test_groups_are_checked_without_naming_one():
    assert len(EVERY) < 1_000
    tracemalloc.start()
    try:
        assert check_groups({"m": EVERY, "lot": packed(b"\xff")}) == (1 << 19) + 1
        assert tracemalloc.get_traced_memory()[1] < 2 << 20
    finally:
        tracemalloc.stop()


def test_the_highest_number_and_the_longest_prefix_are_packed_and_read():
    groups = {"m4194303", f"{40 * 'n'}0"}
    assert unpack_groups(pack_groups(groups)) == groups


@pytest.mark.parametrize("read", [check_groups, unpack_groups])
@pytest.mark.parametrize(
    ("texts", "sentence"),
    [
        ({"m": packed(bytes(50_000_000))}, "more than those of any training set"),
        ({"m": packed(bytes((1 << 19) + 1))}, "more than those of any training set"),
        (dict.fromkeys("abcde", EVERY), "more than those of any training set"),
        ({f"{'a' * n}": packed(b"\x80") for n in range(1, 66)}, "kinds of groups"),
        ({"m" * 41: packed(b"\x80")}, "cannot be called"),
        ({"m1": packed(b"\x80")}, "cannot be called"),
        ({"m": packed(b"\x80" * 9)[:8]}, "cut short"),
        ({"m": ""}, "cut short"),
    ],
)
def test_more_groups_than_any_card_has_are_refused(read, texts, sentence):
    with pytest.raises(ValueError, match=sentence):
        read(texts)


def test_what_other_data_sets_of_a_card_took_is_no_longer_there():
    assert check_groups({"m": EVERY}, 1 << 19) == 1 << 19
    for most in (0, (1 << 19) - 1):
        with pytest.raises(ValueError, match="more than"):
            check_groups({"m": EVERY}, most)
    assert check_groups(dict.fromkeys("abcd", EVERY)) == MOST_BYTES
