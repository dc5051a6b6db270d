import json
import shutil
import time
from dataclasses import replace

import numpy as np
import pytest
from safetensors.numpy import load_file

from wafer_core import distill_lot
from wafer_core.distill import Settings
from wafer_core.distill_lot import distil_lot
from wafer_core.errors import BrokenModel, UnusableLot, UsageError
from wafer_core.lot import Lot
from wafer_core.models.card import Card
from wafer_core.models.folder import files_of
from wafer_core.models.networks import STUDENT_SIZES
from wafer_core.recognise import load_recognizer

FILES = {"student.safetensors", "student.onnx", "student.int8.onnx", "card.json", "run.json"}


@pytest.fixture(autouse=True)
def unshipped(tmp_path, monkeypatch):
    """Start from random weights: what ships is another matter, and changes."""
    monkeypatch.setattr(distill_lot, "SHIPPED", tmp_path / "nothing-shipped")


@pytest.fixture
def few_replayed(monkeypatch):
    monkeypatch.setattr(distill_lot, "REPLAYED", 8)


@pytest.fixture(scope="module")
def teacher(tiny_folder):
    return files_of(tiny_folder)[0]


def settings(**changes):
    return Settings(**{"size": "tiny", "steps": 3, "seed": 5, **changes})


@pytest.fixture(scope="module")
def ready(tmp_path_factory, teacher, lot_of, disc_states):
    """What one run leaves, with everything in it as it ships but the number of steps."""
    out = tmp_path_factory.mktemp("runs") / "17"
    states = [disc_states(18, 18 + 2 * (i % 2), 0.05 + 0.1 * i, i) for i in range(6)]
    lot = lot_of([*states, states[0]], title="six wafers and one again")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(distill_lot, "SHIPPED", out / "nothing-shipped")
        return out, lot, list(distil_lot([lot], teacher, out, settings()))


def test_a_model_folder_is_complete(ready):
    out, _, told = ready
    assert {path.name for path in out.iterdir()} == FILES
    assert [path.name for path in out.parent.iterdir()] == ["17"]
    assert [progress.step for progress in told] == [1, 2, 3]


def test_every_file_of_it_answers(ready):
    out, lot, _ = ready
    models = files_of(out)
    assert [model.name for model in models] == ["17", "17-onnx", "17-int8"]
    scores = [load_recognizer(model).score(lot.wafers).logits for model in models]
    assert scores[0].shape == (7, 8)
    assert np.abs(scores[0] - scores[1]).max() < 1e-4


def test_the_card_says_where_the_student_comes_from(ready, teacher):
    out, lot, _ = ready
    card = Card.read(out)
    assert (card.role, card.architecture, card.size, card.decoder) == ("student", STUDENT_SIZES["tiny"], 16, "38")
    made = card.made_from
    assert made["teacher_sha256"] == teacher.sha256
    assert (made["seed"], made["steps"]) == (5, 3)
    assert [(data["name"], data["labels"], data["maps"]) for data in made["data"]] == [
        (lot.title, False, 7),
        ("simulated mixed wafers", False, distill_lot.REPLAYED),
    ]
    assert made["data"][0]["sha256"] == lot.lot_hash
    assert made["command"].endswith("--teacher tiny-untrained --size tiny --seed 5 --steps 3")


def test_the_run_is_told_step_by_step(ready, teacher):
    out, _, told = ready
    run = json.loads((out / "run.json").read_text())
    assert run["settings"] == {"size": "tiny", "budget": 60.0, "seed": 5, "steps": 3, "start": None, "fresh": False}
    assert run["teacher"] == {"name": "tiny-untrained", "sha256": teacher.sha256}
    assert run["start"] is None
    assert run["wafers"] == 6
    assert run["history"] == [progress.to_json() for progress in told]
    assert run["seconds"] > told[-1].seconds


def weights(folder):
    return load_file(folder / "student.safetensors")


def distilled(lot, teacher, out, chosen, **given):
    for _ in distil_lot([lot], teacher, out, chosen, **given):
        pass
    return weights(out)


def same(a, b):
    return a.keys() == b.keys() and all(np.array_equal(tensor, b[name]) for name, tensor in a.items())


@pytest.fixture
def without_graphs(monkeypatch):
    """Leave the slow export out where only trained weights are asked about."""

    def save(out, network, **card):
        from safetensors.torch import save_file

        out.mkdir()
        save_file(
            {name: tensor.contiguous() for name, tensor in network.state_dict().items()}, out / "student.safetensors"
        )

    monkeypatch.setattr(distill_lot, "save_model", save)


@pytest.mark.usefixtures("few_replayed", "without_graphs")
def test_labels_leave_no_trace(small_lot, teacher, tmp_path):
    true = np.random.default_rng(0).random((6, 8)) < 0.3
    labelled = [
        replace(small_lot, wafers=tuple(replace(w, labels=row) for w, row in zip(small_lot, rows, strict=True)))
        for rows in (true, np.roll(true, 1, axis=0))
    ]
    found = [distilled(lot, teacher, tmp_path / str(i), settings()) for i, lot in enumerate([small_lot, *labelled])]
    assert same(found[0], found[1])
    assert same(found[0], found[2])


@pytest.mark.usefixtures("few_replayed", "without_graphs")
@pytest.mark.parametrize("change", [{"seed": 6}, {"steps": 4}])
def test_seed_and_steps_make_the_student(small_lot, teacher, tmp_path, change):
    once = distilled(small_lot, teacher, tmp_path / "once", settings())
    again = distilled(small_lot, teacher, tmp_path / "again", settings(budget=500.0))
    other = distilled(small_lot, teacher, tmp_path / "other", settings(**change))
    assert same(once, again)
    assert not same(once, other)


@pytest.mark.usefixtures("few_replayed", "without_graphs")
def test_a_spent_budget_ends_after_a_step_and_a_number_of_steps_does_not(small_lot, teacher, tmp_path):
    long_ago = time.monotonic() - 10_000
    told = list(distil_lot([small_lot], teacher, tmp_path / "a", settings(steps=None, budget=25.0), started=long_ago))
    assert len(told) == 1
    told = list(distil_lot([small_lot], teacher, tmp_path / "b", settings(steps=3, budget=25.0), started=long_ago))
    assert len(told) == 3


@pytest.mark.usefixtures("few_replayed", "without_graphs")
@pytest.mark.parametrize("count", [1, 2])
def test_a_lot_of_a_wafer_or_two_will_do(lot_of, disc_states, teacher, tmp_path, count):
    lot = lot_of([disc_states(12, 12, 0.2, i) for i in range(count)])
    told = list(distil_lot([lot], teacher, tmp_path / "run", settings(steps=2)))
    assert told[-1].held_out == count - 1


@pytest.mark.usefixtures("few_replayed", "without_graphs")
def test_untested_wafers_and_repeated_maps_have_no_say(lot_of, disc_states, untested_states, teacher, tmp_path):
    tested = [disc_states(18, 18, 0.05 + 0.1 * i, i) for i in range(5)]
    plain = distilled(lot_of(tested), teacher, tmp_path / "plain", settings())
    mixed = lot_of([tested[0], untested_states(18, 18), *tested])
    assert same(distilled(mixed, teacher, tmp_path / "mixed", settings()), plain)
    two = list(distil_lot([lot_of(tested[:2]), lot_of(tested[2:])], teacher, tmp_path / "two", settings()))
    assert len(two) == 3
    assert same(weights(tmp_path / "two"), plain)


@pytest.mark.usefixtures("few_replayed", "without_graphs")
def test_a_student_starts_from_the_shipped_one_unless_told_otherwise(small_lot, teacher, ready, tmp_path, monkeypatch):
    monkeypatch.setattr(distill_lot, "SHIPPED", ready[0].parent)
    monkeypatch.setattr(distill_lot, "SHIPPED_STUDENTS", {"tiny": "17", "small": "17", "base": "17"})
    shipped = distilled(small_lot, teacher, tmp_path / "shipped", settings())
    assert same(distilled(small_lot, teacher, tmp_path / "start", settings(start=ready[0])), shipped)
    assert not same(distilled(small_lot, teacher, tmp_path / "fresh", settings(fresh=True)), shipped)
    # The shipped student is of another size here, so this one begins anew.
    assert len(list(distil_lot([small_lot], teacher, tmp_path / "small", settings(size="small", steps=1)))) == 1


@pytest.mark.usefixtures("few_replayed")
def test_a_student_brings_along_what_its_start_has_seen(small_lot, teacher, ready, tmp_path):
    out = tmp_path / "second"
    distilled(small_lot, teacher, out, settings(start=ready[0], steps=1))
    names = [data["name"] for data in Card.read(out).made_from["data"]]
    assert names == ["small", "simulated mixed wafers", ready[1].title, "simulated mixed wafers"]
    assert json.loads((out / "run.json").read_text())["start"]["sha256"] == files_of(ready[0])[0].sha256


@pytest.mark.parametrize("size", ["small", "base"])
def test_a_start_of_another_size_is_refused(small_lot, teacher, ready, tmp_path, size):
    with pytest.raises(UsageError, match=f"17 is no student to start from: that takes trained weights of size {size}"):
        next(distil_lot([small_lot], teacher, tmp_path / "run", settings(size=size, start=ready[0])))
    assert not (tmp_path / "run").exists()


def test_a_start_that_is_broken_is_refused(small_lot, teacher, ready, tmp_path):
    broken = shutil.copytree(ready[0], tmp_path / "broken")
    (broken / "student.safetensors").write_bytes(b"no weights")
    with pytest.raises(BrokenModel, match=r"broken/student\.safetensors: it has 10 bytes"):
        next(distil_lot([small_lot], teacher, tmp_path / "run", settings(start=broken)))


@pytest.mark.parametrize("count", [0, 2])
def test_a_lot_that_nobody_tested_is_refused(untested_states, lot_of, teacher, tmp_path, count):
    lot = lot_of([untested_states(18, 18)] * count) if count else Lot("empty", ())
    with pytest.raises(UnusableLot, match="no wafer of the lot has a tested die"):
        next(distil_lot([lot], teacher, tmp_path / "run", settings()))
    assert not (tmp_path / "run").exists()


@pytest.mark.usefixtures("few_replayed")
def test_a_run_that_is_left_leaves_nothing(small_lot, teacher, tmp_path):
    run = distil_lot([small_lot], teacher, tmp_path / "run", settings())
    next(run)
    run.close()
    assert not [path for path in tmp_path.iterdir() if path.name != "home"]
