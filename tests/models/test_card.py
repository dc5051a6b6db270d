import base64
import copy
import json
import tracemalloc
import zlib
from dataclasses import replace

import pytest

from wafer_core.errors import BrokenModel
from wafer_core.models.card import CARD, Card, Figure
from wafer_core.models.groups import pack_groups
from wafer_core.patterns import PATTERNS

SHA = "0123456789abcdef" * 4
FILE = {"engine": "torch", "precision": "fp32", "parameters": 9, "bytes": 7, "sha256": SHA, "thresholds": [0.5] * 8}
FIGURE = {
    "file": "student.safetensors",
    "set": "benchmark",
    "set_sha256": SHA,
    "split": "test",
    "metric": "exact match",
    "value": 0.9,
    "low": 0.88,
    "high": 0.92,
    "n": 1000,
    "command": "python -m wafer_core benchmark",
}
DOCUMENT = {
    "schema": 1,
    "name": "Student",
    "role": "student",
    "architecture": "separable-4-8-8-8",
    "input": {"size": 64, "channels": 2},
    "patterns": list(PATTERNS),
    "decoder": "free",
    "unsure_below": 0.25,
    "files": {
        "student.safetensors": FILE,
        "student.int8.onnx": {**FILE, "engine": "onnx", "precision": "int8"},
    },
    "made_from": {
        "teacher_sha256": SHA,
        "data": [
            {
                "name": "WM-811K",
                "sha256": SHA,
                "labels": False,
                "maps": 3,
                "parts": ["train"],
                "groups": pack_groups(["m1", "lot7"]),
            },
            {"name": "simulated", "sha256": None, "labels": False, "maps": 5000},
        ],
        "seed": 0,
        "steps": 100,
        "command": "python -m wafer_core distil",
    },
    "figures": [FIGURE, {**FIGURE, "low": None, "high": None}, {**FIGURE, "reach": 0.97, "reached": False}],
}

NOVELTY = {
    "file": "student.novelty.safetensors",
    "bytes": 900,
    "sha256": SHA,
    "limits": {"student.safetensors": 1.5, "student.int8.onnx": 1.6},
    "known": 6144,
    "ordinary": 3000,
}


def changed(path, value):
    """The document with one field changed, or taken away where the value is `...`."""
    document = copy.deepcopy(DOCUMENT)
    *parents, last = path
    inner = document
    for key in parents:
        inner = inner[key]
    if value is ...:
        del inner[last]
    else:
        inner[last] = value
    return document


def test_a_card_says_what_its_file_says(tmp_path):
    (tmp_path / CARD).write_text(json.dumps(DOCUMENT))
    card = Card.read(tmp_path)
    assert card.size == 64
    assert card.files["student.int8.onnx"].precision == "int8"
    assert card.figures[0] == Figure(**FIGURE)
    assert json.loads(json.dumps(card.to_json())) == DOCUMENT


def test_writing_and_reading_lose_nothing(tmp_path):
    card = Card.from_json({**DOCUMENT, "novelty": NOVELTY})
    card.write(tmp_path)
    assert Card.read(tmp_path) == card


def test_a_kill_while_a_card_is_written_leaves_the_one_before(tmp_path, monkeypatch):
    card = Card.from_json(DOCUMENT)
    card.write(tmp_path)
    monkeypatch.setattr("os.fsync", lambda file: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        replace(card, name="Second").write(tmp_path)
    assert Card.read(tmp_path) == card


def test_a_card_names_the_groups_and_parts_it_was_made_from():
    card = Card.from_json(DOCUMENT)
    assert card.training_groups() == {"m1", "lot7"}
    assert card.training_parts() == {"train"}


def of_many_groups(data_sets):
    """A card whose every data set has four million groups, in a few hundred letters."""
    every = base64.b64encode(zlib.compress(b"\xff" * (1 << 19), 9)).decode()
    data = {**DOCUMENT["made_from"]["data"][0], "groups": {"m": every}}
    return changed(["made_from", "data"], [data] * data_sets)


def test_reading_a_card_names_none_of_its_groups():
    document = of_many_groups(2)
    tracemalloc.start()
    try:
        Card.from_json(document)
        assert tracemalloc.get_traced_memory()[1] < 4 << 20
    finally:
        tracemalloc.stop()


def test_the_groups_of_all_data_sets_together_are_no_more_than_a_card_may_hold():
    with pytest.raises(BrokenModel, match=r"in made_from\.data\[4\]\.groups, its lists of groups unfold to more"):
        Card.from_json(of_many_groups(5))


def of_digit(digit, **more):
    """A run that wrote weights whose sha256 is that digit alone."""
    return {"sha256": digit * 64, "command": "python -m wafer_core train-student", "seed": 1, "steps": 7, **more}


FIRST, SECOND = of_digit("1"), of_digit("2", teacher_sha256=SHA, start_sha256="1" * 64)


def of_runs(*earlier, start=None):
    """A card whose model began with weights that earlier runs led to."""
    document = changed(["made_from", "earlier"], list(earlier))
    document["made_from"]["start_sha256"] = start
    return document


def test_a_card_names_the_runs_before_and_its_own(tmp_path):
    Card.from_json(of_runs(FIRST, {**SECOND, "note": "not of a run"}, start=SECOND["sha256"])).write(tmp_path)
    card = Card.read(tmp_path)
    command = "python -m wafer_core distil"
    own = {"sha256": SHA, "command": command, "seed": 0, "steps": 100, "teacher_sha256": SHA}
    assert card.runs_until(SHA) == [FIRST, SECOND, {**own, "start_sha256": SECOND["sha256"]}]


@pytest.mark.parametrize("document", [DOCUMENT, changed(["made_from", "earlier"], None)])
def test_a_card_that_names_no_runs_before_is_read(document):
    [run] = Card.from_json(document).runs_until("3" * 64)
    assert (run["sha256"], run["steps"]) == ("3" * 64, 100)


@pytest.mark.parametrize(
    "earlier",
    [
        [FIRST, SECOND],
        [SECOND],  # one of an older card, which named no runs before it
        [FIRST, of_digit("2")],  # one of an older card, which did not say what it began with
        [FIRST, of_digit("2", start_sha256=None)],
        [of_digit("2")] * 100,
    ],
)
def test_runs_may_leave_out_what_was_not_known(earlier):
    assert Card.from_json(of_runs(*earlier, start="2" * 64)).made_from["earlier"] == earlier


@pytest.mark.parametrize(
    ("earlier", "sentence"),
    [
        ("all", r"in made_from, 'earlier' is 'all', but must be a list"),
        ({"0": FIRST}, "must be a list"),
        ([], "in made_from, 'earlier' names 0 runs, but must name 1 to 100"),
        ([of_digit("2")] * 101, "names 101 runs"),
        (["2" * 64], r"in made_from\.earlier\[0\], it must be an object"),
        ([{**SECOND, "sha256": "2" * 63}], r"in made_from\.earlier\[0\], 'sha256'"),
        ([{**SECOND, "sha256": None}], "'sha256' is None"),
        ([{**SECOND, "sha256": [SHA]}], "'sha256' is"),
        ([{**SECOND, "start_sha256": "A" * 64}], "'start_sha256' is"),
        ([{**SECOND, "teacher_sha256": 5}], "'teacher_sha256' is 5"),
        ([{**SECOND, "seed": -1}], "'seed' is -1"),
        ([{**SECOND, "steps": 2.0}], "'steps' is 2.0"),
        ([{**SECOND, "steps": True}], "'steps' is True"),
        ([{**SECOND, "command": 2001 * "x"}], "'command' is"),
        ([{key: SECOND[key] for key in SECOND if key != "command"}], "'command' is missing"),
        ([SECOND, FIRST], r"in made_from, 'start_sha256' is not the sha256 of the run before it"),
        ([of_digit("3"), SECOND], r"in made_from\.earlier\[1\], 'start_sha256' is not the sha256"),
    ],
)
def test_runs_before_are_checked_like_the_rest(earlier, sentence):
    document = changed(["made_from", "earlier"], earlier)
    document["made_from"]["start_sha256"] = "2" * 64
    with pytest.raises(BrokenModel, match=sentence):
        Card.from_json(document)


@pytest.mark.parametrize("start", [None, "1" * 64])
def test_runs_before_end_where_the_model_began(start):
    with pytest.raises(BrokenModel, match="in made_from, 'start_sha256' is not the sha256 of the run before it"):
        Card.from_json(of_runs(FIRST, SECOND, start=start))


def test_a_card_that_could_not_be_read_is_not_written(tmp_path):
    with pytest.raises(BrokenModel, match="unsure_below"):
        replace(Card.from_json(DOCUMENT), unsure_below=-1.0).write(tmp_path)
    assert not (tmp_path / CARD).exists()


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"file": "../student.novelty.safetensors"}, "'file' is"),
        ({"file": "student.safetensors"}, "cannot be both weights and reference"),
        ({"bytes": 1 << 30}, "'bytes' is"),
        ({"sha256": "abc"}, "'sha256' is"),
        ({"limits": {"other.onnx": 1.0}}, "other.onnx has a limit, but is none of the model's files"),
        ({"limits": {"student.safetensors": 0.0}}, "'student.safetensors' is 0.0"),
        ({"limits": {"student.safetensors": float("inf")}}, "'student.safetensors' is inf"),
        ({"known": 0}, "'known' is 0"),
        ({"ordinary": None}, "'ordinary' is None"),
    ],
)
def test_what_tells_novelty_is_checked_like_the_rest(change, sentence):
    with pytest.raises(BrokenModel, match=sentence):
        Card.from_json({**DOCUMENT, "novelty": {**NOVELTY, **change}})


@pytest.mark.parametrize("key", DOCUMENT)
def test_every_field_has_to_be_there(key):
    with pytest.raises(BrokenModel, match=f"'{key}' is missing"):
        Card.from_json(changed([key], ...))


@pytest.mark.parametrize("key", sorted(FIGURE.keys() - {"low", "high"}))
def test_every_field_of_a_figure_has_to_be_there(key):
    with pytest.raises(BrokenModel, match=rf"in figures\[0\], '{key}' is missing"):
        Card.from_json(changed(["figures", 0, key], ...))


WEIGHTS = ["files", "student.safetensors"]


@pytest.mark.parametrize(
    ("path", "value", "sentence"),
    [
        (["schema"], 2, "schema 2 is not 1"),
        (["schema"], "1", "'schema' is '1'"),
        (["name"], "two\nlines", "'name'"),
        (["role"], "master", "one of teacher, student"),
        (["architecture"], "../../etc", "'architecture'"),
        (["input"], [], "in input, it must be an object"),
        (["input", "size"], 10**9, "from 8 to 512"),
        (["input", "size"], True, "'size' is True"),
        (["input", "size"], 64.0, "whole number"),
        (["input", "channels"], 3, "must be 2"),
        (["patterns"], list(PATTERNS[::-1]), "exactly Center"),
        (["decoder"], "39", "one of 38, free"),
        (["unsure_below"], "much", "'unsure_below'"),
        (["unsure_below"], 10**400, "'unsure_below'"),
        (["files"], {}, "no weights file"),
        (["files"], {"../student.safetensors": FILE}, "not a name that can stand here"),
        (["files"], {"/etc/x.onnx": FILE}, "not a name that can stand here"),
        (["files"], {"a\\b.onnx": FILE}, "not a name that can stand here"),
        (["files"], {".hidden.onnx": FILE}, "not a name that can stand here"),
        (["files"], {"weights.pt": FILE}, "not a name that can stand here"),
        (["files"], {"student.onnx": FILE}, "cannot be run by torch"),
        (["files"], {"a.safetensors": FILE, "b.safetensors": FILE}, "same engine and precision"),
        ([*WEIGHTS, "precision"], "int8", "only ONNX files are"),
        ([*WEIGHTS, "bytes"], 1 << 40, "'bytes'"),
        ([*WEIGHTS, "bytes"], 0, "'bytes'"),
        ([*WEIGHTS, "parameters"], -1, "'parameters'"),
        ([*WEIGHTS, "sha256"], SHA.upper(), "64 hexadecimal digits"),
        ([*WEIGHTS, "sha256"], None, "64 hexadecimal digits"),
        ([*WEIGHTS, "thresholds"], [0.5] * 7, "8 numbers between 0 and 1"),
        ([*WEIGHTS, "thresholds"], [0.5] * 7 + [1.0], "8 numbers between 0 and 1"),
        ([*WEIGHTS, "thresholds"], [0.5] * 7 + [True], "8 numbers between 0 and 1"),
        (["made_from", "teacher_sha256"], "teacher", "64 hexadecimal digits"),
        (["made_from", "seed"], "0", "'seed'"),
        (["made_from", "data"], "all", "must be a list"),
        (["made_from", "data", 0, "labels"], "no", "true or false"),
        (["made_from", "data", 0, "maps"], -1, "'maps'"),
        (["made_from", "data", 0, "parts"], [1], "list of texts"),
        (["made_from", "data", 0, "groups"], {"m": "AAAA"}, "not a packed bitmap"),
        (["figures", 0, "file"], "teacher.onnx", "one of student"),
        (["figures", 0, "value"], 0.5, "not within its interval"),
        (["figures", 0, "value"], float("nan"), "finite number"),
        (["figures", 0, "low"], None, "'low'"),
        (["figures", 0, "n"], 0, "'n'"),
        (["figures", 2, "reach"], "0.97", "'reach'"),
        (["figures", 2, "reached"], None, "'reached'"),
        (["figures"], [7], "must be an object"),
        (["novelty"], 3, "in novelty, it must be an object"),
    ],
)
def test_impossible_fields_are_named(path, value, sentence):
    with pytest.raises(BrokenModel, match=sentence) as caught:
        Card.from_json(changed(path, value), "student/card.json")
    assert str(caught.value).startswith("student/card.json: ")
    assert str(caught.value).endswith(".")


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (None, "no model folder"),
        (b"{", "not valid JSON"),
        (b"\xff\xfe\x00", "not valid JSON"),
        (b"[" * 100_000, "not valid JSON"),
        (b'{"schema": NaN}', "not valid JSON"),
        (b'{"schema": ' + b"1" * 5_000 + b"}", "not valid JSON"),
        (b"[]", "must be an object"),
        (b" " * (5 << 20), "larger than any card"),
    ],
)
def test_broken_cards_are_named(tmp_path, content, sentence):
    if content is not None:
        (tmp_path / CARD).write_bytes(content)
    with pytest.raises(BrokenModel, match=sentence):
        Card.read(tmp_path)


def test_a_card_cannot_be_a_folder(tmp_path):
    (tmp_path / CARD).mkdir()
    with pytest.raises(BrokenModel, match="cannot be read"):
        Card.read(tmp_path)
