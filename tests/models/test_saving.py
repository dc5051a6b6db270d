import os
import shutil
from contextlib import suppress
from dataclasses import replace

import numpy as np
import pytest
import torch

from wafer_core.errors import BrokenModel
from wafer_core.models.card import MOST_EARLIER, replaced
from wafer_core.models.folder import files_of
from wafer_core.models.networks import build
from wafer_core.models.saving import save_model

MAPS = np.random.default_rng(0).random((8, 2, 16, 16)).astype(np.float32)


OPTIONS = {
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


def saved(folder, seed=0, **changes):
    torch.manual_seed(seed)
    return save_model(folder, build("separable-4-8-8-8"), **{**OPTIONS, **changes})


@pytest.fixture(scope="module")
def student(tmp_path_factory):
    """A student saved once, and the logits its thresholds were found from."""
    seen, precisions = [], []

    def cut(logits, precision):
        seen.append(logits)
        precisions.append(precision)
        return np.full(8, len(seen) / 10)

    folder = tmp_path_factory.mktemp("runs") / "17"
    models = saved(folder, stem="student", thresholds=cut, threshold_maps=MAPS[:5], beside={"run.json": "{}"})
    assert precisions == ["fp32", "fp32", "int8"]
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


@pytest.mark.parametrize("moves", range(9))
def test_a_kill_while_a_model_is_replaced_leaves_one_whole_model(student, tmp_path, monkeypatch, moves):
    folder = shutil.copytree(student[0], tmp_path / "17")
    replace, left = os.replace, iter(range(moves))

    def killed(*paths):
        if next(left, None) is None:
            raise KeyboardInterrupt
        replace(*paths)

    with monkeypatch.context() as patch:
        patch.setattr("wafer_core.models.saving.os.replace", killed)
        with suppress(KeyboardInterrupt):
            saved(folder, 1, stem="student", name="Second")
    if (folder / "card.json").exists():
        assert all(model.read() for model in files_of(folder))
    else:
        with pytest.raises(
            BrokenModel, match=r"killed while it replaced this model; repeat it, or move what .*"
        ) as told:
            files_of(folder)
        before = replaced(folder)
        assert str(before) in str(told.value)
        for path in before.iterdir():
            replace(path, folder / path.name)
        assert {model.card.name for model in files_of(folder) if model.read()} == {"Student"}
    assert saved(folder, stem="student", name="Third")[0].label == "Third"
    assert all(model.read() for model in files_of(folder))


def test_two_kills_in_a_row_do_not_cost_the_last_whole_model(student, tmp_path, monkeypatch):
    folder = shutil.copytree(student[0], tmp_path / "17")
    replace = os.replace

    def killed(source, target):
        if target == folder / "card.json":
            raise KeyboardInterrupt
        replace(source, target)

    monkeypatch.setattr("wafer_core.models.saving.os.replace", killed)
    for seed in (1, 2):
        with pytest.raises(KeyboardInterrupt):
            saved(folder, seed, stem="student")
    assert all(model.read() for model in files_of(replaced(folder)))


def test_what_fails_leaves_nothing(tmp_path):
    def fail(logits, precision):
        raise ArithmeticError

    with pytest.raises(ArithmeticError):
        saved(tmp_path / "student", thresholds=fail)
    assert list(tmp_path.iterdir()) == []


def test_a_model_that_began_with_another_names_the_runs_that_led_there(tmp_path):
    [first, *_] = saved(tmp_path / "first")
    made_from = {**OPTIONS["made_from"], "command": "again", "start_sha256": first.sha256}
    [second, *_] = saved(tmp_path / "second", 1, made_from=made_from, start=first)
    assert second.card.made_from["earlier"] == first.card.runs_until(first.sha256)
    made_from = {**made_from, "start_sha256": second.sha256}
    [third, *_] = saved(tmp_path / "third", 2, made_from=made_from, start=second)
    assert [run["sha256"] for run in third.card.made_from["earlier"]] == [first.sha256, second.sha256]
    assert [run["command"] for run in third.card.made_from["earlier"]] == ["test", "again"]
    assert "earlier" not in first.card.made_from


def test_a_chain_that_grows_too_long_loses_its_oldest_run(tmp_path):
    [start, *_] = saved(tmp_path / "start")
    runs = [{**OPTIONS["made_from"], "command": f"run {i}", "sha256": f"{i:064x}"} for i in range(MOST_EARLIER)]
    long = {**OPTIONS["made_from"], "start_sha256": runs[-1]["sha256"], "earlier": runs}
    start = replace(start, card=replace(start.card, made_from=long))
    made_from = {**OPTIONS["made_from"], "start_sha256": start.sha256}
    [model, *_] = saved(tmp_path / "next", 1, made_from=made_from, start=start)
    earlier = model.card.made_from["earlier"]
    assert [run["sha256"] for run in earlier] == [*(run["sha256"] for run in runs[1:]), start.sha256]
