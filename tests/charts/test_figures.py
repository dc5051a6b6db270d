"""Charts of models beside each other: what they plot, what they say on hover, how they mark models."""

import math

import pytest

from wafer_core.charts import DARK, LIGHT
from wafer_core.charts.figures import CLEAR, Bar, Point, accuracy_against_size, learning_curve, score_bars, series

MODELS = [
    ("teacher", "teacher", "teacher"),
    ("teacher-onnx", "teacher", "teacher"),
    ("student", "student", "student"),
    ("student-int8", "student", "student"),
    ("tiny", "student", "tiny"),
]
POINTS = (
    Point("teacher", 11_500_000, 0.979, 0.971, 0.985, "2,400 wafers"),
    Point("student", 260_000, 0.978, 0.97, 0.984, "2,400 wafers"),
    Point("tiny", 41_000, 0.95, 0.94, 0.96, "2,400 wafers"),
)


@pytest.mark.parametrize(("theme", "colours"), [("light", LIGHT), ("dark", DARK)])
def test_a_model_keeps_its_mark_and_its_files_are_akin(theme, colours):
    marks = {mark.name: mark for mark in series(MODELS, theme)}
    assert marks["teacher"].colour == marks["teacher-onnx"].colour == colours.teacher
    assert marks["student"].colour == marks["student-int8"].colour == colours.student
    assert marks["tiny"].colour not in (colours.teacher, colours.student)
    assert marks["student"].symbol != marks["tiny"].symbol
    assert (marks["student-int8"].symbol, marks["student-int8"].converted) == (f"{marks['student'].symbol}-open", True)


@pytest.mark.parametrize("held", ["tiny", "student", "student-int8"])
@pytest.mark.parametrize(("theme", "colours"), [("light", LIGHT), ("dark", DARK)])
def test_the_student_in_hand_has_the_students_colour_wherever_it_stands(theme, colours, held):
    marks = {mark.name: mark for mark in series(MODELS, theme, in_hand=held)}
    assert marks[held].colour == colours.student
    assert len({marks[name].colour for name in ("teacher", "student", "tiny")}) == 3


def test_a_student_in_hand_that_is_not_drawn_leaves_its_colour_to_the_first():
    marks = {mark.name: mark for mark in series(MODELS, "light", in_hand="elsewhere")}
    assert marks["student"].colour == LIGHT.student


def test_size_is_logarithmic_and_every_point_says_how_it_was_measured():
    figure = accuracy_against_size(POINTS, series(MODELS, "light"), "exact match", "light", "teacher")
    assert figure.layout.xaxis.type == "log"
    assert [trace.x[0] for trace in figure.data] == [point.bytes for point in POINTS]
    assert [trace.y[0] for trace in figure.data] == pytest.approx([97.9, 97.8, 95.0])
    low, high = figure.layout.xaxis.range
    assert all(low < math.log10(point.bytes) < high for point in POINTS)
    assert figure.data[0].error_y.array[0] == pytest.approx(0.6)
    assert figure.data[0].error_y.arrayminus[0] == pytest.approx(0.8)
    assert all(
        "2,400 wafers" in trace.hovertemplate and "95 % interval" in trace.hovertemplate for trace in figure.data
    )


def test_the_teachers_interval_is_a_band_and_nobody_elses():
    marks = series(MODELS, "light")
    assert [(b.y0, b.y1) for b in accuracy_against_size(POINTS, marks, "x", "light", "teacher").layout.shapes] == [
        (pytest.approx(97.1), pytest.approx(98.5))
    ]
    assert not accuracy_against_size(POINTS, marks, "x", "light").layout.shapes


@pytest.mark.parametrize(
    ("sizes", "some"),
    [
        ((40_000, 90_000), "50 kB"),
        ((40_000, 11_000_000), "1 MB"),
        ((800, 900), "1 kB"),
        ((90_000, 90_000_000), "10 MB"),
    ],
)
def test_ticks_are_sizes_an_engineer_writes(sizes, some):
    points = tuple(Point(f"m{i}", size, 0.9, 0.8, 0.95, "") for i, size in enumerate(sizes))
    marks = series([(point.name, "student", point.name) for point in points], "light")
    axis = accuracy_against_size(points, marks, "x", "light").layout.xaxis
    assert some in axis.ticktext
    assert len(axis.tickvals) == len(axis.ticktext) >= 2


def test_names_of_models_on_one_spot_stand_apart():
    points = tuple(Point(name, 1_500_000, 0.9, 0.88, 0.92, "") for name in ("teacher", "teacher-onnx", "other"))
    marks = series([(point.name, "teacher", point.name) for point in points], "light")
    figure = accuracy_against_size(points, marks, "x", "light")
    assert [named.text for named in figure.layout.annotations] == ["teacher", "teacher-onnx", "other"]
    assert {named.x for named in figure.layout.annotations} == {math.log10(1_500_000)}
    assert len({(named.xanchor, named.y, named.ay) for named in figure.layout.annotations}) == 3


@pytest.mark.parametrize(("theme", "colours"), [("light", LIGHT), ("dark", DARK)])
def test_names_are_written_in_the_colour_of_texts_and_lines_lead_in_the_marks(theme, colours):
    points = tuple(Point(f"model-{i}", 1000 + i, 0.9, 0.5, 1.0, "") for i in range(6))
    marks = series([(point.name, "student", point.name) for point in points], theme)
    named = accuracy_against_size(points, marks, "x", theme).layout.annotations
    assert {one.font.color for one in named} == {colours.text}
    assert {one.arrowcolor for one in named} <= {CLEAR, *(mark.colour for mark in marks)}


def test_how_a_score_was_measured_is_shown_as_it_was_told():
    point = Point("student", 1000, 0.9, 0.8, 0.95, "6 wafers · <b>A&B</b> %{x} 5 %<extra>gone</extra>")
    [trace] = accuracy_against_size((point,), series([("student", "student", "s")], "light"), "x", "light").data
    told = "6 wafers · &lt;b&gt;A&amp;B&lt;/b&gt; &#37;{x} 5 %&lt;extra&gt;gone&lt;/extra&gt;"
    assert trace.hovertemplate.endswith(f"<br>{told}<extra></extra>")


def test_a_line_leads_to_a_mark_only_from_a_name_that_stands_away():
    points = tuple(Point(f"model-{i}", 1000 + i, 0.9, 0.5, 1.0, "") for i in range(6))
    marks = series([(point.name, "student", point.name) for point in points], "light")
    named = accuracy_against_size(points, marks, "x", "light").layout.annotations
    led = [one.arrowcolor != CLEAR for one in named]
    assert any(led)
    assert led == [abs(one.ay) > 17 for one in named]


def test_scores_are_told_within_what_a_share_can_be_with_room_for_names_beyond():
    points = (Point("good", 1000, 1.0, 0.9, 1.0, ""), Point("bad", 9000, 0.0, 0.0, 0.1, ""))
    marks = series([("good", "student", "good"), ("bad", "student", "bad")], "light")
    axis = accuracy_against_size(points, marks, "x", "light").layout.yaxis
    assert axis.range[0] < -10
    assert axis.range[1] > 110
    assert list(axis.ticktext) == ["0 %", "20 %", "40 %", "60 %", "80 %", "100 %"]


@pytest.mark.parametrize(
    ("low", "high", "ticks"),
    [
        (0.968, 0.983, [96.5, 97.0, 97.5, 98.0, 98.5]),
        (0.73, 1.0, [70, 75, 80, 85, 90, 95, 100]),
        (0.9999, 1.0, [99.6, 99.8, 100.0]),
    ],
)
def test_scores_are_told_in_round_per_cents(low, high, ticks):
    marks = series([("one", "student", "one")], "light")
    figure = accuracy_against_size((Point("one", 1000, high, low, high, ""),), marks, "x", "light")
    assert list(figure.layout.yaxis.tickvals) == pytest.approx(ticks)


def test_bars_carry_intervals_support_and_what_a_click_needs():
    bars = (
        Bar("teacher", "Center", 0.9, 0.85, 0.93, 120),
        Bar("teacher", "Scratch", 0.7, 0.5, 0.8, 1),
        Bar("student-int8", "Center", 0.88, 0.8, 0.92, 120),
    )
    figure = score_bars(bars, series(MODELS, "dark"), "F1", "dark")
    teacher, student = figure.data
    assert (teacher.name, list(teacher.x), list(teacher.y)) == ("teacher", ["Center", "Scratch"], [0.9, 0.7])
    assert list(student.x) == ["Center"]
    assert list(teacher.customdata[1][:2]) == ["teacher", "Scratch"]
    assert teacher.error_y.array[1] == pytest.approx(0.1)
    assert list(figure.layout.xaxis.ticktext) == ["Center<br>120 wafers", "Scratch<br>1 wafer"]
    assert (teacher.marker.color, set(student.marker.line.color)) == (DARK.teacher, {DARK.student})
    assert student.marker.color != DARK.student


def test_bars_of_other_wafers_a_model_are_counted_one_by_one_and_stand_in_the_order_of_patterns():
    bars = (
        Bar("student", "Scratch", 0.7, 0.5, 0.8, 1),
        Bar("tiny", "Scratch", 0.7, 0.5, 0.8, 1_200),
        Bar("tiny", "Center", 0.9, 0.85, 0.93, 120),
    )
    figure = score_bars(bars, series(MODELS, "dark"), "agreement", "dark", same_wafers=False)
    assert list(figure.layout.xaxis.ticktext) == list(figure.layout.xaxis.categoryarray) == ["Center", "Scratch"]
    assert figure.layout.xaxis.categoryorder == "array"
    student, tiny = figure.data
    assert [each[-1] for each in student.customdata] == ["1 wafer"]
    assert [each[-1] for each in tiny.customdata] == ["120 wafers", "1,200 wafers"]
    assert "%{customdata[4]}" in tiny.hovertemplate


def test_the_chosen_bar_is_outlined_and_the_others_stay_as_they_are():
    bars = tuple(Bar(name, pattern, 0.9, 0.8, 0.95, 9) for name in ("teacher", "tiny") for pattern in ("Center", "Loc"))
    teacher, tiny = score_bars(bars, series(MODELS, "light"), "F1", "light", ("tiny", "Loc")).data
    assert list(tiny.marker.line.color) == [tiny.marker.color, LIGHT.text]
    assert set(teacher.marker.line.color) == {LIGHT.teacher}
    assert tiny.marker.line.width[1] > tiny.marker.line.width[0]
    assert teacher.unselected.marker.opacity == tiny.unselected.marker.opacity == 1


@pytest.mark.parametrize("what", ["agreement", "loss"])
def test_a_curve_spans_the_run_and_ends_in_a_dot(what):
    figure = learning_curve(((1.0, 0.5), (2.0, 0.75)), what, 40.0, "light")
    line, dot = figure.data
    assert list(line.y) == ([50.0, 75.0] if what == "agreement" else [0.5, 0.75])
    assert (list(dot.x), list(dot.y)) == ([2.0], [line.y[-1]])
    assert figure.layout.xaxis.range[1] >= 40.0


def test_a_curve_of_nothing_yet_is_an_empty_frame():
    figure = learning_curve((), "loss", 60.0, "dark")
    assert [list(trace.x) for trace in figure.data] == [[]]
