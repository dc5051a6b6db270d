"""The vocabulary: eight patterns, the sets they may form, and their usual suspects."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import product

import numpy as np
from numpy.typing import NDArray

PATTERNS: tuple[str, ...] = (
    "Center",
    "Donut",
    "Edge-Loc",
    "Edge-Ring",
    "Loc",
    "Near-Full",
    "Scratch",
    "Random",
)
"""The eight patterns in the column order of MixedWM38; every array of patterns uses this order."""

NORMAL = "Normal"
"""What a wafer without any pattern is called."""

SUSPECTS: dict[str, str] = {
    "Center": "plasma or gas-flow non-uniformity, CMP pressure",
    "Donut": "spin coat or develop, annular heating",
    "Edge-Loc": "local edge heating, clamp or diffusion issue",
    "Edge-Ring": "etch or RTP edge non-uniformity, edge bead",
    "Loc": "particle cluster, clogged nozzle, local CMP fault",
    "Near-Full": "gross process or test failure",
    "Scratch": "handling, CMP pad debris",
    "Random": "contamination, general excursion",
}
"""Where an engineer usually looks first; a hint, never a diagnosis."""


def index(pattern: str) -> int:
    """Return the column of `pattern`, raising `ValueError` for a name outside `PATTERNS`."""
    if pattern not in PATTERNS:
        raise ValueError(f"{pattern!r} is not a pattern; the patterns are {', '.join(PATTERNS)}.")
    return PATTERNS.index(pattern)


def flags(names: Iterable[str]) -> NDArray[np.bool_]:
    """Return the bool (8,) set that holds `names`; `Normal` adds nothing."""
    found = np.zeros(len(PATTERNS), dtype=bool)
    for name in names:
        if name != NORMAL:
            found[index(name)] = True
    return found


def names(members: Sequence[bool] | NDArray[np.bool_]) -> tuple[str, ...]:
    """Return the patterns of a bool (8,) set, in order; an empty tuple for a normal wafer."""
    return tuple(name for name, member in zip(PATTERNS, members, strict=True) if member)


def title(members: Sequence[bool] | NDArray[np.bool_]) -> str:
    """Return a set as an engineer writes it: `Center+Scratch`, or `Normal` when empty."""
    return "+".join(names(members)) or NORMAL


def _mixed_sets() -> NDArray[np.bool_]:
    structure = product(("", "Center", "Donut"), ("", "Edge-Loc", "Edge-Ring"), ("", "Loc"), ("", "Scratch"))
    mixed = [flags(filter(None, members)) for members in structure]
    return np.array([*mixed, flags(["Near-Full"]), flags(["Random"])])


def _free_sets() -> NDArray[np.bool_]:
    others = [name for name in PATTERNS if name != "Near-Full"]
    subsets = product((False, True), repeat=len(others))
    free = [flags(name for name, member in zip(others, members, strict=True) if member) for members in subsets]
    return np.array([*free, flags(["Near-Full"])])


ALLOWED_SETS: dict[str, NDArray[np.bool_]] = {"38": _mixed_sets(), "free": _free_sets()}
"""The label sets a decoder may answer with, bool (sets, 8).

`38` holds the sets of MixedWM38: {-, Center, Donut} x {-, Edge-Loc, Edge-Ring} x {-, Loc} x
{-, Scratch}, then Near-Full and Random alone. `free` holds every set without Near-Full, and
Near-Full alone.
"""
for _sets in ALLOWED_SETS.values():
    _sets.setflags(write=False)
