import pytest

from wafer_core.charts.names import AREAS, AROUND, LETTER, LINE, PLACES, Mark, places_beside

SHIPPED = ["teacher", "student", "student-int8", "student-tiny", "student-tiny-int8"]


def point(across, up=0.5, low=None, high=None):
    """A mark with a whisker, or with none to speak of."""
    return Mark(across, up, up if low is None else low, up if high is None else high)


def boxes(names, marks, area):
    """Each name's left, bottom, right and top in pixels on a drawing of that size."""
    found = []
    for name, mark, place in zip(names, marks, places_beside(names, marks), strict=True):
        wide, middle = LETTER * len(name), getattr(mark, place.by) * area[1] + place.rise
        left = mark.across * area[0] + place.aside - wide * ("left", "center", "right").index(place.anchor) / 2
        found.append((left, middle - LINE / 2, left + wide, middle + LINE / 2))
    return found


def met(one, other):
    return min(one[2], other[2]) > max(one[0], other[0]) and min(one[3], other[3]) > max(one[1], other[1])


def whisker(mark, area):
    x, low, high = mark.across * area[0], mark.low * area[1], mark.high * area[1]
    return x - 4, low, x + 4, high


@pytest.mark.parametrize(("across", "side"), [(0.3, 1), (0.97, -1)])
def test_a_name_alone_stands_beside_its_mark_where_there_is_room(across, side):
    [place] = places_beside(["student"], [point(across)])
    assert (place.aside * side > 0, place.rise, place.led) == (True, 0, False)


def test_no_marks_need_no_places():
    assert places_beside([], []) == []


@pytest.mark.parametrize("area", AREAS)
@pytest.mark.parametrize(
    ("names", "marks"),
    [
        (["m-0", "m-1"], [point(0.3), point(0.42)]),
        (["m-0", "m-1"], [point(0.3), point(0.3, 0.54)]),
        (["model-0", "model-1", "model-2"], [point(0.18), point(0.44, 0.54), point(0.7)]),
        # Everybody right on every wafer of a small lot, but for the smallest file.
        (
            SHIPPED,
            [
                point(0.868, 0.85, 0.44, 0.85),
                point(0.468, 0.85, 0.44, 0.85),
                point(0.258, 0.85, 0.44, 0.85),
                point(0.335, 0.85, 0.44, 0.85),
                point(0.132, 0.7, 0.15, 0.82),
            ],
        ),
        # A benchmark: many wafers, whiskers that overlap.
        (
            SHIPPED,
            [
                point(0.868, 0.67, 0.43, 0.84),
                point(0.468, 0.53, 0.29, 0.74),
                point(0.258, 0.57, 0.35, 0.77),
                point(0.335, 0.46, 0.22, 0.69),
                point(0.132, 0.46, 0.22, 0.69),
            ],
        ),
        # Agreement alone, where the teacher has no mark.
        (SHIPPED[1:], [point(x, 0.85, 0.15, 0.85) for x in (0.79, 0.43, 0.56, 0.21)]),
    ],
)
def test_names_keep_off_marks_whiskers_and_each_other_and_within_the_drawing(names, marks, area):
    found = boxes(names, marks, area)
    for i, name in enumerate(found):
        assert not any(met(name, other) for other in found[:i])
        for mark in (mark for j, mark in enumerate(marks) if j != i):
            x, y = mark.across * area[0], mark.up * area[1]
            assert not met(name, (x - 8, y - 8, x + 8, y + 8))
            assert not met(name, whisker(mark, area))
        assert min(name[:2]) >= 0
        assert name[2] <= area[0]
        assert name[3] <= area[1]


def test_a_name_does_not_begin_or_end_beside_another_mark():
    """Left of its mark the second name would end above the first mark and be read as that one's."""
    names, marks = ["tiny-int8", "student-tiny"], [point(0.12, 0.4), point(0.42, 0.4)]
    for area in AREAS:
        x, y = 0.12 * area[0], 0.4 * area[1]
        assert not met(boxes(names, marks, area)[1], (x - AROUND, y - AROUND, x + AROUND, y + AROUND))


def test_many_names_are_placed_as_one_waits():
    """A whole shelf of models whose marks lie together: looking through every pair anew took minutes."""
    names = [f"student-{i}-int8" for i in range(40)]
    marks = [point(0.4 + 0.02 * (i % 8), 0.3 + 0.03 * (i // 8)) for i in range(40)]
    places = places_beside(names, marks)
    assert len(places) == 40
    assert set(places) <= set(PLACES)
