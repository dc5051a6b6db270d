import argparse
from dataclasses import replace

import numpy as np
import pytest

from rivals import __main__ as command
from rivals.methods import METHODS, OTHERS
from rivals.shelf import TRAINED, trained
from wafer_core.errors import UsageError
from wafer_core.models.folder import files_of, resolve
from wafer_core.models.networks import build, parameter_count
from wafer_core.models.saving import save_model
from wafer_core.models.weights import load_network


@pytest.fixture(scope="module")
def teacher(tmp_path_factory):
    """A teacher for maps of 12 x 12 that has learned nothing."""
    folder = tmp_path_factory.mktemp("models") / "teacher"
    save_model(
        folder,
        build("residual-16-1-1").eval(),
        name="teacher",
        role="teacher",
        architecture="residual-16-1-1",
        size=16,
        decoder="38",
        unsure_below=0.1,
        thresholds=(0.4,) * 8,
        calibration=np.random.default_rng(0).random((8, 2, 16, 16), dtype=np.float32),
        made_from={"data": [], "seed": 0, "steps": 0, "command": "tests"},
    )
    return folder


def options(data, out, teacher, method, blemished=0.0):
    return argparse.Namespace(
        method=method,
        data=data,
        out=out,
        teacher=str(teacher),
        steps=2,
        seed=3,
        threads=1,
        workers=0,
        blemished=blemished,
    )


TRIED = ["logistic-regression", "wafersegclassnet-like", "student-hard", "student-soft", "wm-peleenet-like-soft"]
TRIED += ["student-soft-one-look", "student-soft-drawn-evenly", "fiftieth-soft"]


@pytest.mark.parametrize("method", TRIED)
def test_a_trained_rival_is_found_with_what_it_was_made_from(method, fake_data, teacher, tmp_path, monkeypatch):
    few, decided = command.examples, command.decided_maps
    monkeypatch.setattr(command, "examples", lambda *given: few(*given, overlays=40, simulated=40))
    monkeypatch.setattr(command, "decided_maps", lambda *given: decided(*given, count=40))
    command.train_rival(options(fake_data, tmp_path, teacher, method))
    assert [path.name for path in tmp_path.iterdir()] == [f"{method}-3"]
    (rival,) = trained(tmp_path)[method]
    assert (rival.made.method, rival.made.seed, rival.made.steps) == (method, 3, 2)
    assert rival.made.decoder == "38"
    maps = np.random.default_rng(0).random((3, 2, 16, 16), dtype=np.float32)
    assert rival.logits(maps).shape == (3, 8)
    assert all(len(found) == (name == method) for name, found in trained(tmp_path).items())


@pytest.mark.parametrize("method", ["student-labels", "student-soft"])
def test_blemishes_reach_what_is_trained_and_are_told(method, fake_data, teacher, tmp_path, monkeypatch):
    few, decided, put = command.examples, command.decided_maps, command.put
    monkeypatch.setattr(command, "examples", lambda *given: few(*given, overlays=40, simulated=40))
    monkeypatch.setattr(command, "decided_maps", lambda *given: decided(*given, count=40))

    def killed(*given):
        raise KeyboardInterrupt

    monkeypatch.setattr(command, "put", killed)
    with pytest.raises(KeyboardInterrupt):
        command.train_rival(options(fake_data, tmp_path / "killed", teacher, method, 1.0))
    # Half a run with blemishes is none without, nor the other way round.
    with pytest.raises(UsageError, match="left from a run with other options"):
        command.train_rival(options(fake_data, tmp_path / "killed", teacher, method))
    monkeypatch.setattr(command, "put", put)
    for share in (0.0, 1.0):
        command.train_rival(options(fake_data, tmp_path / str(share), teacher, method, share))
    without, blemished = (trained(tmp_path / str(share))[method][0] for share in (0.0, 1.0))
    assert (without.made.blemished, blemished.made.blemished) == (0.0, 1.0)
    maps = np.random.default_rng(0).random((3, 2, 16, 16), dtype=np.float32)
    assert not np.array_equal(without.logits(maps), blemished.logits(maps))


def test_what_was_not_finished_is_not_there(fake_data, teacher, tmp_path):
    assert trained(tmp_path) == {method: [] for method in METHODS}
    (tmp_path / "student-soft-0").mkdir()
    (tmp_path / "student-soft-0" / "weights.safetensors").write_bytes(b"half")
    assert trained(tmp_path)["student-soft"] == []


@pytest.mark.parametrize(("method", "part"), [("without-maps", "maps"), ("without-logits", "logits")])
def test_an_ablation_lacks_one_part_of_the_loss(method, part):
    usual = METHODS["student-soft"].recipe
    assert METHODS[f"student-soft-{method}"].recipe == replace(usual, loss=replace(usual.loss, **{part: 0.0}))


def test_other_networks_are_as_small_as_they_are_said_to_be():
    teacher, student = resolve("teacher").entry.parameters, parameter_count(METHODS["student-soft"].network())
    sizes = {name: parameter_count(METHODS[f"{name}-soft"].network()) for name in OTHERS}
    assert sizes["fiftieth"] <= teacher / 50
    assert sizes["without-dense"] < sizes["one-dense"] < student < sizes["base"]
    assert sizes["as-teacher"] == pytest.approx(student, rel=0.03)
    assert sizes["turning"] < student / 2


def test_what_lies_trained_here_was_made_beside_the_teacher_that_ships():
    teacher = resolve("teacher")
    made = [rival.made for rivals in trained(TRAINED).values() for rival in rivals]
    assert {(one.teacher_sha256, one.decoder, one.size) for one in made} == {
        (teacher.sha256, teacher.card.decoder, teacher.card.size)
    }


def test_what_lies_trained_here_saw_the_same_number_of_steps_and_two_seeds():
    found = {method: rivals for method, rivals in trained(TRAINED).items() if rivals}
    assert {"student-labels", "student-hard", "student-soft"} < set(found)
    for rivals in found.values():
        assert [rival.made.seed for rival in rivals] == [0, 1]
    assert len({rival.made.steps for rivals in found.values() for rival in rivals}) == 1


def test_the_student_in_the_making_is_whole_and_learned_from_the_teacher_that_ships_without_a_label():
    model, teacher = resolve(str(TRAINED / "turning-36000")), resolve("teacher")
    data = model.card.made_from["data"]
    assert len([file.read() for file in files_of(model.folder)]) == 3
    assert parameter_count(load_network(model)) < teacher.entry.parameters / 10
    assert model.card.made_from["teacher_sha256"] == teacher.sha256
    assert not any(each["labels"] for each in data)
    assert {part for each in data for part in each.get("parts", ())} == {"train"}


@pytest.mark.parametrize("method", METHODS)
def test_only_what_learns_from_labels_reads_them(method):
    assert METHODS[method].reads_labels == ("-soft" not in method and not method.endswith("-hard"))
