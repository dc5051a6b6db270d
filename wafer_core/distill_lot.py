"""Lots and a teacher in, a student's model folder out: what both the page and the command line start."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from wafer_core.canonical import canonical, canonical_states
from wafer_core.decode import decode, decode_with, least_certain, logit, match_thresholds
from wafer_core.distill import LotAndReplay, Progress, Recipe, Settings, distil, held_out
from wafer_core.errors import UnusableLot
from wafer_core.lot import Lot, Wafer
from wafer_core.models.folder import SHIPPED, ModelFile, files_of
from wafer_core.models.networks import STUDENT_SIZES, Network, build, parameter_count
from wafer_core.models.saving import network_logits, save_model
from wafer_core.models.weights import load_network
from wafer_core.synthesis.simulator import mixed_map

REPLAYED = 768
"""Simulated maps that stand beside the lot, so that a small lot does not make the student forget."""

SHIPPED_STUDENTS = {"tiny": "tiny", "small": "student", "base": "base"}
"""The shipped model folder of each student size, from which a distillation starts where it exists."""

_MOST_CALIBRATION = 400


def distil_lot(
    lots: Sequence[Lot],
    teacher: ModelFile,
    out: Path,
    settings: Settings,
    started: float | None = None,
) -> Iterator[Progress]:
    """Distil a student from lots, a step for every item taken; the last item is taken when `out` is complete.

    Labels that a lot may carry are not read. `out` becomes a model folder with `student.safetensors`,
    `student.onnx`, `student.int8.onnx`, `card.json` and `run.json`.

    Args:
        lots: whose tested wafers to learn on.
        teacher: a torch model.
        out: the folder to write.
        settings: size, budget and seed.
        started: `time.monotonic()` when the budget began; now unless given.

    Raises:
        UnusableLot: no wafer has a tested die.
        BrokenModel: the teacher's or starting student's files contradict their card.
    """
    started = time.monotonic() if started is None else started
    wafers = _distinct([wafer for lot in lots for wafer in lot if wafer.yield_fraction is not None])
    if not wafers:
        raise UnusableLot("There is nothing to distil from: no wafer of the lot has a tested die.")
    torch.manual_seed(settings.seed)
    teaching = load_network(teacher)
    student, start = _student(settings, teacher.card.size)
    maps = canonical(wafers, teacher.card.size)
    kept = held_out(maps)
    replay = _replay(settings.seed, teacher.card.size)
    recipe = Recipe(
        steps=settings.steps,
        seconds=settings.budget - _reserve(settings.budget) - (time.monotonic() - started),
        rate=2e-3 if start is None else 5e-4,
        seed=settings.seed,
    )
    cuts = torch.from_numpy(logit(teacher.entry.thresholds)).float()
    source = LotAndReplay(torch.from_numpy(maps[~kept]), torch.from_numpy(replay))
    history: list[Progress] = []
    for progress in distil(teaching, student, source, recipe, torch.from_numpy(maps[kept]), cuts):
        history.append(progress)
        yield progress
    _write(out, teacher, teaching, student, (maps, replay, kept), lots, settings, history, started)


def _distinct(wafers: Sequence[Wafer]) -> list[Wafer]:
    return list({wafer.map_hash: wafer for wafer in wafers}.values())


def _student(settings: Settings, size: int) -> tuple[Network, ModelFile | None]:
    """Return the network to teach and the model file it starts from, if any."""
    architecture = STUDENT_SIZES[settings.size]
    folder = settings.start or SHIPPED / SHIPPED_STUDENTS[settings.size]
    if not settings.fresh and (settings.start or folder.is_dir()):
        start = next(model for model in files_of(folder) if model.engine == "torch")
        if (start.card.architecture, start.card.size) == (architecture, size):
            return load_network(start), start
    return build(architecture), None


def _replay(seed: int, size: int) -> NDArray[np.float32]:
    random = np.random.default_rng(seed)
    return np.stack([canonical_states(mixed_map(random)[None], size)[0] for _ in range(REPLAYED)])


def _reserve(budget: float) -> float:
    """Seconds kept for export, quantisation, thresholds and figures."""
    return float(np.clip(0.28 * budget, 9.0, 20.0))


def _write(
    out: Path,
    teacher: ModelFile,
    teaching: Network,
    student: Network,
    maps_replay_kept: tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.bool_]],
    lots: Sequence[Lot],
    settings: Settings,
    history: Sequence[Progress],
    started: float,
) -> None:
    maps, replay, kept = maps_replay_kept
    calibration = np.concatenate([maps[~kept][: _MOST_CALIBRATION // 2], replay[: _MOST_CALIBRATION // 2]])
    wanted = decode_with(teacher, network_logits(teaching, calibration)).detected
    logits = network_logits(student, calibration)
    cuts = match_thresholds(wanted, logits)
    last = history[-1]
    save_model(
        out,
        student,
        name=out.name,
        role="student",
        architecture=STUDENT_SIZES[settings.size],
        size=teacher.card.size,
        decoder=teacher.card.decoder,
        unsure_below=least_certain(decode(logits, cuts, teacher.card.decoder).margin),
        thresholds=lambda found: match_thresholds(wanted, found),
        calibration=calibration[::2],
        threshold_maps=calibration,
        stem="student",
        made_from={
            "teacher_sha256": teacher.sha256,
            "data": [
                *({"name": lot.title, "sha256": lot.lot_hash, "labels": False, "maps": len(lot)} for lot in lots),
                {"name": "simulated mixed wafers", "labels": False, "maps": len(replay)},
            ],
            "seed": settings.seed,
            "steps": last.step,
            "command": _command(settings, last.step),
        },
        beside={"run.json": _run_json(teacher, student, settings, history, len(maps), time.monotonic() - started)},
    )


def _command(settings: Settings, steps: int) -> str:
    return f"python -m wafer_core distill LOT --out DIR --size {settings.size} --seed {settings.seed} --steps {steps}"


def _run_json(
    teacher: ModelFile, student: Network, settings: Settings, history: Sequence[Progress], wafers: int, seconds: float
) -> str:
    document: dict[str, Any] = {
        "settings": {key: str(value) if isinstance(value, Path) else value for key, value in asdict(settings).items()},
        "teacher": {"name": teacher.name, "sha256": teacher.sha256},
        "parameters": parameter_count(student),
        "wafers": wafers,
        "seconds": round(seconds, 1),
        "history": [progress.to_json() for progress in history],
    }
    return json.dumps(document, indent=1)
