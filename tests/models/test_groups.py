import base64
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wafer_core.models.groups import pack_groups, unpack_groups

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


def test_a_text_that_would_unfold_to_gigabytes_does_not():
    bomb = base64.b64encode(zlib.compress(bytes(50_000_000), 9)).decode()
    assert unpack_groups({"m": bomb}) == frozenset()
