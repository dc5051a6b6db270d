import io

import numpy as np
import pandas as pd
import pytest

from wafer_core.errors import ReadingQuestion, UnreadableFile
from wafer_core.lot import FAIL, NO_DIE, PASS, UNTESTED, ReadingOptions
from wafer_core.readers import NamedBytes, read
from wafer_core.readers.columns import roles

ROWS = [
    ("L1", "05", -1, 0, 1),
    ("L1", "05", 0, 0, 7),
    ("L1", "05", 1, 0, 1),
    ("L1", "05", 0, 1, 1),
    ("L1", "05", 0, -1, 1),
]
PLUS = np.array([[0, 1, 0], [1, 2, 1], [0, 1, 0]], dtype=np.uint8)


def text(rows, header="lot,wafer,x,y,bin", delimiter=",", name="dies.csv", encoding="utf-8"):
    lines = [header.replace(",", delimiter), *(delimiter.join(map(str, row)) for row in rows)]
    return NamedBytes(name, "\n".join(lines).encode(encoding))


def parquet(frame, **how):
    file = io.BytesIO()
    frame.to_parquet(file, index=False, **how)
    return NamedBytes("dies.parquet", file.getvalue())


def frame(rows=ROWS):
    return pd.DataFrame(rows, columns=["lot", "wafer", "x", "y", "bin"])


def texts(lot, kind):
    return [note.text for note in lot.notes if note.kind == kind]


@pytest.mark.parametrize(
    "file",
    [
        text(ROWS),
        text(ROWS, delimiter=";"),
        text(ROWS, delimiter="\t", name="dies.tsv"),
        text(ROWS, delimiter="|"),
        text(ROWS, encoding="utf-8-sig"),
        text(ROWS, encoding="utf-16"),
        text(ROWS, header="LOT_ID,Wafer No.,DieX,DieY,HardBin"),
        text(ROWS, header="Lot,WAFER_ID,X_COORD,Y_COORD,HBIN"),
        text(ROWS, header="lotId,slot,xCoordinate,yCoordinate,binCode"),
        text(ROWS, header="Batch ID,Wafer#,Col,Row,Soft Bin"),
        NamedBytes("dies.csv", b"Exported 2024-01-01\r\n\r\n" + text(ROWS).data.replace(b"\n", b"\r\n") + b"\r\n\r\n"),
        NamedBytes("dies.csv", text(ROWS).data.replace(b"05", b'"05"').replace(b"lot", b'"lot"')),
        NamedBytes("dies.csv", text([(*row, "") for row in ROWS], header="lot,wafer,x,y,bin,").data),
        text([(lot, wafer, f"{x}.0", f"{y}.0", f" {value} ") for lot, wafer, x, y, value in ROWS]),
        parquet(frame()),
        parquet(frame().astype({"x": "int16", "bin": "float64"})),
        parquet(frame().astype({"lot": "category", "wafer": "category"})),
        parquet(frame().astype(str)),
        parquet(frame(), use_dictionary=False),
    ],
)
def test_a_die_list_gives_the_same_wafer_however_it_is_written(file):
    lot = read([file])
    (wafer,) = lot.wafers
    assert wafer.name == "L1/05"
    assert np.array_equal(wafer.states, PLUS)
    assert wafer.bins[1, 1] == 7
    assert wafer.bins[0, 0] == -1
    assert any("Bin 1 passes" in note for note in texts(lot, "assumed"))


@pytest.mark.parametrize("first", ["PK", "PKG", "PKID"])
def test_a_list_that_begins_as_archives_do_is_no_archive(first):
    (wafer,) = read([text([("p", *row) for row in ROWS], header=f"{first},lot,wafer,x,y,bin")]).wafers
    assert np.array_equal(wafer.states, PLUS)


def test_y_runs_upwards_and_coordinates_are_the_file_s_own():
    wafer = read([text([("L", "1", -3, 10, 1), ("L", "1", -3, 12, 5), ("L", "1", 0, 10, 5)])]).wafers[0]
    assert wafer.states[0, 0] == FAIL
    assert wafer.states[2, 0] == PASS
    assert [int(c) for c in wafer.frame.coordinates(0, 0)] == [-3, 12]
    assert [int(c) for c in wafer.frame.coordinates(2, 3)] == [0, 10]


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("lot,wafer,x,y,bin", {"lot": 0, "wafer": 1, "x": 2, "y": 3, "bin": 4}),
        ("softbin,hardbin,x,y", {"bin": 1, "x": 2, "y": 3}),
        ("bin,hardbin,x,y", {"bin": 1, "x": 2, "y": 3}),
        ("softbin,bin,x,y", {"bin": 1, "x": 2, "y": 3}),
        ("softbin,bin,hardbin,x,y", {"bin": 2, "x": 3, "y": 4}),
        ("result,sbin,x,y", {"bin": 1, "x": 2, "y": 3}),
        ("x,y,die_x,die_y,sbin", {"x": 2, "y": 3, "bin": 4}),
        ("x_um,y_um,bin", {"bin": 2}),
        ("waferId,lotName,posX,posY,result", {"lot": 1, "wafer": 0, "x": 2, "y": 3, "bin": 4}),
        ("SUBSTRATE,Part X,Part Y,Pass/Fail", {"wafer": 0, "x": 1, "y": 2, "bin": 3}),
        ("", {}),
    ],
)
def test_columns_are_found_under_usual_names(header, expected):
    assert roles(header.split(",")) == expected


@pytest.mark.parametrize(
    ("rows", "options", "states"),
    [
        ([("L", "1", 0, 0, 1), ("L", "1", 1, 0, 3)], {}, [[PASS, FAIL]]),
        ([("L", "1", 0, 0, 5), ("L", "1", 1, 0, 3), ("L", "1", 0, 0, 1)], {}, [[PASS, FAIL]]),
        ([("L", "1", 0, 0, 1), ("L", "1", 1, 0, 3), ("L", "1", 0, 0, "")], {}, [[PASS, FAIL]]),
        ([("L", "1", 0, 0, 1), ("L", "1", 1, 0, 3), ("L", "1", 2, 0, "")], {}, [[PASS, FAIL, UNTESTED]]),
        ([("L", "1", 0, 0, 1), ("L", "1", 2, 0, 3)], {}, [[PASS, NO_DIE, FAIL]]),
        ([("L", "1", 0, 0, "PASS"), ("L", "1", 1, 0, "fail")], {}, [[PASS, FAIL]]),
        ([("L", "1", 0, 0, 0), ("L", "1", 1, 0, 1)], {"pass_bins": (0,)}, [[PASS, FAIL]]),
        ([("L", "1", 0, 0, 8), ("L", "1", 1, 0, 9)], {"pass_bins": (8, 10)}, [[PASS, FAIL]]),
        ([("L", "1", 0, 0, 1), ("L", "1", 1, 0, 2)], {"cells": "states"}, [[PASS, FAIL]]),
        (
            [("L", "1", 0, 0, 1), ("L", "1", 1, 0, 2.5), ("L", "1", 2, 0, 2)],
            {"pass_bins": (1,)},
            [[PASS, NO_DIE, FAIL]],
        ),
    ],
)
def test_results_become_states(rows, options, states):
    (wafer,) = read([text(rows)], ReadingOptions(**options)).wafers
    assert wafer.states.tolist() == states


@pytest.mark.parametrize("bins", [(1,), (0, 1), (1, 2), (0, 1, 2), (2, 3), (0, 5), (1, 2.5, 7)])
def test_bins_that_do_not_say_what_passes_are_asked_about(bins):
    with pytest.raises(ReadingQuestion) as asked:
        read([text([("L", "1", i, 0, value) for i, value in enumerate(bins)])])
    assert asked.value.option == "pass_bins"


def test_retests_are_counted():
    lot = read([text([*ROWS, ("L1", "05", 0, 0, 1)])])
    assert lot.wafers[0].failing == 0
    assert texts(lot, "changed") == ["1 die was tested again; the last test counts."]


def test_rejected_rows_are_told_with_their_lines():
    bad = [
        ("L1", "05", "", 0, 1),
        ("L1", "05", 3, "-", 1),
        ("L1", "05", 2.5, 0, 1),
        ("L1", "05", 3, 3, "?"),
        ("L1", "", 3, 3, 1),
    ]
    lot = read([text([*ROWS, *bad, ("L1", "05", -32768, 0, 1), ("L1", "05", 4)])])
    assert np.array_equal(lot.wafers[0].states, PLUS)
    assert sorted(texts(lot, "rejected")) == [
        "1 row (line 10) left out: the bin is not a number.",
        "1 row (line 11) left out: no wafer id.",
        "1 row (line 13) left out: it has not as many cells as the header.",
        "1 row (line 9) left out: x or y is not a whole number.",
        "3 rows (lines 7-8, 12) left out: no x or y.",
    ]


@pytest.mark.parametrize("place", [(-32768, 0), (0, -32768), (-32768, -32768)])
def test_a_place_that_stdf_marks_as_missing_is_none(place):
    lot = read([text([*ROWS, ("L1", "05", *place, 7)])])
    assert np.array_equal(lot.wafers[0].states, PLUS)
    assert texts(lot, "rejected") == ["1 row (line 7) left out: no x or y."]


@pytest.mark.parametrize(
    ("stray", "told"),
    [
        ([100], "1 row (line 102) left out"),
        ([100, 900], "2 rows (lines 102, 902) left out"),
        ([1022, 1023, 1599], "3 rows (lines 1024-1025, 1601) left out"),
    ],
)
def test_a_stray_quote_costs_its_own_line_and_no_other(stray, told):
    rows = [("L", i // 100, i % 10, i % 100 // 10, 7 if i % 9 else 1) for i in range(1600)]
    for i in stray:
        rows[i] = (f'"{rows[i][0]}', *rows[i][1:])
    lot = read([text(rows)])
    assert sum(wafer.dies for wafer in lot) == 1600 - len(stray)
    assert texts(lot, "rejected") == [f"{told}: it has not as many cells as the header."]


def test_of_a_cell_that_runs_over_two_lines_the_second_is_told_as_left_out():
    rows = [(*row, '"scratched\nat the rim"') for row in ROWS[:1]] + [(*row, "") for row in ROWS[1:]]
    lot = read([text(rows, header="lot,wafer,x,y,bin,remark")])
    assert np.array_equal(lot.wafers[0].states, PLUS)
    assert texts(lot, "rejected") == ["1 row (line 3) left out: it has not as many cells as the header."]


def test_rejected_rows_of_parquet_are_told_with_their_numbers():
    rows = frame().astype({"x": "float64"})
    rows.loc[0, "x"] = np.nan
    assert "1 row (row 1) left out: no x or y." in texts(read([parquet(rows)]), "rejected")


@pytest.mark.parametrize(
    ("name", "header", "options", "expected"),
    [
        ("A1234_05.csv", "x,y,bin", {}, ["A1234/05"]),
        ("A1234-W07.csv", "x,y,bin", {}, ["A1234/07"]),
        ("A1234_W7_20240312.csv", "x,y,bin", {}, ["A1234/7"]),
        ("A1234_wafer_07_retest.csv", "x,y,bin", {}, ["A1234/07"]),
        ("2024_W23_A1234_01.csv", "x,y,bin", {}, ["2024_W23_A1234/01"]),
        ("A1234.05", "x,y,bin", {}, ["A1234/05"]),
        ("Wafer_Lot.csv", "wafer_lot_id,x,y,bin", {}, ["1/Wafer_Lot"]),
        ("A1234.csv", "x,y,bin", {}, ["A1234/01"]),
        ("first.csv", "x,y,bin", {"lot": "A9"}, ["A9/first"]),
        ("dies.csv", "wafer,x,y,bin", {}, ["dies/1"]),
        ("dies.csv", "wafer,x,y,bin", {"lot": "A9"}, ["A9/1"]),
        ("W3.csv", "lot,x,y,bin", {}, ["1/W3"]),
    ],
)
def test_ids_a_file_lacks_come_from_its_name_or_the_options(name, header, options, expected):
    rows = [(1, 0, 0, 1), (1, 1, 0, 7)] if header.count(",") == 3 else [(0, 0, 1), (1, 0, 7)]
    lot = read([text(rows, header=header, name=name)], ReadingOptions(**options))
    assert [wafer.name for wafer in lot] == expected


def test_ids_stay_text():
    lot = read([text([("007", "05", 0, 0, 1), ("7", "5", 0, 0, 7)])])
    assert [wafer.name for wafer in lot] == ["007/05", "7/5"]
    numbers = frame().assign(wafer=[5.0] * 5)
    assert read([parquet(numbers)]).wafers[0].wafer == "5"


def test_wafers_interleaved_in_one_list_are_told_apart_in_order_of_appearance():
    rows = [("L", wafer, x, 0, value) for x, value in ((0, 1), (1, 5)) for wafer in ("09", "02")]
    lot = read([text(rows)])
    assert [wafer.wafer for wafer in lot] == ["09", "02"]
    assert all(wafer.dies == 2 for wafer in lot)


@pytest.mark.parametrize(
    ("file", "words"),
    [
        (text([("L", "1", 0, 0)], header="lot,wafer,x,y"), "no bin column"),
        (text([]), "no row below its header"),
        (parquet(frame([])), "no row below its header"),
        (text([("L", "1")]), r"none of its rows gives a die .*line 2"),
        (text([("L", "1", "a", "b", 1)]), r"none of its rows gives a die .*line 2"),
        (text([("L", "1", 0, 0, 1), ("L", "1", 9000, 0, 7)]), "stray coordinate"),
        (text([*ROWS, ("L" * 200_000, "1", 0, 0, 1)]), "line 7 cannot be split"),
        (parquet(frame().drop(columns="x")), "rename them"),
        (parquet(frame().drop(columns="bin")), "no bin column"),
        (parquet(frame().assign(lot="L" * 300)), "300 characters long"),
        (parquet(frame().assign(x=[[1]] * 5)), "lists or records"),
        (NamedBytes("dies.parquet", parquet(frame()).data[:200]), "damaged"),
    ],
)
def test_die_lists_that_cannot_be_read_are_refused_with_a_reason(file, words):
    with pytest.raises(UnreadableFile, match=words):
        read([file])
