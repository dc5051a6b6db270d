"""The guard: what a new student may lose to the shipped one on wafers that every student should still know."""

from __future__ import annotations

from typing import Literal

from wafer_core.compare import Paired

ALLOWED_LOSS = 0.005
"""Of exact match on the guard set, against the shipped student."""

Judgement = Literal["kept", "open", "lost"]
"""`kept`: a larger loss than allowed is ruled out. `open`: none was found, yet it is not ruled out. `lost`: it was."""


def judged(against: Paired, allowed: float = ALLOWED_LOSS) -> Judgement:
    """Return what a paired comparison with the shipped student says of a new one.

    The bound is one-sided, 95 %: of a hundred students that truly lost more than allowed, about five
    pass as `kept`.
    """
    if against.loss.value > allowed:
        return "lost"
    return "kept" if against.upper <= allowed else "open"
