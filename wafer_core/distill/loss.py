"""What the student is asked to match: the teacher's probabilities, logits and class maps."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from wafer_core.models.networks import Network


@dataclass(frozen=True)
class DistillationLoss:
    """A sum of three ways to differ from the teacher on the same view.

    Args:
        answers: weight of the binary cross-entropy against the teacher's soft probabilities.
        logits: weight of the squared difference of logits, clipped to +-`clip`.
        maps: weight of the squared difference of class maps, in units of the teacher's variance
            (multi-label class maps teach more than logits alone: arXiv 2303.08360).
        clip: beyond this a logit is saturated and its size says nothing.
    """

    answers: float = 1.0
    logits: float = 0.05
    maps: float = 0.1
    clip: float = 8.0

    def __call__(self, teacher: Network, student: Network, maps: Tensor) -> Tensor:
        """Return the loss of one batch of canonical maps (n, 2, S, S)."""
        with torch.no_grad():
            wanted_maps, wanted = _evidence(teacher, maps)
        found_maps, found = _evidence(student, maps)
        soft = nn.functional.binary_cross_entropy_with_logits(found, wanted.sigmoid())
        near = nn.functional.mse_loss(found.clamp(-self.clip, self.clip), wanted.clamp(-self.clip, self.clip))
        alike = nn.functional.mse_loss(found_maps, wanted_maps) / (wanted_maps.var() + 1e-6)
        return self.answers * soft + self.logits * near + self.maps * alike


def _evidence(network: Network, maps: Tensor) -> tuple[Tensor, Tensor]:
    """Return class maps (n, 8, h, w) with the head's bias spread over them, and logits (n, 8)."""
    features = network.features(maps)
    class_maps = network.class_maps(features).float() + network.head.bias.float()[:, None, None]
    return class_maps, class_maps.mean(dim=(2, 3))
