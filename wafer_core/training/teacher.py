"""`train-teacher`: labelled maps in, a shipped teacher with its card out."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch

from wafer_core.console import place, positive, whole
from wafer_core.decode import decode, least_certain
from wafer_core.models.asking import network_logits
from wafer_core.models.checkpoint import fingerprint
from wafer_core.models.folder import ModelFile, resolve
from wafer_core.models.growth import started_from
from wafer_core.models.learning import pick_device
from wafer_core.models.networks import Network
from wafer_core.models.saving import save_model
from wafer_core.models.weights import load_network
from wafer_core.synthesis.pool import Pool
from wafer_core.synthesis.shares import BLEMISHED, TEACHING, Shares
from wafer_core.synthesis.unlabelled import stream
from wafer_core.training.data import RealMaps, described, native_maps, resized_maps
from wafer_core.training.mixture import Mixture
from wafer_core.training.ordinary import decided_maps, taught_maps
from wafer_core.training.trainer import Recipe, train
from wafer_core.training.validation import choose_thresholds, examples, figures, validation_figures

DEFAULT = Recipe()
CHOOSING = ("resized", "overlays", "simulated")
"""The validation sets that thresholds are chosen on."""


def train_teacher(options: argparse.Namespace) -> None:
    """Train, choose thresholds and decoder on validation, print its figures and write the model folder.

    Args:
        options: what `add_arguments` asks for.
    """
    torch.set_num_threads(options.threads)
    recipe = Recipe(
        architecture=options.architecture,
        steps=options.steps,
        batch=options.batch,
        rate=options.rate,
        places=options.places,
        refresh=options.refresh,
        seed=options.seed,
    )
    resized, native = resized_maps(options.data, "train"), native_maps(options.data, "train")
    guides = [resolve(str(guide)) for guide in options.guide]
    start = resolve(str(options.start)) if options.start else None
    made_from = _made_from(options, start, resized, native)
    checkpoint = options.out.with_name(options.out.name + ".checkpoint")
    asked = fingerprint(made_from, [guide.sha256 for guide in guides])
    network = _trained(recipe, resized, native, options, guides, start, checkpoint, asked)
    _write(network, recipe, made_from, start, options)
    # Left behind it would answer for the next run of this name.
    checkpoint.unlink(missing_ok=True)


def _made_from(
    options: argparse.Namespace, start: ModelFile | None, resized: RealMaps, native: RealMaps
) -> dict[str, object]:
    return {
        "data": [described(options.data, "maps_64x64", resized), described(options.data, "maps_native", native)],
        **({"start_sha256": start.sha256} if start else {}),
        "seed": options.seed,
        "steps": options.steps,
        "command": "python -m wafer_core train-teacher " + " ".join(_repeatable(options)),
    }


def _trained(
    recipe: Recipe,
    resized: RealMaps,
    native: RealMaps,
    options: argparse.Namespace,
    guides: Sequence[ModelFile],
    start: ModelFile | None,
    checkpoint: Path,
    asked: str,
) -> Network:
    device = pick_device()
    shares = Shares(options.real, options.overlays, options.blemished)
    mixture = Mixture(resized, native, options.size, options.seed, shares)
    pool = Pool(stream(mixture, options.workers), options.pool, device)

    def report(step: int, loss: float, seconds: float) -> None:
        print(f"step {step} of {recipe.steps}, loss {loss:.4f}, {seconds:.0f} s", flush=True)

    guiding = [load_network(guide).to(device) for guide in guides]
    begun = started_from(start, recipe.architecture) if start else None
    return train(recipe, pool, device, guiding, report, checkpoint, begun, asked)


def _write(
    network: Network,
    recipe: Recipe,
    made_from: Mapping[str, object],
    start: ModelFile | None,
    options: argparse.Namespace,
) -> None:
    sets = examples(options.data, "validation", options.size)
    logits = {one.name: network_logits(network, one.maps.astype(np.float32)) for one in sets}
    chosen = [one for one in sets if one.name in CHOOSING]
    ends = np.cumsum([len(one.labels) for one in chosen])[:-1]

    def thresholds(found: np.ndarray) -> tuple[float, ...]:
        return choose_thresholds(list(zip(np.split(found, ends), [one.labels for one in chosen], strict=True)))

    cuts = thresholds(np.concatenate([logits[one.name] for one in chosen]))
    singles = next(one for one in sets if one.name == "resized")
    scores = {kind: figures(singles, logits["resized"], cuts, kind)["macro F1"] for kind in ("free", "38")}
    decoder = max(scores, key=lambda kind: scores[kind])
    for one in sets:
        print(one.name, {key: round(value, 4) for key, value in figures(one, logits[one.name], cuts).items()})
    stem = options.out.name

    def called(maps: np.ndarray) -> np.ndarray:
        return decode(network_logits(network, maps), cuts, decoder).detected

    ordinary, _ = decided_maps(options.data, options.size, called)
    save_model(
        options.out,
        network,
        name=stem,
        role="teacher",
        architecture=recipe.architecture,
        size=options.size,
        decoder=decoder,
        unsure_below=least_certain(decode(logits["resized"], cuts, decoder).margin),
        thresholds=lambda found, _: thresholds(found),
        calibration=_spread(sets[0].maps, 200),
        threshold_maps=np.concatenate([one.maps for one in chosen]).astype(np.float32),
        known=(taught_maps(options.data, options.size, called), ordinary),
        made_from=made_from,
        start=start,
        figures=validation_figures(f"{stem}.safetensors", sets, logits, cuts, "python -m wafer_core train-teacher"),
    )
    print(f"The teacher is in {options.out}; decoder {decoder}.")


def _spread(maps: np.ndarray, count: int) -> np.ndarray:
    return maps[:: max(len(maps) // count, 1)][:count].astype(np.float32)


def _repeatable(options: argparse.Namespace) -> list[str]:
    words = ["--data", "PATH", "--out", options.out.name]
    named = ("architecture", "size", "steps", "batch", "rate", "places", "refresh", "real", "overlays", "seed")
    for name in (*named, "workers", "pool"):
        words += [f"--{name}", str(getattr(options, name))]
    # Whoever asks for none repeats what runs from before blemishes wrote, and their checkpoints still answer.
    if options.blemished:
        words += ["--blemished", str(options.blemished)]
    if options.start:
        words += ["--start", options.start.name]
    return words + [f"--guide {guide.name}" for guide in options.guide]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of a training run."""
    parser.add_argument("--data", type=Path, required=True, help="the folder that holds wm811k/")
    parser.add_argument("--out", type=place, required=True, help="the model folder to write")
    parser.add_argument("--architecture", default=DEFAULT.architecture)
    parser.add_argument("--size", type=whole(1), default=52, help="rows and columns of the canonical map")
    parser.add_argument("--steps", type=int, default=DEFAULT.steps)
    parser.add_argument("--batch", type=whole(1), default=DEFAULT.batch)
    parser.add_argument("--rate", type=positive("number"), default=DEFAULT.rate)
    parser.add_argument("--places", type=float, default=DEFAULT.places, help="what misplaced evidence costs")
    parser.add_argument("--refresh", type=whole(1), default=DEFAULT.refresh, help="steps between two fresh chunks")
    parser.add_argument("--real", type=float, default=TEACHING.real, help="the share of single real wafers")
    parser.add_argument(
        "--overlays", type=float, default=TEACHING.overlays, help="and of overlays; the rest is simulated"
    )
    parser.add_argument("--blemished", type=float, default=TEACHING.blemished, help=BLEMISHED)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=whole(0), default=1, help="processes that draw maps")
    parser.add_argument("--pool", type=whole(1), default=24_000, help="maps kept to draw from")
    parser.add_argument("--start", type=Path, help="a model folder to take the first weights from")
    parser.add_argument("--guide", type=Path, action="append", default=[], help="a model folder whose answers to learn")
    parser.add_argument("--threads", type=whole(1), default=2)
