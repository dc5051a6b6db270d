import shutil

import numpy as np
import pytest
import torch

from wafer_core.models.networks import build
from wafer_core.models.saving import save_model

MAPS = np.random.default_rng(0).random((8, 2, 16, 16)).astype(np.float32)


def saved(folder, **changes):
    torch.manual_seed(0)
    options = {
        "name": "Student",
        "role": "student",
        "architecture": "separable-4-8-8-8",
        "size": 16,
        "decoder": "free",
        "unsure_below": 0.1,
        "thresholds": (0.5,) * 8,
        "calibration": MAPS,
        "made_from": {"data": [], "seed": 0, "steps": 0, "command": "test"},
    }
    return save_model(folder, build("separable-4-8-8-8"), **{**options, **changes})


@pytest.fixture(scope="module")
def student(tmp_path_factory):
    """A student saved once, and the logits its thresholds were found from."""
    seen = []

    def cut(logits):
        seen.append(logits)
        return np.full(8, len(seen) / 10)

    folder = tmp_path_factory.mktemp("runs") / "17"
    models = saved(folder, stem="student", thresholds=cut, threshold_maps=MAPS[:5], beside={"run.json": "{}"})
    return folder, models, seen


def test_a_folder_is_complete_and_alone(student):
    folder, models, _ = student
    expected = ["card.json", "run.json", "student.int8.onnx", "student.onnx", "student.safetensors"]
    assert sorted(path.name for path in folder.iterdir()) == expected
    assert [path.name for path in folder.parent.iterdir()] == ["17"]
    assert [model.name for model in models] == ["17", "17-onnx", "17-int8"]
    assert all(model.read() for model in models)


def test_every_file_gets_its_own_thresholds(student):
    _, models, seen = student
    assert [model.entry.thresholds[0] for model in models] == [0.1, 0.2, 0.3]
    assert [logits.shape for logits in seen] == [(5, 8)] * 3
    assert np.abs(seen[0] - seen[1]).max() < 1e-4
    assert np.abs(seen[0] - seen[2]).max() > 0


def test_a_folder_in_use_keeps_its_other_files(student, tmp_path):
    folder = shutil.copytree(student[0], tmp_path / "17")
    (folder / "notes.txt").write_text("mine")
    models = saved(folder, stem="student", name="Second")
    assert (folder / "notes.txt").read_text() == "mine"
    assert [model.label for model in models] == ["Second", "Second, ONNX", "Second, int8"]
    assert all(model.read() for model in models)
    assert [path.name for path in tmp_path.iterdir()] == ["17"]


def test_what_fails_leaves_nothing(tmp_path):
    def fail(logits):
        raise ArithmeticError

    with pytest.raises(ArithmeticError):
        saved(tmp_path / "student", thresholds=fail)
    assert list(tmp_path.iterdir()) == []
