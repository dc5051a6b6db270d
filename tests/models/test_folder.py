import json
import shutil
from dataclasses import replace

import pytest

from wafer_core.errors import BrokenModel, UnknownModel
from wafer_core.models import folder as folders
from wafer_core.models.card import Novelty
from wafer_core.models.folder import files_of, resolve, shipped_models
from wafer_core.patterns import ALLOWED_SETS

NAME = "tiny-untrained"


@pytest.fixture
def model_folder(tiny_folder, tmp_path):
    """A copy of the untrained model that a test may break."""
    return shutil.copytree(tiny_folder, tmp_path / NAME)


@pytest.fixture
def shipped(tiny_folder, tmp_path, monkeypatch):
    """A product that ships a teacher, a student and a tiny one, all of them untrained."""
    monkeypatch.setattr(folders, "SHIPPED", tmp_path / "shipped")
    for name, role in (("student", "student"), ("teacher", "teacher"), ("tiny", "student")):
        copy = shutil.copytree(tiny_folder, tmp_path / "shipped" / name)
        card = json.loads((copy / "card.json").read_text())
        card.update(role=role, name=name)
        (copy / "card.json").write_text(json.dumps(card))


def test_a_folder_holds_three_files_in_their_order(tiny_folder):
    models = files_of(tiny_folder)
    assert [model.name for model in models] == [NAME, f"{NAME}-onnx", f"{NAME}-int8"]
    assert [model.file for model in models] == [f"{NAME}.safetensors", f"{NAME}.onnx", f"{NAME}.int8.onnx"]
    assert [model.engine for model in models] == ["torch", "onnx", "onnx"]
    assert [model.label for model in models] == ["Tiny, untrained", "Tiny, untrained, ONNX", "Tiny, untrained, int8"]
    assert len({model.sha256 for model in models}) == 3
    assert all(len(model.read()) == model.entry.bytes for model in models)


def test_what_a_file_decides_follows_from_all_that_its_verdicts_do(tiny_folder):
    model = files_of(tiny_folder)[0]
    card, entry = model.card, model.entry
    novelty = Novelty("a.safetensors", 1, "2" * 64, {model.file: 1.0}, 100, 100)
    others = [
        replace(card, files={**card.files, model.file: replace(entry, thresholds=(0.4,) * 8)}),
        replace(card, files={**card.files, model.file: replace(entry, sha256="1" * 64)}),
        replace(card, unsure_below=card.unsure_below + 1),
        replace(card, decoder=next(name for name in ALLOWED_SETS if name != card.decoder)),
        replace(card, novelty=novelty),
        replace(card, novelty=replace(novelty, limits={model.file: 2.0})),
    ]
    marks = {model.decides, *(replace(model, card=other).decides for other in others)}
    assert len(marks) == 1 + len(others)
    assert replace(model, name="another", folder=tiny_folder.parent).decides == model.decides


@pytest.mark.usefixtures("shipped")
def test_shipped_models_are_listed_teacher_first():
    assert [model.name for model in shipped_models()] == [
        *("teacher", "teacher-onnx", "teacher-int8"),
        *("student", "student-onnx", "student-int8"),
        *("tiny", "tiny-onnx", "tiny-int8"),
    ]


@pytest.mark.usefixtures("shipped")
@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("teacher", "teacher/tiny-untrained.safetensors"),
        ("student-int8", "student/tiny-untrained.int8.onnx"),
        ("approved", "student/tiny-untrained.safetensors"),
        ("approved-int8", "student/tiny-untrained.int8.onnx"),
    ],
)
def test_names_mean_shipped_files(name, file):
    assert resolve(name).path == folders.SHIPPED / file


@pytest.mark.parametrize(
    ("path", "kind"),
    [("", "torch"), ("tiny-untrained.safetensors", "torch"), ("tiny-untrained.int8.onnx", "onnx")],
)
def test_a_path_is_a_folder_or_a_weights_file(tiny_folder, path, kind):
    assert resolve(str(tiny_folder / path)).engine == kind


def test_a_folder_without_trained_weights_is_its_graph(model_folder):
    card = json.loads((model_folder / "card.json").read_text())
    del card["files"][f"{NAME}.safetensors"]
    (model_folder / "card.json").write_text(json.dumps(card))
    assert resolve(str(model_folder)).file == f"{NAME}.onnx"


def test_a_path_may_be_relative(tiny_folder, monkeypatch):
    monkeypatch.chdir(tiny_folder)
    assert resolve(".").name == NAME
    assert resolve(f"{NAME}.onnx").name == f"{NAME}-onnx"


@pytest.mark.usefixtures("shipped")
def test_an_unknown_name_lists_the_known_ones(tmp_path):
    with pytest.raises(UnknownModel, match=r"no model 'teecher'; name one of teacher, .*tiny-int8, approved"):
        resolve("teecher")
    (tmp_path / "notes.txt").write_text("")
    with pytest.raises(BrokenModel, match="no model folder"):
        resolve(str(tmp_path / "notes.txt"))


def test_a_stray_file_of_a_model_folder_is_no_model(model_folder):
    (model_folder / "other.onnx").write_bytes(b"")
    with pytest.raises(UnknownModel, match=r"other\.onnx is not one of the weights files"):
        resolve(str(model_folder / "other.onnx"))


def test_changed_weights_are_refused(model_folder):
    weights = model_folder / f"{NAME}.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"\x55")
    with pytest.raises(BrokenModel, match="sha256"):
        resolve(str(model_folder))


def test_cut_weights_are_refused(model_folder):
    weights = model_folder / f"{NAME}.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1])
    with pytest.raises(BrokenModel, match="bytes and its card says"):
        resolve(str(model_folder))


def test_missing_weights_are_named(model_folder):
    (model_folder / f"{NAME}.safetensors").unlink()
    with pytest.raises(BrokenModel, match="it is not there"):
        resolve(str(model_folder))
