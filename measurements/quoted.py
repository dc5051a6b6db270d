"""How far the explanations of what ships can be trusted, as pages quote it and as docs/explanations.md holds it.

python -m measurements.quoted [--models NAME ...]

Nothing is measured: the tables are of what `measurements.explanations --into-models` kept beside the models' cards,
each figure with chance in brackets, or with its 95 % interval where it is the default method's.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator

from wafer_core.explain import METHODS, TITLES
from wafer_core.models.folder import ModelFile, resolve
from wafer_core.trust.record import OVERLAYS, SIMULATED, Record
from wafer_core.trust.tally import Reached

MODELS = ("teacher", "student", "student-int8", "student-tiny", "student-tiny-int8")

OF_DEFAULT = {
    "pointing": "pointing",
    "pointing, unclaimed": "unclaimed",
    "pointing, unshared": "unshared",
    "own/other": "own/other",
    "removal": "removal",
    "agreement": "like the teacher",
}
"""The default method's figures and their heads."""

OF_ALL = {
    "pointing": "pointing",
    "pointing, unshared": "unshared",
    "own/other": "own/other",
    "removal": "removal",
    "deletion, passing": "deletion",
    "insertion, passing": "insertion",
    "deletion, untested": "deletion, untested",
    "insertion, untested": "insertion, untested",
    "infidelity": "infidelity",
    "max-sensitivity": "sensitivity",
    "randomised weights": "randomised",
    "agreement": "like the teacher",
}
"""Every method's figures and their heads."""

SAME_CHANCE = ("own/other", "removal", "agreement")
"""Scores whose chance is the same for all, 1, 1 and 0, and not told."""


def main() -> None:
    """Print both tables of both kinds of wafers."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", default=MODELS)
    models = [resolve(name) for name in parser.parse_args().models]
    for name in (OVERLAYS, SIMULATED):
        print(f"\n### {name.capitalize()}\n")
        _print(("default method",), OF_DEFAULT, _of_default(models, name))
        print()
        _print(("model", "method"), OF_ALL, _of_all(models, name))


def _print(first: tuple[str, ...], scores: dict[str, str], rows: Iterator[tuple[str, ...]]) -> None:
    heads = (*first, *scores.values())
    for row in (heads, ("---",) * len(heads), *rows):
        print(f"| {' | '.join(row)} |")


def _of_default(models: list[ModelFile], name: str) -> Iterator[tuple[str, ...]]:
    for model in models:
        found = _figures(model, METHODS[0], name)
        if found:
            yield f"`{model.name}`", *(_with_interval(found[score]) if score in found else "" for score in OF_DEFAULT)


def _of_all(models: list[ModelFile], name: str) -> Iterator[tuple[str, ...]]:
    for model in models:
        for method in METHODS:
            found = _figures(model, method, name)
            if found:
                most = max(each.n for each in found.values())
                cells = (_beside_chance(found[score], most) if score in found else "" for score in OF_ALL)
                yield f"`{model.name}`", TITLES[method], *cells


def _figures(model: ModelFile, method: str, name: str) -> dict[str, Reached]:
    """Return what a method reached over all patterns, by score."""
    asked = (model.sha256, method, name)
    kept = (each for each in Record.read(model.folder).figures if (each.sha256, each.method, each.set) == asked)
    return {each.reached.score: each.reached for each in kept if each.reached.pattern is None}


def _with_interval(each: Reached) -> str:
    value, low, high = (_number(one, each.score) for one in (each.value, each.low, each.high))
    return f"{value} ({low} to {high})"


def _beside_chance(each: Reached, most: int) -> str:
    """Return a figure, its chance, and on how many wafers it was taken where most others rest on far more."""
    chance = "" if each.score in SAME_CHANCE else f" [{_number(each.chance, each.score)}]"
    few = f", {each.n} wafers" if each.n < most / 2 else ""
    return f"{_number(each.value, each.score)}{chance}{few}"


def _number(value: float, score: str) -> str:
    if score == "own/other":
        return f"{value:.0f}" if value >= 10 else f"{value:.1f}"
    return f"{value:.3f}" if score == "agreement" else f"{value:.2f}"


if __name__ == "__main__":
    main()
