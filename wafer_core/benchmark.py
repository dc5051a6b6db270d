"""The shipped labelled sets: what every model file reaches on them, and how long a wafer takes."""

from __future__ import annotations

import hashlib
import statistics
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from wafer_core.compare import Rate, Sets, accuracy, agreement, groups_of, labels_of, paired
from wafer_core.decode import Verdicts, decode_with
from wafer_core.errors import UnusableLot
from wafer_core.lot import Lot, Wafer
from wafer_core.models.card import Card, Figure
from wafer_core.models.folder import ModelFile, shipped_models
from wafer_core.readers import read_paths
from wafer_core.recognise import Recognizer, load_recognizer

SHIPPED_SETS = Path(__file__).resolve().parents[1] / "assets" / "benchmark"
"""One lot file a set, every wafer labelled; all of them from the test part."""

GUARD = SHIPPED_SETS.with_name("guard") / "guard.npz"
"""Labelled wafers of the guard part, on which a student is held against the shipped one before it is approved."""

COMMAND = "python -m wafer_core benchmark --out FILE.json"
SPLIT = "test"


@dataclass(frozen=True)
class BenchmarkSet:
    """One labelled lot file; its sha256 is that of the file, labels included."""

    path: Path

    @property
    def name(self) -> str:
        """The file's stem, which figures and addresses use."""
        return self.path.stem

    @cached_property
    def sha256(self) -> str:
        """sha256 of the file's bytes."""
        return hashlib.sha256(self.path.read_bytes()).hexdigest()

    @cached_property
    def lot(self) -> Lot:
        """The wafers, whose title is what the screen calls the set.

        Raises:
            UnusableLot: a wafer carries no labels.
        """
        lot = read_paths([self.path])
        if not lot.labelled:
            raise UnusableLot(f"{self.path.name} has wafers without labels, so nothing can be measured on it.")
        return lot

    @cached_property
    def labels(self) -> Sets:
        """The labels, bool (n, 8)."""
        return labels_of(self.lot)

    @cached_property
    def groups(self) -> list[str] | None:
        """Each wafer's fab lot, or None where there are too few lots to draw from."""
        return groups_of(self.lot)


@dataclass(frozen=True)
class Measured:
    """One model file's verdicts on one set, from which every figure follows."""

    model: ModelFile
    set: BenchmarkSet
    verdicts: Verdicts

    def figures(self, command: str = COMMAND) -> list[Figure]:
        """Return exact match, precision, recall, F1 and false alarms, each with its interval."""
        reached = accuracy(self.verdicts.detected, self.set.labels, self.set.groups)
        return [self._figure(metric, rate, command) for metric, rate in reached.figures().items()]

    def against(self, teacher: Measured, command: str = COMMAND) -> dict[str, Any]:
        """Return how this model stands to a teacher on the same wafers: agreement and paired loss."""
        labels, groups = self.set.labels, self.set.groups
        alike = agreement(teacher.verdicts, self.verdicts, groups)
        loss = paired(teacher.verdicts.detected, self.verdicts.detected, labels, groups)
        rates = {
            "agreement": alike.share,
            "agreement where either calls a pattern": alike.share_defective,
            "loss in exact match": loss.loss,
        }
        return {
            "model": self.model.name,
            "sha256": self.model.sha256,
            "teacher": teacher.model.name,
            "teacher_sha256": teacher.model.sha256,
            "set": self.set.name,
            "set_sha256": self.set.sha256,
            "n": loss.n,
            "lots": len(set(groups)) if groups else None,
            "figures": [asdict(self._figure(name, rate, command)) for name, rate in rates.items() if rate.known],
            "teacher_only": loss.teacher_only,
            "student_only": loss.student_only,
            "mcnemar_p": loss.p,
            "loss_upper_95_one_sided": loss.upper,
        }

    def _figure(self, metric: str, rate: Rate, command: str) -> Figure:
        return Figure(
            file=self.model.file,
            set=self.set.name,
            set_sha256=self.set.sha256,
            split=SPLIT,
            metric=metric,
            value=rate.value,
            low=rate.low,
            high=rate.high,
            n=rate.n,
            command=command,
        )


def shipped_sets(folder: Path = SHIPPED_SETS) -> tuple[BenchmarkSet, ...]:
    """Return the labelled sets of a folder, by name."""
    return tuple(BenchmarkSet(path) for path in sorted(folder.glob("*.npz")))


def guard_set() -> BenchmarkSet:
    """Return the guard set, which is no part of the benchmark."""
    return BenchmarkSet(GUARD)


def measure(model: ModelFile, sets: Sequence[BenchmarkSet]) -> list[Measured]:
    """Load one model file and let it answer on every set."""
    recognizer = load_recognizer(model)
    return [Measured(model, each, decode_with(model, recognizer.score(each.lot.wafers).logits)) for each in sets]


def run(
    models: Sequence[ModelFile] | None = None,
    sets: Sequence[BenchmarkSet] | None = None,
    command: str = COMMAND,
) -> dict[str, Any]:
    """Measure model files on labelled sets.

    Args:
        models: which files; None takes every shipped one.
        sets: on what; None takes the shipped sets.
        command: what to repeat the figures with.

    Returns:
        `command`, `sets`, `models`, `figures` (one entry a model, set and metric) and `against_teacher` (one a
        model, set and teacher), all fit for JSON.

    Raises:
        UnusableLot: there is no set, or one without labels.
        BrokenModel: a model's file contradicts its card.
    """
    models = shipped_models() if models is None else models
    sets = shipped_sets() if sets is None else sets
    if not sets:
        raise UnusableLot("There is no labelled set in assets/benchmark, so there is nothing to measure on.")
    measured = [each for model in models for each in measure(model, sets)]
    teachers = {each.set.name: each for each in reversed(measured) if each.model.role == "teacher"}
    return {
        "command": command,
        "sets": [_describe_set(each) for each in sets],
        "models": [_describe_model(model) for model in models],
        "figures": [
            {"model": each.model.name, "sha256": each.model.sha256, **asdict(figure)}
            for each in measured
            for figure in each.figures(command)
        ],
        "against_teacher": [
            each.against(teacher, command)
            for each in measured
            if (teacher := teachers.get(each.set.name)) and teacher is not each
        ],
    }


def keep_in_cards(measured: Mapping[str, Any], models: Sequence[ModelFile] | None = None) -> None:
    """Put the figures of a run into the cards of the models, in place of older ones of the same sets.

    Args:
        measured: what `run` returned.
        models: which files it measured; None means every shipped one.
    """
    sets = {each["name"] for each in measured["sets"]}
    for folder in {model.folder for model in (shipped_models() if models is None else models)}:
        card = Card.read(folder)
        kept = [figure for figure in card.figures if figure.set not in sets]
        ours = {entry.sha256 for entry in card.files.values()}
        for found in measured["figures"]:
            if found["sha256"] in ours:
                kept.append(Figure(**{name: found[name] for name in (field.name for field in fields(Figure))}))
        replace(card, figures=tuple(kept)).write(folder)


def measure_latency(recognizer: Recognizer, wafers: Sequence[Wafer], repeats: int = 5) -> float:
    """Return the milliseconds that the middle one of some wafers takes from its die states to its logits.

    The middle one, because what interrupts a busy machine shall not count.

    Args:
        recognizer: a loaded model; loading is not timed.
        wafers: what to score, one at a time; a few dozen are enough.
        repeats: passes over each, of which the median counts; one more goes before to warm up.

    Raises:
        ValueError: there is no wafer, or no pass.
    """
    if not wafers or repeats < 1:
        raise ValueError(f"{len(wafers)} wafers in {repeats} passes leave nothing to time")
    return 1000 * statistics.median(_seconds(recognizer, wafer, repeats) for wafer in wafers)


def _seconds(recognizer: Recognizer, wafer: Wafer, repeats: int) -> float:
    recognizer.score([wafer])
    passes = []
    for _ in range(repeats):
        started = time.perf_counter()
        recognizer.score([wafer])
        passes.append(time.perf_counter() - started)
    return statistics.median(passes)


def _describe_set(each: BenchmarkSet) -> dict[str, Any]:
    return {
        "name": each.name,
        "title": each.lot.title,
        "sha256": each.sha256,
        "n": len(each.lot),
        "lots": len(each.lot.lots) if each.groups else None,
    }


def _describe_model(model: ModelFile) -> dict[str, Any]:
    return {
        "name": model.name,
        "role": model.role,
        "engine": model.engine,
        "parameters": model.entry.parameters,
        "bytes": model.entry.bytes,
        "sha256": model.sha256,
    }
