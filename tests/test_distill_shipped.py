import argparse
import itertools
import shutil
from functools import partial

import numpy as np
import pytest
import torch

from wafer_core import distill_shipped
from wafer_core.errors import UsageError
from wafer_core.models.card import Card
from wafer_core.models.checkpoint import fingerprint, load_checkpoint
from wafer_core.models.folder import files_of
from wafer_core.models.networks import build
from wafer_core.models.saving import save_model
from wafer_core.models.sizes import STUDENT_SIZES
from wafer_core.models.weights import load_network
from wafer_core.synthesis.pool import Pool
from wafer_core.training.data import unlabelled_maps


def options(data, teacher, out, *more):
    parser = argparse.ArgumentParser()
    distill_shipped.add_arguments(parser)
    few = "--size tiny --steps 2 --batch 4 --workers 0 --pool 256 --threads 1"
    return parser.parse_args(["--data", str(data), "--teacher", str(teacher), "--out", str(out), *few.split(), *more])


SOME = ("--blemished", "0.5")


@pytest.fixture(scope="module")
def few_maps():
    """Novelty and thresholds told from hundreds of maps instead of thousands."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("decided_maps", "held_out_maps", "taught_maps"):
            patch.setattr(distill_shipped, name, partial(getattr(distill_shipped, name), count=120))
        yield


@pytest.fixture(scope="module")
def shipped(few_maps, fake_data, tiny_folder, tmp_path_factory):
    """The folder of a student distilled for two steps."""
    out = tmp_path_factory.mktemp("models") / "two-steps"
    distill_shipped.distil_shipped(options(fake_data, tiny_folder, out))
    return out


def test_a_student_ships_with_its_files_and_nothing_beside_it(shipped):
    files = {"two-steps.safetensors", "two-steps.onnx", "two-steps.int8.onnx", "card.json"}
    files.add("two-steps.novelty.safetensors")
    assert {path.name for path in shipped.iterdir()} == files
    assert [path.name for path in shipped.parent.iterdir()] == ["two-steps"]


def test_its_command_is_one_that_the_parser_takes(shipped):
    words = Card.read(shipped).made_from["command"].split()
    parser = argparse.ArgumentParser()
    distill_shipped.add_arguments(parser)
    assert words[:4] == ["python", "-m", "wafer_core", "train-student"]
    again = parser.parse_args(words[4:])
    assert (again.steps, again.batch, again.workers, again.pool) == (2, 4, 0, 256)


def test_its_command_names_blemishes_where_there_are_any(shipped, fake_data, tiny_folder):
    assert "--blemished" not in Card.read(shipped).made_from["command"]
    words = distill_shipped._repeatable(options(fake_data, tiny_folder, shipped, *SOME), "teacher").split()
    parser = argparse.ArgumentParser()
    distill_shipped.add_arguments(parser)
    assert parser.parse_args(words).blemished == 0.5


def test_its_card_says_that_no_label_was_read(shipped, fake_data, tiny_folder):
    card = Card.read(shipped)
    assert (card.role, card.architecture, card.size, card.decoder) == ("student", STUDENT_SIZES["tiny"], 16, "38")
    assert card.made_from["teacher_sha256"] == files_of(tiny_folder)[0].sha256
    real = unlabelled_maps(fake_data, "train")
    data = card.made_from["data"]
    assert [one["labels"] for one in data] == [False, False, False]
    assert [one["maps"] for one in data] == [18, 3, 0]
    assert card.training_parts() == {"train"}
    assert card.training_groups() == set(real.groups)
    assert card.made_from["command"].endswith(
        f"--out two-steps --teacher {tiny_folder.name} --size tiny --steps 2 --batch 4 --rate 0.003 --looks 8"
        " --real 0.4 --overlays 0.25 --seed 0 --workers 0 --pool 256"
    )


def test_a_killed_run_goes_on_with_its_own_options_alone(
    few_maps, shipped, fake_data, tiny_folder, tmp_path, monkeypatch
):
    other = shutil.copytree(tiny_folder, tmp_path / "elsewhere" / tiny_folder.name)
    tiny = files_of(tiny_folder)[0]
    save_model(
        other,
        build(tiny.card.architecture),  # of the same name, with weights of its own
        name=tiny.card.name,
        role="teacher",
        architecture=tiny.card.architecture,
        size=tiny.card.size,
        decoder=tiny.card.decoder,
        unsure_below=tiny.card.unsure_below,
        thresholds=tiny.entry.thresholds,
        calibration=np.zeros((8, 2, 16, 16), np.float32),
        made_from=tiny.card.made_from,
    )
    out = tmp_path / "killed"

    def killed(*given, **named):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(distill_shipped, "save_model", killed)
        with pytest.raises(KeyboardInterrupt):
            distill_shipped.distil_shipped(options(fake_data, tiny_folder, out))
    for teacher, *more in (
        (other,),
        (tiny_folder, "--start", str(shipped)),
        (tiny_folder, "--real", "0.5"),
        (tiny_folder, *SOME),
    ):
        with pytest.raises(UsageError, match=r"killed\.checkpoint is left from a run with other options"):
            distill_shipped.distil_shipped(options(fake_data, teacher, out, *more))
    distill_shipped.distil_shipped(options(fake_data, tiny_folder, out))
    assert Card.read(out).made_from["teacher_sha256"] == tiny.sha256


def test_a_student_may_begin_where_another_ended(few_maps, shipped, fake_data, tiny_folder, tmp_path):
    further = options(fake_data, tiny_folder, tmp_path / "further", "--start", str(shipped), "--rate", "1e-9")
    distill_shipped.distil_shipped(further)
    made_from = Card.read(tmp_path / "further").made_from
    assert "--start two-steps" in made_from["command"]
    [start, *_] = files_of(shipped)
    assert made_from["start_sha256"] == start.sha256
    assert made_from["earlier"] == start.card.runs_until(start.sha256)
    # At next to no rate the weights are still those it began with.
    before, after = (load_network(files_of(folder)[0]) for folder in (shipped, tmp_path / "further"))
    torch.testing.assert_close(after.head.weight, before.head.weight)


def test_a_checkpoint_is_known_by_all_but_the_runs_before(
    few_maps, shipped, fake_data, tiny_folder, tmp_path, monkeypatch
):
    chosen = options(fake_data, tiny_folder, tmp_path / "further", "--start", str(shipped))

    def killed(*given, **named):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(distill_shipped, "save_model", killed)
        with pytest.raises(KeyboardInterrupt):
            distill_shipped.distil_shipped(chosen)
    asked = load_checkpoint(tmp_path / "further.checkpoint", {}).facts["asked"]
    distill_shipped.distil_shipped(chosen)
    made_from = Card.read(tmp_path / "further").made_from
    assert made_from.pop("earlier")
    # Cards of an older version had no such field, and their runs are to go on.
    assert asked == fingerprint(made_from)


def test_a_student_of_another_size_is_no_beginning(shipped, fake_data, tiny_folder, tmp_path):
    chosen = options(fake_data, tiny_folder, tmp_path / "other", "--start", str(shipped), "--size", "small")
    with pytest.raises(UsageError, match=f"two-steps is a {STUDENT_SIZES['tiny']}: name that --architecture"):
        distill_shipped.distil_shipped(chosen)


def test_a_pool_takes_in_as_many_maps_as_are_drawn():
    chunks = ((torch.full((4, 2, 3, 3), i, dtype=torch.uint8),) for i in itertools.count())
    pool = Pool(chunks, 4, torch.device("cpu"))
    draw, random = distill_shipped.draws_from(pool), torch.Generator().manual_seed(0)
    numbers = [int(255 * draw(count, random).max().item() + 0.5) for count in (2, 2, 2, 2, 4, 3, 1)]
    assert numbers == [1, 1, 2, 2, 3, 4, 4]
