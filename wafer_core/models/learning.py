"""What teaching and distilling share: the rate's schedule, averaged weights, device, precision and layout."""

from __future__ import annotations

import math
from contextlib import AbstractContextManager

import torch
from torch import nn

from wafer_core.models.networks import Network


def schedule(progress: float, warm: float, least: float) -> float:
    """Return the share of the peak rate at `progress` in [0, 1]: a linear warm-up, then half a cosine.

    Args:
        progress: the share of the steps already taken.
        warm: the share of the steps that the warm-up takes, in (0, 1).
        least: the share of the peak rate that the warm-up starts from.
    """
    if progress < warm:
        return max(progress / warm, least)
    return 0.5 * (1 + math.cos(math.pi * (progress - warm) / (1 - warm)))


@torch.no_grad()
def blend(average: nn.Module, network: nn.Module, keep: float) -> None:
    """Move an average of weights and statistics towards a network's (Polyak averaging).

    Args:
        average: what is moved, in place; whole numbers are copied.
        network: of the same architecture; it is not changed.
        keep: how much of the average stays, in [0, 1].
    """
    for mean, new in zip(average.state_dict().values(), network.state_dict().values(), strict=True):
        if mean.dtype.is_floating_point:
            mean.lerp_(new, 1 - keep)
        else:
            mean.copy_(new)


def pick_device() -> torch.device:
    """Return the accelerator where there is one, else the processor."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def lower_precision(device: torch.device) -> AbstractContextManager[None]:
    """Return a context in which an accelerator multiplies in bfloat16."""
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=device.type == "cuda")


def fastest_layout(network: nn.Module) -> torch.memory_format:
    """Return the layout of weights and maps in which a network answers and learns fastest without harm.

    With channels last depthwise convolutions learn nearly twice as fast on a processor, and a large network answers
    a batch in three quarters of the time. In the gradient of strided 1x1 convolutions to 16 channels or fewer,
    though, oneDNN 3.12 then writes past its memory.
    """
    strided = (one for one in network.modules() if isinstance(one, nn.Conv2d) and one.stride > (1, 1))
    breaks = any(one.kernel_size == (1, 1) and one.out_channels <= 16 for one in strided)
    return torch.contiguous_format if breaks else torch.channels_last


def laid_out(network: Network, layout: torch.memory_format = torch.channels_last) -> Network:
    """Lay a network's weights out, in place, and return it; the weights themselves stay as they are.

    Channels last is the fastest for whatever is only asked; where gradients are followed `fastest_layout` tells.
    """
    # torch's annotations leave this argument out.
    return network.to(memory_format=layout)  # type: ignore[call-overload, no-any-return]
