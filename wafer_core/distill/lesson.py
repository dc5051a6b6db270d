"""A student in the middle of being taught: one batch after another, and its whole state at any moment."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from time import monotonic

import torch
from torch import Tensor, nn

from wafer_core.distill.loss import USUAL, DistillationLoss
from wafer_core.distill.memory import Memory
from wafer_core.models.learning import blend, fastest_layout, laid_out, lower_precision, schedule
from wafer_core.models.networks import Network
from wafer_core.synthesis.batches import noisier, overlaid

Draw = Callable[[int, torch.Generator], Tensor]
"""Gives that many canonical maps, float32 (n, 2, S, S) in [0, 1]."""


MEMORY = 64
"""How many batches of views are kept in mind where each is looked at more than once."""


@dataclass(frozen=True)
class Recipe:
    """How a student is distilled.

    Args:
        steps: how many batches it sees; the schedule of the rate spans them.
        batch: wafers a step.
        rate: the learning rate's peak.
        decay: AdamW's weight decay.
        overlays: the share of a batch that has another wafer's fails laid over it.
        noise: the most of a wafer's passing cells that are turned to failing.
        keep: how much of the averaged weights a step keeps.
        anchor: the share that the weights a student came with have in those it leaves with. The mean of both
            keeps nearly all of what was learned before, and of the lot (Wortsman et al. 2022, arXiv 2109.01903).
        evaluate: steps between two looks at the held-out wafers; it has no part in the result.
        seed: of views and order.
        settled: whether normalisations keep the statistics the student came with. One that has learned
            before is thrown back for hundreds of steps when they begin to follow its batches.
        looks: at how many steps, on average, a view is looked at before it is forgotten. More than one
            saves the teacher's time, but a run that is taken up again then starts with new views in mind.
        loss: what of the teacher's answers the student is asked to match.
    """

    steps: int
    batch: int = 32
    rate: float = 2e-3
    decay: float = 0.01
    overlays: float = 0.2
    noise: float = 0.03
    keep: float = 0.998
    anchor: float = 0.0
    evaluate: int = 10
    seed: int = 0
    settled: bool = False
    looks: int = 1
    loss: DistillationLoss = USUAL


class Lesson:
    """Teacher and student look at the same view and the student learns the answer.

    Views are new at every step, or nearly so, for a long and patient match (Beyer et al. 2022, arXiv 2106.05237).

    Args:
        teacher: the network to learn from; it is not trained.
        student: the network that learns, in place.
        draw: where views come from.
        recipe: how to train.
        recall: where half of the views come from that the student is to answer as it did when it came, so
            that it forgets nothing (Li and Hoiem 2016, arXiv 1606.09282); None for a student that knows nothing.
    """

    def __init__(
        self, teacher: Network, student: Network, draw: Draw, recipe: Recipe, recall: Draw | None = None
    ) -> None:
        self.teacher, self.student, self.draw, self.recipe, self.recall = teacher, student, draw, recipe, recall
        self.step = 0
        self.device = next(student.parameters()).device
        self.random = torch.Generator().manual_seed(recipe.seed)
        laid_out(teacher.eval().requires_grad_(False))
        self._layout = fastest_layout(student)
        laid_out(student, self._layout)
        self._came = copy.deepcopy(student).eval()
        self._average = copy.deepcopy(self._came)
        self._optimiser = torch.optim.AdamW(student.parameters(), lr=recipe.rate, weight_decay=recipe.decay)
        self._memory = Memory(MEMORY * recipe.batch) if recipe.looks > 1 else None

    def advance(self) -> float:
        """Take one step and return its loss."""
        recipe, student = self.recipe, self.student
        for group in self._optimiser.param_groups:
            group["lr"] = recipe.rate * schedule(self.step / recipe.steps, warm=0.05, least=0.05)
        maps, wanted = self._look()
        maps = maps.contiguous(memory_format=self._layout)
        student.train(not recipe.settled)
        with lower_precision(self.device):
            loss = recipe.loss(wanted, student.evidence(maps))
        self._optimiser.zero_grad(set_to_none=True)
        torch.autograd.backward(loss)
        nn.utils.clip_grad_norm_(student.parameters(), 1.0)
        self._optimiser.step()
        self.step += 1
        blend(self._average, student, min(recipe.keep, self.step / (10 + self.step)))
        return float(loss.detach())

    def _look(self) -> tuple[Tensor, Tensor]:
        """Return a batch of views and the teacher's evidence on them."""
        recipe = self.recipe
        if self._memory is None:
            return self._new_views(recipe.batch)
        for _ in range(1 if self._memory else MEMORY):
            self._memory.keep(*self._new_views(max(recipe.batch // recipe.looks, 1)))
        return self._memory.recall(recipe.batch, self.random)

    @torch.no_grad()
    def _new_views(self, count: int) -> tuple[Tensor, Tensor]:
        recipe, recalled = self.recipe, count // 2 if self.recall else 0
        drawn = self.draw(count - recalled, self.random)
        if self.recall and recalled:
            drawn = torch.cat([drawn, self.recall(recalled, self.random)])
        drawn = drawn.to(self.device)
        maps = noisier(overlaid(drawn, self.random, recipe.overlays), self.random, recipe.noise)
        with lower_precision(self.device):
            return maps, self._answers(maps, recalled)

    def _answers(self, maps: Tensor, recalled: int) -> Tensor:
        """Return the evidence to learn on maps: the teacher's, on the last `recalled` the student's as it came."""
        asked = maps[: len(maps) - recalled].contiguous(memory_format=torch.channels_last)
        evidence = self.teacher.evidence(asked)
        if not recalled:
            return evidence
        known = maps[-recalled:].contiguous(memory_format=self._layout)
        return torch.cat([evidence, self._came.evidence(known)])

    def taught(self) -> Network:
        """Return the student as it would leave now: its averaged weights, anchored to those it came with."""
        leaving = copy.deepcopy(self._average)
        blend(leaving, self._came, 1 - self.recipe.anchor)
        return leaving

    def end(self) -> None:
        """Give the student the weights it leaves with, for good."""
        self.student.load_state_dict(self.taught().state_dict())
        self.student.eval()

    def tensors(self) -> dict[str, Tensor]:
        """Return everything the next step depends on but the step's number: weights, averages, optimiser, generator."""
        found = {f"student.{name}": each for name, each in self.student.state_dict().items()}
        found |= {f"average.{name}": each for name, each in self._average.state_dict().items()}
        for i, parameter in enumerate(self.student.parameters()):
            state = self._optimiser.state.get(parameter, {})
            found |= {f"optimiser.{i}.{name}": torch.as_tensor(each) for name, each in state.items()}
        return found | {"random": self.random.get_state()}

    def restore(self, step: int, tensors: Mapping[str, Tensor]) -> None:
        """Go back to the moment at which `tensors` were taken, after `step` steps."""
        self.step = step
        self.student.load_state_dict(_under("student.", tensors))
        self._average.load_state_dict(_under("average.", tensors))
        self.random.set_state(tensors["random"])
        for i, parameter in enumerate(self.student.parameters()):
            state = _under(f"optimiser.{i}.", tensors)
            self._optimiser.state[parameter] = {name: _laid_out_as(parameter, each) for name, each in state.items()}


def rehearsal(
    teacher: Network, student: Network, draw: Draw, recipe: Recipe, recall: Draw | None = None
) -> Iterator[float]:
    """Give the seconds of one step of a `Lesson` after another, endlessly; they leave no trace in the student."""
    lesson = Lesson(teacher, copy.deepcopy(student), draw, recipe, recall)
    while True:
        began = monotonic()
        lesson.step = 0
        lesson.advance()
        yield monotonic() - began


def _under(head: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix(head): each for name, each in tensors.items() if name.startswith(head)}


def _laid_out_as(parameter: Tensor, saved: Tensor) -> Tensor:
    """Return what was saved with a parameter's own strides: another order of sums would round otherwise."""
    if saved.shape != parameter.shape or saved.ndim == 0:
        return saved.clone()
    return torch.empty_like(parameter, requires_grad=False).copy_(saved)
