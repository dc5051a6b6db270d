"""How figures and the texts of files stand on the screen, each written in one way everywhere."""

import re
import time

import pytest

from wafer_core.lot import Lot
from wafer_core.ui.shared import words

MARKS = [
    "![x](http://example.invalid/x.png)",
    "[x](http://example.invalid)",
    "`a` ``b``",
    "$x$ $$y$$",
    ":red[r] :smile: :material/check: :streamlit:",
    "<b>b</b> &lt; <http://example.invalid>",
    "**b** __b__ ~~s~~",
    "http://example.invalid www.example.invalid a@example.invalid",
    "C:\\temp\\*",
    "a | b",
]


def shown(markdown: str) -> str:
    """What a browser shows of Markdown in which nothing but escapes and empty directives has a meaning."""
    return re.sub(r"\\([!-/:-@\[-`{-~])", r"\1", markdown.replace(":small[]", ""))


@pytest.mark.parametrize("text", MARKS)
def test_every_mark_of_a_text_is_escaped_and_shown(text: str):
    written = words.plain(text)
    assert shown(written) == text
    bare = re.sub(r"\\.", "", written.replace(":small[]", ""))
    assert not re.search(r"[`*_\[\]<>$|~&]|:\S", bare)


@pytest.mark.parametrize(
    ("text", "apart"),
    [
        ("see http://example.invalid", r"http://"),
        ("see www.example.invalid", r"www\."),
        ("see a@example.invalid", r"@example"),
        (":material/check:", r":material"),
        (":smile:", r":smile"),
    ],
)
def test_what_the_browser_looks_for_after_all_marks_is_in_two_pieces(text: str, apart: str):
    """Escapes do not help against these: they are found in what the escapes stood for."""
    pieces = [shown(piece) for piece in words.plain(text).split(":small[]")]
    assert len(pieces) > 1
    assert not any(re.search(apart, piece) for piece in pieces)


@pytest.mark.parametrize("text", ["# a", "- a", "+ a", "1. a", "12) a", "===", "---", "> a", "    a", "\n\na"])
def test_no_text_begins_a_block(text: str):
    assert not re.match(r"[#+=>-]|\d+[.)]|\s", words.plain(text))


def test_a_text_stays_on_one_line_and_keeps_its_own_blanks():
    assert words.plain(" a\n\n b\tc\u00a0d ") == "a b c\u00a0d"
    assert words.plain(ValueError("a*b")) == "a\\*b"
    assert words.plain("a.csv: student-int8, L1/03 (2 of 4).") == "a.csv: student-int8, L1/03 (2 of 4)."


@pytest.mark.parametrize(
    ("text", "fence"), [("python -m x", "`"), ("a `b` c", "``"), ("```\n# a", "````"), ("`", "``"), ("a ``", "```")]
)
def test_a_command_stands_between_fences_longer_than_any_within(text: str, fence: str):
    written = words.command(text)
    inside = written.removeprefix(fence).removesuffix(fence)
    assert written == f"{fence}{inside}{fence}"
    assert fence not in inside
    assert not re.search("^`|`$", inside)
    assert inside.strip() == " ".join(text.split())
    assert words.command("") == ""


@pytest.mark.parametrize(
    ("written", "said"),
    [
        (words.share(9, 12), "9 of 12"),
        (words.share(238, 240), "99.2 %"),
        (words.in_points(-0.0123), "−1.2"),
        (words.in_points(-0.0123, 2), "−1.23"),
        (words.in_points(-0.0001), "0.0"),
        (words.in_points(0.005), "0.5"),
        (words.interval(0.8157, 1.0), "81.6 to 100"),
        (words.interval(0.0, 0.9999), "0.0 to 100"),
        (words.interval(-0.01, 0.002, words.in_points), "−1.0 to 0.2"),
        (words.interval(0.0, 0.658, words.score_text), "0.000 to 0.658"),
        (words.interval(5.6, 11.2, words.count_end), "6 to 11"),
        (words.stacked("83.1 %", "81.6 to 100"), "83.1\u00a0%  \n:small[:gray[81.6\u00a0to\u00a0100]]"),
        (words.unbroken("student-int8 a–b"), "student\u2011int8\u00a0a\u2060–\u2060b"),
        (words.moment(time.mktime((2026, 1, 2, 14, 30, 0, 0, 0, -1))), "02 Jan 14:30"),
        (words.moment(time.mktime((2026, 1, 2, 14, 30, 0, 0, 0, -1)), year=True), "02 Jan 2026 14:30"),
    ],
)
def test_figures_have_one_spelling(written: str, said: str):
    assert written == said


def test_a_wafer_has_its_fab_lots_name_where_there_are_several(small_lot: Lot, lot_of, disc_states):
    grid = [disc_states(8, 8, 0.1, seed=1)]
    both = Lot("two", (*lot_of(grid, "A").wafers, *lot_of(grid, "B").wafers))
    assert words.wafer_name(small_lot, small_lot.wafers[0]) == small_lot.wafers[0].wafer
    assert words.wafer_name(both, both.wafers[0]) == f"A / {both.wafers[0].wafer}"
