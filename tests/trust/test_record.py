"""`explanations.json`: written and read back, checked like a card, joined with what was measured before."""

import json
import shutil
from dataclasses import replace

import pytest

from wafer_core.errors import BrokenModel
from wafer_core.models.folder import files_of, shipped_models
from wafer_core.trust.record import RECORD, Kept, MadeSet, Record, keep, quotable
from wafer_core.trust.tally import Reached

ONE, TWO = "1" * 64, "2" * 64
SET = MadeSet("simulated mixes", "a" * 64, 500, 4)


def figure(score="pointing", pattern=None, value=0.93, other=None):
    return Reached(score, pattern, other, value, value - 0.0123456, value + 0.02, 0.52, 480)


def record(*shas, value=0.93, made=SET, command="command"):
    kept = [
        Kept(sha, "deeplift", made.name, figure(pattern=each, value=value), command)
        for sha in shas
        for each in (None, "Loc")
    ]
    return Record((made,), tuple(kept))


@pytest.fixture
def folder(tiny_folder, tmp_path):
    return shutil.copytree(tiny_folder, tmp_path / "tiny-untrained")


def test_a_record_reads_back_as_written(tmp_path):
    record(ONE, TWO).write(tmp_path)
    found = Record.read(tmp_path)
    assert found.sets == (SET,)
    assert {each.command for each in found.figures} == {"command"}
    assert found.figures[0].reached.low == 0.9177
    assert len(found.figures) == 4
    assert max(map(len, (tmp_path / RECORD).read_text().splitlines())) < 300


def test_a_kill_while_a_record_is_written_leaves_the_one_before(tmp_path, monkeypatch):
    record(ONE).write(tmp_path)
    before = Record.read(tmp_path)
    monkeypatch.setattr("os.fsync", lambda file: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        record(ONE, TWO).write(tmp_path)
    assert Record.read(tmp_path) == before


def test_a_folder_without_a_record_has_an_empty_one(tmp_path):
    assert Record.read(tmp_path) == Record()


def test_a_figure_is_found_by_weights_method_score_set_and_pattern():
    found = record(ONE)
    assert found.figure(ONE, "deeplift", "pointing", SET.name, "Loc").pattern == "Loc"
    assert found.figure(ONE, "deeplift", "pointing", SET.name).pattern is None
    for asked in ((TWO, "deeplift", "pointing"), (ONE, "gradcam", "pointing"), (ONE, "deeplift", "removal")):
        assert found.figure(*asked, SET.name) is None


@pytest.mark.parametrize(
    ("where", "value", "says"),
    [
        (("schema",), 9, "update WaferDistill"),
        (("figures", 0, "sha256"), "abc", "sha256"),
        (("figures", 0, "method"), "magic", "'magic'"),
        (("figures", 0, "score"), "charm", "'charm'"),
        (("figures", 0, "pattern"), "Ring", "'Ring'"),
        (("figures", 0, "set"), "elsewhere", "'elsewhere'"),
        (("figures", 0, "value"), float("nan"), "finite"),
        (("figures", 0, "chance"), None, "chance"),
        (("figures", 0, "low"), 0.99, "not within its interval"),
        (("figures", 0, "n"), 0, "'n'"),
        (("sets", 0, "wafers"), 0, "wafers"),
        (("figures", 0, "run"), 1, "'run'"),
        (("figures", 0, "run"), None, "'run'"),
        (("commands",), [], "'commands' is empty"),
        (("figures",), {}, "a list"),
    ],
)
def test_impossible_fields_are_named(tmp_path, where, value, says):
    document = record(ONE).to_json()
    inner = document
    for key in where[:-1]:
        inner = inner[key]
    inner[where[-1]] = value
    (tmp_path / RECORD).write_text(json.dumps(document))
    with pytest.raises(BrokenModel, match=says):
        Record.read(tmp_path)


@pytest.mark.parametrize("text", ["", "{", "[" * 5000, "x" * (4 << 20) + "x"], ids=["empty", "cut", "deep", "large"])
def test_a_file_that_is_no_record_is_a_broken_model(tmp_path, text):
    (tmp_path / RECORD).write_text(text)
    with pytest.raises(BrokenModel, match=RECORD):
        Record.read(tmp_path)


def test_newer_figures_take_the_place_of_older_ones():
    joined = record(ONE, TWO, value=0.5).joined(record(ONE, value=0.9), [ONE, TWO])
    assert joined.figure(ONE, "deeplift", "pointing", SET.name).value == 0.9
    assert joined.figure(TWO, "deeplift", "pointing", SET.name).value == 0.5
    assert joined.sets == (SET,)


def test_every_figure_tells_what_repeats_it_after_runs_were_joined(tmp_path):
    record(ONE, command="one").joined(record(TWO, command="two"), [ONE, TWO]).write(tmp_path)
    assert {(each.sha256, each.command) for each in Record.read(tmp_path).figures} == {(ONE, "one"), (TWO, "two")}


def test_a_file_of_the_layout_before_had_one_command_for_all(tmp_path):
    document = record(ONE).to_json()
    del document["commands"]
    for line in document["figures"]:
        del line["run"]
    (tmp_path / RECORD).write_text(json.dumps({**document, "schema": 1, "command": "the only one"}))
    assert {each.command for each in Record.read(tmp_path).figures} == {"the only one"}


def test_a_score_that_was_not_measured_again_stays():
    """A student examined without its teacher is as alike to it as before."""
    older = record(ONE)
    alike = replace(older.figures[0], reached=replace(older.figures[0].reached, score="agreement"))
    joined = replace(older, figures=(*older.figures, alike)).joined(record(ONE, value=0.9), [ONE])
    assert joined.figure(ONE, "deeplift", "agreement", SET.name) == alike.reached
    assert joined.figure(ONE, "deeplift", "pointing", SET.name).value == 0.9


def test_figures_of_other_weights_and_of_a_set_made_otherwise_go():
    older = record(ONE, TWO, value=0.5)
    assert older.joined(record(ONE), [ONE]).figure(TWO, "deeplift", "pointing", SET.name) is None
    other = replace(SET, sha256="b" * 64)
    joined = older.joined(record(ONE, made=other), [ONE, TWO])
    assert joined.figure(TWO, "deeplift", "pointing", SET.name) is None
    assert joined.sets == (other,)


def test_times_in_an_older_file_are_passed_over_and_go_when_it_is_written_again(folder):
    """How long a method took beside other work says nothing to whoever reads a page."""
    torch = files_of(folder)[0]
    old = record(torch.sha256, value=0.5).to_json()
    old["times"] = [{"sha256": torch.sha256, "method": "deeplift", "milliseconds": 65.0}]
    (folder / RECORD).write_text(json.dumps(old))
    assert Record.read(folder).figure(torch.sha256, "deeplift", "pointing", SET.name).value == 0.5
    keep(folder, record(torch.sha256, value=0.9))
    assert "times" not in json.loads((folder / RECORD).read_text())
    assert Record.read(folder).figure(torch.sha256, "deeplift", "pointing", SET.name).value == 0.9


@pytest.mark.parametrize("model", shipped_models(), ids=lambda model: model.name)
def test_shipped_records_are_about_weights_that_ship_and_hold_no_times(model):
    known = Record.read(model.folder)
    assert {each.sha256 for each in known.figures} <= {each.sha256 for each in files_of(model.folder)}
    assert set(json.loads((model.folder / RECORD).read_text())) == {"schema", "commands", "sets", "figures"}
    assert all("--wafers 500" in each.command for each in known.figures)


def test_figures_are_kept_beside_the_card_of_their_weights(folder):
    torch, onnx, _ = files_of(folder)
    keep(folder, record(TWO))
    assert not (folder / RECORD).exists()
    keep(folder, record(torch.sha256, TWO))
    keep(folder, record(onnx.sha256))
    found = Record.read(folder)
    assert {each.sha256 for each in found.figures} == {torch.sha256, onnx.sha256}
    assert files_of(folder)[0].read()


def test_what_a_page_quotes_is_pooled_or_by_pattern(folder):
    model = files_of(folder)[0]
    pair, dear = figure(pattern="Loc", other="Donut"), figure("infidelity", "Loc")
    found = [figure(), figure(pattern="Loc"), pair, dear, figure("infidelity")]
    kept = quotable(model, "deeplift", SET.name, found, "command")
    assert [(each.reached.score, each.reached.pattern) for each in kept] == [
        ("pointing", None),
        ("pointing", "Loc"),
        ("infidelity", None),
    ]
    assert {each.sha256 for each in kept} == {model.sha256}
