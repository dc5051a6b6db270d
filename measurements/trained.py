"""Networks trained on labels for a comparison, and what they reach on validation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from measurements.evaluation import RIVALLED, Line, percent
from measurements.timing import say, table
from wafer_core.compare import Rate
from wafer_core.decode import decode
from wafer_core.models.asking import network_logits
from wafer_core.models.learning import pick_device
from wafer_core.models.networks import Network
from wafer_core.synthesis.pool import Pool
from wafer_core.synthesis.unlabelled import stream
from wafer_core.training.data import RealMaps, native_maps, resized_maps
from wafer_core.training.mixture import Mixture
from wafer_core.training.teacher import CHOOSING
from wafer_core.training.trainer import Recipe, train
from wafer_core.training.validation import Examples, choose_thresholds, examples

SIZE = 52
"""Rows and columns of the canonical map unless another is asked for, the shipped teacher's."""

Real = tuple[RealMaps, RealMaps]
"""Wafers of one grid, which overlays are made of, and wafers at their own."""

Figures = Mapping[Line, Rate]


def taught_on(data: Path) -> Real:
    """Return the labelled wafers of the train part."""
    return resized_maps(data, "train"), native_maps(data, "train")


def trained(recipe: Recipe, real: Real, checkpoint: Path, size: int = SIZE) -> Network:
    """Train a network on labelled wafers, or take up where its checkpoint ends.

    Args:
        recipe: how to train.
        real: the wafers.
        checkpoint: the file of its state.
        size: rows and columns of the canonical map.
    """
    device = pick_device()
    pool = Pool(stream(Mixture(*real, size, recipe.seed), 1), 24_000, device)

    def report(step: int, loss: float, seconds: float) -> None:
        if step % 250 == 0:
            say(f"{checkpoint.stem}: step {step} of {recipe.steps}, loss {loss:.3f}")

    return train(recipe, pool, device, report=report, checkpoint=checkpoint)


def validation_sets(data: Path, size: int = SIZE) -> dict[str, Examples]:
    """Return the labelled sets of the validation part by name, as canonical maps of that size."""
    say("Building the sets")
    return {one.name: one for one in examples(data, "validation", size)}


def reached(network: Network, sets: Mapping[str, Examples]) -> Figures:
    """Return what a network reaches on validation sets, its thresholds chosen on them as a teacher's are."""
    return with_thresholds(network, sets)[1]


def with_thresholds(network: Network, sets: Mapping[str, Examples]) -> tuple[tuple[float, ...], Figures]:
    """Return the thresholds chosen for a network on validation sets, and what it reaches there by them."""
    logits = {name: network_logits(network, one.maps.astype(np.float32)) for name, one in sets.items()}
    cuts = choose_thresholds([(logits[name], sets[name].labels) for name in CHOOSING])
    verdicts = {name: decode(found, cuts, sets[name].decoder).detected for name, found in logits.items()}
    return cuts, {line: line.of(verdicts[line.set], sets[line.set]) for line in RIVALLED if line.set in sets}


def print_figures(rows: Sequence[Sequence[object]], figures: Sequence[Figures], head: Sequence[str]) -> None:
    """Print rows of what a network is, each with its figures behind."""
    cells = [(*row, *map(percent, each.values())) for row, each in zip(rows, figures, strict=True)]
    table(cells, head=(*head, *(f"{line.set}: {line.metric}" for line in figures[0])))
