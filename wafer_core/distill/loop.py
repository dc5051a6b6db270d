"""The distillation loop: steps, looks at held-out wafers, checkpoints, and an end before its time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from time import monotonic
from typing import Any

import torch
from torch import Tensor

from wafer_core.distill.lesson import Draw, Lesson, Recipe
from wafer_core.models.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from wafer_core.models.networks import Network

SAVING = 0.01
"""The share of a run's time that checkpoints may take: what a kill costs is a hundred times what one of them does."""

_POINTS = 1000
"""A run keeps about so many points of its curves, however long it is."""


SHOWN = 4
"""The first so many held-out wafers are told of one by one."""


@dataclass(frozen=True)
class Look:
    """What the student as it would leave said of the held-out wafers when it was last asked.

    Args:
        agreed: on how many it said the same as the teacher, all eight patterns.
        both: for each pattern, on how many both name it.
        either: for each pattern, on how many at least one of them does.
        first: its logits on the first `SHOWN` wafers, to a hundredth.
    """

    agreed: int
    both: tuple[int, ...]
    either: tuple[int, ...]
    first: tuple[tuple[float, ...], ...]

    @classmethod
    def of(cls, told: Mapping[str, Any]) -> Look:
        """Return what `asdict` made of a look, be it by way of JSON."""
        first = tuple(tuple(row) for row in told["first"])
        return cls(told["agreed"], tuple(told["both"]), tuple(told["either"]), first)


@dataclass(frozen=True)
class Progress:
    """Where a distillation stands after a step.

    Args:
        step: how many steps are done.
        steps: how many there will be.
        seconds: wall time that the steps took, what came between them included; not the time between
            a kill or a pause and the run's being taken up again.
        loss: of this step's batch.
        agreed: of how many held-out wafers the averaged student said the same as the teacher, all eight
            patterns above or below the teacher's thresholds, when last looked; before the first look, as
            the student came.
        held_out: how many held-out wafers there are.
        look: all of what was seen then; None for a point of the past.
    """

    step: int
    steps: int
    seconds: float
    loss: float
    agreed: int
    held_out: int
    look: Look | None = field(default=None, compare=False)

    @property
    def kept(self) -> bool:
        """Whether it is one of the points that stand for the whole run in its curves."""
        return self.step % -(-self.steps // _POINTS) == 0 or self.step in (1, self.steps)

    def to_json(self) -> dict[str, float]:
        """Return a point of its curves as a JSON object, without the look."""
        return {name: value for name, value in asdict(self).items() if name != "look"}


def distil(
    teacher: Network,
    student: Network,
    draw: Draw,
    recipe: Recipe,
    held_out: Tensor,
    cuts: Tensor,
    *,
    recall: Draw | None = None,
    answers: Tensor | None = None,
    checkpoint: Path | None = None,
    asked: str = "",
    enough: Callable[[Progress], bool] = lambda progress: False,
) -> Iterator[Progress]:
    """Teach `student` in place, a step for every item taken; it leaves with its averaged weights.

    Args:
        teacher: the network to learn from; it is not trained.
        student: the network that learns.
        draw: where views come from. A run that is taken up again repeats an uninterrupted one bit for
            bit where what is drawn depends on the generator alone.
        recipe: how to train.
        held_out: canonical maps (n, 2, S, S) that `draw` never gives, for the agreement shown.
        cuts: the teacher's thresholds as logits (8,), for the same.
        recall: where half of the views come from that the student keeps its own answers to, see `Lesson`.
        answers: bool (n, 8), what the teacher says of `held_out`; it is asked unless they are given.
        checkpoint: a file that the run's state is saved to now and then, at its end, and when it is left
            in the middle. A run that finds it first tells the kept points of what was done, then goes on.
        asked: whatever else makes a run the same, teacher and wafers say; a checkpoint has it beside the recipe.
        enough: asked after every step whether to end before the last one.

    Raises:
        UsageError: the checkpoint is one of another recipe, or of a run asked for otherwise.
    """
    same = {"recipe": repr(recipe), "asked": asked}
    lesson = Lesson(teacher, student, draw, recipe, recall)
    cuts = cuts.to(lesson.device)
    answers = _logits(teacher, held_out, lesson.device) > cuts if answers is None else answers.to(lesson.device)
    earlier = [] if checkpoint is None else _resume(lesson, checkpoint, same)
    yield from earlier
    points = [one for one in earlier if one.kept]
    look = earlier[-1].look if earlier else None
    look = look or _look(lesson, held_out, cuts, answers)
    before, ended = (earlier[-1].seconds, enough(earlier[-1])) if earlier else (0.0, False)
    began = due = monotonic()
    while lesson.step < recipe.steps and not ended:
        loss = lesson.advance()
        now = monotonic()
        told = Progress(lesson.step, recipe.steps, before + now - began, loss, look.agreed, len(held_out), look)
        ended = enough(told)
        if lesson.step % recipe.evaluate == 0 or lesson.step == recipe.steps or ended:
            look = _look(lesson, held_out, cuts, answers)
            told = replace(told, agreed=look.agreed, look=look)
        points += [told] if told.kept else []
        last = lesson.step == recipe.steps or ended
        if checkpoint and (last or now >= due):
            due = _save(lesson, checkpoint, same, points, told)
        try:
            yield told
        except GeneratorExit:
            if checkpoint:
                _save(lesson, checkpoint, same, points, told)
            raise
    lesson.end()


def _logits(network: Network, maps: Tensor, device: torch.device) -> Tensor:
    """Return a network's logits (n, 8) on maps (n, 2, S, S), a few at a time."""
    with torch.no_grad():
        return torch.cat([network(part.to(device)) for part in torch.split(maps, 64)])


def _look(lesson: Lesson, maps: Tensor, cuts: Tensor, answers: Tensor) -> Look:
    """Ask the averaged student about held-out maps beside the teacher's `answers`, bool (n, 8)."""
    logits = _logits(lesson.taught(), maps, lesson.device)
    found = logits > cuts
    return Look(
        int((found == answers).all(dim=1).sum()),
        tuple((found & answers).sum(dim=0).tolist()),
        tuple((found | answers).sum(dim=0).tolist()),
        tuple(tuple(round(value, 2) for value in row) for row in logits[:SHOWN].tolist()),
    )


def _save(lesson: Lesson, path: Path, same: Mapping[str, str], points: Sequence[Progress], latest: Progress) -> float:
    """Save where a run stands, and return when it is time to save again."""
    began = monotonic()
    told = [*points, *([] if latest in points[-1:] else [latest])]
    look = asdict(latest.look) if latest.look else None
    facts = {**same, "points": [one.to_json() for one in told], "look": look}
    save_checkpoint(path, Checkpoint(lesson.tensors(), facts))
    now = monotonic()
    return now + (now - began) / SAVING


def _resume(lesson: Lesson, path: Path, same: Mapping[str, str]) -> list[Progress]:
    """Take up the state a run left at `path`, if any, and return the points it had kept, the latest last."""
    found = load_checkpoint(path, same)
    if found is None:
        return []
    points = [Progress(**point) for point in found.facts["points"]]
    lesson.restore(points[-1].step, found.tensors)
    look = found.facts.get("look")
    return [*points[:-1], replace(points[-1], look=Look.of(look) if look else None)]
