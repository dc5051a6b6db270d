import json
import re
import shutil
import sys
from dataclasses import replace

import pytest

from measurements.explained import Agreement, Explained, print_pairs
from measurements.explanations import main, read_options
from tests.explaining import model_file
from wafer_core.models.folder import files_of, shipped_models
from wafer_core.patterns import index
from wafer_core.trust.exam import Answered, Exam
from wafer_core.trust.record import RECORD, Record
from wafer_core.trust.tally import Reached
from wafer_core.trust.trial import Item, Part

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
        "del. untested",
        "ins. untested",
    ):
        assert expected in printed
    # The dear scores say beside each figure on how many wafers they were taken, the others rest on all.
    assert re.search(r"\(\S+; n 1\)", printed)
    assert re.search(r"^\| \S+ beside \S+ \| \d+ \| [01]\.\d\d \(", printed, re.MULTILINE)
    found = json.loads(out.read_text())
    assert all(each["milliseconds"] > 0 for each in found["times"])
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
    # Taken beside other work they would contradict what was measured alone.
    assert "times" not in json.loads((folder / RECORD).read_text())


def test_every_shipped_model_is_explained_unless_others_are_named(monkeypatch, tmp_path):
    monkeypatch.setattr(sys, "argv", ["explanations", "--out", str(tmp_path / "found.json")])
    asked = read_options().models
    assert set(asked) == {model.name for model in shipped_models() if not model.name.endswith("-onnx")}
    assert {"student-tiny", "student-tiny-int8"} <= set(asked)
    assert asked[0] == "teacher"


def exam(name, role="teacher", **answers):
    model = replace(model_file("torch"), name=name)
    model = replace(model, card=replace(model.card, role=role))
    return Exam(model, "simulated mixes", {"focused-deeplift": Answered(**answers)})


def item(wafer, pattern, other, hit, there):
    density = Part(6.0, there, 1.0)
    parts = {"pointing": Part(hit, 1.0, 0.25), "own/other": density}
    return Item(wafer, index(pattern), parts, {index(other): density})


def test_pairs_are_printed_as_a_markdown_table_of_each_pattern_beside_each_other(capsys):
    items = [item(i, "Scratch", "Center", float(i != 0), 2.0) for i in range(8)]
    items += [item(i, "Center", "Scratch", 1.0, 0.0) for i in range(4)]
    items += [item(i, "Loc", "Scratch", 1.0, 1e-6) for i in range(2)]
    print_pairs(Explained.of([exam("teacher", items=items)]))
    told = capsys.readouterr().out.splitlines()
    assert "`teacher`, Focused DeepLift, simulated mixes:" in told
    rows = [line for line in told if " beside " in line][1:]
    assert [row.split(" | ")[0] for row in rows] == [
        "| Center beside Scratch",
        "| Loc beside Scratch",
        "| Scratch beside Center",
    ]
    assert re.fullmatch(r"\| Scratch beside Center \| 8 \| 0\.88 \(0\.\d\d to 1\.00\) \[0\.25\] \| 3\.0 .*\|", rows[2])
    assert rows[0].endswith("| no evidence on the other |")
    assert rows[1].endswith("| over 1,000 (over 1,000 to over 1,000) |")
    assert {len(line.split("|")) for line in told if line.startswith("|")} == {6}


def test_a_student_is_like_the_first_teacher_alone():
    """A teacher's int8 file is explained as well, but nobody learned from it."""
    exams = [exam("teacher"), exam("teacher-int8"), exam("student", role="student")]
    alike = [Reached("agreement", None, None, value, value, value, 0.0, 30) for value in (0.7, 0.4, 0.9)]
    pairs = (("teacher", "student"), ("teacher-int8", "student"), ("teacher", "teacher-int8"))
    agreements = [
        Agreement("simulated mixes", one, "focused-deeplift", two, "focused-deeplift", each)
        for (one, two), each in zip(pairs, alike, strict=True)
    ]
    explained = Explained(exams, {}, agreements)
    assert explained.with_teacher(exams[2], "focused-deeplift") == [alike[0]]
    assert explained.with_teacher(exams[1], "focused-deeplift") == [alike[2]]
