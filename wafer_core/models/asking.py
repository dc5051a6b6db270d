"""What a network says of many canonical maps, wherever it lives; graphs are asked in the same batches."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from wafer_core.models.networks import Network

_BATCH = 128


def network_logits(network: Network, maps: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return a network's logits float32 (n, 8) on canonical maps."""
    import torch

    device = network.head.weight.device
    was_training = network.training
    network.eval()
    with torch.inference_mode():
        logits = [network(torch.tensor(batch, device=device)).cpu().numpy() for batch in batches(maps)]
    network.train(was_training)
    return np.concatenate(logits)


def batches(maps: NDArray[np.float32]) -> Iterator[NDArray[np.float32]]:
    """Yield maps a batch at a time; of no maps one empty batch, so that an answer to none has its shape."""
    yield from (maps[i : i + _BATCH] for i in range(0, max(len(maps), 1), _BATCH))
