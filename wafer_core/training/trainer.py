"""The teacher's training loop: labels and, where there is a guide, its soft answers beside them."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from wafer_core.models.networks import Network, build
from wafer_core.synthesis.pool import Pool


@dataclass(frozen=True)
class Recipe:
    """How a teacher is trained.

    Args:
        architecture: a name `networks.build` knows.
        steps: how many batches it sees.
        batch: wafers a step.
        rate: the learning rate's peak.
        decay: AdamW's weight decay.
        smoothing: how far labels are moved from 0 and 1, against noisy labels and saturated logits.
        guidance: the weight of the guides' soft answers against labels.
        refresh: steps between two fresh chunks in the pool.
        seed: of initialisation, data and order.
    """

    architecture: str = "residual-48-2-2"
    steps: int = 5_000
    batch: int = 64
    rate: float = 2e-3
    decay: float = 0.05
    smoothing: float = 0.01
    guidance: float = 0.5
    refresh: int = 6
    seed: int = 0


def train(
    recipe: Recipe,
    pool: Pool,
    device: torch.device,
    guides: Sequence[nn.Module] = (),
    report: Callable[[int, float, float], None] = lambda step, loss, seconds: None,
    checkpoint: Path | None = None,
) -> Network:
    """Train one network and return its averaged weights, in evaluation mode on the processor.

    A run that finds `checkpoint` continues from it.
    """
    torch.manual_seed(recipe.seed)
    random = torch.Generator().manual_seed(recipe.seed)
    network = build(recipe.architecture).to(device, memory_format=torch.channels_last)
    average = copy.deepcopy(network).eval()
    optimiser = torch.optim.AdamW(_parameter_groups(network, recipe.decay), lr=recipe.rate)
    first = _resume(checkpoint, network, average, optimiser)
    began = time.monotonic()
    for step in range(first, recipe.steps):
        for group in optimiser.param_groups:
            group["lr"] = recipe.rate * schedule(step / recipe.steps, warm=0.04)
        if step % recipe.refresh == 0:
            pool.refresh()
        maps, labels = pool.draw(recipe.batch, random)
        loss = _loss(
            network, maps.contiguous(memory_format=torch.channels_last), labels.float(), guides, recipe, device
        )
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimiser.step()
        blend(average, network, min(0.998, (1 + step) / (10 + step)))
        if step % 50 == 49:
            report(step + 1, float(loss.detach()), time.monotonic() - began)
        if checkpoint and (step % 200 == 199 or step + 1 == recipe.steps):
            _save(checkpoint, network, average, optimiser, step + 1)
    return average.to("cpu", memory_format=torch.contiguous_format)


def schedule(progress: float, warm: float) -> float:
    """Return the share of the peak rate at `progress` in [0, 1]: a linear warm-up, then a cosine."""
    if progress < warm:
        return max(progress / warm, 0.02)
    return 0.5 * (1 + math.cos(math.pi * (progress - warm) / (1 - warm)))


@torch.no_grad()
def blend(average: nn.Module, network: nn.Module, keep: float) -> None:
    """Move an average of weights and statistics towards a network's (Polyak averaging)."""
    for mean, new in zip(average.state_dict().values(), network.state_dict().values(), strict=True):
        if mean.dtype.is_floating_point:
            mean.lerp_(new, 1 - keep)
        else:
            mean.copy_(new)


def lower_precision(device: torch.device) -> AbstractContextManager[None]:
    """Return a context in which an accelerator multiplies in bfloat16."""
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=device.type == "cuda")


def _loss(
    network: Network, maps: Tensor, labels: Tensor, guides: Sequence[nn.Module], recipe: Recipe, device: torch.device
) -> Tensor:
    targets = labels * (1 - 2 * recipe.smoothing) + recipe.smoothing
    with lower_precision(device):
        if guides:
            with torch.no_grad():
                answers = torch.stack([guide(maps).float().sigmoid() for guide in guides]).mean(dim=0)
            targets = (1 - recipe.guidance) * targets + recipe.guidance * answers
        logits = network(maps)
    return nn.functional.binary_cross_entropy_with_logits(logits.float(), targets)


def _parameter_groups(network: nn.Module, decay: float) -> list[dict[str, object]]:
    """Weights decay; biases and normalisation do not."""
    weights = [p for p in network.parameters() if p.ndim > 1]
    others = [p for p in network.parameters() if p.ndim <= 1]
    return [{"params": weights, "weight_decay": decay}, {"params": others, "weight_decay": 0.0}]


def _save(path: Path, network: nn.Module, average: nn.Module, optimiser: torch.optim.Optimizer, step: int) -> None:
    tensors = {f"network.{key}": value for key, value in network.state_dict().items()}
    tensors |= {f"average.{key}": value for key, value in average.state_dict().items()}
    for i, state in optimiser.state_dict()["state"].items():
        tensors |= {f"optimiser.{i}.{key}": torch.as_tensor(value) for key, value in state.items()}
    partial = path.with_suffix(".partial")
    save_file({key: value.contiguous().cpu() for key, value in tensors.items()}, partial, {"step": str(step)})
    partial.replace(path)


def _resume(path: Path | None, network: nn.Module, average: nn.Module, optimiser: torch.optim.Optimizer) -> int:
    if path is None or not path.exists():
        return 0
    tensors = load_file(path)
    for name, module in (("network.", network), ("average.", average)):
        module.load_state_dict({k.removeprefix(name): v for k, v in tensors.items() if k.startswith(name)})
    state: dict[int, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        if key.startswith("optimiser."):
            _, i, field = key.split(".")
            state.setdefault(int(i), {})[field] = value
    optimiser.load_state_dict(optimiser.state_dict() | {"state": state})
    return int(next(iter(state.values()))["step"])
