"""From raw cell values to die states: what is stated, what is assumed and what is asked."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wafer_core.errors import ReadingQuestion, UnreadableFile
from wafer_core.lot import FAIL, NO_DIE, PASS, UNTESTED, Note, ReadingOptions

NO_BIN = -1
_STATES = (NO_DIE, PASS, FAIL, UNTESTED)
_INT32 = 2**31 - 1


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


def passing_bins(name: str, found: Sequence[int], options: ReadingOptions) -> tuple[tuple[int, ...], Note | None]:
    """Decide which of the bins found pass, with the assumption to report where one was made.

    Raises:
        ReadingQuestion: the bins do not say it themselves and the engineer has not.
    """
    if options.pass_bins is not None:
        return options.pass_bins, None
    listing = "only bins " + ", ".join(map(str, found)) if len(found) > 1 else f"only bin {found[0]}" if found else ""
    if not found:
        return (1,), None
    if max(found) <= 2:
        question = f"The file holds {listing}, which could mean pass and fail either way: which bins pass?"
    elif 1 not in found:
        shown = ", ".join(map(str, found[:12])) + (" ..." if len(found) > 12 else "")
        question = f"No die is in bin 1 (the file holds bins {shown}): which bins pass?"
    else:
        return (1,), Note("assumed", name, f"Bin 1 passes and every other bin fails ({len(found)} bins found).")
    raise ReadingQuestion(name, "pass_bins", question, found)


def states_of(bins: NDArray[np.integer], passing: Sequence[int]) -> NDArray[np.uint8]:
    """Return pass or fail for every bin, uint8 of the same shape."""
    return np.where(np.isin(bins, passing), np.uint8(PASS), np.uint8(FAIL))


def from_array(name: str, values: NDArray[Any], options: ReadingOptions) -> Cells:
    """Read the numbers of an npz or npy file, of any shape.

    Values within 0..3 are states unless the options say which bins pass. Others are bins, and a cell
    below 0 or not a number is no die; where there is none of either, 0 is no die.

    Raises:
        ReadingQuestion: fractions, or bins that do not say which of them pass.
        UnreadableFile: the values are not what the options say they are.
    """
    fraction: NDArray[np.bool_] = np.zeros((), dtype=bool)
    blank: NDArray[np.bool_] = fraction
    notes: list[Note] = []
    if values.dtype.kind == "f":
        blank = np.isnan(values)
        fraction = ~blank & (~np.isfinite(values) | (np.rint(values) != values))
        if fraction.any():
            notes.append(_fractions(name, values[fraction], options))
        values = np.where(blank | fraction, 0, values)
    low, high = (int(values.min()), int(values.max())) if values.size else (0, 0)
    if high > _INT32 or low < -_INT32:
        raise UnreadableFile(name, f"it holds values such as {high if high > _INT32 else low}, which are not bins.")
    kind = options.cells or ("bins" if options.pass_bins is not None else None)
    if kind == "states" or (kind is None and low >= 0 and high <= 3):
        states = _as_states(name, values, low, high)
        bins = None
    else:
        blank = blank | (values < 0)
        bins = np.where(blank | fraction, NO_BIN, values).astype(np.int32)
        states, bins = _from_bins(name, bins, np.broadcast_to(fraction, bins.shape), options, notes)
    if np.any(fraction):
        states = np.where(fraction, np.uint8(UNTESTED), states)
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
        return Cells(np.where(blank, np.uint8(NO_DIE), _as_states(name, values, low, high)))
    notes: list[Note] = []
    bins = np.where(blank | (values < 0), NO_BIN, values).astype(np.int32)
    states, kept = _from_bins(name, bins, np.zeros(bins.shape, dtype=bool), options, notes)
    return Cells(states, kept, notes)


def _from_bins(
    name: str,
    bins: NDArray[np.int32],
    fraction: NDArray[np.bool_],
    options: ReadingOptions,
    notes: list[Note],
) -> tuple[NDArray[np.uint8], NDArray[np.int32]]:
    empty = (bins == NO_BIN) & ~fraction
    stated_zero = options.pass_bins is not None and 0 in options.pass_bins
    if not empty.any() and not stated_zero and (bins == 0).any():
        notes.append(Note("assumed", name, "No cell is blank, so cells of value 0 are no dies."))
        empty = bins == 0
        bins = np.where(empty, np.int32(NO_BIN), bins)
    passing, note = passing_bins(name, np.unique(bins[bins != NO_BIN]).tolist(), options)
    if note:
        notes.append(note)
    return np.where(empty, np.uint8(NO_DIE), states_of(bins, passing)), bins


def _as_states(name: str, values: NDArray[np.generic], low: int, high: int) -> NDArray[np.uint8]:
    if low < 0 or high > max(_STATES):
        odd = low if low < 0 else high
        raise UnreadableFile(name, f"it holds the value {odd}, but die states run from 0 to 3; state --cells bins.")
    return values.astype(np.uint8)


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
