"""What tuning a student to the rounding of its int8 file would gain, and what a step for every channel does.

python -m measurements.rounding --data DATA --out DIR [--steps N] [--models NAME ...] [--ways WAY ...]

A student as it ships, taught on for some steps without a label, and taught on for as many with weights and activations
rounded as its int8 file rounds them (Jacob et al. 2018, arXiv 1712.05877). Of each: what its fp32 graph names rightly
on validation, and its int8 graphs with a step for every channel's weights and with one for every tensor's; how far
either answers from the fp32 graph, and their bytes. Checkpoints in DIR, from which a killed run goes on.
"""

from __future__ import annotations

import argparse
import copy
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.utils import parametrize

from measurements.timing import say, table
from wafer_core.decode import decode, logit, match_thresholds
from wafer_core.distill.loop import distil
from wafer_core.distill_shipped import BASIS, CALIBRATION, called_by, draws_from
from wafer_core.models.export import export_onnx, folded, quantise
from wafer_core.models.folder import ModelFile, resolve
from wafer_core.models.networks import Dense, Network, Separable
from wafer_core.models.session import GraphSession
from wafer_core.models.weights import load_network
from wafer_core.recognise import network_calls
from wafer_core.synthesis.pool import Pool
from wafer_core.synthesis.unlabelled import Unlabelled, stream
from wafer_core.training.data import unlabelled_maps
from wafer_core.training.ordinary import decided_maps, held_out_maps
from wafer_core.training.validation import Examples, examples, figures_of

WAYS = ("as it ships", "taught on", "taught on, rounded")
SHOWN = ("resized", "native", "overlays", "simulated")
BATCH = 32
"""Maps over whose extremes the range of an activation is averaged, as where the int8 file is made."""

CPU = torch.device("cpu")


class RoundedWeights(nn.Module):
    """Weights as an int8 file holds them: 8 bits, a step of its own for every output channel."""

    def forward(self, weight: Tensor) -> Tensor:
        """Map (outputs, inputs, k, k) to the same shape; the gradient passes unchanged."""
        steps = (weight.detach().abs().amax(dim=(1, 2, 3)) / 127).clamp_min(1e-8)
        middle = torch.zeros_like(steps, dtype=torch.int32)
        return torch.fake_quantize_per_channel_affine(weight, steps, middle, 0, -127, 127)


def rounded(network: Network, maps: NDArray[np.float32]) -> Network:
    """Return a copy that rounds as its int8 file does.

    Args:
        network: one whose normalisations are folded away.
        maps: float32 (n, 2, S, S), on which ranges of activations are measured.
    """
    copied = copy.deepcopy(network)
    ranges = _ranges(copied, maps)
    # The first convolution stays in fp32 there too.
    for convolution in [module for module in copied.modules() if isinstance(module, nn.Conv2d)][1:]:
        parametrize.register_parametrization(convolution, "weight", RoundedWeights())
    for module, (low, high) in ranges.items():
        module.register_forward_hook(partial(_rounded, step=(high - low) / 255, low=low))
    return copied


def exact(network: Network) -> Network:
    """Return a copy of a network that rounds, with the same weights, that does not."""
    copied = copy.deepcopy(network)
    for module in copied.modules():
        module._forward_hooks.clear()
        if parametrize.is_parametrized(module):
            parametrize.remove_parametrizations(module, "weight", leave_parametrized=False)
    return copied


def _ranges(network: Network, maps: NDArray[np.float32]) -> dict[nn.Module, tuple[float, float]]:
    """Return the ranges of the activations that an int8 file rounds: the means of the extremes of batches."""
    seen: dict[nn.Module, list[tuple[float, float]]] = {module: [] for module in _activations(network)}

    def look(module: nn.Module, given: tuple[Tensor], found: Tensor) -> None:
        seen[module].append((float(found.min()), float(found.max())))

    hooks = [module.register_forward_hook(look) for module in seen]
    with torch.no_grad():
        for part in torch.split(torch.from_numpy(maps), BATCH):
            network(part)
    for hook in hooks:
        hook.remove()
    means = {module: np.mean(extremes, axis=0) for module, extremes in seen.items()}
    return {module: (min(float(low), 0.0), max(float(high), 1e-6)) for module, (low, high) in means.items()}


def _activations(network: Network) -> list[nn.Module]:
    """Return what is rounded of a network: outputs of ReLUs, and of convolutions to which something is added."""
    relus: list[nn.Module] = [module for module in network.modules() if isinstance(module, nn.ReLU)]
    dense = [module.convolution[0] for module in network.modules() if isinstance(module, Dense)]
    separable = [module.pointwise[0] for module in network.modules() if isinstance(module, Separable) and module.adds]
    return [*relus, *dense, *separable]


def _rounded(module: nn.Module, given: tuple[Tensor], found: Tensor, step: float, low: float) -> Tensor:
    return torch.fake_quantize_per_tensor_affine(found, step, round(-low / step), 0, 255)


def main() -> None:
    """Teach what is not taught yet, and print what each student reaches."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="the folder that holds wm811k/")
    parser.add_argument("--out", type=Path, required=True, help="the folder of checkpoints and graphs")
    parser.add_argument("--models", nargs="+", default=["student"])
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=WAYS, help="only the first needs no teaching")
    parser.add_argument("--steps", type=int, default=3_000)
    parser.add_argument("--rate", type=float, default=3e-4)
    options = parser.parse_args()
    torch.set_num_threads(1)
    options.out.mkdir(parents=True, exist_ok=True)
    teacher = resolve("teacher")
    teaching, size = load_network(teacher), teacher.card.size
    say("Building the sets")
    sets = {one.name: one for one in examples(options.data, "validation", size) if one.name in SHOWN}
    maps = held_out_maps(options.data, size)
    decided = decided_maps(options.data, size, partial(network_calls, teacher, teaching))
    rows = []
    for name in options.models:
        for way in options.ways:
            student = _taught(options, way, resolve(name), teacher, teaching, maps)
            graphs = graphs_of(student, size, maps[:CALIBRATION], options.out / f"{name}-{WAYS.index(way)}")
            rows += [(name, way, *row) for row in _figures(graphs, sets, decided)]
    measured = (f"{name}: {figure}" for figure in ("exact", "rms") for name in SHOWN)
    table(rows, head=("model", "", "graph", "bytes", *measured))


def _taught(
    options: argparse.Namespace,
    way: str,
    model: ModelFile,
    teacher: ModelFile,
    teaching: Network,
    maps: NDArray[np.float32],
) -> Network:
    """Return one student as it can be exported."""
    student = folded(load_network(model)).requires_grad_()
    if way == WAYS[0]:
        return student
    if way == WAYS[2]:
        student = rounded(student, maps[:CALIBRATION])
    real = unlabelled_maps(options.data, "train").states
    views = Unlabelled(real, teacher.card.size, seed=31, called=called_by(teacher, teaching, real))
    pool = Pool(stream(views, 1), 24_000, CPU)
    # There is no normalisation left that could follow the batches.
    recipe = replace(BASIS, steps=options.steps, rate=options.rate, seed=31, settled=True)
    cuts = torch.from_numpy(logit(teacher.entry.thresholds)).float()
    checkpoint = options.out / f"{model.name}-{WAYS.index(way)}.checkpoint"
    held_out = torch.from_numpy(maps[:512])
    for progress in distil(teaching, student, draws_from(pool), recipe, held_out, cuts, checkpoint=checkpoint):
        if progress.step % 500 == 0:
            say(f"{model.name}, {way}: step {progress.step} of {progress.steps}, loss {progress.loss:.3f}")
    return exact(student)


def graphs_of(network: Network, size: int, maps: NDArray[np.float32], stem: Path) -> dict[str, Path]:
    """Write a network's graphs beside each other and return them by what they are, fp32 first.

    Args:
        network: one whose normalisations are folded away.
        size: rows and columns of the canonical map.
        maps: float32 (n, 2, S, S), on which ranges of activations are measured.
        stem: where, without an ending.
    """
    graphs = {
        "fp32": stem.with_suffix(".onnx"),
        "int8": stem.with_suffix(".int8.onnx"),
        "int8, a step a tensor": stem.with_suffix(".tensor.int8.onnx"),
    }
    fp32, channel, tensor = graphs.values()
    export_onnx(network, size, fp32)
    quantise(fp32, channel, maps)
    quantise(fp32, tensor, maps, per_channel=False)
    return graphs


def _figures(
    graphs: Mapping[str, Path], sets: Mapping[str, Examples], decided: tuple[NDArray[np.float32], NDArray[np.bool_]]
) -> list[tuple[object, ...]]:
    """Return a row a graph: bytes, exact match in percent on each set, and how far from the fp32 graph it answers."""
    maps, wanted = decided
    rows: list[tuple[object, ...]] = []
    reference: dict[str, NDArray[np.float32]] = {}
    for graph, path in graphs.items():
        cuts = match_thresholds(wanted, answers(path, maps))
        found = {name: answers(path, sets[name].maps.astype(np.float32)) for name in SHOWN}
        reference = reference or found
        right = [
            100 * figures_of(sets[name], decode(found[name], cuts, sets[name].decoder).detected)["exact"]
            for name in SHOWN
        ]
        apart = [float(np.sqrt(np.mean((found[name] - reference[name]) ** 2))) for name in SHOWN]
        rows.append((graph, path.stat().st_size, *right, *apart))
    return rows


def answers(graph: Path, maps: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return a graph's logits float32 (n, 8) on maps float32 (n, 2, S, S)."""
    session = GraphSession(graph.read_bytes(), graph.name, threads=1)
    return np.concatenate([session.run(maps[i : i + 256])[0] for i in range(0, len(maps), 256)])


if __name__ == "__main__":
    main()
