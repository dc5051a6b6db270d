import numpy as np
import pytest

from wafer_core.errors import ReadingQuestion, UnreadableFile
from wafer_core.lot import ReadingOptions
from wafer_core.readers import NamedBytes, read

STATES = ReadingOptions(cells="states")
PLUS = np.array([[0, 1, 0], [1, 2, 1], [0, 1, 0]])


def grid(text, name="A1.csv"):
    return NamedBytes(name, text.encode())


@pytest.mark.parametrize(
    ("text", "options"),
    [
        ("0,1,0\n1,2,1\n0,1,0\n", STATES),
        ("0;1;0\n1;2;1\n0;1;0", STATES),
        ("0\t1\t0\r\n1\t2\t1\r\n0\t1\t0\r\n", STATES),
        ("0 1 0\n1 2 1\n0 1 0", STATES),
        (",1,\n1,2,1\n,1,\n", STATES),
        (",1\n1,7,1\n,1\n", ReadingOptions()),
        (",1,\n1,7,1\n,1,\n", ReadingOptions()),
        (". 1 .\n1 7 1\n. 1 .\n", ReadingOptions()),
        ("0,1,0\n1,7,1\n0,1,0\n", ReadingOptions()),
        (",1,\n1,2,1\n,1,\n", ReadingOptions(pass_bins=(1,))),
        (",5,\n5,6,5\n,5,\n", ReadingOptions(pass_bins=(5,))),
        (",1,,\n1,7,1,\n,1,,\n", ReadingOptions()),
    ],
)
def test_grids_are_read_top_row_first(text, options):
    (wafer,) = read([grid(text)], options).wafers
    assert np.array_equal(wafer.states, PLUS)
    assert wafer.name == "A1/01"


def test_a_grid_with_axes_keeps_its_coordinates():
    (wafer,) = read([grid("y\\x,-1,0,1\n5,,1,\n4,1,7,1\n3,,1,\n")]).wafers
    assert np.array_equal(wafer.states, PLUS)
    assert (wafer.frame.x, wafer.frame.y, wafer.frame.y_step) == (-1, 5, -1)


@pytest.mark.parametrize(
    "text",
    [",1,\n1,7,1\n,1,\n\n,1,\n1,1,1\n,1,\n", ". 1 .\n1 7 1\n. 1 .\n\t\n. 1 .\n1 1 1\n. 1 .\n\t \x0b\n"],
)
def test_empty_lines_part_wafers(text):
    lot = read([grid(text)])
    assert [(wafer.wafer, wafer.failing) for wafer in lot] == [("01", 1), ("02", 0)]


@pytest.mark.parametrize(
    ("text", "options", "option"),
    [
        ("0,1,0\n1,2,1\n0,1,0", ReadingOptions(), "cells"),
        (",1,\n1,2,1\n,1,", ReadingOptions(), "cells"),
        ("0,1,0\n1,3,1\n0,1,0", ReadingOptions(), "cells"),
        ("0,1,0\n1,2,1\n0,1,0", ReadingOptions(cells="bins"), "pass_bins"),
        (",5,\n5,6,5\n,5,", ReadingOptions(), "pass_bins"),
    ],
)
def test_grids_that_can_be_read_in_several_ways_are_asked_about(text, options, option):
    with pytest.raises(ReadingQuestion) as asked:
        read([grid(text)], options)
    assert asked.value.option == option


def test_a_question_about_bins_says_that_0_counts_as_no_die():
    with pytest.raises(ReadingQuestion) as asked:
        read([grid("0,1,0\n1,2,1\n0,1,0")], ReadingOptions(cells="bins"))
    assert asked.value.question == (
        "No cell is blank, so cells of value 0 count as no dies; apart from them the file holds only bins 1, 2, which "
        "could mean pass and fail either way: which bins pass?"
    )
    with pytest.raises(ReadingQuestion) as asked:
        read([grid(",0,\n0,1,0\n,0,")], ReadingOptions(cells="bins"))
    assert asked.value.question.startswith("The file holds only bins 0, 1, which could mean")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("file,row,part\na,1,test\n", "names no columns x and y"),
        ("hello world", "names no columns"),
        ("1,1\n1,oops\n", "line 2 holds 'oops'"),
        ("1", "too few"),
        ("\n".join(["1,2,7"] * 40), "die list without a header"),
        ("\n".join(["1," * 20] * 5000), "larger than 4096"),
    ],
)
def test_text_that_is_no_grid_is_refused_with_a_reason(text, words):
    with pytest.raises(UnreadableFile, match=words):
        read([grid(text)])
