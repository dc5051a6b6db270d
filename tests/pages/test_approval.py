"""Approving a student on the pages: the result card, the question that counts, taking back, the shelf of models."""

import hashlib
import io
import json
import shutil
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from tests.pages.told import texts
from wafer_core import jobs
from wafer_core.benchmark import BenchmarkSet
from wafer_core.compare import Paired, Rate
from wafer_core.errors import UnknownModel
from wafer_core.kit import kit
from wafer_core.lot import Lot
from wafer_core.models.card import Novelty
from wafer_core.patterns import flags
from wafer_core.readers.lotfile import write_lot
from wafer_core.ui.compare import comparison, judgement, kit_button
from wafer_core.ui.compare.before_after import Guarded
from wafer_core.ui.shared import state
from wafer_core.workspace import ProgressPoint, Workspace

Visit = Callable[..., AppTest]
LOT = ["Center", "Normal", "Scratch", "Normal", "Loc", "Normal"]
NEW = ["Center", "Normal", "Normal", "Normal", "Loc", "Scratch"]


@pytest.fixture(autouse=True)
def small_benchmark(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, small_lot: Lot) -> BenchmarkSet:
    """A benchmark of six wafers in the place of the shipped one, and a queue that nobody serves."""
    monkeypatch.setattr(jobs, "ensure_worker", lambda store: False)
    turned = tuple(replace(wafer.turned("rotate-180"), labels=flags(["Center"])) for wafer in small_lot)
    path = tmp_path / "singles.npz"
    path.write_bytes(write_lot(Lot("six", turned)))
    found = BenchmarkSet(path)
    monkeypatch.setattr(comparison, "shipped_sets", lambda: (found,))
    return found


def put_student(store: Workspace, tiny_folder: Path, name: str) -> None:
    """A student made here whose weights, by their hashes, are its own."""
    folder = shutil.copytree(tiny_folder, store.student_root / name)
    card = json.loads((folder / "card.json").read_text())
    for file, entry in card["files"].items():
        entry["sha256"] = hashlib.sha256(f"{name}/{file}".encode()).hexdigest()
    (folder / "card.json").write_text(json.dumps({**card, "role": "student"}))


@pytest.fixture
def lot_id(store: Workspace, small_lot: Lot) -> str:
    return store.add_lot(small_lot)


@pytest.fixture
def run(store: Workspace, lot_id: str, tiny_folder: Path) -> int:
    """A finished run, whose student is called `small-tiny-1`."""
    made = jobs.submit_distil(store, lot_id, {"size": "tiny", "budget": 60.0}, "teacher")
    store.begin_job(made)
    store.report(made, {"seconds": 30.0}, point=ProgressPoint(20, 30.0, 0.1, 2, 4))
    put_student(store, tiny_folder, "small-tiny-1")
    store.end_job(made, "done", "ready")
    return made


@pytest.fixture
def read(store: Workspace, answer, small_lot: Lot, small_benchmark: BenchmarkSet, small_guard: BenchmarkSet):
    """Lay ready what the students have read: `read("small-tiny-1", lost=3)` of the guard set's wafers."""

    def lay(
        student: str,
        lost: int = 0,
        lost_int8: int | None = None,
        sets: Sequence[str] = LOT,
        sets_int8: Sequence[str] = (),
    ) -> None:
        small = (lost if lost_int8 is None else lost_int8, sets_int8 or sets)
        for name, (wrong, said) in {student: (lost, sets), f"{student}-int8": small}.items():
            model = store.model(name)
            truth = ["Center" if labels.any() else "Normal" for labels in small_guard.labels]
            answer(small_guard.lot, model, ["Loc"] * wrong + truth[wrong:])
            answer(small_lot, model, said)
            answer(small_benchmark.lot, model, said)

    return lay


@pytest.fixture
def compared(read, answer, store: Workspace, small_lot, small_benchmark, small_guard) -> None:
    """The teacher and the shipped student have read everything."""
    read("student")
    read("teacher")


def card_table(page: AppTest):
    return next(table.value for table in page.table if "New against student" in "".join(table.value.columns))


def keys(page: AppTest) -> set[str]:
    return {button.key for button in page.button}


def click(page: AppTest, key: str) -> AppTest:
    page.button(key=key).click().run()
    assert not page.exception
    return page


def test_an_approved_student_whose_folder_is_gone_stands_in_nobodys_way(
    visit: Visit, store: Workspace, tiny_folder: Path, run: int, compared, read
):
    put_student(store, tiny_folder, "gone-1")
    store.approve("gone-1")
    shutil.rmtree(store.student_root / "gone-1")
    read("small-tiny-1")
    page = visit("distill", run=str(run), student="student")
    assert not page.exception
    assert list(card_table(page).columns)[1:]
    page = click(visit("compare", student="student"), "approve-small-tiny-1")
    assert "approve-sure" in keys(page)


# The result card ---------------------------------------------------------------------------------


def test_the_card_asks_for_what_nobody_has_read(visit: Visit, store: Workspace, run: int):
    page = visit("distill", run=str(run))
    assert not page.exception
    asked = {(job.payload["model"], job.lot) for job in store.jobs("score")}
    guard = comparison.guard_ground().lot_id
    assert {("small-tiny-1", guard), ("small-tiny-1-int8", guard), ("student", guard), ("teacher", guard)} <= asked


def test_speed_is_measured_once_nobody_reads(visit: Visit, run: int, compared, read):
    assert visit("distill", run=str(run)).button(key="card-speed").disabled
    read("small-tiny-1")
    assert not visit("distill", run=str(run)).button(key="card-speed").disabled


def test_the_card_sets_students_beside_each_other_in_counts_and_percents(
    visit: Visit, store: Workspace, run: int, compared, read
):
    read("small-tiny-1", sets=NEW)
    frame = card_table(visit("distill", run=str(run)))
    assert list(frame.columns)[1:] == [
        "student (shipped, approved)",
        "small-tiny-1 (new)",
        "New against student",
    ]
    lot, guard, labels, benchmark = (list(frame.iloc[i]) for i in range(4))
    assert lot[0].endswith("6 wafers · answers as the teacher]]")
    assert lot[1].startswith("6\u00a0of\u00a06")
    assert lot[2].startswith("4\u00a0of\u00a06")
    assert lot[3].startswith("−2\u00a0wafers")
    assert guard[2].startswith("100.0\u00a0%")
    assert "at\u00a0most" in labels[3]
    assert benchmark[0].startswith("**Shipped benchmark**")
    assert list(frame.iloc[-1])[1:] == ["–", "–", ""]


def test_a_third_student_that_was_approved_before_stands_between(
    visit: Visit, store: Workspace, run: int, compared, read, tiny_folder
):
    put_student(store, tiny_folder, "older-1")
    store.approve("older-1")
    for name in ("older-1", "small-tiny-1"):
        read(name)
    frame = card_table(visit("distill", run=str(run)))
    assert list(frame.columns)[1:4] == ["student (shipped)", "older-1 (approved)", "small-tiny-1 (new)"]


def test_changed_wafers_are_listed_where_they_changed(visit: Visit, run: int, compared, read):
    read("small-tiny-1", lost=1, sets=NEW)
    page = visit("distill", run=str(run))
    frame = next(frame.value for frame in page.dataframe if "wafer" in frame.value.columns)
    assert list(frame["wafer"]) == ["03", "06"]
    assert list(frame["student said"]) == ["Scratch", "Normal"]
    assert list(frame["small-tiny-1 says"]) == ["Normal", "Scratch"]
    page = visit("distill", run=str(run), changed="guard")
    frame = next(frame.value for frame in page.dataframe if "wafer" in frame.value.columns)
    assert list(frame["labelled"]) == ["Normal"]


def test_the_int8_file_has_a_card_of_its_own(visit: Visit, run: int, compared, read):
    read("small-tiny-1", lost=0, lost_int8=40)
    assert list(card_table(visit("distill", run=str(run))).iloc[1])[2].startswith("100.0")
    page = visit("distill", run=str(run), file="int8")
    frame = card_table(page)
    assert list(frame.columns)[2] == "small-tiny-1-int8 (new)"
    assert list(frame.iloc[1])[2].startswith("90.0")
    # Whichever file is looked at, the worse of both is what the guard says.
    assert "its int8 file names 10.00 points fewer" in texts(page)


@pytest.mark.parametrize("gone", [True, False])
def test_another_teacher_never_stands_unnamed_in_the_place_of_the_students(
    visit: Visit, store: Workspace, run: int, compared, read, gone: bool
):
    read("small-tiny-1")
    path = store.student_root / "small-tiny-1" / "card.json"
    document = json.loads(path.read_text())
    document["made_from"]["teacher_sha256"] = "ab" * 32 if gone else store.model("teacher").sha256
    path.write_text(json.dumps(document))
    page = visit("distill", run=str(run))
    assert not page.exception
    said = [warning.value for warning in page.warning if "is no longer here" in warning.value]
    assert len(said) == gone
    assert not gone or "told of teacher, which may answer otherwise" in said[0]


def test_a_student_that_has_read_everything_waits_for_its_teacher(visit: Visit, run: int, read):
    read("student")
    read("small-tiny-1")
    frame = visit("distill", run=str(run)).table[0].value
    lot, guard, labels, *_ = (list(row) for row in frame.to_numpy())
    assert lot[1] == lot[2] == guard[1] == ":gray[teacher\u00a0still\u00a0reads]"
    # Labels need no teacher.
    assert labels[1].startswith("100.0")


# Approving ---------------------------------------------------------------------------------------


def test_a_student_that_kept_what_it_had_to_is_approved_once_that_is_confirmed_and_taken_back(
    visit: Visit, store: Workspace, run: int, compared, read
):
    read("small-tiny-1")
    page = click(visit("distill", run=str(run)), "approve-small-tiny-1")
    assert store.approved() == "student"
    assert page.button(key="approve-sure").label == "Approve"
    click(page, "approve-sure")
    assert store.approved() == "small-tiny-1"
    page = visit("distill", run=str(run))
    assert "approved: small-tiny-1" in page.selectbox(key="address-student").options
    [given] = store.approvals()
    assert (given.run, given.weights) == (run, store.model("small-tiny-1").sha256)
    assert given.figures["guard"]["judgement"] == "open"
    assert given.figures["guard"]["wafers"] == 400
    assert [ground["wafers"] for ground in given.figures["grounds"]] == [6, 400, 6]
    assert "approve-small-tiny-1" not in keys(page)
    click(page, "withdraw-small-tiny-1")
    assert store.approved() == "student"
    assert store.approvals()[0].withdrawn is not None


def test_the_question_says_what_every_page_reads_with_and_how_many_answers_change(
    visit: Visit, store: Workspace, run: int, compared, read, tiny_folder
):
    read("small-tiny-1", lost=1)
    asked = visit("distill", run=str(run), approve="small-tiny-1")
    assert "From now on every page reads with **small-tiny-1**." in texts(asked)
    assert "On the guard set its answers differ on 1 of 400 wafers from those of student." in texts(asked)
    # Whoever is approved is the one whose answers stand on the pages now.
    put_student(store, tiny_folder, "older-1")
    read("older-1", lost=4)
    store.approve("older-1")
    said = texts(visit("distill", run=str(run), approve="small-tiny-1"))
    assert "its answers differ on 3 of 400 wafers from those of older-1." in said


def test_the_question_asks_for_the_answers_it_compares(shelf, store: Workspace):
    said = texts(shelf(approve="student-tiny"))
    assert "still being counted on how many of 400 wafers its answers differ from those of student." in said
    guard = comparison.guard_ground().lot_id
    asked = {job.payload["model"] for job in store.jobs("score") if job.lot == guard}
    assert asked == {"student-tiny", "student"}


def test_cancelling_leaves_everything_as_it_was(visit: Visit, store: Workspace, run: int, compared, read):
    read("small-tiny-1")
    page = click(visit("distill", run=str(run), approve="small-tiny-1"), "approve-not")
    assert "approve" not in page.query_params
    assert "approve-sure" not in keys(page)
    assert store.approvals() == []


@pytest.mark.parametrize(("lost", "lost_int8"), [(3, 0), (0, 3)])
def test_a_student_that_lost_more_is_approved_against_a_warning(
    visit: Visit, store: Workspace, run: int, compared, read, lost: int, lost_int8: int
):
    read("small-tiny-1", lost, lost_int8)
    page = click(visit("distill", run=str(run)), "approve-small-tiny-1")
    assert store.approved() == "student"
    assert "more than the 0.5 allowed" in "".join(str(each.value) for each in page.warning)
    # A refresh asks again, and nothing is approved by it.
    page = visit("distill", run=str(run), approve="small-tiny-1")
    click(page, "approve-not")
    assert "approve" not in page.query_params
    page = click(click(page, "approve-small-tiny-1"), "approve-sure")
    assert store.approved() == "small-tiny-1"
    assert store.approvals()[0].figures["guard"]["judgement"] == "lost"
    assert "approve" not in page.query_params


def test_a_student_nobody_has_tried_on_the_guard_set_is_approved_against_a_warning(
    visit: Visit, store: Workspace, run: int
):
    page = click(visit("distill", run=str(run)), "approve-small-tiny-1")
    assert "still being read" in texts(page)
    assert store.approved() == "student"
    click(page, "approve-sure")
    assert store.approvals()[0].figures == {"guard": None, "grounds": []}


def test_a_student_that_is_worse_on_its_own_lot_is_approved_against_a_warning(
    visit: Visit, store: Workspace, run: int, compared, read
):
    read("small-tiny-1", sets=NEW)
    page = click(visit("distill", run=str(run)), "approve-small-tiny-1")
    assert store.approved() == "student"
    [said] = [str(each.value) for each in page.warning]
    assert "answers as the teacher does on 2 wafers fewer than student, of 6 (McNemar p 0.500)" in said
    assert page.button(key="approve-sure").label == "Approve all the same"
    click(page, "approve-sure")
    assert store.approved() == "small-tiny-1"


@pytest.mark.parametrize(("page", "file"), [("distill", {}), ("distill", {"file": "int8"}), ("compare", {})])
def test_the_question_is_about_both_files_wherever_it_is_asked(
    visit: Visit, store: Workspace, run: int, compared, read, page: str, file: dict[str, str]
):
    read("small-tiny-1", sets_int8=NEW)
    asked = visit(page, run=str(run), approve="small-tiny-1", **file)
    assert not asked.exception
    [said] = [str(each.value) for each in asked.warning]
    assert "its int8 file answers as the teacher does on 2 wafers fewer than student-int8, of 6" in said
    assert "Those of its int8 file differ on 0 from student-int8." in texts(asked)
    assert asked.button(key="approve-sure").label == "Approve all the same"
    click(asked, "approve-sure")
    lot, *_ = store.approvals()[0].figures["grounds"]
    assert [each["sha256"] for each in lot["files"]] == [
        store.model(name).sha256 for name in ("small-tiny-1", "small-tiny-1-int8")
    ]
    assert [each["against"][0]["changed"] for each in lot["files"]] == [0, 2]


def test_the_question_asks_for_what_either_file_says_of_the_lot(
    visit: Visit, store: Workspace, lot_id: str, run: int, compared
):
    page = visit("compare", set=lot_id, students="student", approve="small-tiny-1")
    assert "Its own lot is still being read" in texts(page)
    asked = {job.payload["model"] for job in store.jobs("score") if job.lot == lot_id}
    assert {"small-tiny-1", "small-tiny-1-int8"} <= asked


def test_a_lot_whose_copy_is_damaged_leaves_the_question_to_the_guard_set(
    visit: Visit, store: Workspace, lot_id: str, run: int, compared, read
):
    read("small-tiny-1")
    stored = store.files.path(store.lot_file(lot_id))
    stored.write_bytes(stored.read_bytes()[:-40])
    state._lot.clear()
    page = visit("compare", lot=comparison.guard_ground().lot_id, students="student", approve="small-tiny-1")
    assert not page.exception
    assert "Its own lot can no longer be read, so nobody knows whether it lost anything there." in texts(page)
    assert page.button(key="approve-sure").label == "Approve all the same"


def test_a_known_loss_is_told_while_a_third_student_still_reads(
    visit: Visit, store: Workspace, run: int, compared, read, tiny_folder
):
    put_student(store, tiny_folder, "older-1")
    store.approve("older-1")
    read("small-tiny-1", sets=NEW)
    page = visit("distill", run=str(run), approve="small-tiny-1")
    assert "answers as the teacher does on 2 wafers fewer than student, of 6" in texts(page)
    assert "Its own lot is still being read" not in texts(page)
    assert list(card_table(page).iloc[0])[4].startswith("−2\u00a0wafers")


def test_a_reading_that_failed_is_not_said_to_go_on(visit: Visit, store: Workspace, lot_id: str, run: int, compared):
    visit("compare", students="student", approve="small-tiny-1")
    for job in store.jobs("score"):
        store.end_job(job.id, "failed", "The weights of small-tiny-1 cannot be read.")
    page = visit("compare", students="student", approve="small-tiny-1")
    assert "The weights of small-tiny-1 cannot be read." in "".join(str(error.value) for error in page.error)
    assert "still being read" not in texts(page)
    assert "Its own lot was not read to its end, so nobody knows" in texts(page)
    assert page.button(key="approve-sure").label == "Approve all the same"


def test_the_question_waits_for_the_answers_of_the_int8_file_too(
    visit: Visit, store: Workspace, run: int, compared, read, tiny_folder
):
    put_student(store, tiny_folder, "older-1")
    store.approve("older-1")
    read("small-tiny-1")
    page = visit("compare", students="student", approve="small-tiny-1")
    assert "still being counted on how many those of its int8 file differ from older-1-int8." in texts(page)
    guard = comparison.guard_ground().lot_id
    assert {"older-1", "older-1-int8"} <= {job.payload["model"] for job in store.jobs("score") if job.lot == guard}


def test_the_question_says_that_another_teacher_stands_in(visit: Visit, store: Workspace, run: int, compared, read):
    read("small-tiny-1")
    path = store.student_root / "small-tiny-1" / "card.json"
    document = json.loads(path.read_text())
    document["made_from"]["teacher_sha256"] = "ab" * 32
    path.write_text(json.dumps(document))
    page = visit("compare", students="student", approve="small-tiny-1")
    assert any("told of teacher, which may answer otherwise" in warning.value for warning in page.warning)


@pytest.mark.parametrize(
    ("loss", "upper", "said"),
    [
        (-0.001, 0.002, "0.10 points more wafers exactly than the shipped student does. A loss above 0.20 points is"),
        (0.0, 0.005, "as many as the shipped student does. A loss above 0.50 points is ruled out"),
        (0.004, 0.009, "0.40 points fewer wafers exactly than the shipped student does. 0.5 are allowed; a loss of up"),
        (0.006, 0.012, "That is more than the 0.5 allowed"),
    ],
)
def test_the_guard_says_what_was_lost_and_what_is_not_ruled_out(store: Workspace, loss: float, upper: float, said: str):
    student = store.model("student")
    one = Guarded(student, student, Paired(2000, 8, 8, Rate(loss, loss - 0.01, loss + 0.01, 2000), upper, 1.0))
    assert said in judgement.guard_sentence(one)
    assert "equal" not in judgement.guard_sentence(one)


@pytest.mark.parametrize(
    ("loss", "upper", "said"),
    [(-0.001, 0.002, "kept"), (0.004, 0.009, "may have lost too much"), (0.006, 0.012, "lost too much")],
)
def test_list_and_sentence_call_a_judgement_alike(store: Workspace, loss: float, upper: float, said: str):
    student = store.model("student")
    one = Guarded(student, student, Paired(2000, 8, 8, Rate(loss, loss - 0.01, loss + 0.01, 2000), upper, 1.0))
    assert f" {said}  \n" in judgement.line(one)
    assert judgement.guard_sentence(one).startswith(f"{said.capitalize()}: on the guard set")


def test_no_student_learns_from_what_students_are_judged_by(visit: Visit, store: Workspace):
    page = visit("distill", lot=comparison.guard_ground().lot_id)
    click(page, "start")
    assert "none may learn from them" in texts(page)
    assert store.jobs("distil") == []


def test_a_ground_looks_its_lot_up_once(store: Workspace):
    ground = comparison.guard_ground()
    lot = ground.lot
    state._lot.clear()
    assert ground.lot is lot
    assert ground == comparison.guard_ground()


# The kit -----------------------------------------------------------------------------------------


def test_a_kit_is_packed_once_for_the_same_weights(store: Workspace, monkeypatch: pytest.MonkeyPatch):
    student, packings = store.model("student"), []

    def counted(*given: object) -> bytes:
        packings.append(given)
        return kit(*given)

    monkeypatch.setattr("wafer_core.kit.kit", counted)
    for _ in range(2):
        packed = kit_button.packed((student.sha256,), "etch-line", student)
    assert len(packings) == 1
    names = zipfile.ZipFile(io.BytesIO(packed)).namelist()
    assert {"etch-line/recognise.py", "etch-line/student.int8.onnx", "etch-line/card.json"} <= set(names)


# The shelf of models -----------------------------------------------------------------------------


@pytest.fixture
def shelf(visit: Visit, lot_id: str) -> Callable[..., AppTest]:
    """Open the Compare page, on which the models of the workspace are kept."""

    def open_shelf(**address: str) -> AppTest:
        page = visit("compare", set=lot_id, students="student", **address)
        assert not page.exception
        return page

    return open_shelf


def test_the_shelf_lists_students_and_says_which_is_approved(shelf, store: Workspace, run: int, compared, read):
    read("small-tiny-1", lost=3)
    store.approve("small-tiny-1")
    said = texts(shelf())
    assert "**student** :gray-badge[shipped]" in said
    assert "**small-tiny-1** :green-badge[approved]" in said
    assert "lost too much  \n:small[:gray[lost 0.75 points, at most" in said
    assert "runner of one Python file" in said


def test_the_shelf_says_why_a_student_nobody_approved_counts_as_approved(shelf, store: Workspace, run: int):
    said = texts(shelf())
    assert "**student** :green-badge[approved by default] :gray-badge[shipped]" in said
    assert "the reference for its size" in said
    assert "what runs the student on a machine without WaferDistill" in said
    store.approve("student")
    assert "**student** :green-badge[approved] :gray-badge[shipped]" in texts(shelf())


def test_names_of_models_are_shown_letter_by_letter(shelf, visit: Visit, store: Workspace, run: int, compared, read):
    store.rename_model(store.model("small-tiny-1"), "new__bold__")
    read("new__bold__")
    quoted = "new\\_\\_bold\\_\\_"
    assert f"**{quoted}**" in texts(shelf())
    assert f"reads with **{quoted}**" in texts(shelf(approve="small-tiny-1"))
    store.approve("new__bold__")
    assert f"approved: {quoted}" in texts(shelf())
    page = click(shelf(), "archive-small-tiny-1")
    assert quoted in texts(page)
    assert "__bold__" not in texts(page)


def test_a_student_that_cannot_be_used_is_named_and_hides_nothing(
    visit: Visit, store: Workspace, lot_id: str, tiny_folder: Path, compared, read
):
    put_student(store, tiny_folder, "small-tiny-1")
    read("small-tiny-1")
    model = store.model("small-tiny-1")
    store.approve("small-tiny-1")
    gone = Novelty("tiny-untrained.novelty.safetensors", 900, "ab" * 32, {model.file: 1.0}, known=9, ordinary=9)
    replace(model.card, novelty=gone).write(model.folder)
    page = visit("compare", set=lot_id, students="student,small-tiny-1", student="student")
    assert not page.exception
    assert [str(error.value).replace("\\", "") for error in page.error] == [
        "small-tiny-1/tiny-untrained.novelty.safetensors: the card names this file, but it is not there; restore it."
    ]
    assert "**student** :gray-badge[shipped]" in texts(page)


@pytest.mark.parametrize(("student", "told"), [({}, 0), ({"student": "student"}, 1), ({"student": "student-tiny"}, 0)])
def test_the_side_bar_says_once_which_student_is_approved(visit: Visit, lot_id: str, student: dict, told: int):
    page = visit("distill", lot=lot_id, **student)
    chosen = page.sidebar.selectbox(key="address-student")
    assert ("approved" in chosen.value) == (not student)
    assert sum("approved" in str(caption.value) for caption in page.sidebar.caption) == told


def test_a_long_name_stands_whole_in_the_side_bar(visit: Visit, store: Workspace, lot_id: str, tiny_folder: Path):
    for name, told in (("short-1", False), ("lot17184-real-small-1", True)):
        put_student(store, tiny_folder, name)
        store.approve(name)
        captions = [str(caption.value).replace("\\", "") for caption in visit("distill", lot=lot_id).sidebar.caption]
        assert any(name in said for said in captions) == told


def test_the_shipped_student_is_approved_again_but_not_edited(shelf, store: Workspace, run: int):
    store.approve("small-tiny-1")
    page = shelf()
    assert {"save-student", "archive-student"}.isdisjoint(keys(page))
    click(click(page, "approve-student"), "approve-sure")
    assert store.approved() == "student"


def test_a_model_is_renamed_and_annotated_and_the_address_follows(visit: Visit, store: Workspace, lot_id, run: int):
    address = {"students": "student,small-tiny-1-int8", "student": "small-tiny-1", "who": "small-tiny-1-int8"}
    page = visit("compare", set=lot_id, **address)
    page.text_input(key="name-small-tiny-1").set_value("etch-line")
    page.text_area(key="note-small-tiny-1").set_value("for *tool* 4")
    click(page, "save-small-tiny-1")
    assert store.model("etch-line").folder.name == "small-tiny-1"
    assert store.model_row(store.model("etch-line")).note == "for *tool* 4"
    said = texts(page)
    assert "small-tiny-1 is called etch-line now." in said
    assert "for \\*tool\\* 4" in said
    assert page.query_params["student"] in ("etch-line", ["etch-line"])
    assert page.query_params["students"] in ("student,etch-line-int8", ["student,etch-line-int8"])
    assert page.query_params["who"] in ("etch-line-int8", ["etch-line-int8"])


def test_a_name_that_is_taken_is_refused_in_a_sentence(shelf, store: Workspace, run: int):
    page = shelf()
    page.text_input(key="name-small-tiny-1").set_value("teacher")
    click(page, "save-small-tiny-1")
    assert "another model; choose another name" in texts(page)
    assert store.model("small-tiny-1").name == "small-tiny-1"


def test_a_model_is_put_away_and_comes_back(shelf, visit: Visit, store: Workspace, lot_id, run: int):
    page = click(shelf(), "archive-small-tiny-1")
    assert "small-tiny-1 is in the archive." in texts(page)
    assert "small-tiny-1" not in page.multiselect(key="address-students").options
    assert "restore-small-tiny-1" not in keys(page)
    # Whoever opens an old address still finds it, and the side bar names it.
    page = visit("lot", lot=lot_id, student="small-tiny-1-int8")
    assert page.selectbox(key="address-student").value == "small-tiny-1-int8"
    page = click(shelf(archived="1"), "restore-small-tiny-1")
    assert "small-tiny-1" in page.multiselect(key="address-students").options


def test_the_approved_student_is_not_put_away(shelf, store: Workspace, run: int):
    store.approve("small-tiny-1")
    page = click(shelf(), "archive-small-tiny-1")
    assert "approve another first" in texts(page)


def test_an_old_name_opens_the_model_as_it_is_called_now(visit: Visit, store: Workspace, lot_id: str, run: int):
    store.rename_model(store.model("small-tiny-1"), "etch-line")
    page = visit("lot", lot=lot_id, student="small-tiny-1")
    assert not page.exception
    assert page.selectbox(key="address-student").value == "small-tiny-1"
    assert "etch-line" in page.selectbox(key="address-student").options


def test_a_kit_is_imported_by_the_page_and_compared(shelf, store: Workspace, tiny_folder: Path, tmp_path: Path):
    folder = shutil.copytree(tiny_folder, tmp_path / "tool-4")
    card = json.loads((folder / "card.json").read_text())
    (folder / "card.json").write_text(json.dumps({**card, "role": "student"}))
    page = shelf()
    page.get("file_uploader")[0].set_value([("kit.zip", kit(folder), "application/zip")])
    click(page, "import")
    assert "tool-4 was imported" in texts(page)
    assert {"tool-4-onnx", "tool-4-int8"} <= set(page.multiselect(key="address-students").options)
    click(page, "approve-tool-4")
    assert "approve-sure" in keys(page)


def test_what_is_no_kit_is_refused_in_a_sentence(shelf, store: Workspace):
    page = shelf()
    page.get("file_uploader")[0].set_value([("kit.zip", b"PK\x03\x04 not really", "application/zip")])
    click(page, "import")
    assert "no zip archive" in texts(page)
    with pytest.raises(UnknownModel):
        store.model("kit")


def test_every_approval_stays_on_record(store: Workspace, run: int, compared, read):
    def script() -> None:
        from wafer_core.ui.compare import approval

        approval.history()

    store.approve(
        "small-tiny-1", note="23 wafers", run=7, figures={"guard": {"loss": 0.001, "loss_upper_95_one_sided": 0.004}}
    )
    store.withdraw_approval(store.approvals()[0].id)
    store.approve("student")
    store.approve("student-tiny")
    frame = AppTest.from_function(script).run().table[0].value
    assert list(frame["Student"]) == ["student-tiny", "student", "small-tiny-1"]
    assert list(frame["Lost on the guard set"]) == ["–", "–", "0.1 points, at most 0.4"]
    assert list(frame["Run"]) == ["–", "–", "7"]
    assert frame["Taken back"][0] == "–"
    assert frame["Taken back"][2] != "–"
