"""One distillation of lots: what it came from, what it will do, and how its student is written down."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from itertools import islice
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from wafer_core.decode import decode, decode_with, least_certain, logit, match_thresholds
from wafer_core.distill.lesson import Recipe, rehearsal
from wafer_core.distill.loop import SHOWN, Progress, distil
from wafer_core.distill.settings import Settings
from wafer_core.distill.sources import LotAndReplay, Replay
from wafer_core.distill_lot.agreement import Agreement
from wafer_core.distill_lot.maps import Maps
from wafer_core.distill_lot.plan import Plan, Taken, timed
from wafer_core.distill_lot.stages import Examples, Rows
from wafer_core.errors import OutdatedRun, UsageError
from wafer_core.lot import Lot
from wafer_core.models.asking import network_logits
from wafer_core.models.card import Precision
from wafer_core.models.folder import ModelFile, files_of
from wafer_core.models.networks import Network, parameter_count
from wafer_core.models.saving import write_model
from wafer_core.models.sizes import STUDENT_SIZES
from wafer_core.recognise import load_recognizer

_COLD, _REHEARSED = 1, 5
"""Steps rehearsed before and by the stopwatch: the first finds nothing in the caches."""

_ANSWERED = 32
"""Wafers on which the speed of a rehearsed student is measured."""

_REHEARSING = 0.03
"""The share of the budget after which fewer steps must do, on a machine that is slow or crowded."""

_MOST_OPTIONS = 1_000
"""Letters of options that a card spells out."""

FRESH = Recipe(steps=1, rate=2e-3)
GOING_ON = Recipe(steps=1, rate=4e-4, overlays=0.1, noise=0.02, settled=True, anchor=0.5)
"""How random weights are taught, and weights that have learned before."""


@dataclass(eq=False)
class Run:
    """Everything one distillation came from and leads to.

    Args:
        lots: what it learns on.
        teacher: the model file that teaches.
        teaching: its network.
        start: the student it starts from, if any.
        student: the network that learns.
        maps: what it looks at.
        settings: what the user chose.
        spent: gives the seconds of the budget that are gone.
        before: how the student agreed with the teacher as it came; None for random weights.
        history: the kept points of its curves.
    """

    lots: Sequence[Lot]
    teacher: ModelFile
    teaching: Network
    start: ModelFile | None
    student: Network
    maps: Maps
    settings: Settings
    spent: Callable[[], float]
    before: Agreement | None = None
    history: list[Progress] = field(default_factory=list)

    def look_before(self) -> Examples:
        """Look at the held-out wafers before the student learns; those it and its teacher differ on come first."""
        logits = network_logits(self.student, self.maps.watched)
        # Random weights have no thresholds of their own.
        found = decode_with(self.start or self.teacher, logits).detected
        wanted = decode_with(self.teacher, self.maps.watched_logits).detected
        if self.start is not None:
            self.before = Agreement.between(wanted, self.maps.watched_logits, found, logits)
        order = np.lexsort((~(found | wanted).any(axis=1), (found == wanted).all(axis=1)))
        self.maps = self.maps.watched_in(order)
        shown = order[:SHOWN]
        return Examples(self.maps.names[:SHOWN], _rows(self.maps.watched_logits[:SHOWN]), _rows(logits[shown]))

    def planned(self) -> Generator[str, None, Plan]:
        """Return what the settings afford; a step, a look and the writing are measured by doing each for nothing."""
        if self.settings.steps is not None:
            return Plan(self.settings.steps, prepared=self.spent())
        steps, writing = [], []
        trial = rehearsal(self.teaching, self.student, self._source(), self._recipe(Plan(1)), self._recall())
        for seconds in islice(trial, _COLD + _REHEARSED):
            steps.append(seconds)
            yield "measure a step"
            if len(steps) > _COLD and sum(steps) > _REHEARSING * self.settings.budget:
                break
        (look, *_) = timed(network_logits(self.student, maps) for maps in [self.maps.watched])
        with tempfile.TemporaryDirectory() as scratch:
            written = Path(scratch, "rehearsal")
            for taken in timed(self.write(written, Plan(1))):
                writing.append(taken)
                yield "rehearse the export"
            answering = _seconds_a_wafer(written, self.lots)
        whole = Taken(sum(each.wall for each in writing), sum(each.processor for each in writing))
        plan = Plan.fitted(self.settings.budget, self.spent(), median(steps[_COLD:]), look.wall, whole)
        return replace(plan, wafer_seconds=answering)

    def train(self, plan: Plan, checkpoint: Path | None) -> Iterator[Progress]:
        """Teach the student, a step for every item taken.

        Raises:
            OutdatedRun: the checkpoint is one of another recipe.
        """
        try:
            yield from self._taught(plan, checkpoint)
        except UsageError as problem:
            # It was asked for in the same words, so it is the version that teaches otherwise.
            raise OutdatedRun(
                "This run was begun by another version, which teaches otherwise, and cannot go on; start it again."
            ) from problem

    def _taught(self, plan: Plan, checkpoint: Path | None) -> Iterator[Progress]:
        cuts = logit(self.teacher.entry.thresholds).astype(np.float32)
        for progress in distil(
            self.teaching,
            self.student,
            self._source(),
            self._recipe(plan),
            torch.from_numpy(self.maps.watched),
            torch.from_numpy(cuts),
            recall=self._recall(),
            answers=torch.from_numpy(self.maps.watched_logits > cuts),
            checkpoint=checkpoint,
            enough=plan.spent_by,
        ):
            if progress.kept or plan.spent_by(progress):
                self.history.append(progress)
            yield progress

    def write(self, out: Path, plan: Plan) -> Generator[str, None, None]:
        """Write the model folder of the student as it stands, a stage for every item taken."""
        card, calibration = self.teacher.card, self.maps.calibration
        wanted = decode_with(self.teacher, self.maps.calibration_logits).detected
        logits = network_logits(self.student, calibration)
        # A file of whole numbers answers a little otherwise than the weights, and has thresholds of its own.
        entries = self.start.card.files.values() if self.start else ()
        settled = {entry.precision: entry.thresholds for entry in sorted(entries, key=lambda each: each.engine)}

        def matched(found: NDArray[np.float32], precision: Precision) -> tuple[float, ...]:
            return match_thresholds(wanted, found, settled.get(precision))

        cuts = matched(logits, "fp32")
        yield from write_model(
            out,
            self.student,
            name=out.name,
            role="student",
            architecture=STUDENT_SIZES[self.settings.size],
            size=card.size,
            decoder=card.decoder,
            unsure_below=least_certain(decode(logits, cuts, card.decoder).margin),
            thresholds=matched,
            calibration=calibration[::2],
            threshold_maps=calibration,
            stem="student",
            made_from=self._made_from(plan),
            start=self.start,
            known=self.maps.known,
            beside={"run.json": json.dumps(self._record(plan, self._agreement(cuts, card.decoder)), indent=1)},
        )

    def _agreement(self, thresholds: Sequence[float], decoder: str) -> Agreement:
        logits = network_logits(self.student, self.maps.watched)
        wanted = decode_with(self.teacher, self.maps.watched_logits).detected
        found = decode(logits, thresholds, decoder).detected
        return Agreement.between(wanted, self.maps.watched_logits, found, logits)

    def _source(self) -> LotAndReplay:
        """Return where the views come from that the teacher answers."""
        beside = _only(self.maps.pool.maps, ~self._remembered)
        return LotAndReplay(torch.from_numpy(self.maps.learned), torch.from_numpy(beside))

    def _recall(self) -> Replay | None:
        """Return where the views come from that the student answers as it did when it came, if any."""
        remembered = self._remembered
        return Replay(torch.from_numpy(_only(self.maps.pool.maps, remembered))) if remembered.any() else None

    @cached_property
    def _remembered(self) -> NDArray[np.bool_]:
        """bool (n,): maps of the pool that the student is to answer as it did.

        Few of what it learned from ship, and from those few it would learn to answer as the teacher does on them
        and worse on others. What another teacher taught it is no reason to keep its answers.
        """
        taught_by = self.start.card.made_from.get("teacher_sha256") if self.start else None
        shipped = self.maps.pool.shipped
        return shipped if taught_by == self.teacher.sha256 else np.zeros_like(shipped)

    def _recipe(self, plan: Plan) -> Recipe:
        recipe = FRESH if self.start is None else GOING_ON
        recipe = replace(recipe, steps=plan.steps, evaluate=plan.evaluate, seed=self.settings.seed)
        strength = self.settings.augmentation
        return replace(recipe, overlays=strength * recipe.overlays, noise=strength * recipe.noise)

    def _steps(self) -> int:
        return self.history[-1].step if self.history else 0

    def _made_from(self, plan: Plan) -> dict[str, Any]:
        """Return what the card says of the origin; a student brings along what the one it starts from has seen."""
        seed = self.settings.seed
        options = f"--teacher {self.teacher.name} --size {self.settings.size} --seed {seed} --steps {plan.steps}"
        return {
            "teacher_sha256": self.teacher.sha256,
            **({"start_sha256": self.start.sha256} if self.start else {}),
            "data": [
                *self.maps.origins,
                *self.maps.pool.data,
                *(self.start.card.made_from["data"] if self.start else ()),
            ],
            "seed": seed,
            "steps": self._steps(),
            "command": f"python -m wafer_core distill LOT --out DIR {options} {self._unusual()}".rstrip(),
        }

    def _unusual(self) -> str:
        """Return the options that differ from what is usual; a card has no room for every wafer of a large lot."""
        options = self.settings.unusual()
        if len(options) <= _MOST_OPTIONS:
            return options
        left_out = f"--without each of the {len(self.settings.without)} wafers that run.json names"
        return f"{replace(self.settings, without=()).unusual()} {left_out}".lstrip()

    def _record(self, plan: Plan, after: Agreement) -> dict[str, Any]:
        """Return what `run.json` holds: settings, models, plan, agreement with the teacher, points of its curves."""
        settings = asdict(self.settings) | {"start": None if self.settings.start is None else str(self.settings.start)}
        return {
            "settings": settings,
            "teacher": _named(self.teacher),
            "start": _named(self.start) if self.start else None,
            "parameters": parameter_count(self.student),
            "wafers": len(self.maps.learned) + self.maps.held_out,
            "held_out": self.maps.held_out,
            "withheld": self.maps.withheld,
            "pool": list(self.maps.pool.data),
            "remembered": int(self._remembered.sum()),
            "plan": plan.to_json(),
            "steps": self._steps(),
            "ended_early": self._steps() < plan.steps,
            "agreement": {"before": self.before.to_json() if self.before else None, "after": after.to_json()},
            "seconds_until_writing": round(self.spent(), 1),
            "history": [progress.to_json() for progress in self.history],
        }


def _seconds_a_wafer(folder: Path, lots: Sequence[Lot]) -> float:
    """Return how long the int8 file of a student takes to read a wafer of some lots, from its die states on."""
    model = next(file for file in files_of(folder) if file.entry.precision == "int8")
    recognizer = load_recognizer(model, threads=1)
    tested = (wafer for lot in lots for wafer in lot if wafer.scorable)
    wafers = list(islice(tested, _ANSWERED))
    recognizer.score(wafers, batch=1)  # the first wafers find nothing in the caches
    taken = timed(recognizer.score([wafer]) for wafer in wafers)
    return median(each.wall for each in islice(taken, len(wafers)))


def _only(maps: NDArray[np.float32], wanted: NDArray[np.bool_]) -> NDArray[np.float32]:
    # There are megabytes of them: all of them are not copied.
    return maps if wanted.all() else maps[wanted]


def _rows(logits: NDArray[np.float32]) -> Rows:
    return tuple(tuple(round(float(value), 2) for value in row) for row in logits)


def _named(model: ModelFile) -> dict[str, str]:
    return {"name": model.name, "sha256": model.sha256}
