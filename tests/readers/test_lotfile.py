import io
import zipfile
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from wafer_core.errors import UnreadableFile
from wafer_core.lot import Frame, Lot, Note, ReadingOptions, SourceFile, Wafer
from wafer_core.patterns import flags
from wafer_core.readers import NamedBytes, read
from wafer_core.readers.lotfile import read_lot, write_lot

IDS = st.text(min_size=1, max_size=8)
STEPS = st.sampled_from([1, -1])
COORDINATES = st.integers(-(2**31), 2**31)


@st.composite
def wafers(draw):
    shape = draw(st.tuples(st.integers(1, 6), st.integers(1, 6)))
    frame = Frame(*shape, draw(COORDINATES), draw(COORDINATES), draw(STEPS), draw(STEPS), draw(st.booleans()))
    return Wafer(
        draw(IDS),
        draw(IDS),
        frame,
        draw(arrays(np.uint8, shape, elements=st.integers(0, 3))),
        draw(st.none() | arrays(np.int32, shape, elements=st.integers(-1, 2**31 - 1))),
        draw(st.none() | arrays(np.bool_, 8)),
        draw(st.sampled_from(["up", "right", "down", "left", "unknown"])),
    )


LOTS = st.builds(
    Lot,
    title=st.text(min_size=1, max_size=12),
    wafers=st.lists(wafers(), min_size=1, max_size=5, unique_by=lambda wafer: wafer.name).map(tuple),
    files=st.lists(st.builds(SourceFile, st.text(), st.text(), st.text()), max_size=2).map(tuple),
    notes=st.lists(st.builds(Note, st.sampled_from(["assumed", "rejected"]), st.text(), st.text()), max_size=2).map(
        tuple
    ),
)


def same(one, other):
    return one is other is None or np.array_equal(one, other)


@given(LOTS)
@settings(max_examples=60, deadline=None)
def test_a_lot_comes_back_as_it_was(lot):
    data = write_lot(lot)
    found = read_lot(NamedBytes("lot.npz", data))
    assert (found.title, found.files, found.notes) == (lot.title, lot.files, lot.notes)
    assert found.lot_hash == lot.lot_hash
    for one, other in zip(lot, found, strict=True):
        assert (one.name, one.frame, one.notch) == (other.name, other.frame, other.notch)
        assert same(one.states, other.states)
        assert same(one.bins, other.bins)
        assert same(one.labels, other.labels)
    assert write_lot(found) == data


@given(LOTS)
@settings(max_examples=20, deadline=None)
def test_read_takes_a_lot_file_as_it_is(lot):
    assert read([NamedBytes("lot.npz", write_lot(lot))]).lot_hash == lot.lot_hash


LOT = Lot(
    "Two wafers",
    (
        Wafer("L", "1", Frame(2, 3), np.array([[1, 2, 0], [0, 3, 1]], dtype=np.uint8), labels=flags(["Center"])),
        Wafer("L", "2", Frame(1, 2), np.array([[1, 2]], dtype=np.uint8), np.array([[1, 9]], dtype=np.int32)),
    ),
)


def test_a_lot_file_keeps_its_title_and_can_be_turned():
    lot = read([NamedBytes("x.npz", write_lot(LOT))], ReadingOptions(orientation="rotate-90"))
    assert lot.title == "Two wafers"
    assert lot.wafers[0].frame.shape == (3, 2)
    assert read([NamedBytes("x.npz", write_lot(LOT))], title="Mine").title == "Mine"


def rewritten(**changes):
    """The bytes of a lot file with some arrays replaced, None leaving one out."""
    with np.load(io.BytesIO(write_lot(LOT))) as stored:
        kept = {**stored, **changes}
    file = io.BytesIO()
    np.savez(file, **{key: value for key, value in kept.items() if value is not None})
    return file.getvalue()


@pytest.mark.parametrize(
    "data",
    [
        rewritten(format=np.array("waferdistill-lot-9")),
        rewritten(states=np.full(8, 4, dtype=np.uint8)),
        rewritten(states=np.zeros(7, dtype=np.uint8)),
        rewritten(states=np.zeros(8, dtype=np.int64)),
        rewritten(shape=np.array([[2, 3], [-1, -2]], dtype=np.int32)),
        rewritten(shape=np.array([[2**30, 2**30], [1, 2]], dtype=np.int64)),
        rewritten(shape=np.array([[2.0, 3.0], [1.0, 2.0]])),
        rewritten(shape=np.array([[2, 4], [0, 0]], dtype=np.int32), bins=None, has_bins=None),
        rewritten(frame=np.zeros((2, 5), dtype=np.int64)),
        rewritten(frame=np.zeros((2, 4), dtype=np.int64)),
        rewritten(labels=np.zeros((2, 7), dtype=bool)),
        rewritten(bins=np.array([-9, 1], dtype=np.int32)),
        rewritten(bins=None),
        rewritten(notch=np.frombuffer(b'["up"]', dtype=np.uint8)),
        rewritten(notch=np.frombuffer(b'["up", "off"]', dtype=np.uint8)),
        rewritten(lot=np.frombuffer(b"[[[[", dtype=np.uint8)),
        rewritten(lot=np.frombuffer(b"[1, 2]", dtype=np.uint8)),
        rewritten(title=np.frombuffer(b"[]", dtype=np.uint8)),
        rewritten(title=None),
        rewritten(notes=np.frombuffer(b'["assumed"]', dtype=np.uint8)),
        write_lot(LOT)[:-40],
        b"",
        b"PK\x03\x04",
    ],
)
def test_a_lot_file_that_does_not_add_up_is_refused(data):
    with pytest.raises(UnreadableFile):
        read_lot(NamedBytes("lot.npz", data))
    with pytest.raises(UnreadableFile):
        read([NamedBytes("lot.npz", data)])


def test_other_archives_are_no_lot_files():
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("readme.txt", "hello")
    with pytest.raises(UnreadableFile, match="not a lot file"):
        read_lot(NamedBytes("x.zip", file.getvalue()))


def test_the_lot_hash_leaves_labels_out():
    bare = replace(LOT, wafers=tuple(replace(wafer, labels=None) for wafer in LOT))
    assert read_lot(NamedBytes("x.npz", write_lot(bare))).lot_hash == LOT.lot_hash
