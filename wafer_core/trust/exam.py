"""A whole set of constructed wafers before one model: every method's items, its time, and what agrees with what."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from wafer_core.decode import decode_with
from wafer_core.explain import attribute
from wafer_core.lot import Wafer
from wafer_core.models.folder import ModelFile
from wafer_core.recognise import Recognizer
from wafer_core.trust.regions import Constructed
from wafer_core.trust.sanity import randomised
from wafer_core.trust.scores import spearman
from wafer_core.trust.trial import Dies, Item, Part, Trial

LEAST_FAILS = 20
"""Two attributions are compared where so many dies fail."""

CHECKED = 50
"""The dear scores, max-sensitivity and randomised weights, are taken on so many wafers: both explain them anew."""

TWINS = 3
"""How many randomised models take turns."""

Method = Callable[[Recognizer, Wafer, Sequence[int]], Dies]
"""A model, a wafer and patterns to attributions float32 (patterns, rows, columns)."""

Earned = dict[tuple[int, int], NDArray[np.float32]]
"""Credit of the failing dies, in row order, by wafer and pattern."""


@dataclass(eq=False)
class Answered:
    """What one method said on one set: its items, milliseconds a pattern of each wafer, and the credit itself."""

    items: list[Item] = field(default_factory=list)
    milliseconds: list[float] = field(default_factory=list)
    earned: Earned = field(default_factory=dict)

    @property
    def typical_milliseconds(self) -> float:
        """The median time a wafer and pattern."""
        return statistics.median(self.milliseconds)


@dataclass(frozen=True, eq=False)
class Exam:
    """What one model said on one set, by method."""

    model: ModelFile
    set: str
    answers: Mapping[str, Answered]


def methods_named(names: Sequence[str]) -> dict[str, Method]:
    """Return the methods of `wafer_core.explain` by name."""
    return {name: partial(_attribute, name) for name in names}


def examine(
    recognizer: Recognizer,
    name: str,
    wafers: Sequence[Constructed],
    methods: Mapping[str, Method],
    checked: int = CHECKED,
    report: Callable[[int], None] = lambda done: None,
) -> Exam:
    """Let methods explain a model on constructed wafers and score them wherever it calls what is there.

    Args:
        recognizer: the model.
        name: what the set is called.
        wafers: the set.
        methods: how to explain, by name.
        checked: on how many wafers to take the dear scores.
        report: told how many wafers are done.
    """
    called = decode_with(recognizer.model, recognizer.score([made.wafer for made in wafers]).logits).detected
    twins = [randomised(recognizer, seed) for seed in range(TWINS)] if checked else []
    answers = {method: Answered() for method in methods}
    for number, made in enumerate(wafers):
        patterns = [k for k in made.patterns if called[number, k]]
        if patterns and (trial := Trial(recognizer, made, patterns, number)).patterns:
            twin = twins[number % TWINS] if checked > 0 else None
            checked -= 1
            for method, explain in methods.items():
                _answer(answers[method], explain, recognizer, trial, twin)
        report(number + 1)
    return Exam(recognizer.model, name, answers)


def agreement(one: Answered, two: Answered) -> list[Item]:
    """Return how alike two explanations rank the failing dies of the wafers and patterns that both have."""
    return [
        Item(*key, {"agreement": Part(spearman(one.earned[key], two.earned[key]), 1.0, 0.0)})
        for key in one.earned.keys() & two.earned.keys()
        if len(one.earned[key]) >= LEAST_FAILS
    ]


def _answer(answered: Answered, explain: Method, recognizer: Recognizer, trial: Trial, twin: Recognizer | None) -> None:
    """Explain one wafer, score it and add it to what a method has answered."""
    wafer, patterns, failing = trial.constructed.wafer, trial.patterns, trial.constructed.failing
    started = time.perf_counter()
    credit = explain(recognizer, wafer, patterns)
    answered.milliseconds.append(1000 * (time.perf_counter() - started) / len(patterns))
    items = trial.items(credit)
    if twin is not None:
        moved = trial.sensitivity(credit, partial(explain, recognizer))
        unlearnt = trial.alike(credit, explain(twin, wafer, patterns))
        items = [
            replace(item, parts={**item.parts, "max-sensitivity": one, "randomised weights": two})
            for item, one, two in zip(items, moved, unlearnt, strict=True)
        ]
    answered.items += items
    answered.earned |= {(trial.number, k): dies[failing] for k, dies in zip(patterns, credit, strict=True)}


def _attribute(method: str, recognizer: Recognizer, wafer: Wafer, patterns: Sequence[int]) -> Dies:
    return attribute(recognizer, wafer, method, patterns)
