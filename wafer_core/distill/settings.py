"""What a user sets of a distillation."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from wafer_core.errors import UsageError
from wafer_core.models.card import check_repeatable
from wafer_core.models.sizes import STUDENT_SIZES

Pool = Literal["shipped", "lots", "both", "none"]
"""The wafers that can stand beside a lot: shipped ones, those of other lots, both, or none."""

WITH_SHIPPED, WITH_LOTS = ("shipped", "both"), ("lots", "both")

STRONGEST = 2.0

RANDOM = "random"
"""What is named in a student's place to start from random weights."""


@dataclass(frozen=True)
class Settings:
    """What a user sets of a distillation.

    Args:
        size: a key of `STUDENT_SIZES`.
        budget: seconds of wall time from start to the last file written.
        seed: of initialisation, views and order.
        steps: how many steps to train whatever the clock says; None fits them into the budget.
        start: the model folder to start from; None is the shipped student of that size, or the one it grows from.
        fresh: start from random weights instead.
        augmentation: how strongly views differ from the wafers they are of: 0 turns and mirrors only,
            1 as it proved best, 2 twice the noise and twice the overlaid wafers.
        pool: what is learned beside the lot, so that a small one does not make the student forget.
        without: wafers of the lot, `LOT/WAFER`, that are neither learned from nor held out.

    Raises:
        UsageError: a value that cannot be used.
    """

    size: str = "small"
    budget: float = 60.0
    seed: int = 0
    steps: int | None = None
    start: Path | None = None
    fresh: bool = False
    augmentation: float = 1.0
    pool: Pool = "shipped"
    without: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.size not in STUDENT_SIZES:
            raise UsageError(f"There is no student size {self.size!r}; the sizes are {', '.join(STUDENT_SIZES)}.")
        if self.steps is None and not SHORTEST <= self.budget <= LONGEST:
            raise UsageError(f"A budget of {self.budget:g} seconds is not between {SHORTEST} and {LONGEST}.")
        check_repeatable(self.seed, 1 if self.steps is None else self.steps)
        if not 0 <= self.augmentation <= STRONGEST:
            raise UsageError(f"An augmentation of {self.augmentation:g} is not between 0 and {STRONGEST:g}.")
        if self.pool not in get_args(Pool):
            raise UsageError(f"There is no pool {self.pool!r}; the pools are {', '.join(get_args(Pool))}.")
        if self.fresh and self.start is not None:
            raise UsageError("A student starts from random weights or from another student, not from both.")

    def unusual(self) -> str:
        """Return the options, as the command line takes them, that differ from what is usual."""
        usual, words = Settings(), []
        if self.augmentation != usual.augmentation:
            words += ["--augmentation", f"{self.augmentation:g}"]
        if self.pool != usual.pool:
            words += ["--pool", self.pool, *(["--pool-lot", "FILE"] if self.pool in WITH_LOTS else [])]
        if self.fresh or self.start is not None:
            words += ["--start", RANDOM if self.start is None else self.start.name]
        for name in self.without:
            words += ["--without", name]
        return shlex.join(words)


SHORTEST, LONGEST = 25, 7 * 24 * 3600
"""Seconds: less leaves no time to train beside loading, exporting and quantising."""
