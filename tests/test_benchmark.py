"""The benchmark measures what the labels say, of every model file, and says on what."""

import hashlib
import json

import numpy as np
import pytest
import torch

from wafer_core.benchmark import BenchmarkSet, keep_in_cards, measure, measure_latency, run, shipped_sets
from wafer_core.canonical import canonical
from wafer_core.errors import UnusableLot
from wafer_core.lot import FAIL, PASS, Frame, Lot, Wafer
from wafer_core.models.card import Card, Figure, FileEntry
from wafer_core.models.folder import files_of
from wafer_core.models.networks import build, parameter_count
from wafer_core.models.saving import save_model
from wafer_core.models.weights import network_bytes
from wafer_core.patterns import PATTERNS, flags
from wafer_core.readers.lotfile import write_lot
from wafer_core.recognise import load_recognizer

SIZE, ARCHITECTURE = 16, "separable-4-6-8"
TITLES = ("", "Center", "Center+Scratch", "Loc")


def wafers(labelled=True, lots=12):
    random = np.random.default_rng(0)
    made = []
    for number in range(24):
        states = np.where(random.random((9, 11)) < 0.1 + 0.2 * (number % 4), FAIL, PASS).astype(np.uint8)
        labels = flags(filter(None, TITLES[number % 4].split("+"))) if labelled else None
        made.append(Wafer(f"L{number % lots}", f"{number:02}", Frame(9, 11), states, labels=labels))
    return tuple(made)


MADE_FROM = {"teacher_sha256": None, "data": [], "seed": 0, "steps": 0, "command": "a test"}


def network(seed):
    torch.manual_seed(seed)
    return build(ARCHITECTURE).eval()


def save_teacher(folder):
    """A folder of trained weights alone, because exporting is what takes time."""
    folder.mkdir()
    weights, count = network_bytes(network(0)), parameter_count(network(0))
    sha256 = hashlib.sha256(weights).hexdigest()
    entry = FileEntry("torch", "fp32", count, len(weights), sha256, (0.5,) * len(PATTERNS))
    (folder / "teacher.safetensors").write_bytes(weights)
    Card("Teacher", "teacher", ARCHITECTURE, SIZE, "free", 0.0, {"teacher.safetensors": entry}, MADE_FROM).write(folder)
    return files_of(folder)


def save_student(folder):
    return save_model(
        folder,
        network(1),
        name="Student",
        role="student",
        architecture=ARCHITECTURE,
        size=SIZE,
        decoder="free",
        unsure_below=0.0,
        thresholds=(0.5,) * len(PATTERNS),
        calibration=canonical(wafers(), SIZE),
        made_from=MADE_FROM,
    )


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    root = tmp_path_factory.mktemp("models")
    return (*save_teacher(root / "teacher"), *save_student(root / "student"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    root = tmp_path_factory.mktemp("sets")
    (root / "singles.npz").write_bytes(write_lot(Lot("Real singles", wafers())))
    (root / "overlays.npz").write_bytes(write_lot(Lot("Overlays", wafers(lots=2)[:10])))
    return root


@pytest.fixture(scope="module")
def report(models, folder):
    return run(models, shipped_sets(folder), command="a test")


def test_a_set_is_known_by_its_bytes(folder):
    overlays, singles = shipped_sets(folder)
    assert (overlays.name, singles.name) == ("overlays", "singles")
    assert singles.sha256 == hashlib.sha256((folder / "singles.npz").read_bytes()).hexdigest()
    assert singles.lot.title == "Real singles"
    assert singles.labels.tolist() == [wafer.labels.tolist() for wafer in wafers()]
    assert singles.groups == [wafer.lot for wafer in wafers()]
    assert overlays.groups is None


def test_every_model_file_is_measured_on_every_set(report, models):
    assert [model["name"] for model in report["models"]] == ["teacher", "student", "student-onnx", "student-int8"]
    exact = [figure for figure in report["figures"] if figure["metric"] == "exact match"]
    assert [(figure["model"], figure["set"]) for figure in exact] == [
        (model.name, name) for model in models for name in ("overlays", "singles")
    ]
    assert {figure["n"] for figure in exact} == {10, 24}


def test_every_figure_says_how_it_was_measured(report):
    shas = {each["name"]: each["sha256"] for each in report["sets"]}
    for figure in report["figures"]:
        assert figure["low"] <= figure["value"] <= figure["high"]
        assert (figure["set_sha256"], figure["split"], figure["command"]) == (shas[figure["set"]], "test", "a test")
        assert figure["n"] >= 1
        assert len(figure["sha256"]) == 64
    assert report["sets"][1] == {"name": "singles", "title": "Real singles", "sha256": shas["singles"]} | {
        "n": 24,
        "lots": 12,
    }
    assert json.loads(json.dumps(report, allow_nan=False)) == report


def test_cards_keep_the_figures_of_the_latest_run(report, models):
    keep_in_cards(report, models)
    keep_in_cards(report, models)
    for folder in {model.folder for model in models}:
        card = Card.read(folder)
        shas = {entry.sha256 for entry in card.files.values()}
        expected = [figure for figure in report["figures"] if figure["sha256"] in shas]
        assert len(card.figures) == len(expected) > 0
        assert {(figure.file, figure.set, figure.metric, figure.value) for figure in card.figures} == {
            (each["file"], each["set"], each["metric"], each["value"]) for each in expected
        }


def test_figures_are_what_the_verdicts_say(models, folder):
    (measured,) = measure(models[1], [BenchmarkSet(folder / "singles.npz")])
    right = (measured.verdicts.detected == measured.set.labels).all(axis=1).mean()
    exact = measured.figures()[0]
    assert isinstance(exact, Figure)
    assert (exact.metric, exact.value, exact.file) == ("exact match", right, "student.safetensors")


def test_students_stand_against_the_teacher(report, models, folder):
    assert {each["model"] for each in report["against_teacher"]} == {"student", "student-onnx", "student-int8"}
    each = next(each for each in report["against_teacher"] if (each["model"], each["set"]) == ("student", "singles"))
    ours, theirs = (measure(model, [BenchmarkSet(folder / "singles.npz")])[0] for model in models[:2])
    teacher, student = ((one.verdicts.detected == one.set.labels).all(axis=1) for one in (ours, theirs))
    assert (each["teacher"], each["n"], each["lots"]) == ("teacher", 24, 12)
    assert (each["teacher_only"], each["student_only"]) == ((teacher & ~student).sum(), (student & ~teacher).sum())
    assert [figure["metric"] for figure in each["figures"]][-1] == "loss in exact match"


def test_every_wafer_is_timed_alone_and_the_middle_one_counts(models, monkeypatch):
    recognizer, some, asked = load_recognizer(models[-1]), wafers()[:3], []
    now = 0.0

    def score(wafers):
        nonlocal now
        (wafer,) = wafers
        asked.append(wafer.wafer)
        # The first call of each finds nothing in the caches, and the first wafer was interrupted.
        now += 9.0 if asked.count(wafer.wafer) == 1 or wafer is some[0] else 0.004

    monkeypatch.setattr(recognizer, "score", score)
    monkeypatch.setattr("wafer_core.benchmark.time.perf_counter", lambda: now)
    assert measure_latency(recognizer, some, repeats=2) == pytest.approx(4.0)
    assert asked == [wafer.wafer for wafer in some for _ in range(3)]


@pytest.mark.parametrize(("few", "repeats"), [((), 1), (wafers()[:1], 0)])
def test_nothing_cannot_be_timed(models, few, repeats):
    with pytest.raises(ValueError, match="nothing to time"):
        measure_latency(load_recognizer(models[0]), few, repeats)


def test_sets_without_labels_are_refused(models, tmp_path):
    (tmp_path / "plain.npz").write_bytes(write_lot(Lot("Plain", wafers(labelled=False))))
    with pytest.raises(UnusableLot, match=r"plain\.npz has wafers without labels"):
        run(models, shipped_sets(tmp_path))
    with pytest.raises(UnusableLot, match="no labelled set"):
        run(models, [])
