import argparse
import hashlib
from functools import partial

import pytest

from wafer_core.errors import UsageError
from wafer_core.models.card import Card
from wafer_core.models.checkpoint import fingerprint, load_checkpoint
from wafer_core.models.folder import files_of
from wafer_core.models.weights import load_network
from wafer_core.training import teacher
from wafer_core.training.data import native_maps, resized_maps


def options(data, out, *more):
    parser = argparse.ArgumentParser()
    teacher.add_arguments(parser)
    few = "--architecture residual-16-1-1 --size 12 --steps 2 --batch 4 --workers 0 --pool 256 --threads 1"
    return parser.parse_args(["--data", str(data), "--out", str(out), *few.split(), *more])


@pytest.fixture(scope="module")
def taught(fake_data, tmp_path_factory):
    """The folder of a teacher trained for two steps, and what was said on the way."""
    out = tmp_path_factory.mktemp("models") / "two-steps"
    with pytest.MonkeyPatch.context() as patch:
        # Two thousand overlays and simulated wafers are for figures, and nothing here looks at figures.
        patch.setattr(teacher, "examples", lambda *given: teacher_examples(*given, overlays=60, simulated=60))
        patch.setattr(teacher, "taught_maps", partial(teacher.taught_maps, count=120))
        patch.setattr(teacher, "decided_maps", partial(teacher.decided_maps, count=120))
        teacher.train_teacher(options(fake_data, out))
    return out


teacher_examples = teacher.examples


def test_a_teacher_ships_with_its_files_and_nothing_beside_it(taught):
    files = {"two-steps.safetensors", "two-steps.onnx", "two-steps.int8.onnx", "card.json"}
    files.add("two-steps.novelty.safetensors")
    assert {path.name for path in taught.iterdir()} == files
    assert [path.name for path in taught.parent.iterdir()] == ["two-steps"]
    assert not load_network(files_of(taught)[0]).training


def test_its_card_says_what_it_learned_from(taught, fake_data):
    card = Card.read(taught)
    assert (card.role, card.architecture, card.size) == ("teacher", "residual-16-1-1", 12)
    assert card.decoder in ("38", "free")
    resized, native = card.made_from["data"]
    assert (resized["name"], resized["labels"], resized["parts"]) == ("WM-811K, maps_64x64", True, ["train"])
    assert resized["maps"] == len(resized_maps(fake_data, "train"))
    assert native["maps"] == len(native_maps(fake_data, "train"))
    for data, file in ((resized, "maps_64x64.npz"), (native, "maps_native.npz")):
        assert data["sha256"] == hashlib.sha256((fake_data / "wm811k" / file).read_bytes()).hexdigest()
    real = resized_maps(fake_data, "train").joined(native_maps(fake_data, "train"))
    assert card.training_groups() == set(real.groups)


def test_its_command_repeats_it_and_names_no_place(taught, fake_data):
    command = Card.read(taught).made_from["command"]
    expected = "python -m wafer_core train-teacher --data PATH --out two-steps --architecture residual-16-1-1 --size 12"
    assert command.startswith(expected)
    assert str(fake_data) not in command
    parser = argparse.ArgumentParser()
    teacher.add_arguments(parser)
    again = parser.parse_args([*command.replace("PATH", str(fake_data)).split()[4:], "--threads", "1"])
    assert vars(again) == vars(options(fake_data, "two-steps"))


def test_its_command_names_blemishes_where_there_are_any(taught, fake_data):
    assert "--blemished" not in Card.read(taught).made_from["command"]
    chosen = options(fake_data, "two-steps", "--blemished", "0.5")
    parser = argparse.ArgumentParser()
    teacher.add_arguments(parser)
    again = parser.parse_args(teacher._repeatable(chosen))
    assert again.blemished == chosen.blemished == 0.5


def test_its_figures_are_of_the_validation_part(taught):
    figures = Card.read(taught).figures
    assert {figure.split for figure in figures} == {"validation"}
    # No set of so few wafers has enough normal ones for a share of false alarms.
    assert {figure.metric for figure in figures} == {"exact match", "macro-F1"}
    assert {figure.set for figure in figures} >= {"WM-811K resized", "WM-811K overlays", "simulated"}
    assert all(0 <= figure.value <= 1 for figure in figures)


def test_a_default_run_is_the_shipped_recipe():
    parser = argparse.ArgumentParser()
    teacher.add_arguments(parser)
    chosen = parser.parse_args(["--data", ".", "--out", "teacher"])
    assert chosen.architecture == teacher.DEFAULT.architecture
    assert (chosen.steps, chosen.batch, chosen.rate, chosen.size) == (
        teacher.DEFAULT.steps,
        teacher.DEFAULT.batch,
        teacher.DEFAULT.rate,
        52,
    )


def test_a_teacher_that_starts_from_another_names_it_in_its_command(taught, fake_data, tmp_path, monkeypatch):
    monkeypatch.setattr(teacher, "examples", lambda *given: teacher_examples(*given, overlays=60, simulated=60))
    teacher.train_teacher(options(fake_data, tmp_path / "further", "--start", str(taught)))
    made_from = Card.read(tmp_path / "further").made_from
    assert made_from["command"].endswith("--start two-steps")
    [start, *_] = files_of(taught)
    assert made_from["start_sha256"] == start.sha256
    assert made_from["earlier"] == start.card.runs_until(start.sha256)


def test_a_killed_run_goes_on_with_its_own_options_alone(taught, fake_data, tmp_path, monkeypatch):
    out = tmp_path / "killed"

    def killed(*given):
        raise KeyboardInterrupt

    monkeypatch.setattr(teacher, "_write", killed)
    with pytest.raises(KeyboardInterrupt):
        teacher.train_teacher(options(fake_data, out))
    for more in (("--start", str(taught)), ("--guide", str(taught)), ("--overlays", "0.1"), ("--blemished", "0.5")):
        with pytest.raises(UsageError, match=r"killed\.checkpoint is left from a run with other options"):
            teacher.train_teacher(options(fake_data, out, *more))
    with pytest.raises(KeyboardInterrupt):
        teacher.train_teacher(options(fake_data, out))


def test_a_checkpoint_is_known_by_all_but_the_runs_before(taught, fake_data, tmp_path, monkeypatch):
    out = tmp_path / "further"

    def killed(*given):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(teacher, "_write", killed)
        with pytest.raises(KeyboardInterrupt):
            teacher.train_teacher(options(fake_data, out, "--start", str(taught)))
    asked = load_checkpoint(tmp_path / "further.checkpoint", {}).facts["asked"]
    monkeypatch.setattr(teacher, "examples", lambda *given: teacher_examples(*given, overlays=60, simulated=60))
    teacher.train_teacher(options(fake_data, out, "--start", str(taught)))
    made_from = Card.read(out).made_from
    assert made_from.pop("earlier")
    # Cards of an older version had no such field, and their runs are to go on.
    assert asked == fingerprint(made_from, [])


def test_a_teacher_cannot_start_from_another_architecture(taught, fake_data, tmp_path):
    chosen = options(fake_data, tmp_path / "other", "--start", str(taught), "--architecture", "residual-16-2-1")
    with pytest.raises(UsageError, match="two-steps is a residual-16-1-1: name that --architecture, or start anew"):
        teacher.train_teacher(chosen)
