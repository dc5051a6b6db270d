import pytest

from wafer_core.charts.names import AROUND, LETTER, LINE, PLACES, places_beside

WIDTH = 340.0


def boxes(names, marks, places):
    """Each name's left, bottom, right and top."""
    found = []
    for name, (x, y), place in zip(names, marks, places, strict=True):
        side, rise = PLACES[place]
        left = x + 10 if side > 0 else x - 10 - LETTER * len(name)
        bottom = y - LINE / 2 + rise * (LINE / 2 + 6)
        found.append((left, bottom, left + LETTER * len(name), bottom + LINE))
    return found


def met(one, other):
    return min(one[2], other[2]) > max(one[0], other[0]) and min(one[3], other[3]) > max(one[1], other[1])


def test_a_name_alone_stands_on_the_right():
    assert places_beside(["student"], [(100.0, 100.0)], WIDTH) == ["middle right"]


def test_a_name_that_would_leave_the_drawing_stands_on_the_left():
    assert places_beside(["teacher"], [(330.0, 100.0)], WIDTH) == ["middle left"]


def test_no_marks_need_no_places():
    assert places_beside([], [], WIDTH) == []


@pytest.mark.parametrize(
    "marks",
    [
        [(100.0, 100.0), (140.0, 100.0)],
        [(100.0, 100.0), (100.0, 112.0)],
        [(60.0, 100.0), (150.0, 110.0), (240.0, 100.0)],
        [(42.0, 118.0), (112.0, 118.0), (86.0, 180.0)],
    ],
)
def test_names_keep_off_each_other_and_off_other_marks(marks):
    names = [f"model-{i}" for i in range(len(marks))]
    found = boxes(names, marks, places_beside(names, marks, WIDTH))
    for i, name in enumerate(found):
        assert not any(met(name, other) for other in found[:i])
        others = [mark for j, mark in enumerate(marks) if j != i]
        assert not any(met(name, (x - 8, y - 8, x + 8, y + 8)) for x, y in others)


def test_a_name_does_not_begin_or_end_beside_another_mark():
    """Left of its mark the second name would end above the first mark and be read as that one's."""
    names, marks = ["tiny-int8", "student-tiny"], [(42.0, 118.0), (142.0, 118.0)]
    second = boxes(names, marks, places_beside(names, marks, WIDTH))[1]
    assert not met(second, (42 - AROUND, 118 - AROUND, 42 + AROUND, 118 + AROUND))


def test_many_names_are_placed_as_one_waits():
    """A whole shelf of models whose marks lie together: looking through every pair anew took minutes."""
    names = [f"student-{i}-int8" for i in range(40)]
    marks = [(150.0 + 7 * (i % 8), 100.0 + 9 * (i // 8)) for i in range(40)]
    places = places_beside(names, marks, WIDTH)
    assert len(places) == 40
    assert set(places) <= set(PLACES)
