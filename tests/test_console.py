"""What the command lines share: complaints in a sentence, how files are read, and lines on standard error."""

import sys

import pytest

from wafer_core.console import MENDABLE, Parser, add_reading, reading_options, say
from wafer_core.errors import UsageError
from wafer_core.lot import ReadingOptions


def parser():
    made = Parser(prog="recognise.py")
    add_reading(made)
    return made


@pytest.mark.parametrize(
    ("words", "options"),
    [
        ([], ReadingOptions()),
        (["--pass-bins", "1,2,1"], ReadingOptions(pass_bins=(1, 2))),
        (
            ["--cells", "bins", "--lot", "A7", "--orientation", "rotate-90"],
            ReadingOptions(cells="bins", lot="A7", orientation="rotate-90"),
        ),
    ],
)
def test_what_is_said_of_reading_is_what_readers_are_told(words, options):
    assert reading_options(parser().parse_args(words)) == options


def test_a_complaint_is_a_sentence():
    with pytest.raises(UsageError, match=r"^Argument --pass-bins: 'one' is not a list .*; see recognise\.py --help\.$"):
        parser().parse_args(["--pass-bins", "one"])


def test_a_sentence_is_one_line_on_standard_error(capsys):
    assert say("two\nlines", MENDABLE) == MENDABLE
    assert capsys.readouterr() == ("", "two lines\n")


def test_nothing_is_said_on_standard_output_where_standard_error_is_closed(capsys, monkeypatch):
    monkeypatch.setattr(sys, "stderr", None)
    assert say("of no wafer", MENDABLE) == MENDABLE
    assert capsys.readouterr().out == ""
