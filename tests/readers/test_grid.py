import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

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


def test_zeros_stay_dies_where_bin_0_is_stated_to_pass():
    text = "0,0,0\n0,7,0\n0,0,3\n"
    (wafer,) = read([grid(text)], ReadingOptions(pass_bins=(0,))).wafers
    assert (wafer.passing, wafer.failing, wafer.dies) == (7, 2, 9)
    assert wafer.bins.tolist() == [[0, 0, 0], [0, 7, 0], [0, 0, 3]]
    (wafer,) = read([grid(text)], ReadingOptions(pass_bins=(3,))).wafers
    assert (wafer.passing, wafer.failing, wafer.dies) == (1, 1, 2)


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


SIDE = 12
DISC = np.hypot(*(np.indices((SIDE, SIDE)) - SIDE / 2 + 0.5)) <= SIDE / 2
BINS = np.where(DISC, np.where(np.arange(SIDE) < 3, 7, 1), -1)
GOOD, BAD = int((BINS == 1).sum()), int((BINS == 7).sum())
ROWS = [["" if value < 0 else str(value) for value in row] for row in BINS.tolist()]


def lines(rows, end="\n"):
    return end.join(",".join(map(str, row)) for row in rows)


def numbered(rows, labels, corner=None):
    """A table with a first line of labels, and with one of the lines' numbers where there is a corner."""
    beside = [[] for _ in rows] if corner is None else [[label] for label in labels]
    return lines([[*([] if corner is None else [corner]), *labels], *map(list.__add__, beside, rows)])


UPWARDS, DOWNWARDS, FROM_ONE, DECIMAL = range(SIDE), range(5, 5 - SIDE, -1), range(1, SIDE + 1), map(float, range(SIDE))
READ_AS_X = "The first line counts one by one, so it is read as x and holds no dies."
READ_AS_Y = "The first column counts one by one, so it is read as y and holds no dies."
READ_AS_BOTH = "The first line is read as x and the first column as y; neither holds dies."


def said(lot):
    return {note.text for note in lot.notes} & {READ_AS_X, READ_AS_Y, READ_AS_BOTH}


@pytest.mark.parametrize(
    ("text", "told", "place"),
    [
        (numbered(ROWS, UPWARDS), READ_AS_X, (0, 0)),
        (numbered(ROWS, FROM_ONE), READ_AS_X, (1, 0)),
        (numbered(ROWS, DOWNWARDS), READ_AS_X, (5, 0)),
        (numbered(ROWS, DECIMAL), READ_AS_X, (0, 0)),
        (lines([y, *row] for y, row in enumerate(ROWS)), READ_AS_Y, (0, 0)),
        (lines([5 - y, *row] for y, row in enumerate(ROWS)), READ_AS_Y, (0, 5)),
        (lines([["", *UPWARDS], *ROWS]), READ_AS_X, (0, 0)),
        (lines([["", *UPWARDS], *(["", *row] for row in ROWS)]), READ_AS_X, (0, 0)),
        (numbered(ROWS, UPWARDS, corner=0), READ_AS_BOTH, (0, 0)),
        (numbered(ROWS, FROM_ONE, corner=0), READ_AS_BOTH, (1, 1)),
        (numbered(ROWS, FROM_ONE, corner=""), READ_AS_BOTH, (1, 1)),
        (numbered(ROWS, DOWNWARDS, corner="y/x"), READ_AS_BOTH, (5, 5)),
        (lines(ROWS), None, (0, 0)),
    ],
)
def test_coordinates_along_one_edge_or_both_are_no_dies(text, told, place):
    lot = read([grid(text)])
    [wafer] = lot
    assert wafer.frame.shape == (SIDE, SIDE)
    assert (wafer.passing, wafer.failing) == (GOOD, BAD)
    assert (wafer.frame.x, wafer.frame.y) == place
    assert said(lot) == ({told} if told else set())


@pytest.mark.parametrize("columns", [UPWARDS, None])
def test_coordinates_do_not_hide_that_cells_may_be_states(columns):
    states = np.where(DISC, np.where(BINS == 1, 1, 2), 0).tolist()
    text = numbered(states, columns) if columns else lines([y, *row] for y, row in enumerate(states))
    with pytest.raises(ReadingQuestion) as asked:
        read([grid(text)])
    assert asked.value.option == "cells"
    [wafer] = read([grid(text)], STATES)
    assert (wafer.passing, wafer.failing) == (GOOD, BAD)


def test_which_of_several_wafers_carry_coordinates_is_told():
    lot = read([grid(f"{numbered(ROWS, UPWARDS)}\n\n{lines(ROWS)}")])
    assert [(wafer.passing, wafer.failing) for wafer in lot] == [(GOOD, BAD)] * 2
    assert any(note.text == f"On 1 of 2 wafers t{READ_AS_X[1:]}" for note in lot.notes)


@pytest.mark.parametrize(
    "rows",
    [
        [[1, 2, 3, 4], *[[1, 1, 5, 1]] * 4],
        [[1, 2, 3, 4, 6], *[[1, 1, 5, 1, 1]] * 4],
        [[1, 2, 3, 4, 3], *[[1, 1, 5, 1, 1]] * 4],
        [["", 2, 3, 4, ""], *[[1, 1, 5, 1, 1]] * 4],
        [[1, 1, 1, 1, 1], *[[5, 5, 5, 5, 5]] * 4],
        [[1], [1], [5], [1]],
        [[0, 1, 2, 3, 4, 5, 6, 7]],
    ],
)
def test_dies_along_the_edges_are_no_coordinates(rows):
    lot = read([grid(lines(rows))], ReadingOptions(pass_bins=(1,)))
    assert lot.wafers[0].frame.shape == (len(rows), len(rows[0]))
    assert not said(lot)


@given(st.data())
@settings(max_examples=100, deadline=None)
def test_no_ordinary_map_is_taken_for_coordinates(data):
    """Of the dies along its edges some say the same."""
    rows, columns = data.draw(st.integers(3, 20)), data.draw(st.integers(3, 20))
    far = np.hypot(*((np.indices((rows, columns)).T - (rows / 2 - 0.5, columns / 2 - 0.5)) / (rows / 2, columns / 2)).T)
    failing = data.draw(st.lists(st.integers(2, 20), min_size=rows * columns, max_size=rows * columns))
    cells = np.where(data.draw(st.booleans()) | (far <= 1), np.reshape(failing, (rows, columns)), -1)
    cells[:: data.draw(st.integers(1, 3)), :: data.draw(st.integers(1, 3))] = 1
    text = lines([["." if value < 0 else value for value in row] for row in cells.tolist()])
    lot = read([grid(text)], ReadingOptions(pass_bins=(1,)))
    assert lot.wafers[0].frame.shape == (rows, columns)
    assert not said(lot)


def test_a_first_line_of_x_beside_a_column_that_may_be_dies_is_refused():
    with pytest.raises(UnreadableFile, match="but its first column is no y"):
        read([grid(lines([["", *range(1, 6)], *[[1, 5, 1, 1, 1, 1]] * 4]))])


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r", "\r\r\n", "\r\r\r\n", "\n\r", "\x0b", "\u2028"])
def test_lines_end_in_many_ways(end):
    lot = read([grid(lines(ROWS, end) + end * 2 + lines(ROWS, end) + end)])
    assert [(wafer.frame.shape, wafer.failing) for wafer in lot] == [((SIDE, SIDE), BAD)] * 2


def test_a_long_run_of_carriage_returns_parts_wafers_as_empty_lines_do():
    lot = read([grid(lines(ROWS) + "\r" * 200_000 + lines(ROWS))])
    assert [(wafer.frame.shape, wafer.failing) for wafer in lot] == [((SIDE, SIDE), BAD)] * 2


@pytest.mark.parametrize("end", ["\n\n", "\r\n\r\n", "\n\n\n"])
@pytest.mark.parametrize("wafers", [1, 2])
def test_lines_that_all_stand_apart_are_one_wafer(end, wafers):
    lot = read([grid(f"{end}\n".join([lines(ROWS, end)] * wafers))])
    assert [(wafer.frame.shape, wafer.failing) for wafer in lot] == [((SIDE, SIDE), BAD)] * wafers
    apart = "Every line stands alone between empty ones, so these part no wafers; only wider gaps do."
    assert any(note.text == apart for note in lot.notes)


def test_lines_that_stand_apart_and_differ_are_refused():
    with pytest.raises(UnreadableFile, match=r"every line stands alone .* they hold from 3 to 4 cells; leave no line"):
        read([grid("1,7,1\n\n1,1,1,1\n\n1,7,1\n")])


def test_a_delimiter_within_quotes_parts_no_cells():
    quoted = [[f'"{cell}"' for cell in row] for row in ROWS]
    assert read([grid(lines(quoted))]).wafers[0].failing == BAD
    with pytest.raises(UnreadableFile, match="line 2 holds '1,007', which is neither"):
        read([grid(lines(quoted).replace('"7"', '"1,007"'))])


def test_a_cell_that_is_too_long_to_be_split_is_refused():
    with pytest.raises(UnreadableFile, match="line 3 cannot be split into cells"):
        read([grid(f'1,7\n1,1\n1,"{"1" * 200_000}"\n')])
