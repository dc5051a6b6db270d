"""Every method by name: how it is trained on the same wafers, and whether it reads labels."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from rivals.features import LogisticRegression, features
from rivals.networks import RIVALS
from wafer_core.distill.lesson import Recipe
from wafer_core.distill.loop import distil
from wafer_core.distill.loss import DistillationLoss
from wafer_core.distill_shipped import BASIS, draws_from
from wafer_core.models.checkpoint import fingerprint
from wafer_core.models.networks import Network, build
from wafer_core.synthesis.pool import Chunk, Pool
from wafer_core.synthesis.shares import LEARNING, TEACHING
from wafer_core.synthesis.unlabelled import Unlabelled, stream
from wafer_core.training.data import native_maps, resized_maps, unlabelled_maps
from wafer_core.training.mixture import Mixture
from wafer_core.training.trainer import Recipe as Training
from wafer_core.training.trainer import train

STUDENT = "finest-16-32-64-64-64-128"
"""The shipped student's architecture, named here too: what the controls in `trained/` are of stays what it was."""

Learns = Literal["labels", "hard decisions", "soft answers", "features"]


OTHERS = {
    "without-dense": "separable-16-32-64-64-64-128",
    "one-dense": "finer-16-32-64-64-64-128",
    "as-teacher": "residual-15-2-2",
    "fiftieth": "finest-8-16-24-24-40",
    "base": "densest-16-32-64-64-64-64-128-128",
    "turning": "turning-4x2-12-12-12-12-12-48",
}
"""Networks the student could have been: with less, of the teacher's kind, fifty times smaller, larger, turning."""


@dataclass(frozen=True)
class Method:
    """How a network is taught.

    Args:
        network: makes it.
        learns: from true labels, the teacher's decisions or its soft answers, or from features alone.
        recipe: by which it is distilled, but for steps and seed.
        evenly: whether it sees the real wafers evenly, not by what the teacher calls on them.
    """

    network: Callable[[], Network]
    learns: Learns
    recipe: Recipe = BASIS
    evenly: bool = False

    @property
    def reads_labels(self) -> bool:
        """Whether it sees labels in training and in choosing thresholds."""
        return self.learns in ("labels", "features")


@dataclass(frozen=True)
class Setting:
    """What all methods share in one comparison.

    Args:
        data: the folder that holds wm811k/.
        teacher: the network that some learn from.
        size: rows and columns of the canonical map.
        device: where networks learn, and where the teacher is.
        cuts: the teacher's thresholds as logits (8,).
        called: asked for what the teacher calls on each wafer of the train part, bool (n, 8).
        steps: batches that each sees.
        seed: of weights, data and order.
        workers: processes that draw maps.
        pool: maps kept to draw from.
        blemished: the share of the simulated wafers that have blemishes.
        report: told the steps done, now and then.
    """

    data: Path
    teacher: Network
    size: int
    device: torch.device
    cuts: Tensor
    called: Callable[[], NDArray[np.bool_]]
    steps: int
    seed: int
    workers: int = 1
    pool: int = 24_000
    blemished: float = TEACHING.blemished
    report: Callable[[int], None] = lambda step: None


def _student() -> Network:
    return build(STUDENT)


METHODS: dict[str, Method] = {
    **{name: Method(network, "labels") for name, network in RIVALS.items()},
    "logistic-regression": Method(_student, "features"),
    "student-labels": Method(_student, "labels"),
    "student-hard": Method(_student, "hard decisions"),
    "student-soft": Method(_student, "soft answers"),
    "student-soft-without-maps": Method(_student, "soft answers", replace(BASIS, loss=DistillationLoss(maps=0.0))),
    "student-soft-without-logits": Method(_student, "soft answers", replace(BASIS, loss=DistillationLoss(logits=0.0))),
    "student-soft-one-look": Method(_student, "soft answers", replace(BASIS, looks=1)),
    "student-soft-drawn-evenly": Method(_student, "soft answers", evenly=True),
    **{f"{name}-soft": Method(partial(build, network), "soft answers") for name, network in OTHERS.items()},
    **{f"{name}-soft": Method(network, "soft answers") for name, network in RIVALS.items()},
}
"""Rivals on labels; the student's network on labels, hard decisions, as shipped and on less; others distilled alike."""


def learn(method: Method, setting: Setting, checkpoint: Path) -> nn.Module:
    """Train one method and return what takes canonical maps and gives logits, in evaluation mode on the processor."""
    torch.manual_seed(setting.seed)
    if method.learns == "features":
        return _regression(setting)
    network = method.network()
    if method.learns == "soft answers":
        return _distilled(network, method, setting, checkpoint)
    chunks = _labelled(setting) if method.learns == "labels" else _decided(setting)
    recipe = Training(steps=setting.steps, batch=BASIS.batch, rate=BASIS.rate, seed=setting.seed)
    pool = Pool(chunks, setting.pool, setting.device)

    def report(step: int, loss: float, seconds: float) -> None:
        setting.report(step)

    return train(
        recipe, pool, setting.device, report=report, checkpoint=checkpoint, start=network, asked=_asked(setting)
    )


def _asked(setting: Setting) -> str:
    """Return by what, beside its recipe, a checkpoint is known again: nothing, as before there were blemishes."""
    return fingerprint({"blemished": setting.blemished}) if setting.blemished else ""


def _labelled(setting: Setting) -> Iterator[Chunk]:
    resized, native = resized_maps(setting.data, "train"), native_maps(setting.data, "train")
    shares = replace(TEACHING, blemished=setting.blemished)
    for maps, labels, _ in stream(Mixture(resized, native, setting.size, setting.seed, shares), setting.workers):
        # No rival learns where its evidence belongs.
        yield maps, labels


def _unlabelled(setting: Setting, evenly: bool = False) -> Iterator[Chunk]:
    states = unlabelled_maps(setting.data, "train").states
    shares = replace(LEARNING, blemished=setting.blemished)
    called = None if evenly else setting.called()
    views = Unlabelled(states, setting.size, setting.seed, called=called, shares=shares)
    return stream(views, setting.workers)


def _decided(setting: Setting) -> Iterator[Chunk]:
    """Give unlabelled maps with what the teacher decides on them, as if those were labels."""
    for (maps,) in _unlabelled(setting):
        # Given away outside: a mode that a generator is in when it pauses is everyone's.
        with torch.inference_mode():
            decided = setting.teacher(maps.to(setting.device).float() / 255).cpu() > setting.cuts
        yield maps, decided.clone()


def _distilled(network: Network, method: Method, setting: Setting, checkpoint: Path) -> Network:
    pool = Pool(_unlabelled(setting, method.evenly), setting.pool, setting.device)
    network = network.to(setting.device)
    recipe = replace(method.recipe, steps=setting.steps, seed=setting.seed)
    nothing = torch.zeros(1, 2, setting.size, setting.size)
    draws = draws_from(pool)
    run = distil(
        setting.teacher, network, draws, recipe, nothing, setting.cuts, checkpoint=checkpoint, asked=_asked(setting)
    )
    for progress in run:
        if progress.step % 50 == 0:
            setting.report(progress.step)
    return network.cpu()


def _regression(setting: Setting, most: int = 20_000) -> LogisticRegression:
    """Fit the regression on as many wafers as the others see, up to what a plane in 59 dimensions can use."""
    chunks = _labelled(setting)
    found: list[NDArray[np.float32]] = []
    labels: list[NDArray[np.bool_]] = []
    seen = 0
    while seen < min(most, setting.steps * BASIS.batch):
        maps, there = next(chunks)
        found.append(features(maps.numpy().astype(np.float32) / np.float32(255)))
        labels.append(there.numpy())
        seen += len(there)
    regression = LogisticRegression()
    regression.fit(np.concatenate(found), np.concatenate(labels))
    return regression.eval()
