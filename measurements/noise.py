"""How many labels of the train part look wrong, and whether a network learns better without those or softer ones.

python -m measurements.noise --data DATA --out DIR [--steps N] [--seeds N ...]

Confident learning (Northcutt et al. 2021, arXiv 1911.00068): two networks, each trained on half of the groups, say what
they think of the other half. A wafer is suspected where its probability of another class reaches what that class's own
wafers have on average. Then a network is trained as always, without the suspected wafers, and on labels moved
further from 0 and 1. Checkpoints in DIR; figures are of the validation part, whose labels are as noisy.
"""

from __future__ import annotations

import argparse
import hashlib
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from measurements.timing import table
from measurements.trained import SIZE, Real, print_figures, reached, taught_on, trained, validation_sets
from wafer_core.canonical import canonical_states
from wafer_core.decode import sigmoid
from wafer_core.models.asking import network_logits
from wafer_core.models.networks import Network
from wafer_core.models.sizes import STUDENT_SIZES
from wafer_core.patterns import PATTERNS
from wafer_core.training.data import RealMaps
from wafer_core.training.trainer import Recipe

CLASSES = (*PATTERNS, "Normal")
SOFTER = 0.05
"""How far softer labels are moved; the teacher's are by a fifth of that."""


def main() -> None:
    """Look for suspects, train the variants and print both."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True, help="the folder of checkpoints")
    parser.add_argument("--architecture", default=STUDENT_SIZES["small"])
    parser.add_argument("--steps", type=int, default=2_000)
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1])
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    options.out.mkdir(parents=True, exist_ok=True)
    real = taught_on(options.data)
    recipe = Recipe(options.architecture, options.steps)
    resized, native = (one.chosen(~_suspects(one, recipe, real, options.out)) for one in real)
    variants = {
        "as they are": (recipe, real),
        "without suspects": (recipe, (resized, native)),
        "softer labels": (replace(recipe, smoothing=SOFTER), real),
    }
    runs = [(name, seed) for name in variants for seed in options.seeds]
    sets, figures = validation_sets(options.data), []
    for name, seed in runs:
        each, wafers = variants[name]
        path = options.out / f"{name.replace(' ', '-')}-{seed}.checkpoint"
        figures.append(reached(trained(replace(each, seed=seed), wafers, path), sets))
    print_figures([(name, str(seed)) for name, seed in runs], figures, head=("labels", "seed"))


def suspects(probabilities: NDArray[np.float64], labels: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the class that each wafer seems to be of.

    Args:
        probabilities: out of sample, (n, classes); rows sum to one.
        labels: each wafer's class.

    Returns:
        int (n,): of the classes whose own wafers are on average no surer of them, the likeliest; the wafer's
        label where there is none.
    """
    classes = probabilities.shape[1]
    own = [probabilities[labels == k, k].mean() if (labels == k).any() else np.inf for k in range(classes)]
    sure = np.where(probabilities >= np.array(own), probabilities, 0.0)
    return np.where(sure.any(axis=1), sure.argmax(axis=1), labels)


def class_probabilities(logits: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the probability of each pattern alone and, last, of none, (n, 9), of wafers that have at most one."""
    each = sigmoid(logits.astype(np.float64))
    odds = np.concatenate([each / (1 - each), np.ones((len(each), 1))], axis=1)
    probabilities: NDArray[np.float64] = odds / odds.sum(axis=1, keepdims=True)
    return probabilities


def _suspects(maps: RealMaps, recipe: Recipe, real: Real, out: Path) -> NDArray[np.bool_]:
    """Say which wafers seem to be of another class, print how many of which, and return them, bool (n,)."""
    probabilities = np.zeros((len(maps), len(CLASSES)))
    for fold in (0, 1):
        resized, native = (one.chosen(_fold(one) == fold) for one in real)
        network = trained(recipe, (resized, native), out / f"half-{fold}.checkpoint")
        others = _fold(maps) != fold
        probabilities[others] = class_probabilities(_logits(network, maps.chosen(others)))
    labels = np.where(maps.labels.any(axis=1), maps.labels.argmax(axis=1), len(PATTERNS))
    seems = suspects(probabilities, labels)
    moved = Counter(zip(labels.tolist(), seems.tolist(), strict=True))
    rows = [(CLASSES[a], CLASSES[b], n, n / (labels == a).sum()) for (a, b), n in moved.most_common() if a != b]
    table(rows[:15], head=(f"label, of {len(maps):,} wafers", "seems to be", "wafers", "share of the label's"))
    found: NDArray[np.bool_] = labels != seems
    return found


def _fold(maps: RealMaps) -> NDArray[np.int64]:
    """Return in which half each wafer is, 0 or 1: wafers of one group are together, whichever file they stand in."""
    return np.array([hashlib.sha256(group.encode()).digest()[0] % 2 for group in maps.groups], dtype=np.int64)


def _logits(network: Network, maps: RealMaps) -> NDArray[np.float32]:
    return network_logits(network, np.stack([canonical_states(states[None], SIZE)[0] for states in maps.states]))


if __name__ == "__main__":
    main()
