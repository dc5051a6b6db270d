"""What the student is asked to match: the teacher's probabilities, logits and class maps."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn


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

    def __call__(self, wanted: Tensor, found: Tensor) -> Tensor:
        """Return the loss of one batch.

        Args:
            wanted: the teacher's evidence on it, (n, 8, h, w).
            found: the student's, (n, 8, ...) on the same grid or a coarser one.
        """
        answers, logits = wanted.mean(dim=(2, 3)), found.mean(dim=(2, 3))
        soft = nn.functional.binary_cross_entropy_with_logits(logits, answers.sigmoid())
        near = nn.functional.mse_loss(logits.clamp(-self.clip, self.clip), answers.clamp(-self.clip, self.clip))
        rows, columns = found.shape[-2:]
        places = nn.functional.adaptive_avg_pool2d(wanted, (rows, columns))
        alike = nn.functional.mse_loss(found, places) / (places.var() + 1e-6)
        return self.answers * soft + self.logits * near + self.maps * alike


USUAL = DistillationLoss()
"""What students are asked to match unless told otherwise."""
