import numpy as np
import pytest

from wafer_core.kit.pack import engine
from wafer_core.kit.vectors import COUNT, PARTLY_TESTED, die_list, read_vectors, vectors
from wafer_core.lot import NO_DIE, UNTESTED
from wafer_core.models.folder import resolve


@pytest.fixture(scope="module")
def student():
    return engine(resolve("student-int8"))


@pytest.fixture(scope="module")
def lot(student):
    return read_vectors(vectors(student))


def test_vectors_are_wafers_of_several_grids(lot):
    assert len(lot) == COUNT
    assert len({wafer.frame.shape for wafer in lot}) > 1


@pytest.mark.parametrize("name", ["student-int8", "student-onnx", "student-tiny-int8"])
def test_two_vectors_are_partly_tested_whatever_the_model_is_sure_of(name):
    lot = read_vectors(vectors(engine(resolve(name))))
    assert sum(bool((wafer.states == UNTESTED).any()) for wafer in lot) >= PARTLY_TESTED == 2
    assert len(lot) == COUNT


def test_vectors_cover_several_answers_none_of_them_a_close_call(student, lot):
    verdicts = student.verdicts(lot)
    assert len({answer.tobytes() for answer in verdicts.detected}) > COUNT / 2
    assert not verdicts.unsure.any()


def test_the_same_model_gives_the_same_vectors(student):
    assert vectors(student) == vectors(student)


def test_a_die_list_reads_back_as_the_lot_it_was_written_from(small_lot):
    read = read_vectors(die_list(small_lot))
    assert [wafer.name for wafer in read] == [wafer.name for wafer in small_lot]
    for mine, theirs in zip(read, small_lot, strict=True):
        rows, columns = (np.flatnonzero((theirs.states != NO_DIE).any(axis=axis)) for axis in (1, 0))
        assert (mine.states == theirs.states[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]).all()
