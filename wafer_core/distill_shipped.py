"""The shipped students: distilled from the teacher on training maps without labels and simulated ones."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from wafer_core.canonical import canonical_states
from wafer_core.console import place, positive, whole
from wafer_core.decode import decode, least_certain, logit, match_thresholds
from wafer_core.distill.lesson import Draw, Recipe
from wafer_core.distill.loop import Progress, distil
from wafer_core.models.asking import network_logits
from wafer_core.models.checkpoint import fingerprint
from wafer_core.models.folder import ModelFile, resolve
from wafer_core.models.growth import started_from
from wafer_core.models.learning import pick_device
from wafer_core.models.networks import Network, build
from wafer_core.models.saving import save_model
from wafer_core.models.sizes import STUDENT_SIZES
from wafer_core.models.weights import load_network
from wafer_core.recognise import network_calls
from wafer_core.synthesis.pool import Pool
from wafer_core.synthesis.shares import BLEMISHED, LEARNING, Shares
from wafer_core.synthesis.unlabelled import Unlabelled, stream
from wafer_core.training.data import UnlabelledMaps, described, unlabelled_native, unlabelled_resized
from wafer_core.training.ordinary import decided_maps, held_out_maps, taught_maps

BASIS = Recipe(steps=8000, batch=64, rate=3e-3, evaluate=100, overlays=0.1, noise=0.02, looks=8)
"""The recipe but for what the command line sets."""

CALIBRATION = 1000
"""Maps on which the ranges of int8 activations are measured; what more of them gained stands in `docs/recipes.md`."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of a run."""
    parser.add_argument("--data", type=Path, required=True, help="the folder that holds wm811k/")
    parser.add_argument("--out", type=place, required=True, help="the model folder to write")
    parser.add_argument("--teacher", default="teacher", help="the model to learn from")
    parser.add_argument("--size", default="small", choices=STUDENT_SIZES, help="the student's size")
    parser.add_argument("--steps", type=int, default=BASIS.steps)
    parser.add_argument("--batch", type=whole(1), default=BASIS.batch)
    parser.add_argument("--rate", type=positive("number"), default=BASIS.rate)
    parser.add_argument(
        "--looks", type=whole(1), default=BASIS.looks, help="steps that a view and the answer to it serve"
    )
    parser.add_argument("--architecture", help="another network than the size's own")
    parser.add_argument("--start", type=Path, help="a model folder to take the first weights from")
    parser.add_argument("--real", type=float, default=LEARNING.real, help="the share of single real wafers")
    parser.add_argument(
        "--overlays", type=float, default=LEARNING.overlays, help="and of overlays; the rest is simulated"
    )
    parser.add_argument("--blemished", type=float, default=LEARNING.blemished, help=BLEMISHED)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=whole(0), default=1, help="processes that draw maps")
    parser.add_argument("--pool", type=whole(1), default=24_000, help="maps kept to draw from")
    parser.add_argument("--threads", type=whole(1), default=2)


def distil_shipped(options: argparse.Namespace) -> None:
    """Distil one student without a label and write its model folder."""
    torch.set_num_threads(options.threads)
    torch.manual_seed(options.seed)
    teacher = resolve(options.teacher)
    device = pick_device()
    teaching = load_network(teacher).to(device)
    start = resolve(str(options.start)) if options.start else None
    student = started_from(start, _architecture(options)) if start else build(_architecture(options))
    student = student.to(device).requires_grad_()
    resized, native = unlabelled_resized(options.data, "train"), unlabelled_native(options.data, "train")
    made_from = _made_from(options, teacher, start, resized, native)
    maps = held_out_maps(options.data, teacher.card.size)
    recipe = replace(BASIS, **{name: getattr(options, name) for name in ("steps", "batch", "rate", "seed", "looks")})
    real = resized.joined(native).states
    called = called_by(teacher, teaching, real)
    shares = Shares(options.real, options.overlays, options.blemished)
    views = Unlabelled(real, teacher.card.size, options.seed, called=called, shares=shares)
    pool = Pool(stream(views, options.workers), options.pool, device)
    cuts = torch.from_numpy(logit(teacher.entry.thresholds)).float()
    held_out = torch.from_numpy(maps[:512])
    checkpoint = options.out.with_name(options.out.name + ".checkpoint")
    run = distil(
        teaching,
        student,
        draws_from(pool),
        recipe,
        held_out,
        cuts,
        checkpoint=checkpoint,
        asked=fingerprint(made_from),
    )
    for progress in run:
        _report(progress, recipe)
    _write(options, teacher, teaching, student.cpu(), maps, made_from, start)
    # Left behind it would answer for the next run of this name.
    checkpoint.unlink(missing_ok=True)


def _made_from(
    options: argparse.Namespace,
    teacher: ModelFile,
    start: ModelFile | None,
    resized: UnlabelledMaps,
    native: UnlabelledMaps,
) -> dict[str, object]:
    return {
        "teacher_sha256": teacher.sha256,
        **({"start_sha256": start.sha256} if start else {}),
        "data": [
            described(options.data, "maps_64x64", resized),
            described(options.data, "maps_native", native),
            {"name": "overlays and simulated mixed wafers, drawn as it trains", "labels": False, "maps": 0},
        ],
        "seed": options.seed,
        "steps": options.steps,
        "command": "python -m wafer_core train-student " + _repeatable(options, teacher.name),
    }


def _architecture(options: argparse.Namespace) -> str:
    return options.architecture or STUDENT_SIZES[options.size]


def called_by(teacher: ModelFile, network: Network, states: Sequence[NDArray[np.uint8]]) -> NDArray[np.bool_]:
    """Return what the teacher calls on real wafers, bool (n, 8)."""
    maps = np.concatenate([canonical_states(wafer[None], teacher.card.size) for wafer in states])
    return network_calls(teacher, network, maps)


def draws_from(pool: Pool) -> Draw:
    """Return what draws maps from a pool and puts as many fresh ones into it as it has drawn."""
    due = 0

    def draw(count: int, random: torch.Generator) -> Tensor:
        nonlocal due
        if due <= 0:
            due += pool.refresh()
        due -= count
        maps: Tensor = pool.draw(count, random)[0]
        return maps

    return draw


def _report(progress: Progress, recipe: Recipe) -> None:
    if progress.step % recipe.evaluate == 0:
        agreed = f"{progress.agreed} of {progress.held_out} held-out maps agree"
        print(
            f"step {progress.step} of {progress.steps}, loss {progress.loss:.4f}, {agreed}, {progress.seconds:.0f} s",
            flush=True,
        )


def _write(
    options: argparse.Namespace,
    teacher: ModelFile,
    teaching: Network,
    student: Network,
    maps: NDArray[np.float32],
    made_from: Mapping[str, object],
    start: ModelFile | None,
) -> None:
    called = partial(network_calls, teacher, teaching)
    decided, wanted = decided_maps(options.data, teacher.card.size, called)
    cuts = match_thresholds(wanted, network_logits(student, decided))
    ordinary = decode(network_logits(student, maps), cuts, teacher.card.decoder)
    save_model(
        options.out,
        student,
        name=options.out.name,
        role="student",
        architecture=_architecture(options),
        size=teacher.card.size,
        decoder=teacher.card.decoder,
        unsure_below=least_certain(ordinary.margin),
        thresholds=lambda found, _: match_thresholds(wanted, found),
        calibration=maps[:CALIBRATION],
        threshold_maps=decided,
        known=(taught_maps(options.data, teacher.card.size, called), decided),
        made_from=made_from,
        start=start,
    )
    print(f"The student is in {options.out}.")


def _repeatable(options: argparse.Namespace, teacher: str) -> str:
    words = ["--data PATH", f"--out {options.out.name}", f"--teacher {teacher}"]
    words += [f"--start {options.start.name}"] if options.start else []
    # Whoever asks for none repeats what runs from before blemishes wrote, and their checkpoints still answer.
    words += [f"--blemished {options.blemished}"] if options.blemished else []
    named = ("size", "architecture", "steps", "batch", "rate", "looks", "real", "overlays", "seed", "workers", "pool")
    return " ".join(words + [f"--{name} {value}" for name in named if (value := getattr(options, name)) is not None])
