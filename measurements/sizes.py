"""What size buys: networks of one family trained alike, and the smallest that is level with the best.

python -m measurements.sizes --data DATA --out DIR [--steps N] [--architectures NAME ...] [--maps S ...] [--seeds N ...]

Networks differ in width, or in the canonical map they see (`--maps 52 64`). Each is trained on labels for the same
steps, with a checkpoint in DIR that a killed run goes on from and a finished one is read from. Figures are of the
validation part, with 95 % intervals; a network is level where none of its figures lies below the interval of the best
one's. It says which width to train for long, not how far that leads.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import torch

from measurements.evaluation import Line
from measurements.trained import SIZE, Figures, print_figures, reached, taught_on, trained, validation_sets
from rivals.shelf import multiplications
from wafer_core.compare import Rate
from wafer_core.models.networks import parameter_count
from wafer_core.training.trainer import Recipe

FAMILY = tuple(f"residual-{width}-2-2" for width in (16, 24, 32, 48, 64))
"""The teacher's kind; each has about twice the parameters of the one before."""


def main() -> None:
    """Train what is not trained yet, and print the curve."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True, help="the folder of checkpoints")
    parser.add_argument("--architectures", nargs="+", default=FAMILY)
    parser.add_argument("--maps", nargs="+", type=int, default=[SIZE], help="rows and columns of the canonical map")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0])
    parser.add_argument("--steps", type=int, default=1_500)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    options.out.mkdir(parents=True, exist_ok=True)
    real = taught_on(options.data)
    recipes = [Recipe(name, options.steps, seed=seed) for name in options.architectures for seed in options.seeds]
    what, figures = [], []
    for size in options.maps:
        sets = validation_sets(options.data, size)
        for recipe in recipes:
            network = trained(recipe, real, options.out / _checkpoint(recipe, size), size)
            figures.append(reached(network, sets))
            what.append(
                (recipe.architecture, size, recipe.seed, parameter_count(network), multiplications(network, size))
            )
    rows = [(*one, "yes" if level else "no") for one, level in zip(what, level_with_best(figures), strict=True)]
    head = ("architecture", "canonical map", "seed", "parameters", "multiplications", "level with the best")
    print_figures(rows, figures, head)


def _checkpoint(recipe: Recipe, size: int) -> str:
    """Return the name of a network's checkpoint; that of the usual map is the one older folders have."""
    map_ = "" if size == SIZE else f"-{size}"
    return f"{recipe.architecture}{map_}-{recipe.seed}.checkpoint"


def level_with_best(figures: Sequence[Figures]) -> list[bool]:
    """Return of each run whether none of its figures is worse than the interval of the best one allows."""
    return [all(_level(rate, [one[line] for one in figures], line) for line, rate in each.items()) for each in figures]


def _level(rate: Rate, all_of_them: Sequence[Rate], line: Line) -> bool:
    if line.metric == "normal wafers called defective":
        return rate.value <= min(all_of_them, key=lambda one: one.value).high
    return rate.value >= max(all_of_them, key=lambda one: one.value).low


if __name__ == "__main__":
    main()
