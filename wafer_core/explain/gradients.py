"""Captum's gradient methods, on a wafer's own dies through the exact area weights."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np
import torch
from captum.attr import DeepLift, IntegratedGradients, LayerGradCam
from numpy.typing import NDArray
from torch import Tensor, nn

from wafer_core.canonical import area_weights, channels
from wafer_core.explain.neighbourhood import averaged_around, contested, placed
from wafer_core.lot import FAIL, PASS

if TYPE_CHECKING:
    from wafer_core.models.networks import Network

STEPS, MOST_STEPS = 25, 200
"""Points on the way from the healthy wafer to the wafer: doubled until the dies add up.

On trained networks 25 left up to 8 % of the gain unaccounted for, 200 less than 1 %.
"""

CLOSE = 0.01
"""The share of the gained logit, or of one logit if it gained less, that dies may miss."""

BATCH = 32
"""Maps a pass when steps and patterns make many; larger batches are no faster."""


class AreaResize(nn.Module):
    """The canonical grid as a network's first, linear layer.

    It maps channels (n, 2, rows, columns) to (n, 2, size, size) by the same weights as
    `wafer_core.canonical`, so attributions fall on dies and keep their sum.
    """

    down: Tensor
    across: Tensor

    def __init__(self, rows: int, columns: int, size: int) -> None:
        super().__init__()
        self.register_buffer("down", torch.tensor(area_weights(rows, size)))
        self.register_buffer("across", torch.tensor(area_weights(columns, size)).T.contiguous())

    def forward(self, grid: Tensor) -> Tensor:
        """Return the canonical maps (n, 2, size, size) of dies (n, 2, rows, columns)."""
        return self.down @ grid @ self.across


def explain_network(
    network: Network, states: NDArray[np.uint8], size: int, method: str, patterns: list[int]
) -> NDArray[np.float32]:
    """Return what a gradient method credits each die with, for each pattern.

    Args:
        network: canonical maps in, logits out, in evaluation mode.
        states: uint8 (rows, columns) die states of one wafer.
        size: the canonical size the network takes.
        method: `focused-deeplift`, `deeplift`, `integrated-gradients` or `gradcam`.
        patterns: columns of the logits to explain, at least one.

    Returns:
        float32 (len(patterns), rows, columns) in logits.
    """
    device = next(network.parameters()).device
    explained = nn.Sequential(AreaResize(states.shape[0], states.shape[1], size), network).to(device).eval()
    wafers = _repeated(states, len(patterns)).to(device)
    if method == "gradcam":
        return _gradcam(explained, network.gradcam_layer, wafers, patterns)
    healthy = _repeated(np.where(states == FAIL, PASS, states), len(patterns)).to(device)
    with _quiet():
        if method == "integrated-gradients":
            credit = _integrated_gradients(explained, wafers, healthy, patterns)
        else:
            credit = DeepLift(explained).attribute(wafers, healthy, target=patterns)
    # A die that fails is one channel up and the other down: its credit is both.
    dies = _array(credit.sum(dim=1))
    if method == "focused-deeplift":
        places = contested(averaged_around(_evidence(explained, network, wafers[:1])), patterns)
        return placed(dies, places, states == FAIL)
    return dies


def _integrated_gradients(explained: nn.Module, wafers: Tensor, healthy: Tensor, patterns: list[int]) -> Tensor:
    """Integrate with as many steps as each pattern needs for its dies to sum to what its logit gained."""
    method = IntegratedGradients(explained)
    credit = torch.zeros_like(wafers)
    missing, steps = list(range(len(patterns))), STEPS
    while missing and steps <= MOST_STEPS:
        found, gap = method.attribute(
            wafers[missing].detach(),
            healthy[missing].detach(),
            target=[patterns[i] for i in missing],
            n_steps=steps,
            internal_batch_size=max(BATCH, len(missing)),
            return_convergence_delta=True,
        )
        credit[missing] = found.detach().to(credit.dtype)
        gained = found.sum(dim=(1, 2, 3)) - gap
        far = gap.abs() > CLOSE * gained.abs().clamp(min=1.0)
        missing = [i for i, still in zip(missing, far.tolist(), strict=True) if still]
        steps *= 2
    return credit


def _gradcam(explained: nn.Module, layer: nn.Module, wafers: Tensor, patterns: list[int]) -> NDArray[np.float32]:
    """Spread the layer's weighted cells over the dies."""
    cells = _array(LayerGradCam(explained, layer).attribute(wafers, target=patterns).squeeze(1))
    return _on_dies(cells, wafers.shape[-2:])


def _evidence(explained: nn.Sequential, network: Network, wafer: Tensor) -> NDArray[np.float32]:
    """Return each die's share of every class map, (8, rows, columns); a map's mean is its logit without the bias."""
    with torch.no_grad():
        cells = network.class_maps(network.features(explained[0](wafer)))[0]
    return _on_dies(_array(cells / cells[0].numel()), wafer.shape[-2:])


def _on_dies(cells: NDArray[np.float32], shape: Sequence[int]) -> NDArray[np.float32]:
    """Give each die the area-weighted mean of its cells."""
    (rows, columns), (height, width) = shape, cells.shape[-2:]
    dies = area_weights(height, rows) @ cells @ area_weights(width, columns).T
    return dies.astype(np.float32, copy=False)


def _repeated(states: NDArray[np.uint8], times: int) -> Tensor:
    """Return the wafer's channels once a pattern, (times, 2, rows, columns), ready for gradients."""
    return torch.from_numpy(np.repeat(channels(states)[None], times, axis=0)).requires_grad_()


def _array(values: Tensor) -> NDArray[np.float32]:
    array: NDArray[np.float32] = values.detach().cpu().numpy().astype(np.float32)
    return array


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep back Captum's notice that it hangs hooks on activations while it works."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Setting forward, backward hooks and attributes", UserWarning)
        yield
