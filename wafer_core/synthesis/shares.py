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

    Raises:
        UsageError: a share is below 0, or both together are above 1.
    """

    real: float
    overlays: float

    def __post_init__(self) -> None:
        if not (self.real >= 0 and self.overlays >= 0 and self.real + self.overlays <= 1):
            raise UsageError("The shares of real wafers and of overlays are from 0 to 1, and no more than 1 together.")


TEACHING = Shares(real=0.42, overlays=0.25)
"""What a teacher sees."""

LEARNING = Shares(real=0.4, overlays=0.25)
"""What a student sees."""
