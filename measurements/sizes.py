"""What a teacher's size buys: networks of one family trained alike, and the smallest that is level with the best.

python -m measurements.sizes --data DATA --out DIR [--steps N] [--architectures NAME ...] [--seeds N ...]

Each is trained on labels for the same steps, with a checkpoint in DIR that a killed run goes on from and a
finished one is read from. Figures are of the validation part, with 95 % intervals; a network is level where none of
its figures lies below the interval of the best one's. It says which width to train for long, not how far that leads.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch

from measurements.evaluation import RIVALLED, Line, percent
from measurements.timing import say, table
from rivals.shelf import multiplications
from wafer_core.compare import Rate
from wafer_core.decode import decode
from wafer_core.models.networks import Network, parameter_count
from wafer_core.models.saving import network_logits
from wafer_core.synthesis.pool import Pool
from wafer_core.synthesis.unlabelled import stream
from wafer_core.training.data import native_maps, resized_maps
from wafer_core.training.mixture import Mixture
from wafer_core.training.teacher import CHOOSING
from wafer_core.training.trainer import Recipe, train
from wafer_core.training.validation import Examples, choose_thresholds, examples

FAMILY = tuple(f"residual-{width}-2-2" for width in (16, 24, 32, 48, 64))
"""The teacher's kind, from a twentieth of the widest one's parameters up."""

SIZE = 52

Figures = Mapping[Line, Rate]


def main() -> None:
    """Train what is not trained yet, and print the curve."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True, help="the folder of checkpoints")
    parser.add_argument("--architectures", nargs="+", default=FAMILY)
    parser.add_argument("--seeds", nargs="+", type=int, default=[0])
    parser.add_argument("--steps", type=int, default=1_500)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    options.out.mkdir(parents=True, exist_ok=True)
    runs = [Recipe(name, options.steps, seed=seed) for name in options.architectures for seed in options.seeds]
    networks = [_trained(recipe, options) for recipe in runs]
    say("Building the sets")
    sets = {one.name: one for one in examples(options.data, "validation", SIZE)}
    figures = [_figures(network, sets) for network in networks]
    _print_curve(runs, networks, figures)


def level_with_best(figures: Sequence[Figures]) -> list[bool]:
    """Return of each run whether none of its figures is worse than the interval of the best one allows."""
    return [all(_level(rate, [one[line] for one in figures], line) for line, rate in each.items()) for each in figures]


def _level(rate: Rate, all_of_them: Sequence[Rate], line: Line) -> bool:
    if line.metric == "normal wafers called defective":
        return rate.value <= min(all_of_them, key=lambda one: one.value).high
    return rate.value >= max(all_of_them, key=lambda one: one.value).low


def _trained(recipe: Recipe, options: argparse.Namespace) -> Network:
    """Train a network, or take up where its checkpoint ends."""
    mixture = Mixture(resized_maps(options.data, "train"), native_maps(options.data, "train"), SIZE, recipe.seed)
    pool = Pool(stream(mixture, 1), 24_000, torch.device("cpu"))
    checkpoint = options.out / f"{recipe.architecture}-seed-{recipe.seed}.checkpoint"

    def report(step: int, loss: float, seconds: float) -> None:
        if step % 250 == 0:
            say(f"{recipe.architecture}, seed {recipe.seed}: step {step} of {recipe.steps}, loss {loss:.3f}")

    return train(recipe, pool, torch.device("cpu"), report=report, checkpoint=checkpoint)


def _figures(network: Network, sets: Mapping[str, Examples]) -> Figures:
    logits = {name: network_logits(network, one.maps.astype(np.float32)) for name, one in sets.items()}
    cuts = choose_thresholds([(logits[name], sets[name].labels) for name in CHOOSING])
    lines = [line for line in RIVALLED if line.set in sets]
    return {
        line: line.of(decode(logits[line.set], cuts, sets[line.set].decoder).detected, sets[line.set]) for line in lines
    }


def _print_curve(runs: Sequence[Recipe], networks: Sequence[Network], figures: Sequence[Figures]) -> None:
    lines = list(figures[0])
    rows = [
        (
            recipe.architecture,
            str(recipe.seed),
            f"{parameter_count(network):,}",
            f"{multiplications(network, SIZE):,}",
            *map(percent, each.values()),
            "yes" if level else "no",
        )
        for recipe, network, each, level in zip(runs, networks, figures, level_with_best(figures), strict=True)
    ]
    heads = [f"{line.set}: {line.metric}" for line in lines]
    table(rows, head=("architecture", "seed", "parameters", "multiplications", *heads, "level with the best"))


if __name__ == "__main__":
    main()
