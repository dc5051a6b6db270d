"""What an engineer flips by hand: steps that can be undone, as a few letters in the address."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from wafer_core.lot import FAIL, PASS, Wafer
from wafer_core.trust.altered import flipped

MOST_LETTERS = 2_000
"""What is longer stays out of the address: some mail programs cut such a link."""

MOST_DIES = 1 << 21
"""Of all steps in an address together: a few letters may name a whole wafer, and each step may do so again."""

_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"
_HEAD = 8
_RUN = re.compile(r"([0-9a-z]{1,6})(?:-([0-9a-z]{1,6}))?")
_APART, _NUMBER = re.compile(r"[\s,;/]+"), re.compile(r"-?[0-9]{1,6}")


@dataclass(frozen=True)
class Attempt:
    """Dies of one wafer that are flipped step by step; a die flipped twice is as it was.

    Args:
        wafer: which stays as it is.
        steps: the cells of each step, counted along the rows; tested dies only.
    """

    wafer: Wafer
    steps: tuple[tuple[int, ...], ...] = ()

    @classmethod
    def read(cls, text: str | None, wafer: Wafer) -> Attempt | None:
        """Return what an address says, or None where it says nothing of this wafer or more than an address may."""
        if text is None or len(text) > MOST_LETTERS:
            return None
        head, *texts = text.split("~")
        if head != wafer.map_hash[:_HEAD]:
            return None
        tested = np.flatnonzero((wafer.states == PASS) | (wafer.states == FAIL))
        steps: list[tuple[int, ...]] = []
        left = MOST_DIES
        for dies in (_dies(step, tested) for step in texts):
            left -= len(dies)
            if left < 0:
                return None
            steps.append(tuple(dies.tolist()))
        return cls(wafer, tuple(step for step in steps if step))

    @property
    def text(self) -> str:
        """What the address holds: which wafer, then each step's dies as runs in base 36."""
        return "~".join([self.wafer.map_hash[:_HEAD], *(_runs(step) for step in self.steps)])

    @property
    def fits(self) -> bool:
        """Whether `read` takes it back from the address."""
        return len(self.text) <= MOST_LETTERS and sum(map(len, self.steps)) <= MOST_DIES

    @cached_property
    def dies(self) -> tuple[int, ...]:
        """The cells that are not as they were, in order."""
        seen: set[int] = set()
        for step in self.steps:
            seen ^= set(step)
        return tuple(sorted(seen))

    @cached_property
    def altered(self) -> Wafer:
        """The wafer as these flips make it."""
        return flipped(self.wafer, self.dies)

    @property
    def mended(self) -> int:
        """How many failing dies pass now."""
        return sum(int(self.wafer.states.flat[die]) == FAIL for die in self.dies)

    @property
    def broken(self) -> int:
        """How many passing dies fail now."""
        return len(self.dies) - self.mended

    def taken(self, steps: Iterable[Iterable[int]]) -> Attempt:
        """Return the attempt with these steps instead; of each step only tested dies are kept, empty ones are none."""
        states = self.wafer.states.ravel()
        inside = ({die for die in step if 0 <= die < states.size} for step in steps)
        sound = (tuple(sorted(die for die in step if states[die] in (PASS, FAIL))) for step in inside)
        return replace(self, steps=tuple(step for step in sound if step))

    def then(self, dies: Iterable[int]) -> Attempt:
        """Return the attempt one step further."""
        return self.taken([*self.steps, dies])

    def undone(self) -> Attempt:
        """Return the attempt without its last step."""
        return replace(self, steps=self.steps[:-1])


def named_dies(text: str, wafer: Wafer) -> tuple[list[int], list[str]]:
    """Return the cells of the tested dies that a text names, and whatever in it names none.

    Dies are named by the file's own coordinates, such as `12,34 13,34`; a text that is more or less than pairs of
    whole numbers names none at all.
    """
    numbers = [part for part in _APART.split(text.replace("\N{MINUS SIGN}", "-")) if part]
    if len(numbers) % 2 or not all(map(_NUMBER.fullmatch, numbers)):
        return [], [text.strip()]
    rows, columns = np.nonzero((wafer.states == PASS) | (wafer.states == FAIL))
    x, y = wafer.frame.coordinates(rows, columns)
    cells = (rows * wafer.frame.columns + columns).tolist()
    tested = dict(zip(zip(x.tolist(), y.tolist(), strict=True), cells, strict=True))
    named = [(int(one), int(two)) for one, two in zip(numbers[::2], numbers[1::2], strict=True)]
    return [tested[die] for die in named if die in tested], [f"{x},{y}" for x, y in named if (x, y) not in tested]


def _runs(cells: Sequence[int]) -> str:
    """Write cells that stand beside one another as the first and how many."""
    breaks = [i + 1 for i, (one, two) in enumerate(pairwise(cells)) if two != one + 1]
    spans = zip([0, *breaks], [*breaks, len(cells)], strict=True)
    return ".".join(_base36(cells[a]) + (f"-{_base36(b - a)}" if b - a > 1 else "") for a, b in spans)


def _dies(text: str, tested: NDArray[np.intp]) -> NDArray[np.intp]:
    """Return which of the tested cells a step names, in order and each once, however often it does."""
    runs = [matched for run in text.split(".") if (matched := _RUN.fullmatch(run))]
    spans = sorted((int(run[1], 36), int(run[2] or "1", 36)) for run in runs)
    parts, taken = [tested[:0]], 0
    for start, length in spans:
        first, last = np.searchsorted(tested, (max(start, taken), start + length))
        parts.append(tested[first:last])
        taken = max(taken, start + length)
    return np.concatenate(parts)


def _base36(number: int) -> str:
    digits = ""
    while True:
        number, digit = divmod(number, 36)
        digits = _DIGITS[digit] + digits
        if not number:
            return digits
