"""From raw cell values to die states: what is stated, what is assumed and what is asked."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

from wafer_core.errors import ReadingQuestion, UnreadableFile
from wafer_core.lot import FAIL, MOST_BIN, NO_DIE, PASS, UNTESTED, Note, ReadingOptions
from wafer_core.readers import limits

T = TypeVar("T", bound=np.generic)

NO_BIN = -1
_STATES = (NO_DIE, PASS, FAIL, UNTESTED)
_PIECE = 1 << 20
"""Cells that are looked up at a time: a look-up takes many times the memory of what it returns."""


@dataclass(frozen=True, eq=False)
class Cells:
    """Die states uint8 and, where the values were bins, the bins int32, both of the values' shape."""

    states: NDArray[np.uint8]
    bins: NDArray[np.int32] | None = None
    notes: list[Note] = field(default_factory=list)


def parted(cells: Cells, shapes: Sequence[tuple[int, int]]) -> Iterator[Cells]:
    """Give each wafer its own of cells that were judged together, flat and one behind the other, without notes."""
    ends = np.cumsum([rows * columns for rows, columns in shapes])[:-1]
    states = np.split(cells.states, ends)
    bins = [None] * len(shapes) if cells.bins is None else np.split(cells.bins, ends)
    for shape, own, kept in zip(shapes, states, bins, strict=True):
        yield Cells(own.reshape(shape), None if kept is None else kept.reshape(shape))


def passing_bins(
    name: str, found: Sequence[int], options: ReadingOptions, holder: str = "The file", zero_leads: bool = False
) -> tuple[tuple[int, ...], Note | None]:
    """Decide which of the bins found pass, with the assumption to report where one was made.

    `holder` begins a question: what holds these bins. In some fabs bin 0 passes; where it `zero_leads`, more dies
    are in it than in bin 1, that is asked.

    Raises:
        ReadingQuestion: the bins do not say it themselves and the engineer has not.
    """
    if options.pass_bins is not None:
        return options.pass_bins, None
    if not found:
        return (1,), None
    if max(found) <= 2:
        question = f"{holder} holds only {_listed(found)}, which could mean pass and fail either way: which bins pass?"
        raise ReadingQuestion(name, "pass_bins", question, found)
    if 1 not in found:
        raise none_passes(name, (1,), found)
    if zero_leads:
        question = (
            f"{holder} has more dies in bin 0 than in bin 1 ({_listed(found)}): which bins pass? Where 0 says that a "
            "die was not tested, leave its bin empty in the file instead."
        )
        raise ReadingQuestion(name, "pass_bins", question, found)
    return (1,), Note("assumed", name, f"Bin 1 passes and every other bin fails ({len(found)} bins found).")


def none_passes(name: str, passing: Sequence[int], found: Sequence[int], where: str = "the file") -> ReadingQuestion:
    """Return the question which bins pass, for where no die is in those that are said to."""
    question = f"No die is in {_listed(passing)} ({where} holds {_listed(found)}): which bins pass?"
    return ReadingQuestion(name, "pass_bins", question, found)


def _listed(bins: Sequence[int]) -> str:
    shown = ", ".join(map(str, bins[:12])) + (" ..." if len(bins) > 12 else "")
    return f"bin{'s' * (len(bins) > 1)} {shown}"


def states_of(bins: NDArray[np.integer], passing: Sequence[int]) -> NDArray[np.uint8]:
    """Return pass or fail for every bin, uint8 of the same shape."""
    states = np.full(bins.shape, FAIL, dtype=np.uint8)
    flat = states.reshape(-1)
    for start, piece in _pieces(bins):
        flat[start : start + piece.size][np.isin(piece, passing)] = PASS
    return states


def from_array(name: str, values: NDArray[Any], options: ReadingOptions) -> Cells:
    """Read the numbers of an npz or npy file, of any shape.

    Values within 0..3 are states unless the options say which bins pass. Others are bins, and a cell
    below 0 or not a number is no die; where there is none of either, 0 is no die.

    Raises:
        ReadingQuestion: fractions, or bins that do not say which of them pass.
        UnreadableFile: the values are not what the options say they are, or too many.
    """
    fraction: NDArray[np.bool_] = np.zeros((), dtype=bool)
    whole: NDArray[np.bool_] | Literal[True] = True
    notes: list[Note] = []
    if values.dtype.kind == "f":
        whole = np.isfinite(values) & (np.rint(values) == values)
        fraction = ~whole & ~np.isnan(values)
        if fraction.any():
            notes.append(_fractions(name, values[fraction], options))
    low, high = int(values.min(initial=0, where=whole)), int(values.max(initial=0, where=whole))
    if high > MOST_BIN or low < -MOST_BIN:
        beyond = f"above {MOST_BIN:,}" if high > MOST_BIN else f"below {-MOST_BIN:,}"
        raise UnreadableFile(name, f"it holds values {beyond}, which are not bins.")
    kind = options.cells or ("bins" if options.pass_bins is not None else None)
    if kind == "states" or (kind is None and low >= 0 and high <= 3):
        check_states(name, low, high)
        states = _cast(values, whole, np.uint8(NO_DIE))
        bins = None
    else:
        limits.check_cells(name, values.size, with_bins=True)
        bins = _cast(values, whole, np.int32(NO_BIN))
        bins[bins < 0] = NO_BIN
        states = _from_bins(name, bins, fraction, options, notes)
    if np.any(fraction):
        states[fraction] = UNTESTED
    if bins is None and not np.any(fraction) and (untested := int(np.count_nonzero(states == UNTESTED))):
        notes.append(Note("assumed", name, f"{untested:,} cells of value 3 are dies that were not tested."))
    return Cells(states, bins, notes)


def from_grid(name: str, values: NDArray[np.int64], blank: NDArray[np.bool_], options: ReadingOptions) -> Cells:
    """Read the cells of a text grid, int64 with a bool mask of blank cells.

    Raises:
        ReadingQuestion: the cells could be states or bins, or do not say which bins pass.
        UnreadableFile: the values are not what the options say they are.
    """
    found = sorted(set(values[~blank].tolist()))
    kind = options.cells or ("bins" if options.pass_bins is not None else None)
    # 0 to 3 without a blank cell reads as states just as well: the corners of a wafer's grid are no dies.
    if kind is None and found and found[0] >= 0 and (found[-1] <= 2 or (found[-1] == 3 and not blank.any())):
        listing = ", ".join(map(str, found))
        raise ReadingQuestion(
            name,
            "cells",
            f"The cells hold {listing}: are these die states (0 no die, 1 pass, 2 fail) or bins?",
            ("states", "bins"),
        )
    low, high = (found[0], found[-1]) if found else (0, 0)
    if kind == "states":
        check_states(name, low, high)
        return Cells(_cast(values, ~blank, np.uint8(NO_DIE)))
    notes: list[Note] = []
    bins = _cast(values, ~blank & (values >= 0), np.int32(NO_BIN))
    return Cells(_from_bins(name, bins, np.zeros((), dtype=bool), options, notes), bins, notes)


def _from_bins(
    name: str,
    bins: NDArray[np.int32],
    fraction: NDArray[np.bool_],
    options: ReadingOptions,
    notes: list[Note],
) -> NDArray[np.uint8]:
    """Return the states; bins of 0 that turn out to be no dies are changed in place, to take no room twice."""
    empty = (bins == NO_BIN) & ~fraction
    holder = "The file"
    stated_zero = options.pass_bins is not None and 0 in options.pass_bins
    if not empty.any() and not stated_zero and (bins == 0).any():
        notes.append(Note("assumed", name, "No cell is blank, so cells of value 0 are no dies."))
        empty = bins == 0
        bins[empty] = NO_BIN
        holder = "No cell is blank, so cells of value 0 count as no dies; apart from them the file"
    zeros, ones = (sum(int(np.count_nonzero(piece == each)) for _, piece in _pieces(bins)) for each in (0, 1))
    passing, note = passing_bins(name, bins_in(bins), options, holder, zero_leads=zeros > ones)
    if note:
        notes.append(note)
    states = states_of(bins, passing)
    states[empty] = NO_DIE
    return states


def bins_in(bins: NDArray[np.int32]) -> list[int]:
    """Return the bins there are in cells of any shape, in order."""
    values = np.unique(np.concatenate([np.unique(piece) for _, piece in _pieces(bins)]))
    found: list[int] = values[values != NO_BIN].tolist()
    return found


def _pieces(cells: NDArray[T]) -> Iterator[tuple[int, NDArray[T]]]:
    """Return cells of any shape in flat pieces, each with the place of its first."""
    flat = cells.reshape(-1)
    for start in range(0, cells.size, _PIECE):
        yield start, flat[start : start + _PIECE]


def _cast(values: NDArray[Any], whole: NDArray[np.bool_] | Literal[True], other: T) -> NDArray[T]:
    """Return whole values in the type of `other`, which stands where they are not whole."""
    cast = np.full(values.shape, other)
    np.copyto(cast, values, casting="unsafe", where=whole)
    return cast


def check_states(name: str, low: int, high: int) -> None:
    """Refuse values from `low` to `high` that were stated to be die states and are not."""
    if low < 0 or high > max(_STATES):
        odd = low if low < 0 else high
        raise UnreadableFile(name, f"it holds the value {odd}, but die states run from 0 to 3; state --cells bins.")


def _fractions(name: str, odd: NDArray[np.generic], options: ReadingOptions) -> Note:
    if options.cells is None and options.pass_bins is None:
        raise ReadingQuestion(
            name,
            "cells",
            f"{odd.size:,} cells hold numbers such as {odd.flat[0]:g}, which are neither states nor bins: "
            "what do the whole numbers mean? The others will count as not tested.",
            ("states", "bins"),
        )
    return Note("changed", name, f"{odd.size:,} cells that hold no whole number count as dies that were not tested.")
