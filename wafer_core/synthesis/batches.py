"""Views of whole batches of canonical maps, on whatever device holds them."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def turned(maps: Tensor, random: torch.Generator) -> Tensor:
    """Return square maps (n, c, S, S) in flips and rotations, each eighth of the batch in another."""
    return turned_alike([maps], random)[0]


def turned_alike(batches: Sequence[Tensor], random: torch.Generator) -> list[Tensor]:
    """Return batches of square grids (n, c, S, S), n alike and S not, each row of all in one flip or rotation."""
    first = int(torch.randint(8, (1,), generator=random))
    return [torch.cat([_turn(part, (first + i) % 8) for i, part in enumerate(grids.chunk(8))]) for grids in batches]


def overlaid(maps: Tensor, random: torch.Generator, share: float) -> Tensor:
    """Return maps (n, 2, S, S) of which a share has another wafer's fails added within its own dies."""
    count = int(share * len(maps))
    if count == 0:
        return maps
    others = maps[torch.randperm(len(maps), generator=random)[:count].to(maps.device)]
    present = maps[:count].sum(dim=1)
    fails = torch.maximum(maps[:count, 1], torch.minimum(others[:, 1], present))
    return torch.cat([torch.stack([present - fails, fails], dim=1), maps[count:]])


def noisier(maps: Tensor, random: torch.Generator, most: float) -> Tensor:
    """Return maps with up to `most` of each wafer's passing cells turned to failing."""
    rates = most * torch.rand(len(maps), 1, 1, generator=random)
    turns = (torch.rand(maps.shape[0], *maps.shape[2:], generator=random) < rates).to(maps.device)
    passing, failing = maps[:, 0], maps[:, 1]
    moved = passing * turns
    return torch.stack([passing - moved, failing + moved], dim=1)


def _turn(maps: Tensor, turn: int) -> Tensor:
    view = torch.rot90(maps, turn % 4, (-2, -1))
    return view.flip(-1) if turn >= 4 else view
