"""Trained rivals on disk: a folder for each method and seed, weights beside what they were made from."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from rivals.features import LogisticRegression
from rivals.methods import METHODS
from wafer_core.canonical import CHANNELS
from wafer_core.models.networks import parameter_count

TRAINED = Path(__file__).with_name("trained")
"""The rivals that came with the repository."""


@dataclass(frozen=True)
class Made:
    """What a rival was made from.

    Args:
        method: a key of `METHODS`.
        seed: of weights, data and order.
        steps: batches it saw.
        size: rows and columns of the canonical map.
        decoder: a key of `ALLOWED_SETS`, the teacher's.
        thresholds: eight probabilities.
        teacher_sha256: of the teacher whose answers, cuts and decoder were used.
        blemished: the share of its simulated wafers that had blemishes; older files do not say, and had none.
    """

    method: str
    seed: int
    steps: int
    size: int
    decoder: str
    thresholds: tuple[float, ...]
    teacher_sha256: str
    blemished: float = 0.0


@dataclass(frozen=True, eq=False)
class Rival:
    """A trained rival, ready to be asked."""

    made: Made
    network: nn.Module

    @property
    def name(self) -> str:
        """The method and its seed."""
        return f"{self.made.method}-{self.made.seed}"

    @property
    def parameters(self) -> int:
        """Trained numbers."""
        return parameter_count(self.network)

    def logits(self, maps: NDArray[np.float32], batch: int = 256) -> NDArray[np.float32]:
        """Return logits float32 (n, 8) of canonical maps float32 (n, 2, S, S)."""
        with torch.inference_mode():
            parts = [self.network(part).numpy() for part in torch.split(torch.from_numpy(maps), batch)]
        found: NDArray[np.float32] = np.concatenate(parts)
        return found


def put(folder: Path, rival: Rival) -> None:
    """Write a rival into its own folder under `folder`; `made.json` comes last, so half of one is none."""
    own = folder / rival.name
    own.mkdir(parents=True, exist_ok=True)
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in rival.network.state_dict().items()}
    save_file(tensors, own / "weights.safetensors")
    (own / "made.json").write_text(json.dumps(asdict(rival.made), indent=1))


def trained(folder: Path, methods: Sequence[str] = tuple(METHODS)) -> dict[str, list[Rival]]:
    """Return the trained rivals by method, seeds in order; a method that was not trained here has none."""
    found: dict[str, list[Rival]] = {method: [] for method in methods}
    for path in sorted(folder.glob("*/made.json")):
        made = Made(**json.loads(path.read_text()))
        if made.method in found:
            found[made.method].append(Rival(made, _network(made, path.with_name("weights.safetensors"))))
    return found


def multiplications(network: nn.Module, size: int) -> int:
    """Return how many multiplications a network needs for one canonical map, hand-made features included."""
    with FlopCounterMode(display=False) as counted, torch.inference_mode():
        network(torch.zeros(1, CHANNELS, size, size))
    return int(counted.get_total_flops()) // 2


def _network(made: Made, weights: Path) -> nn.Module:
    method = METHODS[made.method]
    network = LogisticRegression() if method.learns == "features" else method.network()
    network.load_state_dict(load_file(weights))
    return network.eval()
