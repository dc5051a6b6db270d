"""Whatever the bytes, `read` answers with a Lot or an error made for the screen, and never grows without bound."""

import io
import struct
import tracemalloc
import zipfile
from contextlib import contextmanager, suppress
from functools import partial

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from wafer_core.errors import UnreadableFile, WaferDistillError
from wafer_core.lot import Frame, Lot, Note, ReadingOptions, Wafer
from wafer_core.readers import NamedBytes, limits, read
from wafer_core.readers.lotfile import write_lot

GRID = np.array([[0, 1, 0], [1, 2, 1], [0, 1, 0]], dtype=np.uint8)
MEGABYTE = 1 << 20


def saved(save, *args, **named):
    file = io.BytesIO()
    save(file, *args, **named)
    return file.getvalue()


def parquet():
    file = io.BytesIO()
    pd.DataFrame({"lot": ["a"] * 4, "x": range(4), "y": range(4), "bin": [1, 1, 7, 1]}).to_parquet(file)
    return file.getvalue()


SEEDS = (
    saved(np.save, GRID),
    saved(np.savez, GRID),
    saved(np.savez_compressed, np.stack([GRID] * 3), np.eye(8, dtype=np.uint8)[:3]),
    parquet(),
    b"lot,wafer,x,y,bin\nL,1,0,0,1\nL,1,1,0,7\n",
    b"\xef\xbb\xbfx;y;bin\n0;0;1\n1;0;7\n",
    b",1,\n1,7,1\n,1,\n",
)
OPTIONS = st.one_of(
    st.builds(
        ReadingOptions,
        pass_bins=st.sampled_from([None, (1,), (0,), (0, 1), (3, 7)]),
        cells=st.sampled_from([None, "bins"]),
        lot=st.sampled_from([None, "L"]),
    ),
    st.builds(ReadingOptions, cells=st.just("states"), lot=st.sampled_from([None, "L"])),
)
"""What may be stated together: `read` looks at no byte where it may not."""


@st.composite
def damaged_files(draw):
    """A sound file with some bytes changed, cut out or repeated."""
    data = bytearray(draw(st.sampled_from(SEEDS)))
    for _ in range(draw(st.integers(1, 6))):
        at = draw(st.integers(0, max(0, len(data) - 1)))
        change = draw(st.sampled_from(["set", "cut", "insert"]))
        if change == "set" and data:
            data[at] = draw(st.integers(0, 255))
        elif change == "cut":
            del data[at : at + draw(st.integers(1, 40))]
        else:
            data[at:at] = draw(st.binary(max_size=12))
    return bytes(data)


def survives(data, options):
    """Return whether a Lot came out; anything raised but our own errors fails the test."""
    with suppress(WaferDistillError):
        lot = read([NamedBytes("f", data)], options)
        assert isinstance(lot, Lot)
        fit_for_screen_and_store(lot)
        return True
    return False


@given(damaged_files(), OPTIONS)
@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_damaged_files_raise_nothing_but_our_errors(data, options):
    survives(data, options)


LETTERS = st.sampled_from([65, 0x20, 0xD800, 0xDC00, 0xDFFF, 0xFFFF, 0x10FFFF, 0x110000, 0x7FFFFFFF, 0xFFFFFFFF])
IDS = st.lists(LETTERS, min_size=6, max_size=6).map(lambda codes: np.array(codes, dtype=np.uint32))
TEXTS = st.text(st.sampled_from("A/é \0\ud800\udfff"), max_size=5)


def fit_for_screen_and_store(lot):
    """Every text of a lot goes to the browser and into a database, and both hold nothing but UTF-8."""
    for wafer in lot:
        wafer.name.encode()
    for text in (lot.title, *(part for note in lot.notes for part in (note.file, note.text))):
        text.encode()
    for file in lot.files:
        file.name.encode()


@given(IDS, IDS, IDS, st.sampled_from("<>"), TEXTS)
@settings(max_examples=100, deadline=None)
def test_any_ids_beside_arrays_make_texts(lots, wafers, labels, order, name):
    written = (np.frombuffer(ids.astype(f"{order}u4").tobytes(), f"{order}U3") for ids in (lots, wafers, labels))
    data = saved(np.savez, maps=np.stack([GRID] * 2), **dict(zip(("lot", "wafer", "label"), written, strict=True)))
    lot = read([NamedBytes(name, data)])
    fit_for_screen_and_store(lot)
    assert len({wafer.name for wafer in lot}) == 2


@given(TEXTS, TEXTS, TEXTS, TEXTS, TEXTS)
@settings(max_examples=100, deadline=None)
def test_any_texts_in_a_lot_file_make_texts(title, lot, wafer, note, name):
    made = Lot(title, (Wafer(lot, wafer, Frame(3, 3), GRID.copy()),), notes=(Note("changed", note, note),))
    fit_for_screen_and_store(read([NamedBytes(name, write_lot(made))]))


@given(st.binary(max_size=400), OPTIONS)
@settings(max_examples=150, deadline=None)
def test_any_bytes_raise_nothing_but_our_errors(data, options):
    survives(data, options)


@given(st.text(alphabet='0123456789,;.-\t\n"xybinlotwaferNaP \x00é', max_size=300), OPTIONS)
@settings(max_examples=200, deadline=None)
def test_any_text_raises_nothing_but_our_errors(text, options):
    survives(text.encode(), options)
    survives(b"lot,wafer,x,y,bin\n" + text.encode(), options)


STATES, BINS = ("0", "1", "2", "3"), ("0", "1", "1", "1", "3", "7", "", "1.0", "-1")
ODD = (
    *("-32768", "2147483647", "-2147483648", "99999999999999999999", "1e300", "2.5", "0,5", "1,000", "1_0", "+1", "٣"),
    *("nan", "inf", ".", "-", "#N/A", "pass", "F", "oops", '"', '"1', '""', '="05"', "='1'", " 1 ", "é\u2028", "\x0b"),
)


def cells(draw):
    """Which cells a text is made of: those of sound files, and now and then a few odd ones."""
    usual = draw(st.sampled_from([STATES, BINS]))
    return st.sampled_from([*usual * 3, *draw(st.lists(st.sampled_from(ODD), max_size=3))])


@st.composite
def die_lists(draw):
    """A heading and rows below it, whose cells may be odd and not as many as the heading's."""
    cell, coordinate = cells(draw), st.integers(-3, 6).map(str)
    place = st.one_of(coordinate, coordinate, coordinate, cell)
    heading = draw(
        st.sampled_from([["lot", "wafer", "x", "y", "bin"], ["x", "y", "hardbin"], ["bin", "wafer", "y", "x"]])
    )
    of_column = [place if name in ("x", "y") else cell for name in heading]
    row = st.tuples(*of_column).map(list)
    rows = draw(st.lists(st.one_of(row, row, row, st.lists(cell, max_size=7)), min_size=1, max_size=12))
    return joined(draw, [heading, *rows], ",;\t|")


@st.composite
def grids(draw):
    """Lines of cells, mostly as many in each, with empty lines between some of them."""
    cell, width = cells(draw), draw(st.integers(1, 7))
    line = st.lists(cell, min_size=width, max_size=width)
    ragged = draw(st.lists(st.lists(cell, max_size=7), max_size=1))
    return joined(draw, [*draw(st.lists(line, min_size=1, max_size=9)), *ragged], ",;\t ")


def joined(draw, rows, delimiters):
    delimiter, end = draw(st.sampled_from(delimiters)), draw(st.sampled_from(["\n", "\r\n", "\r", "\n\n"]))
    return end.join(delimiter.join(row) for row in rows).encode(draw(st.sampled_from(["utf-8", "utf-8-sig", "utf-16"])))


@st.composite
def arrays(draw):
    """Small arrays of numbers that are states, bins or neither, by themselves or in an archive."""
    numbers = draw(st.sampled_from([(0, 1, 2, 3), (-1, 0, 1, 1, 7), (1, 3, 40_000, -7), (0, 1, 2.5, np.nan, np.inf)]))
    dtype = np.float64 if np.nan in numbers else draw(st.sampled_from(["i1", "i4", ">i8", "f4", "u2"]))
    shape = draw(st.lists(st.integers(1, 4), min_size=1, max_size=4))
    size = int(np.prod(shape))
    drawn = draw(st.lists(st.sampled_from(numbers), min_size=size, max_size=size))
    array = np.array(drawn).astype(dtype).reshape(shape)
    if draw(st.booleans()):
        return saved(np.save, array)
    return saved(np.savez, **{draw(st.sampled_from(["maps", "arr_0", "w1", "label"])): array, "lot": np.array(["é"])})


KINDS = {"die lists": die_lists(), "grids": grids(), "arrays": arrays()}


@pytest.mark.parametrize("kind", KINDS)
@given(data=st.data(), options=OPTIONS)
@settings(max_examples=120, deadline=None)
def test_odd_cells_raise_nothing_but_our_errors(kind, data, options):
    survives(data.draw(KINDS[kind]), options)


@pytest.mark.parametrize("kind", KINDS)
def test_of_odd_cells_a_lot_is_made_at_times(kind):
    """Else what is drawn would be refused before the readers have looked at a cell."""
    read_at_all = []

    @given(KINDS[kind], OPTIONS)
    @settings(max_examples=60, deadline=None, derandomize=True, database=None)
    def read_some(data, options):
        read_at_all.append(survives(data, options))

    read_some()
    assert 0.1 < np.mean(read_at_all) < 0.95


@given(
    st.dictionaries(
        st.sampled_from(["descr", "fortran_order", "shape"]),
        st.sampled_from(
            [
                "'|u1'",
                "'|O'",
                "'<U0'",
                "(3, 3)",
                "(3,)",
                "(-3, 3)",
                "(10**9, 10**9)",
                "True",
                "None",
                "[('a', '<i4')]",
                "'<i4,<i4'",
                "(True, 3)",
            ]
        ),
    )
)
@settings(max_examples=150, deadline=None)
def test_any_npy_header_raises_nothing_but_our_errors(fields):
    header = "{" + ", ".join(f"{key!r}: {value}" for key, value in fields.items()) + "}"
    survives(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode() + bytes(9), ReadingOptions())


LONG = f"(0x{'f' * 6000}, 3, 3)"
"""A shape with a number that takes more digits than Python writes, which is why this is text."""


def npy_claiming(shape, dtype="|u1"):
    header = f"{{'descr': {dtype!r}, 'fortran_order': False, 'shape': {shape}}}".encode()
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header


def zipped(packing=zipfile.ZIP_DEFLATED, **members):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", packing) as archive:
        for name, data in members.items():
            archive.writestr(f"{name}.npy", data)
    return file.getvalue()


@pytest.fixture(scope="module", name="bomb")
def _bomb():
    """80 MB of zeros in a tenth of a megabyte, written piece by piece."""
    file = io.BytesIO()
    count = 80
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("maps.npy", "w") as member:
        member.write(npy_claiming((count * 64, 128, 128)))
        for _ in range(count):
            member.write(bytes(MEGABYTE))
    return file.getvalue()


def refused_cheaply(data, words):
    tracemalloc.start()
    try:
        with pytest.raises(UnreadableFile, match=words):
            read([NamedBytes("f", data)])
        assert tracemalloc.get_traced_memory()[1] < 16 * MEGABYTE
    finally:
        tracemalloc.stop()


def test_a_zip_bomb_is_refused_before_it_unfolds(bomb):
    assert len(bomb) < MEGABYTE / 8
    refused_cheaply(bomb, "unfold")


def understated(archive, size, stated):
    """A zip whose every mention of a member's size is a lie."""
    return archive.replace(struct.pack("<I", size), struct.pack("<I", stated))


@pytest.mark.parametrize(
    ("packing", "words"),
    [(zipfile.ZIP_DEFLATED, "damaged"), (zipfile.ZIP_BZIP2, "savez"), (zipfile.ZIP_LZMA, "savez")],
)
def test_an_array_that_understates_its_size_unfolds_no_further_than_it_says(packing, words):
    header = npy_claiming((128, 128))
    member = header + bytes(48 * MEGABYTE)
    stated = len(header) + 128 * 128
    refused_cheaply(understated(zipped(packing, maps=member), len(member), stated), words)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (npy_claiming((100_000, 100_000)), "ends before"),
        (npy_claiming((10**12, 10**12)), "ends before"),
        (zipped(maps=npy_claiming((100_000, 1000, 1000))), "ends before"),
        (npy_claiming((2**63 - 1, 3)), "ends before"),
        (npy_claiming((2**63, 0)), "damaged"),
        (npy_claiming(LONG), "damaged"),
        (zipped(maps=npy_claiming(LONG)), "damaged"),
        (npy_claiming((10**12, 3, 3), "<U0"), "no size"),
        (b"\x93NUMPY\x02\x00" + struct.pack("<I", 2**31) + b"{", "overlong"),
        (b"lot,wafer,x,y,bin\nL,1,0,0,1\nL,1,2000000000,0,7\n", "stray"),
        (
            b"lot,wafer,x,y,bin\n" + b"".join(b"L,%d,0,0,1\nL,%d,4000,4000,7\n" % (i, i) for i in range(40)),
            "cells are more",
        ),
    ],
)
def test_claims_of_size_are_checked_before_memory_is_taken(data, words):
    refused_cheaply(data, words)


HEAD = b"lot,wafer,x,y,bin\nA,1,0,0,1\nA,1,1,0,7\n"


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"1\n\n" * 1_000_000, "a grid of 4,097 x 1 cells"),
        (b"1,7\n7,1\n\n" * 300_000, "300,000 wafers are more than"),
        (b"11," * 1_000_000, "line 1 is longer than"),
        (b"1 7\n7 1\n" + b"11 " * 1_000_000, "line 3 is longer than"),
        (b"11," * 100_000, "a grid of 1 x 100,000 cells"),
        (HEAD + b"11," * 1_000_000, "line 4 is longer than"),
        (HEAD.replace(b"bin", b"bin," + b"a_long_name," * 100_000), "line 1 is longer than"),
        (HEAD.partition(b"\n")[0] + b"\n" + (b"11," * 3000 + b"\n") * 300, "none of its rows gives a die"),
    ],
    ids=["lines apart", "blocks", "line", "later line", "first line", "line of a list", "header", "lines of a list"],
)
def test_text_is_refused_before_it_is_taken_apart(data, words):
    refused_cheaply(data, words)


@pytest.mark.parametrize("flipped", [1, 4])
def test_no_damage_to_a_parquet_footer_ends_the_process(flipped):
    """Asked for a column whose metadata contradicts itself, pyarrow does not raise: it ends the process."""
    sound = parquet()
    footer = int.from_bytes(sound[-8:-4], "little")
    for at in range(len(sound) - 8 - footer, len(sound) - 8):
        damaged = bytearray(sound)
        damaged[at] ^= flipped
        survives(bytes(damaged), ReadingOptions())


def test_parquet_is_judged_by_its_metadata(monkeypatch):
    repeated = pd.DataFrame({"x": np.zeros(300_000, dtype=int), "y": 0, "bin": 1})
    file = io.BytesIO()
    repeated.to_parquet(file)
    monkeypatch.setattr(limits, "MAX_ROWS", 200_000)
    refused_cheaply(file.getvalue(), "more than 200,000 rows")


USUAL_POOL = pa.default_memory_pool()
WATCHED_POOL = pa.proxy_memory_pool(USUAL_POOL)
"""Kept for good: what was taken from it may be given back late."""


@contextmanager
def arrow_watched():
    """Arrow takes its memory, which tracemalloc does not see, from a pool that only this uses."""
    pa.set_memory_pool(WATCHED_POOL)
    try:
        yield WATCHED_POOL
    finally:
        pa.set_memory_pool(USUAL_POOL)


def parquet_repeating(lot, rows, **how):
    """A list whose every row has the one lot id, which takes no room after the first."""
    columns = {"lot": lot.take(pa.array([0] * rows)), "x": range(rows), "y": range(rows), "bin": [1, 7] * (rows // 2)}
    return saved(partial(pq.write_table, pa.table(columns)), compression="zstd", write_statistics=False, **how)


@pytest.mark.parametrize(
    ("lot", "how", "words"),
    [
        (pa.array(["x" * MEGABYTE]).dictionary_encode(), {}, "1,048,576 characters long"),
        (pa.array(["x" * MEGABYTE]), {"use_dictionary": False}, "unfold"),
        (pa.array([b"x" * MEGABYTE], pa.binary(MEGABYTE)), {}, "1,048,576 characters long"),
        (
            pa.array(["x" * MEGABYTE]),
            {"use_dictionary": False, "column_encoding": {"lot": "DELTA_BYTE_ARRAY"}},
            "packed in a rare way",
        ),
    ],
    ids=["dictionary", "plain", "fixed length", "differences"],
)
def test_a_long_text_that_repeats_is_not_unpacked_for_every_row(lot, how, words):
    data = parquet_repeating(lot, 128, **how)
    assert len(data) < MEGABYTE / 16
    with arrow_watched() as pool:
        refused_cheaply(data, words)
    assert pool.max_memory() < 16 * MEGABYTE


@pytest.mark.parametrize("kind", ["u1", "i4", "f4"])
def test_cells_with_bins_take_the_memory_that_the_limits_say(kind):
    cells, itemsize = 8_000_000, np.dtype(kind).itemsize
    maps = np.ones((cells // 40_000, 200, 200), dtype=kind)
    maps[:, ::3, ::5] = 7
    maps[:, :20] = 0
    file = NamedBytes("f.npz", saved(np.savez_compressed, maps))
    del maps
    tracemalloc.start()
    try:
        assert read([file]).wafers[0].bins[-1, -1] == 1
        assert tracemalloc.get_traced_memory()[1] < (10 + itemsize) * cells + 32 * MEGABYTE
    finally:
        tracemalloc.stop()


def test_too_many_cells_with_bins_are_refused_before_they_are_taken_apart(monkeypatch):
    monkeypatch.setattr(limits, "MAX_BIN_CELLS", 1_000_000)
    data = saved(np.savez_compressed, np.full((300, 64, 64), 7, dtype=np.uint8))
    tracemalloc.start()
    try:
        with pytest.raises(UnreadableFile, match="cells are more than"):
            read([NamedBytes("f.npz", data)])
        assert tracemalloc.get_traced_memory()[1] < 4 * 300 * 64 * 64
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("kind", ["lot files", "arrays"])
def test_files_that_are_too_much_together_are_refused_one_by_one(monkeypatch, kind, lot_of):
    maps = np.ones((10, 20, 20), dtype=np.uint8)
    data = write_lot(lot_of(maps)) if kind == "lot files" else saved(np.savez_compressed, maps)
    monkeypatch.setattr(limits, "MAX_CELLS", 9_000)
    lot = read([NamedBytes(f"{name}.npz", data) for name in "abcd"])
    assert [file.name for file in lot.files] == ["a.npz", "b.npz"]
    refused = [note for note in lot.notes if note.kind == "refused"]
    assert [note.file for note in refused] == ["c.npz", "d.npz"]
    assert "12,000 cells are more than the 9,000 one upload may hold" in refused[0].text


def test_a_thousand_equal_maps_are_no_bomb():
    maps = np.ones((1000, 52, 52), dtype=np.int64)
    assert len(read([NamedBytes("f.npz", saved(np.savez_compressed, maps))])) == 1000


class Trap:
    def __reduce__(self):
        return (pytest.fail, ("a pickle was opened",))


def test_pickles_are_never_opened():
    objects = np.array([Trap()], dtype=object)
    for data in (saved(np.save, objects), saved(np.savez, maps=objects)):
        with pytest.raises(UnreadableFile, match="never opened"):
            read([NamedBytes("f", data)])
