import json
import shutil
import sys

import pytest

from measurements.explanations import main
from wafer_core.models.folder import files_of
from wafer_core.trust.record import RECORD, Record

RUN = ("--wafers", "13", "--checked", "1", "--methods", "focused-deeplift", "deeplift", "occlusion")


@pytest.fixture
def folder(tiny_folder, tmp_path):
    return shutil.copytree(tiny_folder, tmp_path / "tiny-untrained")


def test_the_table_is_printed_and_kept(folder, tmp_path, monkeypatch, capsys):
    models = [str(model.path) for model in files_of(folder)]
    out = tmp_path / "found.json"
    monkeypatch.setattr(sys, "argv", ["explanations", *RUN, "--models", *models, "--out", str(out), "--into-models"])
    main()
    printed = capsys.readouterr().out
    for expected in (
        "simulated mixes, all patterns",
        "real overlays, all patterns",
        "sanity check",
        "the goal is 0.95",
    ):
        assert expected in printed
    found = json.loads(out.read_text())
    assert {each["method"] for each in found["figures"]} == {"focused-deeplift", "deeplift", "occlusion"}
    assert any(each["other"] for each in found["figures"])
    assert all(each["low"] <= each["value"] <= each["high"] for each in found["figures"])
    assert str(tmp_path) not in found["command"]
    onnx = {each["other_method"] for each in found["agreements"] if each["other_model"] == "tiny-untrained-onnx"}
    assert onnx == {"occlusion"}
    torch = files_of(folder)[0]
    record = Record.read(folder)
    assert record.figure(torch.sha256, "deeplift", "pointing", "simulated mixes").n > 0
    assert {each.sha256 for each in record.figures} == {model.sha256 for model in files_of(folder)}
    assert (folder / RECORD).stat().st_size < 100_000
