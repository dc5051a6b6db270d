"""The model shelf: names that engineers give, notes, an archive, kits, and approvals that can be taken back."""

import io
import json
import shutil
import time
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from wafer_core.errors import BrokenModel, UnknownModel, UsageError
from wafer_core.kit import kit
from wafer_core.models import folder as folder_module
from wafer_core.models.folder import SHIPPED, files_of
from wafer_core.models.reference import fit_novelty
from wafer_core.workspace import Workspace, is_shipped
from wafer_core.workspace import models as models_module
from wafer_core.workspace.models import MOST_NOTE, ModelShelf

OTHER = "bb" * 32


@pytest.fixture
def workspace(home: Path):
    opened = Workspace()
    yield opened
    opened.close()


@pytest.fixture
def mine(workspace: Workspace, tiny_folder: Path) -> str:
    """A student made here."""
    return put_student(workspace, tiny_folder, "lot7-small-1").name


def put_student(workspace: Workspace, tiny_folder: Path, name: str) -> Path:
    folder = workspace.student_root / name
    shutil.copytree(tiny_folder, folder)
    card = folder / "card.json"
    card.write_text(card.read_text().replace('"role": "teacher"', '"role": "student"'))
    return folder


def test_students_are_chosen_by_name_and_approved_by_name(workspace, tiny_folder):
    put_student(workspace, tiny_folder, "lot7-small-1")
    names = [model.name for model in workspace.models()]
    assert names[-3:] == ["lot7-small-1", "lot7-small-1-onnx", "lot7-small-1-int8"]
    assert workspace.approved() == "student"
    workspace.approve("lot7-small-1-int8", note="looked at 23 wafers")
    assert workspace.model("approved").name == "lot7-small-1"
    assert workspace.model("approved-int8").name == "lot7-small-1-int8"
    assert workspace.model("approved-int8").sha256 == workspace.model("lot7-small-1-int8").sha256
    assert workspace.model_of(workspace.model("approved").sha256).folder.name == "lot7-small-1"
    assert [approval.note for approval in workspace.approvals()] == ["looked at 23 wafers"]
    # Whichever file was named, it is the student that is approved.
    assert [approval.weights for approval in workspace.approvals()] == [workspace.model("lot7-small-1").sha256]


def test_a_teacher_is_not_approved(workspace, tiny_folder):
    shutil.copytree(tiny_folder, workspace.student_root / "mine")
    with pytest.raises(UnknownModel, match="only a student"):
        workspace.approve("mine")


def test_a_broken_student_is_named_and_does_not_hide_the_others(workspace, tiny_folder):
    put_student(workspace, tiny_folder, "good-1")
    (put_student(workspace, tiny_folder, "bad-1") / "card.json").write_text("{")
    names = [model.name for model in workspace.models()]
    assert "good-1" in names
    assert not [name for name in names if name.startswith("bad-1")]
    assert ["bad-1" in sentence for sentence in workspace.broken_models()] == [True]
    with pytest.raises(BrokenModel):
        workspace.model("bad-1")


def break_reference(folder: Path) -> None:
    """Let a folder tell novelty by a reference that is damaged."""
    maps = np.random.default_rng(0).random((400, 2, 16, 16)).astype(np.float32)
    assert fit_novelty(folder, maps[:200], maps[200:])
    [reference] = folder.glob("*.novelty.safetensors")
    reference.write_bytes(reference.read_bytes()[:-1])


def test_a_student_with_a_damaged_reference_is_broken(workspace, tiny_folder):
    put_student(workspace, tiny_folder, "good-1")
    break_reference(put_student(workspace, tiny_folder, "bad-1"))
    assert {model.folder.name for model in workspace.models() if not is_shipped(model)} == {"good-1"}
    [sentence] = workspace.broken_models()
    assert sentence.startswith("bad-1/tiny-untrained.novelty.safetensors: it has ")


def test_a_broken_student_is_told_by_whatever_name_it_has(workspace, mine):
    workspace.rename_model(workspace.model(mine), "etch-line")
    (workspace.student_root / mine / "card.json").write_text("{")
    for name in ("etch-line", "etch-line-int8", mine):
        with pytest.raises(BrokenModel, match=f"{mine}/card.json"):
            workspace.model(name)


def test_a_path_is_no_name(workspace, tiny_folder, mine, monkeypatch):
    monkeypatch.chdir(tiny_folder.parent)
    for path in (str(tiny_folder), tiny_folder.name, "/etc", str(workspace.student_root / mine)):
        with pytest.raises(UnknownModel, match=f"no model '{path}' in this workspace; name one of teacher, .*{mine}"):
            workspace.model(path)


def test_an_unknown_model_names_the_known_ones(workspace, tiny_folder):
    put_student(workspace, tiny_folder, "good-1")
    with pytest.raises(UnknownModel, match="good-1"):
        workspace.model("gone-1")
    with pytest.raises(UnknownModel):
        workspace.model_of(OTHER)


# Names -------------------------------------------------------------------------------------------


def test_a_renamed_model_is_found_by_both_names_and_its_files_follow(workspace, mine):
    workspace.rename_model(workspace.model(f"{mine}-int8"), "etch-line")
    names = [model.name for model in workspace.models()]
    assert names[-3:] == ["etch-line", "etch-line-onnx", "etch-line-int8"]
    assert workspace.model("etch-line-int8").sha256 == workspace.model(f"{mine}-int8").sha256
    assert workspace.model(f"{mine}-int8").name == "etch-line-int8"
    assert workspace.model("etch-line").folder.name == mine
    workspace.rename_model(workspace.model("etch-line"), mine)
    assert workspace.model(mine).name == mine
    with pytest.raises(UnknownModel):
        workspace.model("etch-line")


def test_an_approved_student_stays_approved_under_its_new_name(workspace, mine):
    workspace.approve(mine)
    workspace.rename_model(workspace.model(mine), "etch-line")
    assert workspace.approved() == "etch-line"
    assert workspace.model("approved-int8").name == "etch-line-int8"


@pytest.mark.parametrize(
    "name",
    ["student", "student-int8", "teacher", "approved", "approved-int8", "lot7-small-2", "lot7-small-2-int8", "lot8"],
)
def test_a_name_that_finds_another_model_is_refused(workspace, tiny_folder, mine, name):
    put_student(workspace, tiny_folder, "lot7-small-2")
    workspace.rename_model(workspace.model("lot7-small-2"), "lot8")
    with pytest.raises(UsageError, match="another model"):
        workspace.rename_model(workspace.model(mine), name)


def test_a_name_whose_files_would_be_another_model_is_refused(workspace, tiny_folder, mine):
    put_student(workspace, tiny_folder, "a-int8")
    with pytest.raises(UsageError, match="another model"):
        workspace.rename_model(workspace.model(mine), "a")


def test_a_name_that_a_run_has_reserved_is_refused(workspace, mine):
    workspace.put_job("distil", "once", "x", {}, urgency=5, name="lot9-tiny")
    with pytest.raises(UsageError, match="another model"):
        workspace.rename_model(workspace.model(mine), "lot9-tiny-1")


def test_of_two_that_are_called_alike_at_once_one_is_told(workspace, tiny_folder, mine, monkeypatch):
    put_student(workspace, tiny_folder, "lot7-small-2")
    names = ModelShelf._names

    def slowly(self, but=None):
        found = names(self, but)
        time.sleep(0.2)
        return found

    monkeypatch.setattr(ModelShelf, "_names", slowly)
    other = Workspace(workspace.root)

    def rename(store: Workspace, name: str) -> None:
        store.rename_model(store.model(name), "etch-line")

    with ThreadPoolExecutor() as both:
        asked = [both.submit(rename, store, name) for store, name in ((workspace, mine), (other, "lot7-small-2"))]
    other.close()
    [problem] = [each.exception() for each in asked if each.exception()]
    assert isinstance(problem, UsageError)
    assert "etch-line is, or would be taken for, another model" in str(problem)


def test_a_run_never_makes_a_student_of_a_name_somebody_gave(workspace, mine):
    workspace.rename_model(workspace.model(mine), "lot9-tiny-1")
    job = workspace.put_job("distil", "once", "x", {}, urgency=5, name="lot9-tiny")
    assert workspace.job(job).name == "lot9-tiny-2"


def test_a_run_makes_no_student_whose_files_would_be_another_model(workspace, mine):
    workspace.rename_model(workspace.model(mine), "lot9-tiny-1-int8")
    job = workspace.put_job("distil", "once", "x", {}, urgency=5, name="lot9-tiny")
    assert workspace.job(job).name == "lot9-tiny-2"


def test_approved_means_its_folder_whatever_else_is_called_like_it(workspace, mine, tiny_folder):
    workspace.rename_model(workspace.model(mine), "lot8-int8")
    workspace.approve("lot8-int8")
    time.sleep(0.01)
    # No command makes this folder; somebody copied it.
    put_student(workspace, tiny_folder, "lot8")
    assert workspace.model("approved").folder.name == mine
    assert workspace.model("approved-int8").folder.name == mine


def test_a_shipped_student_is_approved_by_name_too(workspace):
    workspace.approve("student-tiny")
    assert workspace.model("approved").name == "student-tiny"
    assert workspace.model("approved-int8").name == "student-tiny-int8"
    assert workspace.broken_models() == []


def test_an_approved_student_that_is_gone_is_told_and_never_named_as_one_to_choose(workspace, mine):
    workspace.approve(mine)
    kept = (workspace.student_root / mine).rename(workspace.root / "elsewhere")
    for name in ("approved", "approved-onnx", "approved-int8"):
        with pytest.raises(UnknownModel, match=f"{mine} is no longer in the workspace: put its folder .* back"):
            workspace.model(name)
    assert any(f"{mine} is no longer" in problem for problem in workspace.broken_models())
    with pytest.raises(UnknownModel, match="name one of teacher") as problem:
        workspace.model("nobody")
    assert "approved" not in str(problem.value)
    kept.rename(workspace.student_root / mine)
    assert workspace.model("approved").name == mine
    assert workspace.broken_models() == []


def test_a_reference_that_was_written_over_in_place_is_noticed(workspace, mine):
    folder = workspace.student_root / mine
    fit_novelty(folder, *np.random.default_rng(0).random((2, 120, 2, 16, 16)).astype(np.float32))
    assert mine in [model.name for model in workspace.models()]
    [reference] = folder.glob("*.novelty.safetensors")
    with reference.open("r+b") as file:
        file.write(b"\xff")
    assert mine not in [model.name for model in workspace.models()]
    assert any(mine in problem for problem in workspace.broken_models())


def test_a_shipped_card_that_was_written_anew_is_noticed(workspace, tmp_path, monkeypatch):
    """As an upgrade does below a server that is not started again."""
    shipped = shutil.copytree(SHIPPED, tmp_path / "models")
    for module in (folder_module, models_module):
        monkeypatch.setattr(module, "SHIPPED", shipped)
    assert workspace.model("student").card.unsure_below != 9.0
    card = json.loads((shipped / "student" / "card.json").read_text())
    (shipped / "student" / "card.json").write_text(json.dumps({**card, "unsure_below": 9.0}))
    assert workspace.model("student").card.unsure_below == 9.0


def test_an_approval_is_of_the_weights_that_were_approved(workspace, mine, tmp_path):
    workspace.approve(mine)
    folder = workspace.student_root / mine
    folder.rename(tmp_path / "kept")
    shutil.copytree(SHIPPED / "student-tiny", folder)
    for name in ("approved", "approved-int8"):
        with pytest.raises(UnknownModel, match=f"{mine} has other weights by now than were approved"):
            workspace.model(name)
    assert any("has other weights by now" in problem for problem in workspace.broken_models())
    workspace.approve(mine)
    assert workspace.model("approved").entry.parameters == workspace.model("student-tiny").entry.parameters
    shutil.rmtree(folder)
    (tmp_path / "kept").rename(folder)
    workspace.withdraw_approval(workspace.standing_approval().id)
    assert workspace.model("approved").name == mine
    assert workspace.broken_models() == []


def test_an_approved_student_without_a_file_says_which(workspace, student_kit):
    workspace.approve(workspace.import_model(student_kit).stem)
    (folder,) = workspace.student_root.iterdir()
    card = json.loads((folder / "card.json").read_text())
    (left,) = (name for name in card["files"] if ".int8." in name)
    (folder / "card.json").write_text(json.dumps({**card, "files": {left: card["files"][left]}}))
    assert workspace.model("approved").entry.precision == "int8"
    with pytest.raises(UnknownModel, match="tool-4 has no file tool-4-onnx"):
        workspace.model("approved-onnx")


@pytest.mark.parametrize("name", ["", "two words", "../up", "a,b", "-x", "ä", "x" * 65, "a/b", "a\n"])
def test_a_name_that_no_folder_could_have_is_refused(workspace, mine, name):
    with pytest.raises(UsageError, match="begins with a letter"):
        workspace.rename_model(workspace.model(mine), name)


@pytest.mark.parametrize(
    "change",
    [
        lambda workspace, model: workspace.rename_model(model, "mine"),
        lambda workspace, model: workspace.annotate_model(model, "good"),
        lambda workspace, model: workspace.archive_model(model),
    ],
)
def test_what_came_with_the_product_stays_as_it_is(workspace, change):
    with pytest.raises(UsageError, match="student came with WaferDistill"):
        change(workspace, workspace.model("student-int8"))


def test_the_files_of_a_model_are_those_of_its_folder_by_their_names_here(workspace, mine):
    workspace.rename_model(workspace.model(mine), "etch-line")
    files = workspace.model_files(workspace.model("etch-line-int8"))
    assert [file.name for file in files] == ["etch-line", "etch-line-onnx", "etch-line-int8"]
    assert workspace.model_files(workspace.model("student-onnx"))[0].name == "student"


# Notes and the archive ---------------------------------------------------------------------------


def test_a_note_lasts_and_has_an_end(workspace, mine):
    workspace.annotate_model(workspace.model(mine), "for tool 4")
    with pytest.raises(UsageError, match="shorten it"):
        workspace.annotate_model(workspace.model(mine), "x" * (MOST_NOTE + 1))
    workspace.close()
    again = Workspace(workspace.root)
    assert again.model_row(again.model(mine)).note == "for tool 4"
    again.close()


def test_an_archived_model_is_offered_nowhere_and_still_found(workspace, mine):
    model = workspace.model(mine)
    workspace.archive_model(model)
    assert mine not in [each.name for each in workspace.models()]
    assert mine in [each.name for each in workspace.models(archived=True)]
    assert workspace.model(mine).sha256 == workspace.model_of(model.sha256).sha256 == model.sha256
    with pytest.raises(UsageError, match="restore it"):
        workspace.approve(mine)
    workspace.restore_model(model)
    assert mine in [each.name for each in workspace.models()]


@pytest.mark.parametrize("first", ["approve", "archive"])
def test_of_approving_and_putting_away_at_once_one_is_told(workspace, mine, monkeypatch, first):
    row, standing = ModelShelf.model_row, ModelShelf.standing_approval

    def slowly(asked):
        def found(self, *given):
            answer = asked(self, *given)
            time.sleep(0.3)
            return answer

        return found

    monkeypatch.setattr(ModelShelf, "model_row", slowly(row))
    monkeypatch.setattr(ModelShelf, "standing_approval", slowly(standing))
    other = Workspace(workspace.root)
    ways = {
        "approve": lambda store: store.approve(mine),
        "archive": lambda store: store.archive_model(store.model(mine)),
    }
    [second] = ways.keys() - {first}
    with ThreadPoolExecutor() as both:
        asked = [both.submit(ways[first], workspace), both.submit(ways[second], other)]
    other.close()
    [problem] = [each.exception() for each in asked if each.exception()]
    assert isinstance(problem, UsageError)
    assert (workspace.approved() == mine) != (mine not in [model.name for model in workspace.models()])


def test_a_file_that_vanishes_while_models_are_looked_for_is_no_matter(workspace, mine, tiny_folder, monkeypatch):
    """As those do that are in the middle of being written, and folders that somebody removes."""
    gone = put_student(workspace, tiny_folder, "gone-1")
    partial = workspace.student_root / mine / ".student.onnx.partial"
    partial.write_bytes(b"half")
    stat = Path.stat

    def and_then_it_is_gone(path, **options):
        found = stat(path, **options)
        if path == partial:
            partial.unlink(missing_ok=True)
        elif path == gone / "card.json":
            shutil.rmtree(gone, ignore_errors=True)
        return found

    monkeypatch.setattr(Path, "stat", and_then_it_is_gone)
    assert workspace.model(mine).name == mine
    assert "gone-1" not in [model.name for model in workspace.models()]


def test_the_approved_student_is_not_put_away(workspace, mine):
    workspace.approve(mine)
    with pytest.raises(UsageError, match="approve another first"):
        workspace.archive_model(workspace.model(mine))


# Approvals ---------------------------------------------------------------------------------------


def test_an_approval_is_kept_with_what_it_rests_on_and_taken_back_one_by_one(workspace, tiny_folder, mine):
    put_student(workspace, tiny_folder, "lot7-small-2")
    workspace.approve(mine, "first", run=3, figures={"guard": {"loss": 0.001}})
    workspace.approve("lot7-small-2")
    second, first = workspace.approvals()
    assert (first.run, first.figures, first.note) == (3, {"guard": {"loss": 0.001}}, "first")
    assert first.weights == workspace.model(mine).sha256
    assert workspace.standing_approval() == second
    workspace.withdraw_approval(second.id)
    assert workspace.approved() == mine
    workspace.withdraw_approval(first.id)
    assert workspace.approved() == "student"
    assert workspace.standing_approval() is None
    assert [approval.withdrawn is None for approval in workspace.approvals()] == [False, False]


def test_only_the_approval_that_counts_is_taken_back(workspace, mine):
    workspace.approve(mine)
    workspace.approve("student")
    newest, older = workspace.approvals()
    with pytest.raises(UsageError, match="does not count any more"):
        workspace.withdraw_approval(older.id)
    assert workspace.approved() == "student"
    workspace.withdraw_approval(newest.id)
    with pytest.raises(UsageError, match="does not count any more"):
        workspace.withdraw_approval(newest.id)
    assert workspace.approved() == mine


def test_what_counts_again_comes_back_from_the_archive(workspace, tiny_folder, mine):
    put_student(workspace, tiny_folder, "lot7-small-2")
    workspace.approve(mine)
    workspace.approve("lot7-small-2")
    workspace.archive_model(workspace.model(mine))
    workspace.withdraw_approval(workspace.approvals()[0].id)
    assert workspace.approved() == mine
    assert mine in [model.name for model in workspace.models()]


# Kits --------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def student_kit(tiny_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The kit of a student that was made elsewhere."""
    folder = tmp_path_factory.mktemp("elsewhere") / "tool-4"
    shutil.copytree(tiny_folder, folder)
    card = folder / "card.json"
    card.write_text(card.read_text().replace('"role": "teacher"', '"role": "student"'))
    return kit(folder)


def test_a_kit_is_imported_approved_and_renamed_like_any_other(workspace, student_kit):
    model = workspace.import_model(student_kit)
    assert (model.name, workspace.model("tool-4").name) == ("tool-4-onnx", "tool-4-onnx")
    assert workspace.model_row(model).imported is not None
    workspace.approve("tool-4")
    assert workspace.model("approved").name == "tool-4-onnx"
    assert workspace.model("approved-int8").name == "tool-4-int8"
    workspace.rename_model(model, "tool-5")
    assert workspace.model("approved").name == "tool-5-onnx"
    assert workspace.model("tool-4").name == "tool-5-onnx"


def test_weights_that_are_here_already_are_not_imported_again(workspace, student_kit):
    model = workspace.import_model(student_kit)
    with pytest.raises(UsageError, match="holds tool-4, which is here already"):
        workspace.import_model(student_kit)
    workspace.archive_model(model)
    with pytest.raises(UsageError, match="in the archive"):
        workspace.import_model(student_kit)
    assert [folder.name for folder in workspace.student_root.iterdir()] == ["tool-4"]


def test_a_kit_is_imported_of_which_one_file_is_here(workspace, student_kit):
    folder = workspace.import_model(student_kit).folder
    card = json.loads((folder / "card.json").read_text())
    (int8,) = (name for name in card["files"] if ".int8." in name)
    (folder / "card.json").write_text(json.dumps({**card, "files": {int8: card["files"][int8]}}))
    assert workspace.import_model(student_kit).folder.name == "tool-4-2"
    with pytest.raises(UsageError, match="which is here already"):
        workspace.import_model(student_kit)


def test_of_one_kit_that_comes_in_twice_at_once_one_stays(workspace, student_kit, monkeypatch):
    import wafer_core.kit

    def twice(data, parent, taken):
        monkeypatch.undo()
        folder = wafer_core.kit.import_kit(data, parent, taken)
        # Another page has come as far as this, and gets no further before this one.
        wafer_core.kit.import_kit(data, parent, taken)
        return folder

    monkeypatch.setattr(wafer_core.kit, "import_kit", twice)
    with pytest.raises(UsageError, match="holds tool-4-2, which is here already"):
        workspace.import_model(student_kit)
    assert [folder.name for folder in workspace.student_root.iterdir()] == ["tool-4-2"]


def test_a_kit_whose_name_a_run_took_meanwhile_is_not_kept(workspace, student_kit, monkeypatch):
    import wafer_core.kit

    def meanwhile(data, parent, taken):
        monkeypatch.undo()
        workspace.put_job("distil", "once", "x", {}, urgency=5, name="other")
        workspace.database.write("UPDATE jobs SET name = 'tool-4'")
        return wafer_core.kit.import_kit(data, parent, taken)

    monkeypatch.setattr(wafer_core.kit, "import_kit", meanwhile)
    with pytest.raises(UsageError, match="import the kit again"):
        workspace.import_model(student_kit)
    assert list(workspace.student_root.iterdir()) == []


def test_weights_that_are_here_with_other_thresholds_are_told_apart(workspace, student_kit, tiny_folder, tmp_path):
    workspace.import_model(student_kit)
    folder = shutil.copytree(tiny_folder, tmp_path / "tool-4")
    card = json.loads((folder / "card.json").read_text())
    for entry in card["files"].values():
        entry["thresholds"] = [0.4] * 8
    (folder / "card.json").write_text(json.dumps({**card, "role": "student"}))
    with pytest.raises(UsageError, match="is here already and decides by other thresholds; nothing was imported"):
        workspace.import_model(kit(folder))


def test_an_imported_kit_takes_no_name_that_somebody_gave(workspace, student_kit):
    workspace.rename_model(workspace.import_model(student_kit), "tool-5")
    shutil.rmtree(workspace.student_root / "tool-4")
    workspace.database.write("UPDATE models SET name = 'tool-4', folder = 'lot7-small-1'")
    assert workspace.import_model(student_kit).folder.name == "tool-4-2"


def test_what_is_no_kit_leaves_nothing(workspace):
    with pytest.raises(BrokenModel):
        workspace.import_model(b"PK\x03\x04 not really")
    assert list(workspace.student_root.iterdir()) == []


def test_a_kit_is_called_as_the_model_is(tiny_folder):
    with zipfile.ZipFile(io.BytesIO(kit(files_of(tiny_folder)[0], "etch-line"))) as archive:
        assert {name.partition("/")[0] for name in archive.namelist()} == {"etch-line"}
