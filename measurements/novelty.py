"""How well novelty tells wafers unlike anything known, beside confidence alone.

python -m measurements.novelty --data DATA [--part PART] [--models NAME ...] [--untaught PATTERN ...]

Three tables. The share of ordinary wafers flagged, by set. Then each pattern held out of the reference in
turn: the network has still learned it, so this flatters novelty and, in another way, confidence too.
Then synthetic wafers that are no pattern. `--untaught` is the honest version of the second: it trains a small
network from scratch without one wafer of the pattern, real or simulated, and asks that one.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

import numpy as np
import torch
from numpy.random import Generator
from numpy.typing import NDArray

from measurements.oddities import ODDITIES, marked
from measurements.timing import say
from wafer_core.canonical import canonical_states
from wafer_core.decode import decode, sigmoid
from wafer_core.models.folder import ModelFile, resolve
from wafer_core.models.networks import Network
from wafer_core.models.sizes import STUDENT_SIZES
from wafer_core.novelty import FLAGGED_ABOVE, Reference, limit_of, reference_of
from wafer_core.patterns import PATTERNS, index
from wafer_core.recognise import Scores, load_recognizer
from wafer_core.synthesis.pool import Pool
from wafer_core.synthesis.simulator import LabelledWafer
from wafer_core.synthesis.unlabelled import stream
from wafer_core.training.data import Part, native_maps, resized_maps
from wafer_core.training.mixture import Mixture
from wafer_core.training.trainer import Recipe, train
from wafer_core.training.validation import Examples, examples, interrupted

FEWEST = 10
"""Wafers of a pattern below which an area under the curve says nothing."""

_DRAWN = 24
"""Chunks of 256 labelled training wafers that references without a pattern are made from."""

_ODD = 300
_SEED = 23


@dataclass(frozen=True, eq=False)
class Known:
    """Labelled wafers such as a network was taught on: maps uint8 (n, 2, S, S) in 255ths, labels bool (n, 8)."""

    maps: NDArray[np.uint8]
    labels: NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Signals:
    """Numbers a wafer that should be larger for an unknown one, float (n,) each.

    Args:
        novelty: the distance from a reference.
        margin: how little the answer is ahead of the next best.
        probability: how far the least certain of the eight probabilities is from 0 and 1.
    """

    novelty: NDArray[np.float64]
    margin: NDArray[np.float64]
    probability: NDArray[np.float64]

    @classmethod
    def of(cls, scores: Scores, reference: Reference, thresholds: Sequence[float], decoder: str) -> Signals:
        """Return the signals of scored wafers."""
        verdicts = decode(scores.logits, thresholds, decoder)
        certain = np.abs(sigmoid(scores.logits) - 0.5).min(axis=1)
        return cls(reference.distances(scores.embedding), -verdicts.margin.astype(np.float64), -certain)

    def aurocs(self, unknown: NDArray[np.bool_], others: NDArray[np.bool_]) -> tuple[float, float, float]:
        """Return the area under the curve of each signal, of `unknown` against `others`, bool (n,) both."""
        return (
            auroc(self.novelty[unknown], self.novelty[others]),
            auroc(self.margin[unknown], self.margin[others]),
            auroc(self.probability[unknown], self.probability[others]),
        )


def auroc(higher: NDArray[np.floating], lower: NDArray[np.floating]) -> float:
    """Return how often one of `higher`, (n,), is above one of `lower`, (m,); an even pair counts half."""
    values, place = np.unique(np.concatenate([higher, lower]), return_inverse=True)
    ours = np.bincount(place[: len(higher)], minlength=len(values))
    theirs = np.bincount(place[len(higher) :], minlength=len(values))
    below = np.cumsum(theirs) - theirs
    return float((ours * (below + theirs / 2)).sum() / (len(higher) * len(lower)))


def main() -> None:
    """Measure and print the tables."""
    options = _options()
    torch.set_num_threads(options.threads)
    models = [resolve(name) for name in options.models]
    size = resolve("teacher").card.size
    if models:
        sets = [*examples(options.data, options.part, size), *interrupted(options.data, options.part, size)]
        known = drawn_from(
            Mixture(resized_maps(options.data, "train"), native_maps(options.data, "train"), size, _SEED)
        )
        odd = _odd(options.data, options.part, size)
        for model in models:
            say(f"Asking {model.name}")
            _report(model, sets, known, odd)
    if options.untaught:
        real = examples(options.data, options.part, size, overlays=1, simulated=1)[0]
        for pattern in options.untaught:
            _report_untaught(pattern, options, real, size)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="the folder that holds wm811k/")
    parser.add_argument("--part", choices=get_args(Part), default="validation", help="which wafers to ask about")
    parser.add_argument("--models", nargs="*", default=["teacher-onnx", "student-onnx", "student-int8"])
    parser.add_argument(
        "--untaught", nargs="*", default=[], choices=PATTERNS, help="patterns to train a network without"
    )
    parser.add_argument("--steps", type=int, default=500, help="of that training, 64 wafers each")
    parser.add_argument("--seed", type=int, default=0, help="of that training")
    parser.add_argument("--threads", type=int, default=1)
    return parser.parse_args()


def drawn_from(mixture: Mixture, chunks: int = _DRAWN) -> Known:
    """Return the first chunks of a training mixture."""
    drawn = iter(mixture)
    maps, labels, _ = zip(*(next(drawn) for _ in range(chunks)), strict=True)
    return Known(torch.cat(maps).numpy(), torch.cat(labels).numpy())


def _odd(data: Path, part: Part, size: int) -> dict[str, NDArray[np.float32]]:
    """Return canonical maps of every oddity, on normal wafers of the part."""
    real = resized_maps(data, part)
    normal = np.flatnonzero(~real.labels.any(axis=1))
    random = np.random.default_rng(_SEED)
    chosen = {name: random.choice(normal, _ODD) for name in ODDITIES}
    return {
        name: np.stack(
            [canonical_states(marked(real.states[i], ODDITIES[name], random)[None], size)[0] for i in chosen[name]]
        )
        for name in ODDITIES
    }


# Shipped models -----------------------------------------------------------------------------------


def _report(model: ModelFile, sets: Sequence[Examples], known: Known, odd: dict[str, NDArray[np.float32]]) -> None:
    recognizer = load_recognizer(model, threads=1)
    scores = {one.name: recognizer.score_maps(one.maps.astype(np.float32)) for one in sets}
    taught = recognizer.score_maps(known.maps.astype(np.float32) / np.float32(255)).embedding
    own = model.known()
    if own is None:
        print(f"\n{model.name} has no reference; give it one with python -m wafer_core fit-novelty.")
        return
    print(f"\n### {model.name}: ordinary wafers flagged\n\n| set | wafers | flagged |\n|---|---|---|")
    for one in sets:
        flagged = own[0].novelty(scores[one.name].embedding, own[1]) > FLAGGED_ABOVE
        print(f"| {one.title} | {len(flagged):,} | {flagged.mean():.1%} |")
    print(f"\n### {model.name}: a pattern held out of the reference, though not of training\n\n{_HEAD}")
    real, found = sets[0], []
    for column, pattern in enumerate(PATTERNS):
        reference = reference_of(taught[~known.labels[:, column]])
        signals = Signals.of(scores[real.name], reference, model.entry.thresholds, model.card.decoder)
        found.append(_row(pattern, signals, real.labels))
    print(_mean([each for each in found if each]))
    ordinary = Signals.of(scores[real.name], own[0], model.entry.thresholds, model.card.decoder)
    print(f"\n### {model.name}: synthetic wafers that are no pattern, against real ones\n\n{_ODD_HEAD}")
    for name, maps in odd.items():
        said = recognizer.score_maps(maps)
        signals = Signals.of(said, own[0], model.entry.thresholds, model.card.decoder)
        areas = (auroc(getattr(signals, each), getattr(ordinary, each)) for each in _SIGNALS)
        flagged = own[0].novelty(said.embedding, own[1]) > FLAGGED_ABOVE
        figures = [*(f"{each:.3f}" for each in areas), f"{flagged.mean():.0%}"]
        print(f"| {name} (synthetic) | {len(maps)} | {' | '.join(figures)} |")


_SIGNALS = ("novelty", "margin", "probability")
_HEAD = (
    "| pattern | wafers | novelty | margin | probability | novelty, against other patterns | margin | probability "
    "| found where 1 % of others are flagged |\n|---|---|---|---|---|---|---|---|---|"
)
_ODD_HEAD = "| wafers | how many | novelty | margin | probability | flagged |\n|---|---|---|---|---|---|"


def _row(pattern: str, signals: Signals, labels: NDArray[np.bool_]) -> list[float]:
    """Print and return one pattern's figures; of too few wafers there are none."""
    unknown = labels[:, index(pattern)]
    if unknown.sum() < FEWEST:
        print(f"| {pattern} | {unknown.sum()} | too few |{' |' * 6}")
        return []
    caught = signals.novelty[unknown] > limit_of(signals.novelty[~unknown])
    figures = [
        *signals.aurocs(unknown, ~unknown),
        *signals.aurocs(unknown, ~unknown & labels.any(axis=1)),
        float(caught.mean()),
    ]
    print(f"| {pattern} | {unknown.sum()} | {_figures(figures)} |")
    return figures


def _mean(rows: Sequence[Sequence[float]]) -> str:
    return f"| mean | | {_figures(np.mean(rows, axis=0).tolist())} |"


def _figures(values: Sequence[float]) -> str:
    *areas, caught = values
    return " | ".join([*(f"{area:.3f}" for area in areas), f"{caught:.0%}"])


# A network that never met the pattern -------------------------------------------------------------


class Without(Mixture):
    """The training mixture with every wafer of one pattern left out, real, overlaid or simulated."""

    without: str

    def labelled_sample(self, random: Generator) -> LabelledWafer:
        """Draw until a wafer does not carry the pattern."""
        while True:
            wafer = super().labelled_sample(random)
            if not wafer.labels[index(self.without)]:
                return wafer


def _report_untaught(pattern: str, options: argparse.Namespace, real: Examples, size: int) -> None:
    say(f"Training a small network without {pattern}")
    mixture = Without(resized_maps(options.data, "train"), native_maps(options.data, "train"), size, options.seed)
    mixture.without = pattern
    recipe = Recipe(architecture=STUDENT_SIZES["small"], steps=options.steps, seed=options.seed)
    network = train(recipe, Pool(stream(mixture, 0), 4096, torch.device("cpu")), torch.device("cpu"))
    taught = _scores(network, drawn_from(mixture).maps.astype(np.float32) / np.float32(255))
    signals = Signals.of(
        _scores(network, real.maps.astype(np.float32)), reference_of(taught.embedding), [0.5] * len(PATTERNS), "38"
    )
    print(f"\n### A small network of {options.steps} steps that never met {pattern}\n\n{_HEAD}")
    _row(pattern, signals, real.labels)


def _scores(network: Network, maps: NDArray[np.float32], batch: int = 128) -> Scores:
    with torch.inference_mode():
        parts = [
            network.logits_and_embedding(torch.from_numpy(maps[i : i + batch])) for i in range(0, len(maps), batch)
        ]
    logits, embedding = (torch.cat(each).numpy() for each in zip(*parts, strict=True))
    return Scores(logits, embedding, "")


if __name__ == "__main__":
    main()
