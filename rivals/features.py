"""Hand-made features of a wafer map and a logistic regression on them: what was done before networks.

The features follow Wu, Jang and Chen 2015 (IEEE TSM 28-1, doi 10.1109/TSM.2014.2364237): the share of
fails in 13 zones, 40 numbers of a Radon transform, six of the largest region of failing dies.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

Floats = NDArray[np.float32]

ZONES = 13
ANGLES = 20
BINS = 20
COUNT = ZONES + 2 * BINS + 6


def features(maps: Floats) -> Floats:
    """Return the features of canonical maps float32 (n, 2, S, S), float32 (n, 59)."""
    parts = [_of(torch.from_numpy(maps[i : i + 512])).numpy() for i in range(0, len(maps), 512)]
    return np.concatenate(parts) if parts else np.zeros((0, COUNT), np.float32)


class LogisticRegression(nn.Module):
    """Eight logistic regressions on standardised features; takes canonical maps, answers with logits (n, 8)."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(COUNT, 8)
        self.middle = nn.Buffer(torch.zeros(COUNT))
        self.scale = nn.Buffer(torch.ones(COUNT))

    def forward(self, maps: Tensor) -> Tensor:
        """Return logits (n, 8) of canonical maps (n, 2, S, S)."""
        logits: Tensor = self.linear((_of(maps) - self.middle) / self.scale)
        return logits

    def fit(self, found: Floats, labels: NDArray[np.bool_], decay: float = 1e-4, rounds: int = 200) -> None:
        """Fit to features float32 (n, 59) and labels bool (n, 8)."""
        given, wanted = torch.from_numpy(found), torch.from_numpy(labels).float()
        self.middle.copy_(given.mean(dim=0))
        self.scale.copy_(given.std(dim=0) + 1e-6)
        given = (given - self.middle) / self.scale
        optimiser = torch.optim.LBFGS(self.linear.parameters(), max_iter=rounds, line_search_fn="strong_wolfe")

        def loss() -> float:
            optimiser.zero_grad()
            cost = nn.functional.binary_cross_entropy_with_logits(self.linear(given), wanted)
            cost = cost + decay * self.linear.weight.square().sum()
            torch.autograd.backward(cost)
            return float(cost.detach())

        optimiser.step(loss)  # type: ignore[no-untyped-call]


def _of(maps: Tensor) -> Tensor:
    passing, failing = maps[:, 0].float(), maps[:, 1].float()
    return torch.cat([_zones(passing, failing), _radon(failing), _region(failing)], dim=1)


def _polar(size: int) -> tuple[Tensor, Tensor]:
    """Return the radius, 1 at the middle of an edge, and the angle of every cell."""
    axis = (torch.arange(size) + 0.5) * 2 / size - 1
    y, x = torch.meshgrid(axis, axis, indexing="ij")
    return torch.hypot(x, y), torch.atan2(y, x)


def _zones(passing: Tensor, failing: Tensor) -> Tensor:
    """Return the share of fails in the middle and in three rings of four quadrants, (n, 13)."""
    radius, angle = _polar(passing.shape[-1])
    ring = torch.bucketize(radius, torch.tensor([0.3, 0.55, 0.8]))
    quadrant = ((angle + torch.pi) / (torch.pi / 2)).long().clamp(max=3)
    zone = torch.where(ring == 0, 0, 1 + 4 * (ring - 1) + quadrant)
    members = nn.functional.one_hot(zone.flatten(), ZONES).float()
    fails, dies = failing.flatten(1) @ members, (passing + failing).flatten(1) @ members
    return fails / dies.clamp(min=1e-6)


def _radon(failing: Tensor) -> Tensor:
    """Return mean and spread over angles of the projections, at 20 distances from the centre each, (n, 40)."""
    size = failing.shape[-1]
    axis = (torch.arange(size) + 0.5) * 2 / size - 1
    y, x = torch.meshgrid(axis, axis, indexing="ij")
    projected = []
    for step in range(ANGLES):
        angle = torch.pi * step / ANGLES
        distance = x * np.cos(angle) + y * np.sin(angle)
        bin_ = ((distance / np.sqrt(2) + 1) / 2 * BINS).long().clamp(0, BINS - 1)
        projected.append(failing.flatten(1) @ nn.functional.one_hot(bin_.flatten(), BINS).float())
    lines = torch.stack(projected)
    return torch.cat([lines.mean(dim=0), lines.std(dim=0)], dim=1) / size


def _region(failing: Tensor) -> Tensor:
    """Return area, perimeter, both axes, eccentricity and solidity of the largest connected region, (n, 6)."""
    size = failing.shape[-1]
    largest = _largest(failing > 0.5).float()
    area = largest.sum(dim=(1, 2))
    inside = -nn.functional.max_pool2d(-nn.functional.pad(largest, (1, 1, 1, 1))[:, None], 3, 1)[:, 0]
    perimeter = area - inside.sum(dim=(1, 2))
    axis = torch.arange(size, dtype=torch.float32)
    weight = largest / area.clamp(min=1)[:, None, None]
    column, row = weight.sum(dim=1), weight.sum(dim=2)
    mx, my = column @ axis, row @ axis
    sxx, syy = column @ axis.square() - mx.square(), row @ axis.square() - my.square()
    sxy = torch.einsum("nij,i,j->n", weight, axis, axis) - mx * my
    middle, apart = (sxx + syy) / 2, torch.sqrt(((sxx - syy) / 2).square() + sxy.square())
    major, minor = torch.sqrt((middle + apart).clamp(min=0)), torch.sqrt((middle - apart).clamp(min=0))
    eccentricity = torch.sqrt((1 - (minor / major.clamp(min=1e-6)).square()).clamp(min=0))
    # A filled ellipse with these axes has this area: a region with holes or bays has less.
    solidity = area / (4 * torch.pi * major * minor).clamp(min=1)
    return torch.stack([area / size**2, perimeter / size, major / size, minor / size, eccentricity, solidity], dim=1)


def _largest(failing: Tensor) -> Tensor:
    """Return bool (n, S, S): each map's largest region of failing cells that touch, corners included."""
    n, size = len(failing), failing.shape[-1]
    names = torch.arange(1, size * size + 1, dtype=torch.float32).view(1, size, size) * failing
    while True:
        spread = nn.functional.max_pool2d(names[:, None], 3, 1, 1)[:, 0] * failing
        if torch.equal(spread, names):
            break
        names = spread
    counts = torch.zeros(n, size * size + 1).scatter_add_(1, names.flatten(1).long(), failing.flatten(1).float())
    counts[:, 0] = 0
    return (names == counts.argmax(dim=1)[:, None, None]) & failing
