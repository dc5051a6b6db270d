"""What finer class maps would tell: `python -m measurements.finer_maps --data DATA --out DIR [--model NAME]`.

The last stride of a network is undone and every kernel behind it spread over twice the cells (Chen et al.
2018, arXiv 1606.00915): its class maps have four times as many cells then, by the same weights. Both, as it is
and finer, are taught on alike on labels and on where evidence belongs, at the grid of their own class maps,
and then point on overlays of two real wafers and on simulated mixes that no recipe was chosen on.
"""

from __future__ import annotations

import argparse
import copy
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import torch
from torch import nn

from measurements.evaluation import RIVALLED, percent
from measurements.timing import say, table
from measurements.trained import Real, taught_on, validation_sets, with_thresholds
from rivals.shelf import multiplications
from wafer_core.canonical import CHANNELS
from wafer_core.explain import DEFAULT
from wafer_core.models.folder import ModelFile, resolve
from wafer_core.models.learning import pick_device
from wafer_core.models.networks import Network
from wafer_core.models.weights import load_network
from wafer_core.recognise import NetworkRecognizer
from wafer_core.synthesis.pool import Pool
from wafer_core.synthesis.unlabelled import stream
from wafer_core.training.data import resized_maps
from wafer_core.training.mixture import Mixture
from wafer_core.training.trainer import Recipe, train
from wafer_core.training.validation import Examples
from wafer_core.trust.exam import examine, methods_named
from wafer_core.trust.record import OVERLAYS, SIMULATED
from wafer_core.trust.regions import Constructed, real_overlays, simulated_mixes, single_patterns
from wafer_core.trust.tally import Reached, reached

SCORES = ("pointing", "pointing, unshared", "own/other", "removal")
"""Of the default method, on each kind of wafers."""

SEED = 31
"""Of the wafers to explain; explanations are reported on others, and were chosen on others again."""


def main() -> None:
    """Teach both networks on, seed by seed, and print what they reach beside what they began with."""
    options = read_options()
    torch.set_num_threads(options.threads)
    options.out.mkdir(parents=True, exist_ok=True)
    recognizer = NetworkRecognizer(resolve(options.model), options.threads)
    network, size = load_network(recognizer.model), recognizer.model.card.size
    real, sets, made = taught_on(options.data), validation_sets(options.data, size), _made(options.data, options.wafers)
    rows = [_row("as it came", network, recognizer, sets, made)]
    for seed in options.seeds:
        for name, begun in ways(network).items():
            recipe = Recipe(
                recognizer.model.card.architecture,
                options.steps,
                options.batch,
                options.rate,
                places=options.places,
                seed=seed,
            )
            learned = taught(
                begun, recipe, real, size, options.out / f"{name}-{seed}.checkpoint", recognizer.model.sha256
            )
            rows.append(_row(f"{name}, seed {seed}", learned, recognizer, sets, made))
    head = [f"{line.set}: {line.metric}" for line in RIVALLED if line.set in sets]
    table(rows, ("network", "multiplications", *head, *(f"{kind}: {score}" for kind in made for score in SCORES)))


def read_options() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="the folder that holds wm811k/")
    parser.add_argument("--out", type=Path, required=True, help="the folder of checkpoints")
    parser.add_argument("--model", default="student", help="whose weights to begin with")
    parser.add_argument("--steps", type=int, default=3000)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--rate", type=float, default=1e-3)
    parser.add_argument("--places", type=float, default=0.1, help="what misplaced evidence costs")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1])
    parser.add_argument("--wafers", type=int, default=500, help="how many of each kind to explain")
    parser.add_argument("--threads", type=int, default=2)
    return parser.parse_args()


def ways(network: Network) -> Mapping[str, Network]:
    """Return the networks to teach on: as it is, and with finer class maps."""
    return {"as it is": network, "finer": finer(network)}


def finer(network: Network) -> Network:
    """Return a network of the same weights whose class maps have twice as many rows and columns.

    At every second of them it says what `network` says.
    """
    spread = copy.deepcopy(network)
    convolutions = [each for each in spread.body.modules() if isinstance(each, nn.Conv2d)]
    last = max(i for i, each in enumerate(convolutions) if each.stride == (2, 2))
    # A block's shortcut strides beside its first convolution, and both lead to the same grid.
    undone = [each for each in _block_of(spread, convolutions[last]) if each.stride == (2, 2)]
    for each in convolutions[convolutions.index(undone[0]) + 1 :]:
        if each not in undone:
            each.dilation, each.padding = (2, 2), tuple(2 * int(cells) for cells in each.padding)
    for each in undone:
        each.stride = (1, 1)
    return spread


def taught(begun: Network, recipe: Recipe, real: Real, size: int, checkpoint: Path, weights: str) -> Network:
    """Teach a network on, on labels and on where evidence belongs, or take up where its checkpoint ends.

    Args:
        begun: the network to teach on, which stays as it is.
        recipe: how to train.
        real: the wafers.
        size: rows and columns of the canonical map.
        checkpoint: the file of its state.
        weights: the sha256 of those it began with.
    """
    device = pick_device()
    mixture = Mixture(*real, size, recipe.seed, place=size // _cells(begun, size))
    pool = Pool(stream(mixture, 1), 24_000, device)

    def report(step: int, loss: float, seconds: float) -> None:
        if step % 250 == 0:
            say(f"{checkpoint.stem}: step {step} of {recipe.steps}, loss {loss:.3f}, {seconds:.0f} s")

    return train(recipe, pool, device, report=report, checkpoint=checkpoint, start=begun, asked=weights)


def _block_of(network: Network, convolution: nn.Conv2d) -> Sequence[nn.Conv2d]:
    """Return the convolutions of the body's layer that holds one."""
    layers = [[each for each in layer.modules() if isinstance(each, nn.Conv2d)] for layer in network.body]
    return next(layer for layer in layers if convolution in layer)


def _cells(network: Network, size: int) -> int:
    """Return how many rows and columns a network's class maps have."""
    with torch.inference_mode():
        return int(network.features(torch.zeros(1, CHANNELS, size, size)).shape[-1])


def _made(data: Path, count: int) -> Mapping[str, Sequence[Constructed]]:
    maps = resized_maps(data, "validation")
    overlays = real_overlays(single_patterns(maps.states, maps.labels), count, SEED)
    return {OVERLAYS: overlays, SIMULATED: simulated_mixes(count, SEED)}


def _row(
    name: str,
    network: Network,
    recognizer: NetworkRecognizer,
    sets: Mapping[str, Examples],
    made: Mapping[str, Sequence[Constructed]],
) -> list[object]:
    say(f"Asking {name}")
    cuts, figures = with_thresholds(network, sets)
    asked = recognizer.with_network(network)
    asked.model = decoded_by(recognizer.model, cuts)
    cells: list[object] = [name, multiplications(network, recognizer.model.card.size), *map(percent, figures.values())]
    for kind, wafers in made.items():
        answered = examine(asked, kind, wafers, methods_named([DEFAULT]), checked=0).answers[DEFAULT]
        pooled = {each.score: each for each in reached(answered.items, pairs=False) if each.pattern is None}
        cells += [_told(pooled[score]) if score in pooled else "-" for score in SCORES]
    return cells


def decoded_by(model: ModelFile, thresholds: tuple[float, ...]) -> ModelFile:
    """Return a model file that is decoded by other thresholds."""
    entry = replace(model.entry, thresholds=thresholds)
    return replace(model, card=replace(model.card, files={**model.card.files, model.file: entry}))


def _told(score: Reached) -> str:
    return f"{score.value:.3g} ({score.low:.3g} to {score.high:.3g})"


if __name__ == "__main__":
    main()
