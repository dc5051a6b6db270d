import pytest
from hypothesis import given
from hypothesis import strategies as st

from wafer_core.readers.numbers import BLANK, FAILS, FRACTION, OTHER, PASSES, WHOLE, parse


def alone(text):
    """What a text is in a column of its own."""
    (number,), (kind,) = parse([text])
    return number, kind


def beside_a_word(text):
    """What a text is in a column whose other text is no number, which is read the careful way."""
    (number, _), (kind, _) = parse([text, "?"])
    return number, kind


@pytest.mark.parametrize(
    ("text", "number", "kind"),
    [
        ("10", 10, WHOLE),
        (" -3 ", -3, WHOLE),
        ("+7", 7, WHOLE),
        ("5.0", 5, WHOLE),
        ("5,0", 5, WHOLE),
        ("0" * 50 + "5", 5, WHOLE),
        ("1_0", 0, OTHER),
        ("2.5", 0, FRACTION),
        ("_", 0, BLANK),
        ("", 0, BLANK),
        ("Good", 0, PASSES),
        ("reject", 0, FAILS),
        ("2147483647", 0, OTHER),
        ("9" * 30, 0, OTHER),
        ("inf", 0, OTHER),
    ],
)
def test_a_text_is_the_same_number_whatever_stands_beside_it(text, number, kind):
    assert alone(text) == beside_a_word(text) == (number, kind)


@given(st.text(alphabet="0123456789_+-., \t\neE²٣na", max_size=60))
def test_no_text_is_a_number_in_one_column_and_none_in_another(text):
    assert alone(text) == beside_a_word(text)
