"""Validation sets and the figures that choose models, thresholds and recipes."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from wafer_core.canonical import canonical_states
from wafer_core.compare import EXACT, FALSE_ALARMS, MACRO_F1, Rate, accuracy
from wafer_core.decode import decode
from wafer_core.models.card import Figure
from wafer_core.patterns import PATTERNS
from wafer_core.synthesis.blemishes import labelled_blemished_maps
from wafer_core.synthesis.simulator import labelled_maps
from wafer_core.synthesis.views import regridded, with_untested_rows
from wafer_core.training.data import Part, RealMaps, native_maps, resized_maps
from wafer_core.training.mixture import Mixture

TRIED = np.linspace(0.05, 0.95, 91)
"""The thresholds tried, as probabilities."""

SEEDS: dict[Part, int] = {"train": 11, "validation": 12, "guard": 13, "test": 14}
"""Of what is drawn for the sets of each part."""

BLEMISHED_SEEDS: dict[Part, int] = {"train": 1011, "validation": 1012, "guard": 1013, "test": 1014}
"""Of its blemished wafers: no one trains with such a seed, so none was met in learning."""

FEWEST_NORMAL = 20
"""Normal wafers under which a share of false alarms would say nothing."""


@dataclass(frozen=True, eq=False)
class Examples:
    """A labelled set as a network sees it: maps float16 (n, 2, S, S), labels bool (n, 8).

    `groups` are the wafers' fab lots where the set knows them, `source` whose wafers they are.
    """

    name: str
    maps: NDArray[np.float16]
    labels: NDArray[np.bool_]
    decoder: str
    groups: tuple[str, ...] | None = None
    source: str = "WM-811K"

    @property
    def title(self) -> str:
        """What a card calls the set."""
        return f"{self.source} {self.name}".lstrip()

    @property
    def sha256(self) -> str:
        """Of maps and labels together."""
        return hashlib.sha256(self.maps.tobytes() + self.labels.tobytes()).hexdigest()


def examples(data: Path, part: Part, size: int, overlays: int = 2000, simulated: int = 2000) -> list[Examples]:
    """Return the sets of one part: real singles, their native grids, re-gridded normals, overlays, simulated."""
    resized, native = resized_maps(data, part), native_maps(data, part)
    seed = SEEDS[part]
    random = np.random.default_rng(seed)
    mixture = Mixture(resized, native, size, seed)
    laid = [mixture.labelled_overlay(random, most=2, as_they_are=1.0) for _ in range(overlays)]
    mixed, labels = labelled_maps(simulated, seed)
    return [
        _examples("resized", resized.states, resized.labels, size),
        replace(_examples("native", native.states, native.labels, size), groups=native.groups),
        _examples("normals re-gridded", *_regridded_normals(resized, native, random), size),
        _examples("overlays", [wafer.states for wafer in laid], np.array([wafer.labels for wafer in laid]), size),
        replace(_examples("simulated", mixed, labels, size, "38"), source=""),
    ]


def blemished_examples(part: Part, size: int, count: int = 2000) -> Examples:
    """Return a part's simulated wafers with blemishes: other wafers of the same label sets as `simulated`."""
    states, labels = labelled_blemished_maps(count, BLEMISHED_SEEDS[part])
    return replace(_examples("simulated, blemished", states, labels, size, "38"), source="")


def interrupted(data: Path, part: Part, size: int, shares: Sequence[float] = (0.1, 0.25, 0.4)) -> list[Examples]:
    """Return the native set of one part as if each test had stopped early: a set for every share of rows untested."""
    native = native_maps(data, part)
    return [
        replace(
            _examples(
                f"native, {share:.0%} of rows untested",
                [with_untested_rows(states, share) for states in native.states],
                native.labels,
                size,
            ),
            groups=native.groups,
        )
        for share in shares
    ]


def choose_thresholds(sets: list[tuple[NDArray[np.float32], NDArray[np.bool_]]]) -> tuple[float, ...]:
    """Return per pattern the probability, one of `TRIED`, with the best mean F1 over sets.

    Among probabilities within 0.001 of the best the middle one is taken.

    Args:
        sets: logits float32 (n, 8) and labels bool (n, 8) of each; every pattern stands in one of them.
    """
    chosen = []
    for k in range(len(PATTERNS)):
        scores = [_f1_by_threshold(logits[:, k], labels[:, k]) for logits, labels in sets if labels[:, k].any()]
        mean = np.mean(scores, axis=0)
        best = np.flatnonzero(mean >= mean.max() - 1e-3)
        chosen.append(float(np.round(TRIED[best[len(best) // 2]], 3)))
    return tuple(chosen)


def figures(
    examples: Examples, logits: NDArray[np.float32], thresholds: tuple[float, ...], decoder: str | None = None
) -> dict[str, float]:
    """Return what answers reach once they are decoded, see `figures_of`.

    Args:
        examples: the labelled set.
        logits: float32 (n, 8) of its wafers.
        thresholds: eight probabilities.
        decoder: a key of `ALLOWED_SETS`; the set's own unless given.
    """
    return figures_of(examples, decode(logits, thresholds, decoder or examples.decoder).detected)


def figures_of(examples: Examples, detected: NDArray[np.bool_]) -> dict[str, float]:
    """Return exact match, macro F1, F1 per pattern and false alarms, as far as the set has wafers for them.

    False alarms are counted over normal wafers, of which there have to be `FEWEST_NORMAL`.

    Args:
        examples: the labelled set.
        detected: bool (n, 8), the patterns named on its wafers.
    """
    labels = examples.labels
    normal = ~labels.any(axis=1)
    support = labels.sum(axis=0)
    hits = (detected & labels).sum(axis=0)
    f1 = 2 * hits / np.maximum(detected.sum(axis=0) + support, 1)
    found = {"exact": float((detected == labels).all(axis=1).mean())}
    for name, least in (("macro F1", 1), ("macro F1 (10+)", 10)):
        if (support >= least).any():
            found[name] = float(f1[support >= least].mean())
    found |= {name: float(value) for name, value, n in zip(PATTERNS, f1, support, strict=True) if n}
    if normal.sum() >= FEWEST_NORMAL:
        found["false alarms"] = float(detected[normal].any(axis=1).mean())
    return found


def validation_figures(
    file: str,
    sets: Sequence[Examples],
    logits: Mapping[str, NDArray[np.float32]],
    thresholds: tuple[float, ...],
    command: str,
) -> list[Figure]:
    """Return what a card says of a model's validation, with the decoder each set is meant for."""
    return [
        Figure(file, one.title, one.sha256, "validation", metric, rate.value, rate.low, rate.high, rate.n, command)
        for one in sets
        for metric, rate in _told(one, decode(logits[one.name], thresholds, one.decoder).detected).items()
    ]


def _told(examples: Examples, detected: NDArray[np.bool_]) -> dict[str, Rate]:
    """Return what a card says of a set, by the names that all cards have for it."""
    found = accuracy(detected, examples.labels).figures()
    least = {EXACT: 1, MACRO_F1: 1, FALSE_ALARMS: FEWEST_NORMAL}
    return {name: found[name] for name, wafers in least.items() if name in found and found[name].n >= wafers}


def _examples(
    name: str, states: Iterable[NDArray[np.uint8]], labels: NDArray[np.bool_], size: int, decoder: str = "free"
) -> Examples:
    maps = np.stack([canonical_states(wafer[None], size)[0].astype(np.float16) for wafer in states])
    return Examples(name, maps, labels, decoder)


def _regridded_normals(
    resized: RealMaps, native: RealMaps, random: np.random.Generator
) -> tuple[list[NDArray[np.uint8]], NDArray[np.bool_]]:
    """Put normal wafers on the grids of other ones: the native file has hardly any normal wafer."""
    normal = resized.chosen(np.logical_not(resized.labels.any(axis=1)))
    grids = random.integers(len(native), size=len(normal))
    maps = [regridded(states, *native.states[g].shape) for states, g in zip(normal.states, grids, strict=True)]
    return maps, normal.labels


def _f1_by_threshold(logits: NDArray[np.float32], labels: NDArray[np.bool_]) -> NDArray[np.float64]:
    cuts = np.log(TRIED / (1 - TRIED))
    called = logits[None] >= cuts[:, None]
    hits = (called & labels[None]).sum(axis=1)
    scores: NDArray[np.float64] = 2 * hits / (called.sum(axis=1) + labels.sum())
    return scores
