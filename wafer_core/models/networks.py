"""The networks: residual teachers and separable students of one shape, body then class maps then mean.

Every network takes canonical maps float32 (n, 2, S, S) and answers with logits (n, 8). Its logits
are the mean of its class maps plus a bias, so a class map is evidence per place and one student
can learn from another network's class maps cell by cell.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import pairwise

from torch import Tensor, nn

from wafer_core.canonical import CHANNELS
from wafer_core.models.turning import MeanOfTurns, Turning, TurnsAlike
from wafer_core.patterns import PATTERNS

DENSE: dict[str, int] = {"separable": 0, "finer": 1, "finest": 2, "densest": 4}
"""Kinds of students, with how many dense convolutions each has at half resolution."""

Convolutions = Callable[..., nn.Sequential]
"""Makes a convolution and its normalisation of inputs, outputs, kernel, stride and groups."""


def plain(inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1) -> nn.Sequential:
    """Return a convolution and its normalisation, which makes a bias needless."""
    convolution = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(outputs))


def turning(inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1) -> nn.Sequential:
    """Return a convolution and its normalisation in all turns of a wafer."""
    return nn.Sequential(Turning(inputs, outputs, kernel, stride, groups), TurnsAlike(outputs))


class Network(nn.Module):
    """A body that ends in a grid of features, and a linear head on their mean."""

    def __init__(self, body: nn.Sequential, width: int) -> None:
        super().__init__()
        self.body = body
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.head = nn.Linear(width, len(PATTERNS))

    def features(self, maps: Tensor) -> Tensor:
        """Return the last grid of features, (n, width, S / 4, S / 4)."""
        grid: Tensor = self.body(maps)
        return grid

    def embed(self, maps: Tensor) -> Tensor:
        """Return the embedding (n, width): the mean of the features over their grid."""
        embedding: Tensor = self.pool(self.features(maps)).flatten(1)
        return embedding

    def forward(self, maps: Tensor) -> Tensor:
        """Return logits (n, 8)."""
        logits: Tensor = self.head(self.embed(maps))
        return logits

    def logits_and_embedding(self, maps: Tensor) -> tuple[Tensor, Tensor]:
        """Return logits (n, 8) and embedding (n, width) of one pass."""
        embedding = self.embed(maps)
        return self.head(embedding), embedding

    def class_maps(self, features: Tensor) -> Tensor:
        """Return the evidence per place (n, 8, h, w); its mean plus the head's bias is the logits."""
        return nn.functional.conv2d(features, self.head.weight[:, :, None, None])

    def evidence(self, maps: Tensor) -> Tensor:
        """Return the class maps, float32 (n, 8, h, w), the head's bias spread over them: their mean is the logits."""
        class_maps = self.class_maps(self.features(maps)).float()
        return class_maps + self.head.bias.float()[:, None, None]

    @property
    def gradcam_layer(self) -> nn.Module:
        """The layer whose output Grad-CAM weighs."""
        return self.body[-1]


class Residual(nn.Module):
    """Two 3x3 convolutions around which the input is added (He et al. 2016, arXiv 1512.03385)."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.first = plain(inputs, outputs, 3, stride)
        self.relu = nn.ReLU()
        self.second = plain(outputs, outputs, 3)
        self.shortcut = nn.Identity() if (inputs, stride) == (outputs, 1) else plain(inputs, outputs, 1, stride)
        # One module a use: DeepLift keeps each activation's input by module.
        self.last_relu = nn.ReLU()

    def forward(self, grid: Tensor) -> Tensor:
        """Map (n, inputs, h, w) to (n, outputs, h / stride, w / stride)."""
        out: Tensor = self.last_relu(self.second(self.relu(self.first(grid))) + self.shortcut(grid))
        return out


class Dense(nn.Module):
    """A 3x3 convolution to which its input is added."""

    def __init__(self, width: int, convolution: Convolutions = plain) -> None:
        super().__init__()
        self.convolution = convolution(width, width, 3)
        self.last_relu = nn.ReLU()

    def silence(self) -> None:
        """Let the convolution add nothing: what is at least zero passes unchanged."""
        nn.init.zeros_(self.convolution[1].get_parameter("weight"))

    def forward(self, grid: Tensor) -> Tensor:
        """Map (n, width, h, w) to the same shape."""
        activated: Tensor = self.last_relu(self.convolution(grid) + grid)
        return activated


class Separable(nn.Module):
    """A depthwise 5x5 and a pointwise convolution, with the input added where shapes agree."""

    def __init__(self, inputs: int, outputs: int, convolution: Convolutions = plain) -> None:
        super().__init__()
        self.depthwise = convolution(inputs, inputs, 5, groups=inputs)
        self.relu = nn.ReLU()
        self.pointwise = convolution(inputs, outputs, 1)
        self.adds = inputs == outputs
        self.last_relu = nn.ReLU()

    def silence(self) -> None:
        """Let the convolutions add nothing, where shapes agree: what is at least zero passes unchanged."""
        nn.init.zeros_(self.pointwise[1].get_parameter("weight"))

    def forward(self, grid: Tensor) -> Tensor:
        """Map (n, inputs, h, w) to (n, outputs, h, w)."""
        out = self.pointwise(self.relu(self.depthwise(grid)))
        activated: Tensor = self.last_relu(out + grid if self.adds else out)
        return activated


def build(architecture: str) -> Network:
    """Return an untrained network by the name that model cards carry.

    `residual-W-A-B` is a teacher of width W with A blocks at half resolution and B at a quarter;
    `separable-C1-C2-...` a student with C1 channels at half resolution, then C2 and the rest at a
    quarter, where depthwise convolutions are cheap on any processor; `finer-C1-C2-...` the same with
    one more dense convolution at half resolution, where thin lines are still seen, `finest-C1-C2-...`
    with two and `densest-C1-C2-...` with four. `turning-C1xD-C2-C3-...` is a student of such layers, D of
    them dense, that looks at a wafer in all of its eight turns: turned or mirrored it gets the same logits, if the
    canonical map's side is a multiple of 4.

    Raises:
        ValueError: the name follows none of these schemes.
    """
    if match := re.fullmatch(r"residual-(\d{1,3})-(\d)-(\d)", architecture):
        width, half, quarter = map(int, match.groups())
        if width > 1 and half and quarter:
            return _residual(width, half, quarter)
    if re.fullmatch(rf"({'|'.join(DENSE)})(-[1-9]\d{{0,2}}){{3,12}}", architecture):
        kind, *widths = architecture.split("-")
        return _separable([int(width) for width in widths], DENSE[kind])
    if match := re.fullmatch(r"turning-([1-9]\d?)x(\d)((?:-[1-9]\d{0,2}){2,11})", architecture):
        return _turning(int(match[1]), int(match[2]), [int(width) for width in match[3].split("-")[1:]])
    raise ValueError(f"{architecture!r} is no architecture this version can build.")


def parameter_count(network: nn.Module) -> int:
    """Return how many trained numbers a network has."""
    return sum(parameter.numel() for parameter in network.parameters())


def _residual(width: int, half: int, quarter: int) -> Network:
    layers: list[nn.Module] = [plain(CHANNELS, width // 2, 3), nn.ReLU()]
    layers.append(Residual(width // 2, width, 2))
    layers += [Residual(width, width, 1) for _ in range(half - 1)]
    layers.append(Residual(width, 2 * width, 2))
    layers += [Residual(2 * width, 2 * width, 1) for _ in range(quarter - 1)]
    return Network(nn.Sequential(*layers), 2 * width)


def _separable(widths: list[int], dense: int) -> Network:
    stem, first, *others = widths
    layers: list[nn.Module] = [plain(CHANNELS, stem, 3, 2), nn.ReLU()]
    layers += [Dense(stem) for _ in range(dense)]
    layers += [plain(stem, first, 3, 2), nn.ReLU()]
    layers += [Separable(inputs, outputs) for inputs, outputs in pairwise([first, *others])]
    return Network(nn.Sequential(*layers), widths[-1])


def _turning(stem: int, dense: int, widths: list[int]) -> Network:
    # Even kernels, where strides are: only then is every turn of an even grid read alike.
    lift = nn.Sequential(Turning(CHANNELS, stem, 4, 2, lifts=True), TurnsAlike(stem))
    layers: list[nn.Module] = [lift, nn.ReLU()]
    layers += [Dense(stem, turning) for _ in range(dense)]
    layers += [turning(stem, widths[0], 2, 2), nn.ReLU()]
    layers += [Separable(inputs, outputs, turning) for inputs, outputs in pairwise(widths)]
    return Network(nn.Sequential(*layers, MeanOfTurns()), widths[-1])
