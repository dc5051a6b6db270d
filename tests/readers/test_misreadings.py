"""Files that used to be read as other wafers than they hold, with hardly a word: each is read rightly, or refused."""

import io
import re
from collections.abc import Iterable

import numpy as np
import pandas as pd
import pytest

from wafer_core.errors import ReadingQuestion, UnreadableFile
from wafer_core.lot import Lot, ReadingOptions
from wafer_core.readers import OWN_MEANING, NamedBytes, limits, read
from wafer_core.readers.lotfile import write_lot

SIDE = 15
DISC = np.hypot(*(np.indices((SIDE, SIDE)) - SIDE // 2)) <= SIDE / 2
LEFT = DISC & (np.arange(SIDE) < 3)
"""The dies that fail, unless a test says otherwise."""


def list_of(head: str, rows: Iterable[Iterable[object]]) -> bytes:
    return "\n".join([head, *(",".join(map(str, row)) for row in rows)]).encode()


def dies(lot: str = "A1", wafer: str = "01", passing: object = 1, failing: object = 5) -> list[tuple[object, ...]]:
    return [(lot, wafer, x, y, failing if LEFT[y, x] else passing) for y, x in np.argwhere(DISC).tolist()]


def npz(**arrays: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    return buffer.getvalue()


def npy(array: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


def told(lot: Lot) -> dict[str, tuple[int, int]]:
    """How many dies of each wafer pass and fail."""
    return {wafer.name: (wafer.passing, wafer.failing) for wafer in lot}


STATES = np.where(DISC, np.where(LEFT, 2, 1), 0).astype(np.uint8)
GOOD, BAD = int((DISC & ~LEFT).sum()), int(LEFT.sum())


@pytest.mark.parametrize("pass_bins", [(0,), (0, 2)])
def test_what_answers_one_file_s_question_changes_no_other_file_s_meaning(pass_bins):
    maps = NamedBytes("m.npz", npz(maps=np.stack([STATES, STATES])))
    asks = NamedBytes("d.csv", list_of("lot,wafer,x,y,bin", dies(passing=0, failing=1)))
    lot = read([maps, asks], ReadingOptions(pass_bins=pass_bins))
    assert set(told(lot).values()) == {(GOOD, BAD)}
    assert [note.file for note in lot.notes if note.text == OWN_MEANING] == ["m.npz"]
    # Alone, an array may well hold bins, and whoever states them is believed.
    [first, _] = read([maps], ReadingOptions(pass_bins=(1,)))
    assert first.bins is not None


def test_cells_stated_for_a_grid_do_not_make_states_of_another_file_s_bins():
    grid = NamedBytes("g.csv", "\n".join(",".join(map(str, row)) for row in STATES).encode())
    rows = [(*row[:4], 3 if row[3] > 10 else row[4]) for row in dies()]
    bins = NamedBytes("d.csv", list_of("lot,wafer,x,y,bin", rows))
    with pytest.raises(ReadingQuestion):
        read([grid, bins])
    lot = read([grid, bins], ReadingOptions(cells="states"))
    assert told(lot)["A1/01"] == told(read([bins]))["A1/01"]


def test_bins_stated_are_those_of_every_file_where_none_asks():
    files = [NamedBytes(f"{i}.csv", list_of("lot,wafer,x,y,bin", dies(wafer=f"0{i}"))) for i in (1, 2)]
    assert set(told(read(files, ReadingOptions(pass_bins=(5,)))).values()) == {(BAD, GOOD)}


def test_a_delimiter_within_a_quoted_heading_parts_no_two_columns():
    rows = [('"10:00, UTC"', *row, 1) for row in dies()]
    lot = read([NamedBytes("a.csv", list_of('"Time, UTC",Lot,Wafer,X,Y,Bin,Site', rows))])
    assert told(lot) == {"A1/01": (GOOD, BAD)}


def test_a_line_before_the_heading_that_names_x_and_y_is_not_taken_for_it():
    body = b"Die Size,X,5.1,Y,4.2\n" + list_of("lot,wafer,x,y,bin", dies())
    assert told(read([NamedBytes("a.csv", body)])) == {"A1/01": (GOOD, BAD)}


def test_a_heading_of_thousands_of_columns_is_read_whole():
    more = [f"PARAM_TEST_{i:05d}" for i in range(3000)]
    rows = [(*["1"] * len(more), *row) for row in dies()]
    lot = read([NamedBytes("a.csv", list_of(",".join([*more, "lot", "wafer", "x", "y", "bin"]), rows))])
    assert told(lot) == {"A1/01": (GOOD, BAD)}


@pytest.mark.parametrize("column", ["Wafer Nr", "WAFER_SCRIBE", "Wafer Seq", "SCRIBE_ID", "wf nr."])
def test_wafers_are_told_apart_by_columns_of_other_names(column):
    rows = [row for wafer in ("01", "02", "03") for row in dies(wafer=wafer)]
    lot = read([NamedBytes("A1.csv", list_of(f"Lot,{column},X,Y,Bin", rows))])
    assert told(lot) == {f"A1/{wafer}": (GOOD, BAD) for wafer in ("01", "02", "03")}


def test_several_wafers_that_no_column_names_are_refused():
    rows = [row for wafer in ("p", "q") for row in dies(wafer=wafer)]
    with pytest.raises(UnreadableFile, match="call the one that does 'wafer'"):
        read([NamedBytes("A1_05.csv", list_of("Lot,Carrier,X,Y,Bin", rows))])
    assert told(read([NamedBytes("A1_05.csv", list_of("Lot,Carrier,X,Y,Bin", dies()))])) == {"A1/05": (GOOD, BAD)}


@pytest.mark.parametrize("none", ["NULL", "nan", "N/A", ""])
def test_a_row_whose_wafer_is_said_to_be_none_is_left_out(none):
    rows = [*dies(), *dies(wafer=none)]
    lot = read([NamedBytes("a.csv", list_of("lot,wafer,x,y,bin", rows))])
    assert told(lot) == {"A1/01": (GOOD, BAD)}
    assert any("no wafer id" in note.text for note in lot.notes)


@pytest.mark.parametrize("first", ["SiteX,SiteY", "Wafer X,Wafer Y", "Map X,Map Y"])
def test_plain_x_and_y_go_before_those_of_something_else(first):
    rows = [(*row[:2], 1, 1, *row[2:]) for row in dies()]
    lot = read([NamedBytes("a.csv", list_of(f"lot,wafer,{first},X,Y,bin", rows))])
    assert told(lot) == {"A1/01": (GOOD, BAD)}


def test_a_lot_goes_before_what_it_is_part_of():
    rows = [("P1", *row) for lot in ("P1.1", "P1.2") for row in dies(lot=lot)]
    lot = read([NamedBytes("a.csv", list_of("parent_lot,lot,wafer,x,y,bin", rows))])
    assert list(told(lot)) == ["P1.1/01", "P1.2/01"]


@pytest.mark.parametrize(("passing", "failing"), [("t", "f"), ("y", "n"), ("PASS", "FAIL"), ("yes", "no")])
def test_words_for_pass_and_fail_are_known_in_pairs(passing, failing):
    lot = read([NamedBytes("a.csv", list_of("lot,wafer,x,y,bin", dies(passing=passing, failing=failing)))])
    assert told(lot) == {"A1/01": (GOOD, BAD)}


@pytest.mark.parametrize(
    ("passing", "failing", "options", "said"),
    [
        ("P", "X", {}, f"the bin of {BAD} rows is a word such as 'X' that says neither pass nor fail"),
        (1, "X", {"pass_bins": (1,)}, "all other rows pass"),
        ("A", "F", {}, "all other rows fail"),
    ],
)
def test_words_that_say_neither_leave_no_wafer_of_one_state(passing, failing, options, said):
    file = NamedBytes("a.csv", list_of("lot,wafer,x,y,bin", dies(passing=passing, failing=failing)))
    with pytest.raises(UnreadableFile, match=re.escape(said)):
        read([file], ReadingOptions(**options))


def test_one_odd_word_among_many_rows_is_left_out_and_said():
    rows = [*dies(), ("A1", "01", 99, 99, "X")]
    lot = read([NamedBytes("a.csv", list_of("lot,wafer,x,y,bin", rows))])
    assert told(lot) == {"A1/01": (GOOD, BAD)}
    assert any("the bin is not a number" in note.text for note in lot.notes)


def spread(steps: int) -> list[tuple[object, ...]]:
    return [(lot, wafer, steps * x, steps * y, bin_) for lot, wafer, x, y, bin_ in dies()]  # type: ignore[operator]


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([*dies(), ("A1", "01", 99, 99, 5)], "most x from 0 to 99 hold no die"),
        (spread(3), "most x from 0 to 42 hold no die"),
        ([*dies(), *[(*row[:1], "02", *row[2:]) for row in spread(3)]], "On 1 of 2 wafers most x from 0 to 42"),
        (dies(), None),
        ([("A1", "01", 7, y, 1 + 4 * (y == 3)) for y in range(9)], None),
        ([*spread(2)[:1], ("A1", "01", 3, 3, 5)], None),
    ],
)
def test_a_map_that_is_mostly_empty_lines_says_so(rows, said):
    notes = [note.text for note in read([NamedBytes("a.csv", list_of("lot,wafer,x,y,bin", rows))]).notes]
    sparse = [text for text in notes if "hold no die" in text]
    assert len(sparse) == (said is not None)
    assert said is None or said in sparse[0]


def test_coordinates_in_millimetres_are_refused():
    rows = [(lot, wafer, 2.5 * x, 2.5 * y, bin_) for lot, wafer, x, y, bin_ in dies()]  # type: ignore[operator]
    with pytest.raises(UnreadableFile, match=r"most of its x or y are fractions such as \d+\.5"):
        read([NamedBytes("a.csv", list_of("lot,wafer,x,y,bin", rows))])


def test_a_few_dies_on_a_grid_of_millions_of_cells_are_refused():
    rows = [("A1", f"{i:02d}", *place, 1 + 4 * i) for i in range(3) for place in ((0, 0), (4000, 4000))]
    with pytest.raises(UnreadableFile, match="2 dies lie on 4,001 x 4,001 cells; check for a stray coordinate"):
        read([NamedBytes("a.csv", list_of("lot,wafer,x,y,bin", rows))])


def test_labels_beside_maps_of_an_array_each_are_no_wafer():
    lot = read([NamedBytes("m.npz", npz(w1=STATES, w2=STATES, labels=np.zeros((2, 8), np.uint8)))])
    assert [wafer.wafer for wafer in lot] == ["w1", "w2"]
    assert any("labels is taken for no wafer map" in note.text for note in lot.notes)


@pytest.mark.parametrize(
    "array",
    [
        np.eye(3, dtype=np.uint8)[STATES],
        np.column_stack([*np.argwhere(DISC).T, STATES[DISC]]),
    ],
    ids=["a layer a state", "a die list"],
)
def test_arrays_of_something_else_are_no_maps(array):
    with pytest.raises(UnreadableFile, match="looks like a die list or a picture"):
        read([NamedBytes("a.npy", npy(array))])


def test_a_mark_of_utf_8_before_windows_letters_is_no_hindrance():
    body = b"\xef\xbb\xbf" + list_of("lot,wafer,x,y,bin", dies(lot="\xb5")).decode().encode("latin-1")
    assert told(read([NamedBytes("a.csv", body)])) == {"\xb5/01": (GOOD, BAD)}


def test_ids_beside_maps_are_taken_in_every_shape_that_fits_and_others_are_said_to_be_left_out():
    maps = np.stack([STATES, STATES])
    one = npz(maps=maps, lot=np.array("A1234"), wafer=np.array([["05"], ["07"]]))
    assert list(told(read([NamedBytes("m.npz", one)]))) == ["A1234/05", "A1234/07"]
    lot = read([NamedBytes("m.npz", npz(maps=maps, lot=np.array(["A1"]), wafer=np.array(["1", "2", "3"])))])
    assert [wafer.lot for wafer in lot] == ["A1", "A1"]
    assert any("wafer is left out: it has 3, and there are 2 maps" in note.text for note in lot.notes)


def test_a_lot_file_says_that_what_was_stated_is_not_its():
    file = NamedBytes("lot.npz", write_lot(read([NamedBytes("a.csv", list_of("lot,wafer,x,y,bin", dies()))])))
    lot = read([file], ReadingOptions(pass_bins=(5,)))
    assert told(lot) == {"A1/01": (GOOD, BAD)}
    assert any("A lot file says itself which dies pass" in note.text for note in lot.notes)


@pytest.mark.parametrize(
    ("number", "name"), [(20240512001.0, "20240512001"), (1e10, "10000000000"), (5.0, "5"), (5.5, "5.5")]
)
def test_ids_that_a_database_made_floats_of_are_whole_again(number, name):
    frame = pd.DataFrame(dies(), columns=["lot", "wafer", "x", "y", "bin"]).assign(lot=number)
    buffer = io.BytesIO()
    frame.to_parquet(buffer)
    assert told(read([NamedBytes("a.parquet", buffer.getvalue())])) == {f"{name}/01": (GOOD, BAD)}


def test_a_grid_whose_lines_differ_wildly_is_refused_before_it_is_filled_up():
    lines = [",".join(["1", *["5"] * 3000]), *["1,5"] * 2000]
    with pytest.raises(UnreadableFile, match="its lines hold from 2 to 3,001 cells"):
        read([NamedBytes("g.csv", "\n".join(lines).encode())], ReadingOptions(cells="bins"))


def test_rows_that_cannot_be_parted_count_among_the_most_a_list_may_have(monkeypatch):
    monkeypatch.setattr(limits, "MAX_ROWS", 1000)
    body = list_of("lot,wafer,x,y,bin", dies()) + b"\n1" * 1000
    with pytest.raises(UnreadableFile, match="more than 1,000 rows"):
        read([NamedBytes("a.csv", body)])


def pivot(left_out: int | None) -> bytes:
    """A table with y down and x across, as a pivot of a die list makes it."""
    bins = np.where(DISC, np.where(LEFT, 5, 1), -1)
    cells = [["" if value < 0 else str(value) for value in row] for row in bins]
    lines = [",".join(["", *map(str, range(SIDE))])]
    lines += [",".join([str(y), *row]) for y, row in enumerate(cells) if y != left_out]
    return "\n".join(lines).encode()


def test_a_line_that_a_table_left_out_is_a_line_without_dies():
    whole = read([NamedBytes("g.csv", pivot(None))]).wafers[0]
    holed = read([NamedBytes("g.csv", pivot(7))]).wafers[0]
    assert holed.frame == whole.frame
    kept = np.arange(SIDE) != 7
    assert np.array_equal(holed.states[kept], whole.states[kept])
    assert not holed.states[7].any()


def test_coordinates_that_leave_nearly_all_lines_out_are_refused():
    far = [500 * place for place in range(6)]
    lines = [",".join(["", *map(str, far)]), *(f"{y},1,5,1,1,1,1" for y in far)]
    with pytest.raises(UnreadableFile, match="its coordinates leave most lines out"):
        read([NamedBytes("g.csv", "\n".join(lines).encode())])


def test_bins_along_the_edges_of_a_small_grid_are_no_coordinates():
    wafer = read([NamedBytes("g.csv", b",1,5\n1,1,1\n7,1,1")]).wafers[0]
    assert wafer.frame.shape == (3, 3)
    assert (wafer.passing, wafer.failing) == (6, 2)


@pytest.mark.parametrize(
    ("head", "of_lots"),
    [
        ("{},Wafer,X,Y,HBin", name)
        for name in ("Source_Lot", "LotCode", "ROOT_LOT_ID", "Los", "Losnummer", "Charge", "批号", "ロット番号")
    ],
)
def test_a_lot_by_any_name_keeps_its_wafers_apart(head, of_lots):
    rows = [*dies("A", "1", failing=5), *dies("B", "1", failing=3)]
    lot = read([NamedBytes("two.csv", list_of(head.format(of_lots), rows))])
    assert told(lot) == {"A/1": (GOOD, BAD), "B/1": (GOOD, BAD)}


@pytest.mark.parametrize("wafer", ["Scheibe", "晶圆号", "ウェハ番号"])
def test_a_wafer_by_any_name_is_one(wafer):
    lot = read([NamedBytes("w.csv", list_of(f"Los,{wafer},X,Y,Bin", [*dies("A", "1"), *dies("A", "2")]))])
    assert told(lot) == {"A/1": (GOOD, BAD), "A/2": (GOOD, BAD)}


@pytest.mark.parametrize("share", [1.0, 0.8])
@pytest.mark.parametrize("failing", [1, 5])
def test_another_wafers_dies_are_no_tests_again(share, failing):
    """The second one may have been aborted, and all its dies may have failed."""
    first, second = dies("A", "1"), dies("A", "2", passing=failing)
    rows = [*first, *second[: round(share * len(second))]]
    with pytest.raises(UnreadableFile, match="no column names the wafers: call the one that does 'wafer'"):
        read([NamedBytes("w.csv", list_of("lot,who,x,y,bin", rows))])


@pytest.mark.parametrize("share", [1.0, 0.8])
@pytest.mark.parametrize("lots", [("A", "B"), ("", "")], ids=["by another name", "left blank"])
def test_where_another_lots_wafer_may_stand_in_it_the_lot_is_asked(share, lots):
    first, second = dies(lots[0], "1"), dies(lots[1], "1", failing=3)
    head = "who,wafer,x,y,bin" if lots[0] else "lot,wafer,x,y,bin"
    file = NamedBytes("w.csv", list_of(head, [*first, *second[: round(share * len(second))]]))
    with pytest.raises(ReadingQuestion, match="On 1 of 1 wafers most dies are named more than once") as question:
        read([file])
    assert question.value.option == "lot"
    # Tested hot and cold, for instance: the last test counts.
    assert told(read([file], ReadingOptions(lot="A9"))) == {"A9/1": (GOOD, BAD)}


@pytest.mark.parametrize("head", ["lot,wafer,x,y,bin", "who,wafer,x,y,bin", "lot,who,x,y,bin"])
def test_what_is_tested_again_in_part_is_no_other_wafer(head):
    """A probe card touches neighbours down too, most of which had passed."""
    again = dies()[20:115]
    lot = read([NamedBytes("A1.csv", list_of(head, [*dies(), *again]))])
    assert [told(lot)[wafer.name] for wafer in lot] == [(GOOD, BAD)]
    assert any("95 dies were tested again; the last test counts" in note.text for note in lot.notes)


def test_a_few_dies_named_twice_are_read_whatever_column_is_missing():
    assert len(read([NamedBytes("w.csv", b"wafer,x,y,bin\n1,0,0,1\n1,0,0,5\n")])) == 1


@pytest.mark.parametrize("head", ["wafer,x,y,bin,charge", "x,y,bin,wf", "lot,x,y,bin,slot"])
def test_measurements_are_no_wafers(head):
    names = head.split(",")
    rows = [
        [f"{1.5 + i / 1000:.3f}" if name in ("charge", "wf", "slot") else {"x": x, "y": y, "bin": bin_}.get(name, "A")
         for name in names]
        for i, (_, _, x, y, bin_) in enumerate(dies())
    ]  # fmt: skip
    with pytest.raises(UnreadableFile, match="would hold 177 wafers of 1 dies or so each"):
        read([NamedBytes("m.csv", list_of(head, rows))])


@pytest.mark.parametrize("head", ["批号,片号,X偏移,Y偏移,X坐标,Y坐标,Bin", "lot,wafer,Xµ,Yµ,X,Y,Bin"])
def test_a_column_of_the_very_name_goes_before_one_that_only_has_its_letters(head):
    rows = [(lot, wafer, x % 5, y % 5, x, y, bin_) for lot, wafer, x, y, bin_ in dies()]
    assert told(read([NamedBytes("p.csv", list_of(head, rows))])) == {"A1/01": (GOOD, BAD)}


def test_a_spreadsheets_way_to_keep_text_is_no_part_of_an_id():
    rows = [(f'="{lot}"', ' "05"', f" {x}", f'="{y}"', bin_) for lot, _, x, y, bin_ in dies()]
    assert told(read([NamedBytes("d.csv", list_of("lot,wafer,x,y,bin", rows))])) == {"A1/05": (GOOD, BAD)}


@pytest.mark.parametrize("axis", ["x", "y"])
def test_one_coordinate_in_millimetres_is_refused(axis):
    rows = [(lot, w, 2.375 * x if axis == "x" else x, 2.375 * y if axis == "y" else y, b) for lot, w, x, y, b in dies()]
    with pytest.raises(UnreadableFile, match=r"most of its x or y are fractions such as"):
        read([NamedBytes("a.csv", list_of("lot,wafer,x,y,bin", rows))])


@pytest.mark.parametrize("kind", ["die list", "grid", "array"])
def test_where_bin_0_leads_it_is_asked_which_pass(kind):
    if kind == "die list":
        rows = [(*row[:4], (0, 1, 3, 7)[i % 4] if i < 60 else 0) for i, row in enumerate(dies())]
        file = NamedBytes("d.csv", list_of("lot,wafer,x,y,bin", rows))
    else:
        bins = np.where(LEFT, 7, np.where(np.arange(SIDE) > 12, 1, 0))
        cells = np.where(DISC, bins, -1)
        text = "\n".join(",".join("" if cell < 0 else str(cell) for cell in row) for row in cells)
        file = NamedBytes("g.csv", text.encode()) if kind == "grid" else NamedBytes("g.npy", npy(cells))
    with pytest.raises(ReadingQuestion, match="more dies in bin 0 than in bin 1") as question:
        read([file])
    assert question.value.option == "pass_bins"
    [wafer] = read([file], ReadingOptions(pass_bins=(0,)))
    assert wafer.passing > wafer.failing


@pytest.mark.parametrize("kind", ["die list", "grid", "array"])
@pytest.mark.parametrize(("zeros", "ones", "asked"), [(5, 5, False), (6, 5, True)])
def test_as_many_dies_in_bin_0_as_in_bin_1_ask_nothing(kind, zeros, ones, asked):
    bins = [0] * zeros + [1] * ones + [7] * (14 - zeros - ones)
    if kind == "die list":
        rows = [("A1", "01", i % 5, i // 5, each) for i, each in enumerate(bins)]
        file = NamedBytes("d.csv", list_of("lot,wafer,x,y,bin", rows))
    else:
        cells = np.reshape([-1, *bins], (3, 5))
        text = "\n".join(",".join("" if cell < 0 else str(cell) for cell in row) for row in cells)
        file = NamedBytes("g.csv", text.encode()) if kind == "grid" else NamedBytes("g.npy", npy(cells))
    if asked:
        with pytest.raises(ReadingQuestion, match="more dies in bin 0 than in bin 1"):
            read([file])
    else:
        assert read([file]).wafers[0].passing == ones


def test_a_few_dies_in_bin_0_change_nothing():
    rows = [(*row[:4], 0 if i < 5 else row[4]) for i, row in enumerate(dies())]
    lot = read([NamedBytes("d.csv", list_of("lot,wafer,x,y,bin", rows))])
    assert any("Bin 1 passes and every other bin fails" in note.text for note in lot.notes)


def test_whether_a_thousand_beside_a_one_is_one_is_asked():
    rows = [*dies(failing=3), ("A1", "01", 20, 7, '"1,000"')]
    file = NamedBytes("d.csv", list_of("lot,wafer,x,y,sbin", rows))
    with pytest.raises(ReadingQuestion, match="numbers such as 1,000: which whole numbers pass"):
        read([file])
    assert told(read([file], ReadingOptions(pass_bins=(1,)))) == {"A1/01": (GOOD, BAD)}


def test_coordinates_with_decimals_are_places_also_beside_some_without():
    rows = [(lot, wafer, f"{x}.000" if x else 0, f"{y},000", b) for lot, wafer, x, y, b in dies()]
    quoted = [(lot, wafer, x, f'"{y}"', b) for lot, wafer, x, y, b in rows]
    assert told(read([NamedBytes("d.csv", list_of("lot,wafer,x,y,bin", quoted))])) == {"A1/01": (GOOD, BAD)}


def test_decimals_that_all_are_nought_are_whole_numbers():
    rows = [(lot, wafer, f"{x}.000", f"{y}.000", f"{bin_}.000") for lot, wafer, x, y, bin_ in dies()]
    assert told(read([NamedBytes("d.csv", list_of("lot,wafer,x,y,bin", rows))])) == {"A1/01": (GOOD, BAD)}


def test_it_is_said_which_columns_were_read_and_which_not():
    rows = [(*row, 1, "Loc") for row in dies()]
    lot = read([NamedBytes("d.csv", list_of("LOT_ID,WAFER,DieX,DieY,HardBin,SoftBin,Label", rows))])
    said = next(note.text for note in lot.notes if note.text.startswith("Read:"))
    read_as = "Read: x from DieX, y from DieY, bin from HardBin, lot from LOT_ID, wafer from WAFER."
    assert said == f"{read_as} Not read: SoftBin, Label."


@pytest.mark.parametrize(("encoding", "told_of"), [("cp932", True), ("utf-8", False)])
def test_ids_that_may_not_be_as_they_were_written_are_told(encoding, told_of):
    text = list_of("lot,wafer,x,y,bin", dies("量産ロット")).decode()
    lot = read([NamedBytes("d.csv", text.encode(encoding))])
    assert any("It is not UTF-8" in note.text for note in lot.notes) is told_of


def merged(rows: list[tuple[object, ...]]) -> list[tuple[object, ...]]:
    """A sheet's rows where the lot's cells are merged: it stands in the first alone."""
    return [rows[0], *[("", *row[1:]) for row in rows[1:]]]


@pytest.mark.parametrize("backwards", [False, True])
def test_a_lot_that_stands_on_a_wafers_first_row_only_is_that_of_its_other_rows(backwards):
    rows = [*merged(dies("A1", "01")), *merged(dies("B2", "07"))]
    lot = read([NamedBytes("d.csv", list_of("lot,wafer,x,y,bin", rows[::-1] if backwards else rows))])
    assert told(lot) == {"A1/01": (GOOD, BAD), "B2/07": (GOOD, BAD)}
    assert [wafer.lot for wafer in lot] == (["B2", "A1"] if backwards else ["A1", "B2"])
    filled = f"Rows that name no lot ({len(rows) - 2}) are of the one that others of their wafer name."
    assert any(note.text == filled for note in lot.notes)


def test_a_lot_on_one_row_is_that_of_the_only_wafer():
    rows = [(row[0], *row[2:]) for row in merged(dies())]
    assert told(read([NamedBytes("A1_05.csv", list_of("lot,x,y,bin", rows))])) == {"A1/05": (GOOD, BAD)}


def test_rows_without_a_lot_are_given_none_where_several_have_their_wafer():
    file = NamedBytes("d.csv", list_of("lot,wafer,x,y,bin", [*merged(dies("A1")), *merged(dies("B2"))]))
    with pytest.raises(ReadingQuestion, match="On 1 of 1 wafers most dies are named more than once") as question:
        read([file])
    assert question.value.option == "lot"
    lot = read([file], ReadingOptions(lot="C3"))
    assert list(told(lot)) == ["A1/01", "C3/01", "B2/01"]
    assert not any("that name no lot" in note.text for note in lot.notes)


@pytest.mark.parametrize("backwards", [False, True])
def test_rows_without_a_lot_that_name_the_same_dies_again_are_other_wafers(backwards):
    ids = ("01", "02", "03")
    named = [row for wafer in ids for row in dies("L1", wafer)]
    unnamed = [row for wafer in ids for row in dies("", wafer, passing=5, failing=1)]
    rows = [*unnamed, *named] if backwards else [*named, *unnamed]
    lot = read([NamedBytes("d.csv", list_of("lot,wafer,x,y,bin", rows))], ReadingOptions(pass_bins=(1,)))
    expected = {**{f"L1/{wafer}": (GOOD, BAD) for wafer in ids}, **{f"d/{wafer}": (BAD, GOOD) for wafer in ids}}
    assert told(lot) == expected
    assert not any("that name no lot" in note.text for note in lot.notes)


def test_a_few_retests_among_rows_without_a_lot_make_no_other_wafer():
    rows = merged(dies())
    again = [("", *row[1:]) for row in rows[:5]]
    assert told(read([NamedBytes("d.csv", list_of("lot,wafer,x,y,bin", [*rows, *again]))])) == {"A1/01": (GOOD, BAD)}


def test_rows_without_a_lot_are_of_the_stated_one():
    first, *others = dies()
    named = [first, *dies("A1", "02")]
    file = NamedBytes("d.csv", list_of("lot,wafer,x,y,bin", [*named, *[("", *row[1:]) for row in others]]))
    lot = read([file], ReadingOptions(lot="C3"))
    assert list(told(lot)) == ["A1/01", "A1/02", "C3/01"]
    assert not any("that name no lot" in note.text for note in lot.notes)


TWO = np.stack([STATES, STATES])


@pytest.mark.parametrize(
    ("beside", "named", "left_out"),
    [
        ({"slot": [1, 2], "wafer": ["05", "06"]}, ["m/05", "m/06"], "slot is left out: wafer is read"),
        ({"lot_id": ["c", "d"], "lot": ["a", "b"]}, ["a/01", "b/02"], "lot_id is left out: lot is read"),
        ({"wafer": [1, 2, 3], "slot": [7, 8]}, ["m/7", "m/8"], "wafer is left out: it has 3, and there are 2 maps"),
        ({"lot": [text.encode() for text in ("量産", "É1")]}, ["量産/01", "É1/02"], None),
        ({"lot": [b"\xc9\x31", b"A"]}, ["É1/01", "A/02"], None),
        ({"wafer": [1.0, np.nan]}, ["m/1", "m/02"], None),
        ({"wafer": [1.0, 2.5]}, ["m/1", "m/2.5"], None),
        ({"lot": ["", "NULL"], "wafer": ["", "nan"]}, ["m/01", "m/02"], None),
        ({"lot": [" a ", "a"], "wafer": ['="05"', "6"]}, ["a/05", "a/6"], None),
        ({"wafer": ["", "01"]}, ["m/02", "m/01"], None),
        ({"wafer": ["", "1"]}, ["m/02", "m/1"], None),
        ({"lot": ["a", "b"], "wafer": ["", "01"]}, ["a/01", "b/01"], None),
    ],
)
def test_ids_beside_maps_are_read_as_those_of_die_lists_are(beside, named, left_out):
    arrays = {key: np.array(values) for key, values in beside.items()}
    lot = read([NamedBytes("m.npz", npz(**arrays, maps=TWO))])
    assert [wafer.name for wafer in lot] == named
    said = [note.text for note in lot.notes if "is left out" in note.text]
    assert len(said) == (left_out is not None)
    assert left_out is None or said[0].startswith(left_out)
