"""Networks after published descriptions, ending as ours do: class maps, their mean, eight logits.

Each differs from its paper where our task does: two channels of passing and failing dies instead of
an image, and a multi-label head on the mean of the last grid. They are called "like" for that reason.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import torch
from torch import Tensor, nn

from wafer_core.canonical import CHANNELS
from wafer_core.models.networks import Network


def wafersegclassnet_like() -> Network:
    """The classification path of WaferSegClassNet (Nag et al. 2022, arXiv 2207.00960), about 40 thousand parameters.

    Blocks of a dense and a separable 3x3 convolution with 8, 16, 16, 32 and 64 channels, each but the
    last followed by pooling. Its layer of 64 units before the answer is a 1x1 convolution here, and
    contrastive training beforehand is left out: every method here gets the same steps.
    """
    widths = (CHANNELS, 8, 16, 16, 32)
    layers: list[nn.Module] = []
    for i, (inputs, outputs) in enumerate(pairwise(widths)):
        layers += [*_dense_and_separable(inputs, outputs), nn.AvgPool2d(2) if i == 3 else nn.MaxPool2d(2)]
    layers += [*_dense_and_separable(32, 64), nn.Conv2d(64, 64, 1), nn.ReLU()]
    return Network(nn.Sequential(*layers), 64)


def wm_peleenet_like() -> Network:
    """PeleeNet (Wang et al. 2018, arXiv 1804.06882) cut down as for wafer maps, 163,296 parameters.

    A two-branch stem, two stages of two-way dense layers (a 3x3 and a stacked 3x3 branch side by side)
    and transitions that keep their channels.
    """
    stem, growth = 24, 16
    layers: list[nn.Module] = [_Stem(stem)]
    width = stem
    for stage, depth in enumerate((4, 6)):
        layers += [_TwoWay(width + i * growth, growth) for i in range(depth)]
        width += depth * growth
        layers += _unit(width, width, 1)
        layers += [nn.AvgPool2d(2)] if stage == 0 else []
    return Network(nn.Sequential(*layers), width)


def dc_net_plain() -> Network:
    """DC-Net's recipe (Wang et al. 2020, doi 10.1109/TSM.2020.3020985) with plain convolutions, 2,346,952 parameters.

    Four stages of two 3x3 convolutions each with 32 to 352 channels; the deformable sampling that it
    is named after is left out.
    """
    widths = (CHANNELS, 32, 96, 192, 352)
    layers: list[nn.Module] = []
    for inputs, outputs in pairwise(widths):
        layers += [*_unit(inputs, outputs, 3), *_unit(outputs, outputs, 3), nn.MaxPool2d(2)]
    return Network(nn.Sequential(*layers[:-1]), widths[-1])


RIVALS: dict[str, Callable[[], Network]] = {
    "wafersegclassnet-like": wafersegclassnet_like,
    "wm-peleenet-like": wm_peleenet_like,
    "dc-net-plain": dc_net_plain,
}
"""Every rival network by the name that the table calls it."""


class _TwoWay(nn.Module):
    """A two-way dense layer: both branches' new channels stand beside what came in."""

    def __init__(self, inputs: int, growth: int) -> None:
        super().__init__()
        half, narrow = growth // 2, 2 * growth
        self.near = nn.Sequential(*_unit(inputs, narrow, 1), *_unit(narrow, half, 3))
        self.far = nn.Sequential(*_unit(inputs, narrow, 1), *_unit(narrow, half, 3), *_unit(half, half, 3))

    def forward(self, grid: Tensor) -> Tensor:
        """Map (n, inputs, h, w) to (n, inputs + growth, h, w)."""
        return torch.cat([grid, self.near(grid), self.far(grid)], dim=1)


class _Stem(nn.Module):
    """Half resolution, then a pooled and a convolved branch to a quarter."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = nn.Sequential(*_unit(CHANNELS, width, 3, 2))
        self.convolved = nn.Sequential(*_unit(width, width // 2, 1), *_unit(width // 2, width, 3, 2))
        self.pooled = nn.MaxPool2d(2)
        self.joined = nn.Sequential(*_unit(2 * width, width, 1))

    def forward(self, maps: Tensor) -> Tensor:
        """Map (n, 2, S, S) to (n, width, S / 4, S / 4)."""
        half = self.first(maps)
        joined: Tensor = self.joined(torch.cat([self.convolved(half), self.pooled(half)], dim=1))
        return joined


def _unit(inputs: int, outputs: int, kernel: int, stride: int = 1) -> list[nn.Module]:
    convolution = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False)
    return [convolution, nn.BatchNorm2d(outputs), nn.ReLU()]


def _dense_and_separable(inputs: int, outputs: int) -> list[nn.Module]:
    return [
        *(nn.Conv2d(inputs, outputs, 3, padding=1), nn.ReLU(), nn.BatchNorm2d(outputs), nn.Dropout(0.1)),
        *(nn.Conv2d(outputs, outputs, 3, padding=1, groups=outputs), nn.Conv2d(outputs, outputs, 1)),
        *(nn.ReLU(), nn.BatchNorm2d(outputs)),
    ]
