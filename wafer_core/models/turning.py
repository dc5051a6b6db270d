"""Convolutions that look at a wafer in all of its eight turns by one set of weights.

A grid holds every feature eight times, once a turn: first all features of the first turn, then those of the next. What
a feature says of a wafer in one turn it says of the turned wafer in another, so the layers are equivariant to the group
p4m (Cohen and Welling 2016, arXiv 1602.07576), and their kernels are eight times as large as what they learn and store.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from wafer_core.models.turns import TURNS, unfolding


class Turning(nn.Module):
    """A convolution from features to features in all turns, without a bias.

    Its `weight` is (outputs, features read, turns read * kernel * kernel): the kernel of the first turn.

    Args:
        inputs: features of the grid, or channels of the map where it `lifts`.
        outputs: features it gives.
        kernel: rows and columns, odd with stride 1 and even with stride 2, for a grid with an even side then.
        stride: in both directions.
        groups: 1, or as many as there are inputs, if more than one, where it reads each feature's turn alone.
        lifts: whether it reads a map, which has no turns yet.
    """

    def __init__(
        self, inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1, lifts: bool = False
    ) -> None:
        super().__init__()
        self.kernel, self.stride, self.padding = kernel, stride, (kernel - stride + 1) // 2
        self.groups = TURNS * groups if groups > 1 else 1
        turns = 1 if lifts or groups > 1 else TURNS
        self.weight = nn.Parameter(torch.empty(outputs, inputs // groups, turns * kernel * kernel))
        nn.init.kaiming_uniform_(self.weight, a=5**0.5)
        # Made by NumPy, and so there to be used even where everything else of a network is made on no device at all.
        self.register_buffer("where", torch.from_numpy(unfolding(kernel, turns).copy()), persistent=False)

    def unfolded(self) -> Tensor:
        """Return the kernels of all turns, (8 * outputs, channels read, kernel, kernel)."""
        where = self.get_buffer("where")
        # Chosen along one dimension, because the gradient of any other choice is sorted first.
        kernels = self.weight.index_select(2, where.flatten()).view(*self.weight.shape[:2], *where.shape)
        return kernels.permute(2, 0, 3, 1, 4).reshape(TURNS * len(self.weight), -1, self.kernel, self.kernel)

    def forward(self, grid: Tensor) -> Tensor:
        """Map (n, channels, h, w) to (n, 8 * outputs, h / stride, w / stride)."""
        return nn.functional.conv2d(grid, self.unfolded(), None, self.stride, self.padding, 1, self.groups)

    def ordinary(self) -> nn.Conv2d:
        """Return an ordinary convolution that does the same."""
        kernels = self.unfolded().detach()
        channels = kernels.shape[1] * self.groups
        same = nn.Conv2d(channels, len(kernels), self.kernel, self.stride, self.padding, groups=self.groups, bias=False)
        same.weight = nn.Parameter(kernels)
        return same.eval()


class TurnsAlike(nn.BatchNorm2d):
    """A batch normalisation to which the eight turns of a feature are one."""

    def forward(self, grid: Tensor) -> Tensor:
        """Map (n, 8 * features, h, w) to the same shape."""
        n, channels, rows, columns = grid.shape
        by_feature = grid.reshape(n * TURNS, channels // TURNS, rows, columns)
        return super().forward(by_feature).reshape_as(grid).contiguous(memory_format=_layout_of(grid))

    def ordinary(self) -> nn.BatchNorm2d:
        """Return an ordinary normalisation that does the same once both have learned."""
        same = nn.BatchNorm2d(TURNS * self.num_features, self.eps)
        same.load_state_dict({k: v.repeat(TURNS) if v.ndim else v for k, v in self.state_dict().items()})
        return same.eval()


class MeanOfTurns(nn.Module):
    """What each feature says on average over the turns: it turns as the wafer does, and its mean stays as it is."""

    def forward(self, grid: Tensor) -> Tensor:
        """Map (n, 8 * features, h, w) to (n, features, h, w)."""
        n, _, rows, columns = grid.shape
        return grid.reshape(n, TURNS, -1, rows, columns).mean(dim=1)


def _layout_of(grid: Tensor) -> torch.memory_format:
    """Return how a grid is laid out, as depthwise convolutions of channels that lie last are the faster ones."""
    last = grid.is_contiguous(memory_format=torch.channels_last)
    return torch.channels_last if last else torch.contiguous_format
