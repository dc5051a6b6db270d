"""Grids in text: a cell a die, the top row first, one wafer a block of lines."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from wafer_core.errors import UnreadableFile
from wafer_core.lot import Frame, Note, ReadingOptions
from wafer_core.readers import limits, numbers
from wafer_core.readers.cells import from_grid, parted
from wafer_core.readers.draft import Draft, Format, Reading
from wafer_core.readers.source import Source

_Axis = NDArray[np.int64]

_DELIMITERS = (",", ";", "\t", "|", None)
_MOST_PADDED = 8
"""Times as many cells as a grid's lines hold that filling them up to the longest may make."""
_FEW_LABELS = 4
"""Coordinates along an edge that could as well be bins, unless they go one by one."""
_LIST_LIKE_COLUMNS = 8
_ADVICE = "give a die list whose first line names lot, wafer, x, y and bin, or a grid of numbers with a cell a die."


@dataclass(frozen=True, eq=False)
class _Block:
    """A grid as read: int64 values and bool blanks (rows, columns), and where it stands."""

    values: NDArray[np.int64]
    blank: NDArray[np.bool_]
    frame: Frame


def _read(source: Source, options: ReadingOptions) -> Reading:
    limits.check_grid_text(source.name, len(source.data))
    lines = source.lines().read().splitlines()
    delimiter = _delimiter(lines)
    _check_first(source.name, lines, delimiter)
    blocks = [_block(source.name, rows, first) for first, rows in _split(source.name, lines, delimiter)]
    if not blocks:
        raise UnreadableFile(source.name, f"it holds no cells; {_ADVICE}")
    # One file has one meaning: what its wafers hold is judged together.
    cells = from_grid(
        source.name,
        np.concatenate([block.values.ravel() for block in blocks]),
        np.concatenate([block.blank.ravel() for block in blocks]),
        options,
    )
    limits.check_lot(source.name, len(blocks), cells.states.size, cells.bins is not None)
    frames = [block.frame for block in blocks]
    drafts = [
        Draft(own.states, frame=frame, bins=own.bins)
        for frame, own in zip(frames, parted(cells, [frame.shape for frame in frames]), strict=True)
    ]
    return Reading("grid", drafts, [Note("assumed", source.name, "The first line is the top row."), *cells.notes])


def _delimiter(lines: list[str]) -> str | None:
    """Return the delimiter most lines are split by; None stands for blanks between cells."""
    sample = [line for line in lines[:200] if line.strip()]
    for delimiter in _DELIMITERS[:-1]:
        if sample and sum(delimiter in line for line in sample) * 2 > len(sample):
            return delimiter
    return None


def _check_first(name: str, lines: list[str], delimiter: str | None) -> None:
    """Refuse by its first line a table that is no grid, however long it is."""
    first = next((line for line in lines if line.strip()), "")
    cells = [cell.strip().strip('"') for cell in first.split(delimiter)]
    _, kinds = numbers.parse(cells[1:] or cells)
    if not np.isin(kinds, (numbers.WHOLE, numbers.BLANK)).all():
        raise UnreadableFile(name, f"its first line, {first.strip()[:60]!r}, names no columns x and y; {_ADVICE}")


def _split(name: str, lines: list[str], delimiter: str | None) -> list[tuple[int, list[list[str]]]]:
    """Return blocks of cell rows with the number of their first line; empty lines part them."""
    blocks: list[tuple[int, list[list[str]]]] = []
    inside = False
    # A line of tabs is a row of blank cells where tabs part them, and empty where blanks do.
    nothing = None if delimiter is None else " \r\f\x1a"
    for number, line in enumerate(lines, start=1):
        if not line.strip(nothing):
            inside = False
            continue
        if not inside:
            blocks.append((number, []))
            inside = True
        cells = [cell.strip().strip('"') for cell in line.split(delimiter)]
        blocks[-1][1].append(cells)
        limits.check_grid(name, len(blocks[-1][1]), len(cells) - (cells[-1] == ""))
    limits.check_lot(name, len(blocks), sum(len(rows) * max(map(len, rows)) for _, rows in blocks), with_bins=True)
    return blocks


def _block(name: str, rows: list[list[str]], first_line: int) -> _Block:
    width = max(map(len, rows))
    if all(len(row) < width or row[-1] == "" for row in rows) and width > 1:
        width -= 1  # every line ends with a delimiter
    present = sum(map(len, rows))
    if width * len(rows) > _MOST_PADDED * present:
        raise UnreadableFile(name, f"its lines hold from {min(map(len, rows)):,} to {width:,} cells; {_ADVICE}")
    texts = [cell for row in rows for cell in [*row, *[""] * (width - len(row))][:width]]
    flat, flat_kinds = numbers.parse(texts)
    values, kinds, axes = _take_axes(flat.reshape(-1, width), flat_kinds.reshape(-1, width))
    if width <= _LIST_LIKE_COLUMNS and len(rows) > 8 * width:
        raise UnreadableFile(name, f"its {width} columns look like a die list without a header; {_ADVICE}")
    odd = np.argwhere((kinds != numbers.WHOLE) & (kinds != numbers.BLANK))
    if len(odd):
        row, column = (int(i) for i in odd[0])
        cell = texts[(row + len(rows) - len(values)) * width + column + width - values.shape[1]][:30]
        line = first_line + row + len(rows) - len(values)
        raise UnreadableFile(name, f"line {line} holds {cell!r}, which is neither a bin nor a die state; {_ADVICE}")
    if values.size < 4:
        raise UnreadableFile(name, f"it holds {values.size} cells, too few for a wafer; {_ADVICE}")
    if axes is None:
        return _Block(values, kinds == numbers.BLANK, Frame(*values.shape))
    return _placed(name, values, kinds == numbers.BLANK, *axes)


def _take_axes(
    values: NDArray[np.int64], kinds: NDArray[np.uint8]
) -> tuple[NDArray[np.int64], NDArray[np.uint8], tuple[_Axis, _Axis] | None]:
    """Take off a first line of x and a first column of y, where the grid carries its coordinates."""
    if min(values.shape) > 2 and kinds[0, 0] != numbers.WHOLE:
        x, y = values[0, 1:], values[1:, 0]
        named = (kinds[0, 1:] == numbers.WHOLE).all() and (kinds[1:, 0] == numbers.WHOLE).all()
        if named and _runs(x) and _runs(y):
            return values[1:, 1:], kinds[1:, 1:], (x, y)
    return values, kinds, None


def _runs(axis: _Axis) -> bool:
    """Whether numbers rise or fall all along, one by one where they are so few that dies might by chance."""
    steps = np.diff(axis)
    alike = (steps > 0).all() or (steps < 0).all()
    return bool(alike and (len(axis) > _FEW_LABELS or (np.abs(steps) == 1).all()))


def _placed(name: str, values: NDArray[np.int64], blank: NDArray[np.bool_], x: _Axis, y: _Axis) -> _Block:
    """Put cells where their coordinates say; lines and columns that a table left out for having no die are blank."""
    rows, columns = np.abs(y - y[0]), np.abs(x - x[0])
    shape = int(rows[-1]) + 1, int(columns[-1]) + 1
    limits.check_grid(name, *shape)
    if shape[0] * shape[1] > _MOST_PADDED * values.size:
        raise UnreadableFile(name, f"its coordinates leave most lines out, of {shape[0]:,} x {shape[1]:,}; {_ADVICE}")
    whole, empty = np.zeros(shape, dtype=np.int64), np.ones(shape, dtype=bool)
    place = np.ix_(rows, columns)
    whole[place], empty[place] = values, blank
    return _Block(whole, empty, Frame(*shape, int(x[0]), int(y[0]), _step(x), _step(y)))


def _step(axis: _Axis) -> Literal[1, -1]:
    return 1 if axis[-1] > axis[0] else -1


FORMAT = Format("grid (CSV)", lambda source: bool(source.start.strip()), _read)
