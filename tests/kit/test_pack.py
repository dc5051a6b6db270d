import io
import json
import re
import shutil
import zipfile
from pathlib import Path

import pytest

from wafer_core.errors import BrokenModel
from wafer_core.kit import kit, runner
from wafer_core.models.card import Card
from wafer_core.models.folder import files_of, resolve

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def archive(tiny_kit):
    with zipfile.ZipFile(io.BytesIO(tiny_kit)) as opened:
        yield opened


def test_a_kit_is_one_folder_with_all_a_tool_needs(archive):
    assert sorted(archive.namelist()) == [
        "tiny-untrained/README.md",
        "tiny-untrained/card.json",
        "tiny-untrained/expected-fp32.csv",
        "tiny-untrained/expected-int8.csv",
        "tiny-untrained/recognise.py",
        "tiny-untrained/tiny-untrained.int8.onnx",
        "tiny-untrained/tiny-untrained.onnx",
        "tiny-untrained/vectors.csv",
    ]


def test_the_same_model_gives_the_same_bytes(tiny_kit, tiny_folder):
    assert all(kit(model) == tiny_kit for model in (tiny_folder, files_of(tiny_folder)[0]))


def test_the_weights_are_those_of_the_model(archive, tiny_folder):
    for file in files_of(tiny_folder):
        if file.engine == "onnx":
            assert archive.read(f"tiny-untrained/{file.file}") == file.read()


def test_the_card_names_what_travels_and_nothing_else(unpacked):
    card = Card.read(unpacked)
    assert all((unpacked / name).is_file() for name in card.files)
    assert {entry.precision for entry in card.files.values()} == {"int8", "fp32"}
    assert {figure.file for figure in card.figures} == set(card.files)


def test_the_readme_states_the_hashes_and_the_commands(archive, tiny_folder):
    text = archive.read("tiny-untrained/README.md").decode()
    card = Card.read(tiny_folder)
    assert all(entry.sha256 in text for entry in card.files.values() if entry.engine == "onnx")
    assert "python recognise.py lot.csv" in text


@pytest.mark.parametrize(("file", "missing"), [("tiny-untrained.int8.onnx", "int8"), ("tiny-untrained.onnx", "fp32")])
def test_a_model_without_both_graphs_has_no_kit(tiny_folder, tmp_path, file, missing):
    folder = shutil.copytree(tiny_folder, tmp_path / "half")
    card = json.loads((folder / "card.json").read_text())
    del card["files"][file]
    (folder / "card.json").write_text(json.dumps(card))
    with pytest.raises(BrokenModel, match=f"its {missing} is missing"):
        kit(folder)


@pytest.mark.parametrize("left", [["tiny-untrained.int8.onnx"], ["tiny-untrained.safetensors"], []])
def test_a_card_without_a_limit_for_each_file_hands_on_those_it_has(knowing_folder, tmp_path, left):
    folder = shutil.copytree(knowing_folder, tmp_path / "tiny-untrained")
    card = json.loads((folder / "card.json").read_text())
    limits = card["novelty"]["limits"]
    card["novelty"]["limits"] = {name: limits[name] for name in left}
    (folder / "card.json").write_text(json.dumps(card))
    with zipfile.ZipFile(io.BytesIO(kit(folder))) as opened:
        opened.extractall(tmp_path / "out")
    unpacked = tmp_path / "out" / "tiny-untrained"
    assert set(Card.read(unpacked).novelty.limits) == set(left) - {"tiny-untrained.safetensors"}
    assert [runner.load(unpacked, kind).known is not None for kind in ("int8", "fp32")] == [
        "int8" in "".join(left),
        False,
    ]


def test_a_model_that_contradicts_its_card_has_no_kit(tiny_folder, tmp_path):
    folder = shutil.copytree(tiny_folder, tmp_path / "other")
    weights = folder / "tiny-untrained.onnx"
    weights.write_bytes(weights.read_bytes()[:-1] + b"\0")
    with pytest.raises(BrokenModel, match="sha256"):
        kit(folder)


def test_the_docs_say_how_large_the_runner_is():
    text = " ".join((ROOT / "docs/kit.md").read_text(encoding="utf-8").split())
    whole, packed = map(int, re.search(r"one file of (\d+) kB, (\d+) kB in the zip", text).groups())
    with zipfile.ZipFile(io.BytesIO(kit(resolve("student-int8")))) as archive:
        member = archive.getinfo("student/recognise.py")
    assert (round(member.file_size / 1000), round(member.compress_size / 1000)) == (whole, packed)
