"""Networks and recognizers for the rooms that explain: trained enough to have something to say, or made by hand."""

from dataclasses import dataclass, field

import numpy as np
import torch

from wafer_core.canonical import canonical_states
from wafer_core.lot import FAIL, NO_DIE, PASS, UNTESTED, Frame, Wafer
from wafer_core.models.card import Card, FileEntry
from wafer_core.models.folder import ModelFile
from wafer_core.models.networks import build
from wafer_core.recognise import Recognizer

SIZE = 24
GRIDS = [(SIZE, SIZE), (23, 31), (37, 15), (9, 53)]
ARCHITECTURES = ["residual-8-1-2", "separable-6-8-12-16", "finer-6-8-12", "turning-3x1-6-8"]
SUMMING = ["deeplift", "integrated-gradients"]


def round_wafer(rows, columns, seed=0, fails=0.3):
    """A round wafer with failing, passing and a few untested dies."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[:rows, :columns]
    inside = np.hypot((y + 0.5) / rows - 0.5, (x + 0.5) / columns - 0.5) <= 0.5
    states = np.where(random.random(inside.shape) < fails, FAIL, PASS)
    states[random.random(inside.shape) < 0.05] = UNTESTED
    states[~inside] = NO_DIE
    return Wafer("L", "01", Frame(rows, columns), states.astype(np.uint8))


def trained_like(architecture, seed=0):
    """A network whose normalisations have seen data and whose logits move by several units."""
    torch.manual_seed(seed)
    network = build(architecture)
    network.train()
    with torch.no_grad():
        for number in range(20):
            states = [round_wafer(SIZE, SIZE, 100 * number + i, fails=i / 8).states for i in range(8)]
            network(torch.from_numpy(canonical_states(np.stack(states), SIZE)))
    network.eval()
    wafer = round_wafer(SIZE, SIZE)
    gained = logits(network, wafer.states) - logits(network, healthy(wafer.states))
    with torch.no_grad():
        network.head.weight *= 5.0 / float(np.abs(gained).max())
    return network


@dataclass
class Linear:
    """A network made by hand: the first pattern counts fails above the middle, less those below."""

    weights: np.ndarray = field(default_factory=lambda: np.sign(SIZE / 2 - 0.5 - np.arange(SIZE))[:, None])

    def __call__(self, maps):
        evidence = (maps[:, 1] * self.weights).sum(axis=(1, 2))
        return np.stack([evidence, *[np.zeros_like(evidence)] * 7], axis=1).astype(np.float32)


def logits(network, states):
    with torch.inference_mode():
        return network(torch.from_numpy(canonical_states(states[None], SIZE)))[0].numpy()


def healthy(states):
    return np.where(states == FAIL, PASS, states).astype(np.uint8)


def model_file(engine):
    kind = {"torch": "m.safetensors", "onnx": "m.int8.onnx"}[engine]
    entry = FileEntry(engine, "fp32" if engine == "torch" else "int8", 1, 1, "0" * 64, (0.5,) * 8)
    card = Card("M", "student", ARCHITECTURES[1], SIZE, "free", 0.0, {kind: entry}, {})
    return ModelFile("m-int8" if engine == "onnx" else "m", None, kind, card)


class Direct(Recognizer):
    """A recognizer over a network, or any function of maps, that is already in hand."""

    def __init__(self, answer, engine):
        super().__init__(model_file(engine), 1)
        self.answer, self.network = answer, answer if engine == "torch" else None

    def _run(self, maps):
        if self.network is None:
            return self.answer(maps), np.zeros((len(maps), 1), np.float32)
        with torch.inference_mode():
            return self.network(torch.from_numpy(maps)).numpy(), np.zeros((len(maps), 1), np.float32)
