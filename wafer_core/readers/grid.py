"""Grids in text: a cell a die, the top row first, one wafer a block of lines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from wafer_core.errors import UnreadableFile
from wafer_core.lot import Frame, Note, ReadingOptions
from wafer_core.readers import limits, numbers
from wafer_core.readers.axes import Axes, Axis, find_axes
from wafer_core.readers.cells import from_grid, parted
from wafer_core.readers.draft import Draft, Format, Reading
from wafer_core.readers.gridtext import ADVICE, Block, GridText
from wafer_core.readers.source import Source

_MOST_PADDED = 8
"""Times as many cells as a grid's lines hold that filling them up to the longest may make."""
_LIST_LIKE_COLUMNS = 8
_APART = "Every line stands alone between empty ones, so these part no wafers; only wider gaps do."
_BOTH, _ONLY_X, _ONLY_Y = (
    "the first line is read as x and the first column as y; neither holds dies.",
    "the first line counts one by one, so it is read as x and holds no dies.",
    "the first column counts one by one, so it is read as y and holds no dies.",
)


@dataclass(frozen=True, eq=False)
class _Grid:
    """A wafer as read: int64 values and bool blanks (rows, columns), where it stands and what says so."""

    values: NDArray[np.int64]
    blank: NDArray[np.bool_]
    frame: Frame
    axes: Axes


def _read(source: Source, options: ReadingOptions) -> Reading:
    limits.check_grid_text(source.name, len(source.data))
    text = GridText(source)
    grids = [_grid(source.name, block) for block in text.blocks()]
    if not grids:
        raise UnreadableFile(source.name, f"it holds no cells; {ADVICE}")
    # One file has one meaning: what its wafers hold is judged together.
    cells = from_grid(
        source.name,
        np.concatenate([grid.values.ravel() for grid in grids]),
        np.concatenate([grid.blank.ravel() for grid in grids]),
        options,
    )
    limits.check_lot(source.name, len(grids), cells.states.size, cells.bins is not None)
    frames = [grid.frame for grid in grids]
    drafts = [
        Draft(own.states, frame=frame, bins=own.bins)
        for frame, own in zip(frames, parted(cells, [frame.shape for frame in frames]), strict=True)
    ]
    assumed = [*_assumed(grids), *([_APART] if text.spacing > 1 else [])]
    return Reading("grid", drafts, [*(Note("assumed", source.name, each) for each in assumed), *cells.notes])


def _assumed(grids: Sequence[_Grid]) -> list[str]:
    """Return in words which lines and columns were taken for what."""
    found = [(grid.axes.x is not None, grid.axes.y is not None) for grid in grids]
    labelled = all(x for x, _ in found)
    texts = [f"The first line{' below x' if labelled else ''} is the top row."]
    for kind, text in (((True, True), _BOTH), ((True, False), _ONLY_X), ((False, True), _ONLY_Y)):
        if (count := found.count(kind)) == len(found):
            texts.append(f"{text[0].upper()}{text[1:]}")
        elif count:
            texts.append(f"On {count:,} of {len(found):,} wafers {text}")
    return texts


def _grid(name: str, block: Block) -> _Grid:
    rows = block.rows
    width = max(map(len, rows))
    if all(len(row) < width or row[-1] == "" for row in rows) and width > 1:
        width -= 1  # every line ends with a delimiter
    present = sum(map(len, rows))
    if width * len(rows) > _MOST_PADDED * present:
        raise UnreadableFile(name, f"its lines hold from {min(map(len, rows)):,} to {width:,} cells; {ADVICE}")
    texts = [cell for row in rows for cell in [*row, *[""] * (width - len(row))][:width]]
    flat, flat_kinds = numbers.parse(texts)
    values, kinds = flat.reshape(-1, width), flat_kinds.reshape(-1, width)
    if width <= _LIST_LIKE_COLUMNS and len(rows) > 8 * width:
        raise UnreadableFile(name, f"its {width} columns look like a die list without a header; {ADVICE}")
    axes = find_axes(name, values, kinds)
    values, kinds = values[axes.rows, axes.columns], kinds[axes.rows, axes.columns]
    odd = np.argwhere((kinds != numbers.WHOLE) & (kinds != numbers.BLANK))
    if len(odd):
        row, column = (int(i) for i in odd[0] + (axes.rows.start, axes.columns.start))
        what = f"line {block.places[row]} holds {texts[row * width + column][:30]!r}"
        raise UnreadableFile(name, f"{what}, which is neither a bin nor a die state; {ADVICE}")
    if values.size < 4:
        raise UnreadableFile(name, f"it holds {values.size} cells, too few for a wafer; {ADVICE}")
    return _placed(name, values, kinds == numbers.BLANK, axes)


def _placed(name: str, values: NDArray[np.int64], blank: NDArray[np.bool_], axes: Axes) -> _Grid:
    """Put cells where their coordinates say; lines and columns that a table left out for having no die are blank."""
    y, x = (np.arange(n) if axis is None else axis for n, axis in zip(values.shape, (axes.y, axes.x), strict=True))
    rows, columns = np.abs(y - y[0]), np.abs(x - x[0])
    shape = int(rows[-1]) + 1, int(columns[-1]) + 1
    frame = Frame(*shape, int(x[0]), int(y[0]), _step(x), _step(y))
    if shape == values.shape:
        return _Grid(values, blank, frame, axes)
    limits.check_grid(name, *shape)
    if shape[0] * shape[1] > _MOST_PADDED * values.size:
        raise UnreadableFile(name, f"its coordinates leave most lines out, of {shape[0]:,} x {shape[1]:,}; {ADVICE}")
    whole, empty = np.zeros(shape, dtype=np.int64), np.ones(shape, dtype=bool)
    place = np.ix_(rows, columns)
    whole[place], empty[place] = values, blank
    return _Grid(whole, empty, frame, axes)


def _step(axis: Axis) -> Literal[1, -1]:
    return -1 if axis[-1] < axis[0] else 1


FORMAT = Format("grid (CSV)", lambda source: bool(source.start.strip()), _read)
