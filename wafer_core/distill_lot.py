"""Lots and a teacher in, a student's model folder out: what both the page and the command line start."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from wafer_core.canonical import canonical, canonical_states
from wafer_core.decode import decode, decode_with, least_certain, logit, match_thresholds
from wafer_core.distill import LotAndReplay, Progress, Recipe, Settings, distil, held_out
from wafer_core.errors import UnusableLot, UsageError
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

_MOST_WATCHED = 400
"""Held-out wafers that are looked at while a student learns; more would take the time it learns in."""

_MOST_CALIBRATION = 400
"""Maps, half of the lot and half simulated, that thresholds are matched on; int8 is calibrated on every other one."""


@dataclass(frozen=True, eq=False)
class _Maps:
    """What a distillation looks at: canonical maps float32 (n, 2, S, S) of the lot and of simulated wafers.

    `kept`, bool (n,), marks the lot's maps that nothing is learned from.
    """

    lot: NDArray[np.float32]
    kept: NDArray[np.bool_]
    replay: NDArray[np.float32]

    @property
    def learned(self) -> NDArray[np.float32]:
        """The lot's maps that the student learns from."""
        return self.lot[~self.kept]

    @property
    def calibration(self) -> NDArray[np.float32]:
        """The maps that thresholds are matched on."""
        half = _MOST_CALIBRATION // 2
        return np.concatenate([self.learned[:half], self.replay[:half]])


@dataclass(frozen=True, eq=False)
class _Run:
    """Everything one distillation came from and led to, and how it is written down."""

    lots: Sequence[Lot]
    teacher: ModelFile
    teaching: Network
    start: ModelFile | None
    student: Network
    maps: _Maps
    settings: Settings
    started: float
    history: list[Progress] = field(default_factory=list)

    def write(self, out: Path) -> None:
        """Write the model folder of the trained student."""
        card, calibration = self.teacher.card, self.maps.calibration
        wanted = decode_with(self.teacher, network_logits(self.teaching, calibration)).detected
        logits = network_logits(self.student, calibration)
        cuts = match_thresholds(wanted, logits)
        save_model(
            out,
            self.student,
            name=out.name,
            role="student",
            architecture=STUDENT_SIZES[self.settings.size],
            size=card.size,
            decoder=card.decoder,
            unsure_below=least_certain(decode(logits, cuts, card.decoder).margin),
            thresholds=lambda found: match_thresholds(wanted, found),
            calibration=calibration[::2],
            threshold_maps=calibration,
            stem="student",
            made_from=self._made_from(),
            beside={"run.json": json.dumps(self._record(), indent=1)},
        )

    def _made_from(self) -> dict[str, Any]:
        """Return what the card says of the origin; a student brings along what the one it starts from has seen."""
        seed, steps = self.settings.seed, self.history[-1].step
        options = f"--teacher {self.teacher.name} --size {self.settings.size} --seed {seed} --steps {steps}"
        return {
            "teacher_sha256": self.teacher.sha256,
            "data": [
                *({"name": lot.title, "sha256": lot.lot_hash, "labels": False, "maps": len(lot)} for lot in self.lots),
                {"name": "simulated mixed wafers", "labels": False, "maps": len(self.maps.replay)},
                *(self.start.card.made_from["data"] if self.start else ()),
            ],
            "seed": seed,
            "steps": steps,
            "command": f"python -m wafer_core distill LOT --out DIR {options}",
        }

    def _record(self) -> dict[str, Any]:
        """Return what `run.json` holds: settings, models, and every step."""
        settings = asdict(self.settings) | {"start": None if self.settings.start is None else str(self.settings.start)}
        return {
            "settings": settings,
            "teacher": _named(self.teacher),
            "start": _named(self.start) if self.start else None,
            "parameters": parameter_count(self.student),
            "wafers": len(self.maps.lot),
            "seconds": round(time.monotonic() - self.started, 1),
            "history": [progress.to_json() for progress in self.history],
        }


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
        UsageError: the student to start from is of another size.
        BrokenModel: the teacher's or starting student's files contradict their card.
    """
    started = time.monotonic() if started is None else started
    wafers = _distinct([wafer for lot in lots for wafer in lot if wafer.yield_fraction is not None])
    if not wafers:
        raise UnusableLot("There is nothing to distil from: no wafer of the lot has a tested die.")
    size = teacher.card.size
    torch.manual_seed(settings.seed)
    student, start = _student(settings, size)
    seen = canonical(wafers, size)
    maps = _Maps(seen, held_out(seen), _replay(settings.seed, size))
    run = _Run(lots, teacher, load_network(teacher), start, student, maps, settings, started)
    recipe = Recipe(
        steps=settings.steps,
        seconds=settings.budget - _reserve(settings.budget) - (time.monotonic() - started),
        rate=2e-3 if start is None else 5e-4,
        seed=settings.seed,
    )
    source = LotAndReplay(torch.from_numpy(maps.learned), torch.from_numpy(maps.replay))
    held = torch.from_numpy(maps.lot[maps.kept][:_MOST_WATCHED])
    cuts = torch.from_numpy(logit(teacher.entry.thresholds)).float()
    for progress in distil(run.teaching, student, source, recipe, held, cuts):
        run.history.append(progress)
        yield progress
    run.write(out)


def _distinct(wafers: Sequence[Wafer]) -> list[Wafer]:
    return list({wafer.map_hash: wafer for wafer in wafers}.values())


def _student(settings: Settings, size: int) -> tuple[Network, ModelFile | None]:
    """Return the network to teach and the student it starts from, if any."""
    architecture = STUDENT_SIZES[settings.size]
    folder = settings.start or SHIPPED / SHIPPED_STUDENTS[settings.size]
    if not settings.fresh and (settings.start or folder.is_dir()):
        start = files_of(folder)[0]
        if (start.engine, start.card.architecture, start.card.size) == ("torch", architecture, size):
            return load_network(start), start
        if settings.start:
            raise UsageError(
                f"{folder.name} is no student to start from: that takes trained weights of size {settings.size} "
                f"for maps of {size} x {size}."
            )
    return build(architecture), None


def _replay(seed: int, size: int) -> NDArray[np.float32]:
    random = np.random.default_rng(seed)
    return np.stack([canonical_states(mixed_map(random)[None], size)[0] for _ in range(REPLAYED)])


def _reserve(budget: float) -> float:
    """Seconds kept for export, quantisation, thresholds and figures."""
    return float(np.clip(0.28 * budget, 9.0, 20.0))


def _named(model: ModelFile) -> dict[str, str]:
    return {"name": model.name, "sha256": model.sha256}
