"""The Compare page: grounds and models in the address, accuracy and agreement apart, the wafers behind a bar."""

import json
import re
import shutil
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from tests.pages.told import address, texts
from wafer_core import jobs
from wafer_core.benchmark import BenchmarkSet
from wafer_core.charts import palette
from wafer_core.compare import Rate
from wafer_core.errors import UnusableLot
from wafer_core.lot import Lot
from wafer_core.models.card import Figure
from wafer_core.models.folder import ModelFile
from wafer_core.patterns import flags
from wafer_core.readers.lotfile import write_lot
from wafer_core.ui.compare import comparison, model_cards, pattern_scores, speed, view
from wafer_core.ui.shared import words
from wafer_core.workspace import Speed, Workspace

Visit = Callable[..., AppTest]
TRUTH = ["Center", "Normal", "Scratch", "Center+Scratch", "Loc", "Normal"]
TEACHER = ["Center", "Normal", "Scratch", "Center+Scratch", "Loc", "Loc"]
STUDENT = ["Center", "Normal", "Normal", "Center", "Loc", "Normal"]


def labelled(lot: Lot, title: str = "labelled") -> Lot:
    wafers = tuple(replace(wafer, labels=flags(name.split("+"))) for wafer, name in zip(lot, TRUTH, strict=True))
    return replace(lot, wafers=wafers, title=title)


@pytest.fixture(autouse=True)
def shipped(tmp_path: Path, small_lot: Lot, monkeypatch: pytest.MonkeyPatch) -> Sequence[BenchmarkSet]:
    """A benchmark of six wafers in the place of the shipped sets, and a queue that nobody serves."""
    turned = replace(small_lot, wafers=tuple(wafer.turned("rotate-180") for wafer in small_lot))
    path = tmp_path / "singles.npz"
    path.write_bytes(write_lot(labelled(turned, "six real wafers")))
    found = (BenchmarkSet(path),)
    monkeypatch.setattr(comparison, "shipped_sets", lambda: found)
    monkeypatch.setattr(jobs, "ensure_worker", lambda store: False)
    return found


@pytest.fixture
def answered(store: Workspace, small_lot: Lot, answer: Callable[..., None]) -> str:
    """The id of a labelled lot that teacher and student have answered on."""
    lot = labelled(small_lot)
    answer(lot, store.model("teacher"), TEACHER)
    answer(lot, store.model("student"), STUDENT)
    return store.add_lot(lot)


def table(page: AppTest) -> dict[str, dict[str, str]]:
    frame = page.table[0].value
    return {name: dict(row) for name, row in frame.iterrows()}


def test_accuracy_and_agreement_stand_in_columns_of_their_own(visit: Visit, answered: str):
    page = visit("compare", set=answered, students="student")
    assert not page.exception
    rows = table(page)
    assert rows["teacher"]["Exact match"].startswith("83.3\u00a0%")
    assert rows["student"]["Exact match"].startswith("66.7\u00a0%")
    assert rows["student"]["Agrees with teacher"].startswith("50.0\u00a0%")
    assert rows["teacher"]["Agrees with teacher"] == "–"
    assert rows["student"]["ms a wafer"] == "–"
    assert not [element.value for element in page.markdown if "equal" in element.value.lower()]


def test_the_answer_says_what_chance_leaves_open(visit: Visit, answered: str):
    page = visit("compare", set=answered, students="student")
    answer = next(element.value for element in page.markdown if "smaller on disk" in element.value)
    assert "66.7 %" in answer
    assert "no significant difference" in answer
    # The one ends where the other does not, so each is called by its name.
    assert "16.7 points fewer (two-sided 95 % interval " in answer
    assert "not ruled out (one-sided 95 % bound)" in answer


@pytest.mark.parametrize(
    ("loss", "said"),
    [
        (Rate(0.004, -0.002, 0.009, 900), "0.4 points fewer (two-sided 95 % interval −0.2 to 0.9), no significant"),
        (Rate(-0.004, -0.009, 0.002, 900), "0.4 points more (two-sided 95 % interval −0.2 to 0.9), no significant"),
        (Rate(-0.004, -0.009, -0.002, 900), "0.4 points more (two-sided 95 % interval 0.2 to 0.9)."),
    ],
)
def test_a_difference_lies_in_the_interval_told_beside_it(store: Workspace, answered: str, loss: Rate, said: str):
    ground = comparison.Ground(answered, "labelled", 6, labelled=True, benchmark=False)
    [student] = comparison.compare(ground, store.model("teacher"), [store.model("student")]).students
    assert student.against is not None
    assert view.difference(replace(student, against=replace(student.against, loss=loss))).startswith(said)


@pytest.mark.parametrize("held", ["student", "student-int8", "student-tiny"])
def test_the_student_in_hand_has_the_students_colour(store: Workspace, answered: str, held: str):
    ground = comparison.Ground(answered, "labelled", 6, labelled=True, benchmark=False)
    students = [store.model(name) for name in ("student-tiny-int8", "student")]
    compared = comparison.compare(ground, store.model("teacher"), students)
    marks = {mark.name: mark.colour for mark in view.marks(compared, store.model(held))}
    own = "student" if held.removesuffix("-int8") == "student" else "student-tiny-int8"
    colours = palette("light")
    assert marks.pop("teacher") == colours.teacher
    assert marks.pop(own) == colours.student
    assert colours.student not in marks.values()


GUARD = "Guard set: 2,251 real wafers, 260 overlays of two, 380 simulated mixes"


@pytest.mark.parametrize(
    ("ground", "label"),
    [
        (comparison.Ground("id", GUARD, 2891, True, False, guard=True), "Guard set: 2,891 labelled wafers"),
        (
            comparison.Ground("id", "403 overlays of two real wafers", 403, True, True),
            "Shipped benchmark: 403 overlays",
        ),
    ],
    ids=["guard set", "benchmark"],
)
def test_shipped_sets_are_not_cut_in_the_list_of_sets(ground: comparison.Ground, label: str):
    assert ground.label == label
    assert len(label) < view.LABEL_LETTERS


def test_a_share_that_is_the_same_is_not_told_as_equal(visit: Visit, store: Workspace, small_lot: Lot, answer):
    lot = labelled(small_lot)
    for name in ("teacher", "student"):
        answer(lot, store.model(name), TEACHER)
    said = texts(visit("compare", set=store.add_lot(lot), students="student"))
    assert "the teacher 83.3 %: the same share, though a loss of up to" in said
    assert "as many" not in said


@pytest.mark.parametrize(
    ("factor", "said"), [(9.67, "9.7"), (10.0, "10"), (99.94, "99.9"), (99.96, "100"), (117.4, "117"), (2.04, "2")]
)
def test_how_many_times_smaller_is_told_to_a_tenth(factor: float, said: str):
    assert words.times(factor) == said


def test_a_pattern_that_no_wafer_carries_is_told_beside_the_f1_it_counts_nowhere_in(
    visit: Visit, store: Workspace, small_lot: Lot, answer
):
    lot = labelled(small_lot)
    answer(lot, store.model("teacher"), TRUTH)
    answer(lot, store.model("student"), [*TRUTH[:4], "Donut+Loc", "Random"])
    page = visit("compare", set=store.add_lot(lot), students="student")
    assert table(page)["student"]["Exact match"].startswith("66.7")
    assert table(page)["student"]["F1"].startswith("1.000  \n")
    assert "2\u00a0left\u00a0out" in table(page)["student"]["F1"]
    assert table(page)["teacher"]["F1"] == "1.000"
    assert "is what none carries: student names Donut on 1 wafer and Random on 1 wafer." in texts(page)


def test_the_bars_as_a_table_have_words_for_heads_and_dashes_for_nothing(visit: Visit, answered: str):
    page = visit("compare", set=answered, students="student")
    frame = next(frame.value for frame in page.dataframe if "Pattern" in frame.value.columns)
    assert list(frame.columns) == [
        *("Model", "Pattern", "F1", "F1, 95 %", "Precision", "Precision, 95 %", "Recall", "Recall, 95 %"),
        *("Wafers that carry it", "Wafers it is named on"),
    ]
    rows = frame.set_index(["Model", "Pattern"])
    assert rows.loc[("student", "Scratch")].tolist()[-4:] == ["0.000", "0.000 to 0.658", 2, 0]
    assert rows.loc[("student", "Donut")].tolist() == ["–"] * 6 + [0, 0]


def test_every_model_agrees_on_wafers_of_its_own(store: Workspace, small_lot: Lot, answer):
    for name, sets in (("teacher", TEACHER), ("student", STUDENT), ("student-int8", ["Scratch"] * 6)):
        answer(small_lot, store.model(name), sets)
    ground = comparison.Ground(store.add_lot(small_lot), "six", 6, labelled=False, benchmark=False)
    students = [store.model("student"), store.model("student-int8")]
    bars = pattern_scores._agreement_bars(comparison.compare(ground, store.model("teacher"), students))
    assert {bar.name: bar.support for bar in bars if bar.pattern == "Scratch"} == {"student": 2, "student-int8": 6}


def test_agreement_as_a_table_has_words_for_heads(visit: Visit, store: Workspace, small_lot: Lot, answer):
    for name, sets in (("teacher", TEACHER), ("student", STUDENT)):
        answer(small_lot, store.model(name), sets)
    page = visit("compare", set=store.add_lot(small_lot), students="student")
    frame = next(frame.value for frame in page.dataframe if "Pattern" in frame.value.columns)
    assert list(frame.columns) == ["Model", "Pattern", "Both name it", "Only the teacher", "Only this model"]
    assert frame.set_index("Pattern").loc["Scratch"].tolist() == ["student", 0, 2, 0]


def test_one_wafer_is_no_wafers():
    ground = comparison.Ground("id", "single", 1, labelled=False, benchmark=False)
    assert ground.label == "single · 1 wafer · no labels"


def test_an_interval_takes_little_room_and_is_not_broken():
    assert view._with_interval(Rate(1.0, 0.8157, 1.0, 17)).endswith("[81.6\u00a0to\u00a0100]]")


def test_without_labels_there_is_agreement_under_that_name_only(
    visit: Visit, store: Workspace, small_lot: Lot, answer: Callable[..., None]
):
    for name, sets in (("teacher", TEACHER), ("student", STUDENT)):
        answer(small_lot, store.model(name), sets)
    page = visit("compare", set=store.add_lot(small_lot), students="student")
    assert not page.exception
    assert list(table(page)["student"]) == ["Agrees with teacher", "Where either sees a pattern", "Size", "ms a wafer"]
    assert table(page)["student"]["Agrees with teacher"].startswith("50.0\u00a0%")
    said = " ".join(element.value for element in (*page.markdown, *page.caption))
    assert "nothing here says who is right" in said
    assert "Accuracy against size" not in said
    assert "Agreement against size" in said


def test_the_shipped_benchmark_comes_first_and_is_queued_for_every_model(visit: Visit, store: Workspace, shipped):
    page = visit("compare", students="student,student-int8")
    assert page.selectbox(key="address-set").value == store.add_lot(shipped[0].lot)
    assert [job.payload["model"] for job in reversed(store.jobs("score"))] == ["teacher", "student", "student-int8"]
    page.run()
    assert len(store.jobs("score")) == 3


def test_a_model_named_twice_in_the_address_stands_there_once(visit: Visit, answered: str):
    page = visit("compare", set=answered, students="student,student-int8,student")
    assert not page.exception
    assert page.multiselect(key="address-students").value == ["student", "student-int8"]
    assert len(page.table[0].value) == 3


def test_models_are_chosen_in_the_address(visit: Visit, store: Workspace, answered: str):
    page = visit("compare", set=answered, students="student-int8,no such model")
    chosen = page.multiselect(key="address-students")
    assert chosen.value == ["student-int8"]
    assert {"teacher-onnx", "student", "student-onnx"} <= set(chosen.options)
    assert "teacher" not in chosen.options
    page.multiselect(key="address-students").set_value(["student", "teacher-onnx"]).run()
    assert address(page, "students") == "student,teacher-onnx"
    page.multiselect(key="address-students").set_value([]).run()
    assert page.multiselect(key="address-students").value == []


def test_a_model_that_has_not_answered_shows_its_card(store: Workspace, shipped: Sequence[BenchmarkSet]):
    model = store.model("student")
    told = {"exact match": 0.9, "macro-F1": 0.8, "F1, Center": 0.7, "recall, Center": 0.6, "precision, Center": 0.5}
    figures = tuple(
        Figure(
            model.file, "singles", shipped[0].sha256, "test", name, value, value - 0.1, value + 0.05, 6, "the command"
        )
        for name, value in told.items()
    )
    carded = ModelFile(model.name, model.folder, model.file, replace(model.card, figures=figures))
    ground = comparison.Ground(store.add_lot(shipped[0].lot), "six", 6, labelled=True, benchmark=True)
    reached, command = comparison._on_card(ground, carded)
    assert (reached.exact.value, reached.macro_f1.value, command) == (0.9, 0.8, "the command")
    assert reached.patterns[0].f1.value == 0.7
    assert not reached.patterns[1].f1.known
    assert comparison._on_card(replace(ground, lot_id="another"), carded) is None


def test_a_cards_command_is_read_as_a_command(visit: Visit, store: Workspace, shipped, tiny_folder: Path):
    """Backticks in it end no code: what follows would be drawn, and what it names fetched."""
    made = store.student_root / "made-1"
    shutil.copytree(tiny_folder, made)
    document = json.loads((made / "card.json").read_text())
    (file,) = [name for name in document["files"] if name.endswith(".safetensors")]
    figure = Figure(file, "six", shipped[0].sha256, "test", "exact match", 0.5, 0.2, 0.8, 6, "run `![x](//e.invalid/x)")
    (made / "card.json").write_text(json.dumps({**document, "role": "student", "figures": [asdict(figure)]}))
    page = visit("compare", students="made-1")
    assert not page.exception
    assert "its accuracy is its card's: ``run `![x](//e.invalid/x)``" in texts(page)
    told = model_cards._figure(store.model("made-1").card.figures[0])
    assert (told["value"], told["95 % interval"]) == ("50.0 %", "20.0 to 80.0")


def test_what_only_a_card_says_is_told_as_the_cards(visit: Visit, store: Workspace, shipped, tiny_folder: Path):
    made = shutil.copytree(tiny_folder, store.student_root / "made-1")
    document = json.loads((made / "card.json").read_text())
    (file,) = [name for name in document["files"] if name.endswith(".safetensors")]
    figure = Figure(file, "six", shipped[0].sha256, "test", "exact match", 0.5, 0.2, 0.8, 6, "a command")
    (made / "card.json").write_text(json.dumps({**document, "role": "student", "figures": [asdict(figure)]}))
    said = texts(visit("compare", students="made-1"))
    assert "95 %, two-sided, as the cards have them." in said
    assert "for the models that came with WaferDistill: `python -m wafer_core benchmark" in said


def test_of_a_model_that_has_not_read_its_wafers_none_is_listed_in_anothers_place(visit: Visit, answered: str):
    page = visit("compare", set=answered, students="student,student-int8", who="student-int8")
    assert "student-int8 has not read these wafers yet, so which are behind its bars is not known." in texts(page)
    assert "has not read these wafers yet" not in texts(
        visit("compare", set=answered, students="student,student-int8", who="student")
    )


def test_the_wafer_behind_a_bar_that_opens_is_the_one_that_was_pressed(
    visit: Visit, store: Workspace, answered: str, small_lot: Lot, answer
):
    """Another model answers meanwhile, and its wafers stand where the teacher's stood."""
    page = visit("compare", set=answered, students="student", bar="Loc", who="teacher")
    listed = next(frame.value for frame in page.dataframe if "what" in frame.value)
    assert listed["wafer"].tolist() == [small_lot.wafers[5].wafer]
    page.query_params["bar"], page.query_params["who"] = "Scratch", "student"
    page.session_state["open-wafer"] = SimpleNamespace(row=0)
    page.run()
    assert address(page, "wafer") == small_lot.wafers[5].name


def test_a_card_contradicts_itself_nowhere(store: Workspace):
    told = [model_cards._figure(figure) for model in store.models() for figure in model.card.figures if figure.reach]
    assert len(told) > 10
    for row in told:
        meant, _, judged = row["meant"].rpartition(": ")
        assert judged in ("reached", "missed")
        assert meant != row["value"] or judged == "reached"
    nothing = [figure for model in store.models() for figure in model.card.figures if figure.reach == 0]
    assert {model_cards._figure(figure)["meant"].partition(":")[0] for figure in nothing} == {"none that can be told"}


@pytest.mark.parametrize(
    ("pattern", "who", "listed"),
    [("Scratch", "student", 2), ("Center", "student", 0), ("Loc", "teacher", 1)],
)
def test_the_wafers_behind_a_bar_are_listed(visit: Visit, answered: str, pattern: str, who: str, listed: int):
    page = visit("compare", set=answered, students="student", bar=pattern, who=who)
    assert not page.exception
    frames = [frame.value for frame in page.dataframe if "wafer" in frame.value.columns]
    assert sum(len(frame) for frame in frames) == listed


def test_a_wafer_behind_a_bar_says_what_is_wrong_with_it(visit: Visit, answered: str):
    page = visit("compare", set=answered, students="student", bar="Scratch", who="student")
    frame = next(frame.value for frame in page.dataframe if "wafer" in frame.value.columns)
    # As on the page that a click opens: one fab lot needs no name.
    assert list(frame["wafer"]) == ["03", "04"]
    assert list(frame["what"]) == ["missed", "missed"]
    assert list(frame["labelled"]) == ["Scratch", "Center + Scratch"]


@pytest.mark.parametrize(
    ("held", "who", "pattern"), [("student-int8", "student-int8", "Loc"), ("student-onnx", "student", "Scratch")]
)
def test_the_wafers_behind_a_bar_begin_with_the_student_in_hand_where_it_goes_wrong(
    visit: Visit, store: Workspace, answered: str, small_lot: Lot, answer, held: str, who: str, pattern: str
):
    answer(labelled(small_lot), store.model("student-int8"), TEACHER)
    page = visit("compare", set=answered, students="student,student-int8", student=held)
    assert not page.exception
    assert page.selectbox(key="address-who").value == who
    assert page.selectbox(key="address-bar").value == pattern


def test_without_labels_the_first_pattern_is_one_on_which_student_and_teacher_part(
    visit: Visit, store: Workspace, small_lot: Lot, answer
):
    for name, sets in (("teacher", TEACHER), ("student", [*TEACHER[:4], "Loc", "Normal"])):
        answer(small_lot, store.model(name), sets)
    page = visit("compare", set=store.add_lot(small_lot), students="student")
    assert page.selectbox(key="address-bar").value == "Loc"
    # Of so few wafers a share in percent would promise more than they can say.
    assert "answers as the teacher does on 5 of 6 wafers. These" in texts(page)


@pytest.mark.parametrize(
    ("metric", "value", "ends"),
    [
        ("macro-F1", "0.899", "0.887 to 0.912"),
        ("F1, Center", "0.899", "0.887 to 0.912"),
        ("exact match", "89.9 %", "88.7 to 91.2"),
    ],
)
def test_a_card_writes_an_f1_as_the_tables_do(metric: str, value: str, ends: str):
    told = model_cards._figure(Figure("a", "six", "ab", "test", metric, 0.8991, 0.8871, 0.9121, 6, "the command"))
    assert (told["value"], told["95 % interval"]) == (value, ends)


def test_one_step_is_no_steps(store: Workspace):
    model = store.model("student")
    made = {**model.card.made_from, "steps": 1, "start_sha256": None}
    told = model_cards._about(replace(model, card=replace(model.card, made_from=made)))
    assert told["Training"].startswith("1 step, seed")


def test_the_score_of_the_bars_is_in_the_address(visit: Visit, answered: str):
    page = visit("compare", set=answered, students="student", score="recall")
    assert any("Recall per pattern" in element.value for element in page.markdown)


def test_a_student_in_hand_that_is_not_compared_is_offered(visit: Visit, answered: str):
    page = visit("compare", set=answered, students="student-tiny", student="student")
    assert "The student in hand, student, is not among them." in texts(page)
    page.button(key="add-in-hand").click().run()
    assert not page.exception
    assert address(page, "students") == "student-tiny,student"
    assert "is not among them" not in texts(page)


def speed_button(page: AppTest):
    return next(button for button in page.button if button.label == "Measure speed here")


def test_speed_is_measured_when_asked_for(visit: Visit, answered: str):
    page = visit("compare", set=answered, students="student")
    speed_button(page).click().run()
    assert not page.exception
    for row in table(page).values():
        assert float(row["ms a wafer"]) > 0
    assert any("6 of these wafers, one at a time" in element.value for element in page.markdown)
    # A server that starts anew knows no more than the workspace.
    st.cache_resource.clear()
    assert table(visit("compare", set=answered, students="student")) == table(page)
    # The int8 file has not read them yet, and what it reads would break the timing off.
    assert speed_button(visit("compare", set=answered, students="student,student-int8")).disabled


def test_speeds_of_other_days_are_told_one_by_one(visit: Visit, store: Workspace, answered: str):
    for name, cores in (("teacher", 4), ("student", 16)):
        store.put_speed(answered, store.model(name).sha256, Speed(1.5, 32, 3, cores, 1.0e9))
    [said] = [
        each.value
        for each in visit("compare", set=answered, students="student").markdown
        if each.value.startswith("**ms a wafer**")
    ]
    teacher, student = said.split("; ")
    assert re.search(r"teacher, the middle of 32 of these wafers, .* on one of 4 cores", teacher)
    assert re.search(r"^student, the middle of 32 of these wafers, .* on one of 16 cores", student)


def test_a_speed_is_told_of_the_lot_that_it_was_measured_on(visit: Visit, store: Workspace, answered: str):
    store.put_speed("another lot", store.model("student").sha256, Speed(29.7, 32, 3, 2, 1.0e9))
    assert {row["ms a wafer"] for row in table(visit("compare", set=answered, students="student")).values()} == {"–"}


def test_timing_a_lot_without_a_tested_die_says_so(store: Workspace, untested_states, lot_of):
    lot_id = store.add_lot(lot_of([untested_states(10, 10)]))
    with pytest.raises(UnusableLot, match="has a tested die"):
        speed.measure(store, lot_id, store.model("student-int8").sha256)


def test_no_spreadsheet_runs_what_a_table_that_is_taken_along_quotes(
    visit: Visit, store: Workspace, small_lot: Lot, answer: Callable[..., None]
):
    wafers = tuple(replace(wafer, wafer=f"=1+{i}") for i, wafer in enumerate(labelled(small_lot)))
    lot = replace(small_lot, title="@SUM(1)", wafers=wafers)
    for name, said in (("teacher", TEACHER), ("student", STUDENT)):
        answer(lot, store.model(name), said)
    lot_id = store.add_lot(lot)
    ground = comparison.Ground(lot_id, lot.title, 6, labelled=True, benchmark=False)
    compared = comparison.compare(ground, store.model("teacher"), [store.model("student")])
    assert set(view.figures(compared)["set"]) == {"'@SUM(1)"}
    page = visit("compare", set=lot_id, students="student", bar="Scratch", who="student")
    assert not page.exception
    listed = [frame.value["wafer"].tolist() for frame in page.dataframe if "open" in frame.value]
    assert listed
    assert all(name.startswith("'=1+") for names in listed for name in names)
    figure = replace(store.model("student").card.figures[0], set="=1+1", command="=cmd|' /C calc'!A0")
    told = model_cards._figure(figure)
    assert (told["set"], told["command"]) == (f"'=1+1 ({figure.split})", "'=cmd|' /C calc'!A0")


def test_figures_come_as_a_table_that_says_of_what(store: Workspace, answered: str):
    ground = comparison.Ground(answered, "labelled", 6, labelled=True, benchmark=False)
    compared = comparison.compare(ground, store.model("teacher"), [store.model("student")])
    frame = view.figures(compared).set_index(["model", "metric"])
    assert frame.loc[("student", "agreement with the teacher"), "value"] == pytest.approx(0.5)
    assert frame.loc[("student", "exact match"), "n"] == 6
    assert frame.loc[("student", "bytes"), "value"] == store.model("student").entry.bytes
    assert ("teacher", "agreement with the teacher") not in frame.index
    assert set(frame["set id"]) == {answered}
    lines = view.figures(compared).to_csv(index=False).splitlines()
    assert [line.split(",")[-1] for line in lines if ",exact match," in line] == ["6", "6"]
    assert lines[-1].endswith(f"bytes,{store.model('student').entry.bytes},,,")


@pytest.mark.parametrize(
    ("command", "begun"),
    [
        ("train-student --start student-85500 --steps 5000", " on from student-85500"),
        ("distill", " on from weights `5ab5"),
    ],
)
def test_a_card_says_whose_weights_its_steps_went_on_from(store: Workspace, command: str, begun: str):
    model = store.model("student")
    made = {**model.card.made_from, "command": command, "start_sha256": "5ab5" + 60 * "0"}
    told = model_cards._about(replace(model, card=replace(model.card, made_from=made)))
    assert told["Training"].startswith(f"5,000 steps{begun}")
    told = model_cards._about(replace(model, card=replace(model.card, made_from={**made, "start_sha256": None})))
    assert told["Training"] == f"5,000 steps, seed {made['seed']}"


def chained(folder: Path, into: Path, runs: int) -> None:
    """A student whose card names so many runs before its own, the oldest of a command with marks in it."""
    shutil.copytree(folder, into)
    document = json.loads((into / "card.json").read_text())
    made, hashes = document["made_from"], [f"{number:064x}" for number in range(runs)]
    starts = [None, *hashes]
    earlier = [
        {"sha256": sha256, "command": f"run {number} `![x](//e.invalid/x)", "seed": number, "steps": 1_000}
        | ({"start_sha256": starts[number]} if number else {})
        for number, sha256 in enumerate(hashes)
    ]
    made |= {"earlier": earlier, "start_sha256": hashes[-1], "steps": 500, "seed": 7, "command": "the last run"}
    (into / "card.json").write_text(json.dumps({**document, "role": "student"}))


@pytest.mark.parametrize("runs", [1, 100])
def test_a_card_tells_every_run_that_led_to_its_weights(visit: Visit, store: Workspace, tiny_folder: Path, runs: int):
    chained(tiny_folder, store.student_root / "made-1", runs)
    page = visit("compare", students="made-1")
    page.session_state["cards"] = True
    page.run()
    assert not page.exception
    assert f"**Made in {runs + 1} runs**, {1_000 * runs + 500:,} steps in all" in texts(page)
    (told,) = (frame.value for frame in page.table if "Seed" in frame.value.columns and len(frame.value) == runs + 1)
    assert list(told["Seed"]) == [*map(str, range(runs)), "7"]
    assert told["Command"].iloc[0] == "``run 0 `![x](//e.invalid/x)``"
    assert told["Command"].iloc[-1] == "`the last run`"
    assert told["Weights"].iloc[0] == f"`{0:012x}`"
    assert told["Weights"].iloc[-1] == f"`{store.model('made-1').sha256[:12]}`"


def test_what_is_drawn_as_a_model_trains_has_no_number_of_maps(store: Workspace):
    told = model_cards._about(store.model("student"))["Made from"]
    assert "drawn as it trains, no labels read" in told
    assert "maps\\_64x64, 31 k maps, no labels read" in told
