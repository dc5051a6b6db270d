"""The teacher's training loop: labels and, where there is a guide, its soft answers beside them."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from wafer_core.models.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from wafer_core.models.learning import blend, fastest_layout, laid_out, lower_precision, schedule
from wafer_core.models.networks import Network, build
from wafer_core.synthesis.pool import Pool
from wafer_core.training.places import misplaced


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
        places: the weight of `misplaced` evidence beside wrong answers; for a network that recognises patterns
            already, as one that does not learns them far more slowly beside it.
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
    places: float = 0.0
    refresh: int = 6
    seed: int = 0


def train(
    recipe: Recipe,
    pool: Pool,
    device: torch.device,
    guides: Sequence[nn.Module] = (),
    report: Callable[[int, float, float], None] = lambda step, loss, seconds: None,
    checkpoint: Path | None = None,
    start: Network | None = None,
    asked: str = "",
) -> Network:
    """Train one network and return its averaged weights, in evaluation mode on the processor.

    Args:
        recipe: how to train.
        pool: gives maps float32 (n, 2, S, S) in [0, 1], labels bool (n, 8) and, float32 (n, 8, h, w) in
            [0, 1], whose each place is, on `device`; without these no evidence is misplaced.
        device: where to train.
        guides: networks on `device` whose soft answers are learned beside the labels.
        report: told the steps taken, the last one's loss and the seconds since the start, now and then.
        checkpoint: a file to save the run's state to, now and then. A run that finds it continues from it, with
            whatever `pool` gives from there on, drawn in another order.
        start: the network to begin with, which stays as it is; one of the recipe's architecture with
            random weights unless given.
        asked: whatever else makes a run the same, guides and wafers say; a checkpoint has it beside the recipe.

    Raises:
        UsageError: the checkpoint is one of another recipe, or of a run asked for otherwise.
    """
    torch.manual_seed(recipe.seed)
    network = build(recipe.architecture) if start is None else copy.deepcopy(start)
    layout = fastest_layout(network)
    network = laid_out(network.to(device).train().requires_grad_(), layout)
    average = copy.deepcopy(network).eval()
    optimiser = torch.optim.AdamW(_parameter_groups(network, recipe.decay), lr=recipe.rate)
    same = {"recipe": repr(recipe), "asked": asked}
    first = _resume(checkpoint, same, network, average, optimiser) if checkpoint else 0
    random = torch.Generator().manual_seed(recipe.seed + first)
    began = time.monotonic()
    for step in range(first, recipe.steps):
        for group in optimiser.param_groups:
            group["lr"] = recipe.rate * schedule(step / recipe.steps, warm=0.04, least=0.02)
        if step % recipe.refresh == 0:
            pool.refresh()
        maps, labels, *owned = pool.draw(recipe.batch, random)
        maps = maps.contiguous(memory_format=layout)
        loss = _loss(network, maps, labels.float(), owned, guides, recipe, device)
        optimiser.zero_grad(set_to_none=True)
        torch.autograd.backward(loss)
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimiser.step()
        blend(average, network, min(0.998, (1 + step) / (10 + step)))
        if step % 50 == 49:
            report(step + 1, float(loss.detach()), time.monotonic() - began)
        if checkpoint and (step % 200 == 199 or step + 1 == recipe.steps):
            _save(checkpoint, same, network, average, optimiser)
    # torch's annotations leave this argument out.
    return average.to("cpu", memory_format=torch.contiguous_format)  # type: ignore[call-overload, no-any-return]


def _loss(
    network: Network,
    maps: Tensor,
    labels: Tensor,
    owned: Sequence[Tensor],
    guides: Sequence[nn.Module],
    recipe: Recipe,
    device: torch.device,
) -> Tensor:
    targets = labels * (1 - 2 * recipe.smoothing) + recipe.smoothing
    with lower_precision(device):
        if guides:
            with torch.no_grad():
                answers = torch.stack([guide(maps).float().sigmoid() for guide in guides]).mean(dim=0)
            targets = (1 - recipe.guidance) * targets + recipe.guidance * answers
        found = network.evidence(maps)
    wrong = nn.functional.binary_cross_entropy_with_logits(found.mean(dim=(2, 3)), targets)
    return wrong + sum(recipe.places * misplaced(found, places) for places in owned if recipe.places)


def _parameter_groups(network: nn.Module, decay: float) -> list[dict[str, object]]:
    """Weights decay; biases and normalisation do not."""
    weights = [p for p in network.parameters() if p.ndim > 1]
    others = [p for p in network.parameters() if p.ndim <= 1]
    return [{"params": weights, "weight_decay": decay}, {"params": others, "weight_decay": 0.0}]


def _save(
    path: Path, same: Mapping[str, str], network: nn.Module, average: nn.Module, optimiser: torch.optim.Optimizer
) -> None:
    tensors = {f"network.{key}": value for key, value in network.state_dict().items()}
    tensors |= {f"average.{key}": value for key, value in average.state_dict().items()}
    for i, state in optimiser.state_dict()["state"].items():
        tensors |= {f"optimiser.{i}.{key}": torch.as_tensor(value) for key, value in state.items()}
    save_checkpoint(path, Checkpoint(tensors, same))


def _resume(
    path: Path, same: Mapping[str, str], network: nn.Module, average: nn.Module, optimiser: torch.optim.Optimizer
) -> int:
    """Take up the state a run left in `path`, if any, and return how many steps it had taken."""
    found = load_checkpoint(path, same)
    if found is None:
        return 0
    for name, module in (("network.", network), ("average.", average)):
        module.load_state_dict({k.removeprefix(name): v for k, v in found.tensors.items() if k.startswith(name)})
    state: dict[int, dict[str, Tensor]] = {}
    for key, value in found.tensors.items():
        if key.startswith("optimiser."):
            _, i, field = key.split(".")
            state.setdefault(int(i), {})[field] = value
    optimiser.load_state_dict(optimiser.state_dict() | {"state": state})
    return int(next(iter(state.values()))["step"])
