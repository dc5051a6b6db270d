"""How often each kind of wafer is drawn to learn from."""

from __future__ import annotations

from dataclasses import dataclass

from wafer_core.errors import UsageError


@dataclass(frozen=True)
class Shares:
    """How often each kind of map is drawn; the rest is simulated.

    Args:
        real: the share of single real wafers.
        overlays: the share of real wafers laid over each other.
        blemished: the share of the simulated ones that have blemishes besides their patterns.

    Raises:
        UsageError: a share is below 0 or above 1, or the first two are above 1 together.
    """

    real: float
    overlays: float
    blemished: float = 0.0

    def __post_init__(self) -> None:
        if not (self.real >= 0 and self.overlays >= 0 and self.real + self.overlays <= 1):
            raise UsageError("The shares of real wafers and of overlays are from 0 to 1, and no more than 1 together.")
        if not 0 <= self.blemished <= 1:
            raise UsageError("The share of simulated wafers that are blemished is from 0 to 1.")


BLEMISHED = "the share of the simulated wafers with a ragged edge, clumped noise, missing or untested dies"
"""What commands say of that share."""

TEACHING = Shares(real=0.42, overlays=0.25)
"""What a teacher sees."""

LEARNING = Shares(real=0.4, overlays=0.25)
"""What a student sees."""
