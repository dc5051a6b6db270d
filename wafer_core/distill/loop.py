"""The distillation loop: teacher and student look at the same view, the student learns the answer."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from itertools import pairwise
from statistics import median

import torch
from torch import Tensor, nn

from wafer_core.distill.loss import DistillationLoss
from wafer_core.models.learning import blend, channels_last, lower_precision, schedule
from wafer_core.models.networks import Network
from wafer_core.synthesis.batches import noisier, overlaid

Draw = Callable[[int, torch.Generator], Tensor]
"""Gives that many canonical maps, float32 (n, 2, S, S) in [0, 1]."""


@dataclass(frozen=True)
class Recipe:
    """How a student is distilled.

    Args:
        steps: how many batches it sees; None fits them into `seconds`.
        seconds: wall time that the loop may take.
        batch: wafers a step.
        rate: the learning rate's peak.
        decay: AdamW's weight decay.
        overlays: the share of a batch that has another wafer's fails laid over it.
        noise: the most of a wafer's passing cells that are turned to failing.
        keep: how much of the averaged weights a step keeps.
        evaluate: steps between two looks at the held-out wafers.
        seed: of views and order.

    Raises:
        ValueError: neither `steps` nor `seconds` ends the run.
    """

    steps: int | None = None
    seconds: float = math.inf
    batch: int = 32
    rate: float = 2e-3
    decay: float = 0.01
    overlays: float = 0.2
    noise: float = 0.03
    keep: float = 0.998
    evaluate: int = 10
    seed: int = 0

    def __post_init__(self) -> None:
        if self.steps is None and self.seconds == math.inf:
            raise ValueError("a recipe needs a number of steps or of seconds")


@dataclass(frozen=True)
class Progress:
    """Where a distillation stands after a step.

    Args:
        step: how many steps are done.
        steps: how many there will be, as far as known; the first few of a timed run say less.
        seconds: wall time since the first step began.
        loss: of this step's batch.
        agreed: of how many held-out wafers the averaged student said the same as the teacher, all eight
            patterns above or below the teacher's thresholds, when last looked; before the first look, as
            the student came.
        held_out: how many held-out wafers there are.
    """

    step: int
    steps: int
    seconds: float
    loss: float
    agreed: int
    held_out: int

    def to_json(self) -> dict[str, float]:
        """Return the fields as a JSON object."""
        return asdict(self)


def distil(
    teacher: Network, student: Network, draw: Draw, recipe: Recipe, held_out: Tensor, cuts: Tensor
) -> Iterator[Progress]:
    """Teach `student` in place, a step for every item taken; its averaged weights are set at the end.

    Teacher and student are fed the same views and no target is kept, for a long and patient match
    (Beyer et al. 2022, arXiv 2106.05237).

    Args:
        teacher: the network to learn from; it is not trained.
        student: the network that learns.
        draw: where views come from.
        recipe: how to train. Without `steps` they are fixed from the time the first ones take, so that
            a run given that many repeats it; a machine that slows down afterwards ends the run early.
        held_out: canonical maps (n, 2, S, S) that `draw` never gives, for the agreement shown.
        cuts: the teacher's thresholds as logits (8,), for the same.
    """
    device = next(student.parameters()).device
    random = torch.Generator().manual_seed(recipe.seed)
    teacher.eval().requires_grad_(False)
    cuts = cuts.to(device)
    answers = _answers(teacher, held_out, cuts)
    channels_last(teacher)
    channels_last(student)
    average = copy.deepcopy(student).eval()
    optimiser = torch.optim.AdamW(student.parameters(), lr=recipe.rate, weight_decay=recipe.decay)
    loss_of = DistillationLoss()
    began = time.monotonic()
    steps = recipe.steps or _WARMING
    step, agreed = 0, _agreed(average, held_out, cuts, answers)
    passed = [0.0]
    while step < steps:
        for group in optimiser.param_groups:
            group["lr"] = recipe.rate * _rate(step, steps)
        maps = noisier(overlaid(draw(recipe.batch, random).to(device), random, recipe.overlays), random, recipe.noise)
        maps = maps.contiguous(memory_format=torch.channels_last)
        student.train()
        with lower_precision(device):
            loss = loss_of(teacher, student, maps)
        optimiser.zero_grad(set_to_none=True)
        torch.autograd.backward(loss)
        nn.utils.clip_grad_norm_(student.parameters(), 1.0)
        optimiser.step()
        step += 1
        blend(average, student, min(recipe.keep, step / (10 + step)))
        seconds = time.monotonic() - began
        passed.append(seconds)
        if recipe.steps is None and step == _WARMING:
            # The median, because the first step is cold and a worker may have been called away.
            pace = median(after - before for before, after in pairwise(passed))
            steps = step + max(int((recipe.seconds - seconds) / (_SPARE * pace)), 0)
        out_of_time = recipe.steps is None and seconds > recipe.seconds
        if step % recipe.evaluate == 0 or step == steps or out_of_time:
            agreed = _agreed(average, held_out, cuts, answers)
        yield Progress(step, steps, seconds, float(loss.detach()), agreed, len(held_out))
        if out_of_time:
            break
    student.load_state_dict(average.state_dict())
    student.eval()


_WARMING = 6
"""Steps by which a run without a number of steps measures how long one takes."""

_SPARE = 1.15
"""How much longer than the first ones a step may take, looks at the held-out wafers included."""

_GENTLE = 0.05
"""The share of the peak rate that a run begins with."""


def _rate(step: int, steps: int) -> float:
    """Return the share of the peak rate; while steps are timed it cannot depend on how many there will be."""
    return _GENTLE if step < _WARMING else schedule(step / steps, warm=0.05, least=_GENTLE)


def _agreed(network: Network, maps: Tensor, cuts: Tensor, answers: Tensor) -> int:
    """Return on how many maps a network gives all eight of the `answers`, bool (n, 8)."""
    return int((_answers(network, maps, cuts) == answers).all(dim=1).sum())


@torch.no_grad()
def _answers(network: Network, maps: Tensor, cuts: Tensor) -> Tensor:
    """Return which logits lie above `cuts` (8,), bool (n, 8)."""
    return torch.cat([network(part.to(cuts.device)) > cuts for part in torch.split(maps, 64)])
