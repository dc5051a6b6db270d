import gzip
import io

import numpy as np
import pytest

from wafer_core.errors import ReadingQuestion, UnreadableFile, UsageError
from wafer_core.lot import ReadingOptions
from wafer_core.readers import NamedBytes, read, read_paths
from wafer_core.readers.limits import ranges

GRID = np.array([[0, 1, 0], [1, 2, 1], [0, 1, 1]], dtype=np.uint8)
LIST = b"lot,wafer,x,y,bin\nL1,05,0,0,1\nL1,05,1,0,7\n"


def npy(name, count=1):
    file = io.BytesIO()
    np.save(file, np.stack([np.roll(GRID, i, axis=1) for i in range(count)]))
    return NamedBytes(name, file.getvalue())


def names(lot):
    return [wafer.name for wafer in lot]


def test_several_files_make_one_lot_in_the_order_given():
    lot = read([npy("b.npy", 2), NamedBytes("dies.csv", LIST), npy("a.npy")])
    assert names(lot) == ["b/01", "b/02", "L1/05", "a/01"]
    assert [file.name for file in lot.files] == ["b.npy", "dies.csv", "a.npy"]
    assert lot.title == "b and 2 more lots"


def test_repeated_wafers_are_kept_under_another_name_and_reported():
    twin = NamedBytes("twin.csv", LIST.replace(b"L1,05,1", b"L1,05#2,1"))
    lot = read([NamedBytes("dies.csv", LIST), twin, NamedBytes("again.csv", LIST)])
    assert names(lot) == ["L1/05", "L1/05#3", "L1/05#2", "L1/05#4"]
    assert {note.file for note in lot.notes if note.kind == "changed"} == {"twin.csv", "again.csv"}


def test_the_second_of_two_equal_names_is_number_two():
    assert names(read([npy("a.npy"), npy("a.npy"), npy("a.npy")])) == ["a/01", "a/01#2", "a/01#3"]


def test_wafers_whose_lot_and_id_join_to_one_name_are_told_apart():
    lot = read([NamedBytes("a.csv", b"lot,wafer,x,y,bin\nA/B,C,0,0,1\nA/B,C,1,0,7\nA,B/C,0,0,1\nA,B/C,1,0,7\n")])
    assert names(lot) == ["A/B/C", "A/B/C#2"]
    assert [lot.position(name) for name in names(lot)] == [0, 1]
    assert any("A/B/C#2" in note.text for note in lot.notes if note.kind == "changed")


def test_files_stated_to_be_one_lot_are_numbered_through():
    assert names(read([npy("a.npy", 2), npy("b.npy")], ReadingOptions(lot="A9"))) == ["A9/01", "A9/02", "A9/03"]


def test_numbers_made_up_are_none_that_a_file_names():
    file = io.BytesIO()
    np.savez(file, maps=np.stack([GRID] * 4), wafer=np.array(["", "01", "02", "none"]), lot=np.array("L1"))
    blank = NamedBytes("blank.npz", file.getvalue())
    assert names(read([blank])) == ["L1/03", "L1/01", "L1/02", "L1/04"]
    third = NamedBytes("dies.csv", LIST.replace(b"L1,05,", b"L1,03,"))
    assert names(read([blank, third])) == ["L1/04", "L1/01", "L1/02", "L1/05", "L1/03"]
    stated = read([blank, npy("a.npy", 2)], ReadingOptions(lot="L1"))
    assert names(stated) == ["L1/03", "L1/01", "L1/02", "L1/04", "L1/05", "L1/06"]


def test_a_stated_lot_does_not_overrule_the_file_s_own():
    assert names(read([NamedBytes("dies.csv", LIST)], ReadingOptions(lot="A9"))) == ["L1/05"]


def test_a_bad_file_is_noted_and_the_others_load():
    lot = read([NamedBytes("bad.npy", b"\x93NUMPY nonsense"), npy("a.npy")])
    assert names(lot) == ["a/01"]
    (note,) = [note for note in lot.notes if note.kind == "refused"]
    assert note.file == "bad.npy"
    assert "NumPy's format" in note.text


def test_nothing_readable_raises_with_the_first_reason():
    with pytest.raises(UnreadableFile, match=r"a\.bin: .*other 1 files"):
        read([NamedBytes("a.bin", b"\x00\x01\x02"), NamedBytes("b", b"")])


def test_a_question_in_one_file_is_asked_before_anything_is_returned():
    with pytest.raises(ReadingQuestion) as asked:
        read([npy("a.npy"), NamedBytes("q.csv", b"x,y,bin\n0,0,0\n1,0,1\n")])
    assert asked.value.name == "q.csv"
    assert asked.value.choices == (0, 1)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "empty"),
        (b"\x1f\x8b\x08\x00", "gzip"),
        (b"PK\x03\x04junk", "damaged or cut short"),
        (b"\x80\x04\x95pickle", "pickle"),
        (b"\x89PNG\r\n\x1a\n", "picture"),
        (gzip.compress(LIST, mtime=0), "unpack it first"),
        (b"FileVersion 1 2;\nLotID a;", "KLARF"),
        (b'Record FileRecord  "1.8"\n{\n  Record LotRecord "a"\n', "KLARF"),
        (b"\x02\x00\x00\x0a\x02\x04", "STDF file, which cannot be read yet; export"),
        (b"\x00\x02\x00\x0a\x01\x04", "STDF"),
        (gzip.compress(b"\x00\x02\x00\x0a\x01\x04" + bytes(9000), mtime=0), "STDF"),
        (gzip.compress(b"FileVersion 1 2;\nLotID a;", mtime=0), "KLARF"),
        (b"<?xml version='1.0'?><Map/>", "XML"),
        (b"\x00" * 100, "not known"),
        (b"PAR1PAR1", "damaged"),
    ],
)
def test_strangers_are_told_what_they_are(data, words):
    with pytest.raises(UnreadableFile, match=words):
        read([NamedBytes("f", data)])


@pytest.mark.parametrize("cells", [np.full((2, 3, 3), np.nan), np.zeros((2, 3, 3)), np.full((3, 3), -1.0)])
def test_arrays_without_a_die_are_no_lot(cells):
    file = io.BytesIO()
    np.savez(file, maps=cells)
    with pytest.raises(UnreadableFile, match="it holds no die"):
        read([NamedBytes("a.npz", file.getvalue())])


def test_a_wafer_without_a_die_among_others_is_kept():
    file = io.BytesIO()
    np.savez(file, maps=np.stack([np.zeros((3, 3), np.uint8), GRID]))
    assert [wafer.dies for wafer in read([NamedBytes("a.npz", file.getvalue())])] == [0, 6]


def test_orientation_turns_every_wafer():
    lot = read([npy("a.npy")], ReadingOptions(orientation="flip-left-right"))
    assert np.array_equal(lot.wafers[0].states, GRID[:, ::-1])
    assert lot.options.orientation == "flip-left-right"


def test_reading_is_repeatable_and_options_show_in_the_hash():
    file = NamedBytes("dies.csv", LIST)
    assert read([file]).lot_hash == read([file]).lot_hash
    assert read([file], ReadingOptions(pass_bins=(7,))).lot_hash != read([file]).lot_hash


DEAD = b"lot,wafer,x,y,bin\nL1,06,0,0,5\nL1,06,1,0,7\n"
BINS = np.array([[0, 4, 0], [4, 7, 5], [0, 4, 0]])


def saved(**arrays):
    file = io.BytesIO()
    np.savez(file, **arrays)
    return NamedBytes("bins.npz", file.getvalue())


@pytest.mark.parametrize(
    ("file", "found"),
    [
        (NamedBytes("dies.csv", DEAD), (5, 7)),
        (NamedBytes("grid.csv", b",4,\n4,7,5\n,4,\n"), (4, 5, 7)),
        (saved(maps=np.stack([BINS, BINS])), (4, 5, 7)),
        (saved(w1=BINS, w2=np.minimum(BINS, 3)), (3, 4, 5, 7)),
        (npy("states.npy"), (1, 2)),
    ],
)
def test_bins_that_pass_and_stand_nowhere_are_asked_about_again(file, found):
    with pytest.raises(ReadingQuestion) as asked:
        read([file], ReadingOptions(pass_bins=(9, 10)))
    assert (asked.value.option, asked.value.choices) == ("pass_bins", found)
    said = f"No die is in bins 9, 10 (the file holds bins {', '.join(map(str, found))}): which bins pass?"
    assert str(asked.value) == f"{file.name}: {said} State it with --pass-bins."


def test_no_bin_of_several_files_passes():
    with pytest.raises(ReadingQuestion, match="the upload of 2 files holds bins 1, 5, 7"):
        read([NamedBytes("a.csv", LIST), NamedBytes("b.csv", DEAD)], ReadingOptions(pass_bins=(9,)))


def test_a_dead_wafer_beside_others_is_kept():
    lot = read([NamedBytes("dies.csv", LIST + DEAD.partition(b"\n")[2])], ReadingOptions(pass_bins=(1,)))
    assert [wafer.passing for wafer in lot] == [1, 0]
    assert not any("so all fail" in note.text for note in lot.notes)


def test_a_file_of_a_dead_wafer_is_kept_beside_others_and_noted():
    files = [NamedBytes("a.csv", LIST), NamedBytes("b.csv", DEAD), npy("c.npy")]
    lot = read(files, ReadingOptions(pass_bins=(1,)))
    assert [wafer.passing for wafer in lot] == [1, 0, 5]
    assert [note.file for note in lot.notes if "so all fail" in note.text] == ["b.csv"]


@pytest.mark.parametrize(
    "data",
    [
        b"x,y,bin\n0,0,PASS\n1,0,FAIL\n",
        b"x,y,bin\n0,0,fail\n1,0,fail\n",
        b"x,y,bin\n0,0,PASS\n1,0,5\n",
        b"x,y,bin\n0,0,\n1,0,\n",
    ],
)
def test_words_pass_and_dies_that_were_not_tested_fail_no_bins(data):
    assert len(read([NamedBytes("dies.csv", data)], ReadingOptions(pass_bins=(9,)))) == 1


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (ReadingOptions(pass_bins=(1,), cells="states"), "state one of the two"),
        (ReadingOptions(pass_bins=(1, -1)), "Bins run from 0 to 2,147,483,647"),
        (ReadingOptions(pass_bins=(2**31,)), "Bins run from 0 to 2,147,483,647"),
        (ReadingOptions(pass_bins=(10**5000,)), "Bins run from 0 to 2,147,483,647"),
        (ReadingOptions(pass_bins=()), "name at least one of these"),
    ],
)
@pytest.mark.parametrize("file", [NamedBytes("dies.csv", LIST), npy("a.npy"), NamedBytes("g.csv", b"0,1\n1,2\n")])
def test_options_by_which_no_file_can_be_read_are_refused(file, options, sentence):
    with pytest.raises(UsageError, match=sentence):
        read([file], options)


@pytest.mark.parametrize(
    "file",
    [
        NamedBytes("dies.csv", LIST),
        NamedBytes("dies.csv", b"x,y,bin\n0,0,1\n1,0,0.5\n2,0,7\n"),
        NamedBytes("grid.csv", b"0,1,0\n1,7,1\n0,1,0\n"),
        saved(maps=np.where(BINS == 4, 1, BINS)),
    ],
)
def test_what_is_stated_to_hold_states_is_not_read_as_bins(file):
    with pytest.raises(UnreadableFile, match="holds the value 7, but die states run from 0 to 3; state --cells bins"):
        read([file], ReadingOptions(cells="states"))


BROKEN = "\udcff"


def letters(*numbers):
    """A text of any 32-bit numbers, whether Unicode knows them or not, as NumPy keeps texts."""
    return np.array(numbers, dtype=np.uint32).view(f"<U{len(numbers)}")


def test_ids_that_no_text_can_hold_are_read_and_stay_apart():
    lots, wafers = letters(0x7FFFFFFF, 65, 0xD800), [*letters(0xD800), *letters(0xDFFF)]
    lot = read([saved(maps=np.stack([GRID] * 2), lot=np.repeat(lots, 2), wafer=np.array(wafers))])
    assert names(lot) == ["\ufffdA\ufffd/\ufffd", "\ufffdA\ufffd/\ufffd#2"]
    assert lot.title == "\ufffdA\ufffd"


def test_the_name_of_a_file_that_is_no_text_names_a_lot_that_is_one():
    file = npy(f"A{BROKEN}.npy")
    for lot in (read([file, NamedBytes(f"{BROKEN}.npy", b"")]), read([file], ReadingOptions(lot=f"A{BROKEN}"))):
        assert names(lot) == ["A\ufffd/01"]
        texts = [lot.title, *(one.name for one in lot.files), *(text for n in lot.notes for text in (n.file, n.text))]
        assert not [text for text in texts if BROKEN in text]
    assert read([file], title=BROKEN).title == "\ufffd"


def test_ids_of_more_digits_than_python_writes_are_read():
    far = np.array([np.finfo(np.longdouble).max, 3], dtype=np.longdouble)
    assert len(read([saved(maps=np.stack([GRID] * 2), wafer=far)])) == 2
    with pytest.raises(UnreadableFile, match=r"values above 2,147,483,647, which are not bins"):
        read([saved(maps=np.full((3, 3), far[0]))])


def test_read_paths_reads_files_and_names_those_that_are_not_there(tmp_path):
    (tmp_path / "dies.csv").write_bytes(LIST)
    assert names(read_paths([tmp_path / "dies.csv"])) == ["L1/05"]
    for path in (tmp_path / "none.csv", tmp_path):
        with pytest.raises(UnreadableFile, match="cannot be opened"):
            read_paths([path])


def test_no_file_at_all_is_a_usage_error():
    with pytest.raises(UsageError):
        read([])


@pytest.mark.parametrize(
    ("numbers", "text"),
    [
        ([], ""),
        ([3], "3"),
        ([3, 4, 5, 9], "3-5, 9"),
        (range(0, 60, 2), "0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22 and 18 more"),
    ],
)
def test_line_numbers_are_told_in_short(numbers, text):
    assert ranges(numbers) == text
