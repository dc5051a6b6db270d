"""The text of grids taken apart: lines, the cells of each, and which lines are one wafer's."""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Iterator
from itertools import islice, pairwise
from typing import NamedTuple

from wafer_core.errors import UnreadableFile
from wafer_core.readers import limits, numbers
from wafer_core.readers.source import Source

ADVICE = "give a die list whose first line names lot, wafer, x, y and bin, or a grid of numbers with a cell a die."

_LINE_END = re.compile(r"\r{1,8}\n|\n\r|[\n\r\v\f\x1c-\x1e\x85\u2028\u2029]")
"""Also what comes of writing Windows' line ends where they are made of line feeds once more.

So few carriage returns at most, because a long run of them would be searched for its line feed from each anew.
"""
_DELIMITERS = (",", ";", "\t", "|")
_SAMPLE = 200
"""Lines that show what cells are parted by."""
_FEW_LINES = 2
"""Lines that may each be a wafer although every one stands alone."""


class Block(NamedTuple):
    """The lines of one wafer: the place of each in the file, from 1, and its cells."""

    places: list[int]
    rows: list[list[str]]


class GridText:
    """The text of a file of grids, taken apart wafer by wafer.

    Args:
        source: the file, which is text.

    Raises:
        UnreadableFile: a line of it is too long, or it holds more wafers than one upload may.
    """

    def __init__(self, source: Source) -> None:
        self._name = source.name
        self._text = source.lines().read()
        self._delimiter = _delimiter(islice(self._lines(), _SAMPLE))
        gaps = Counter(after - before for (before, _), (after, _) in pairwise(self._filled_lines()))
        self.spacing = min(gaps) if gaps.total() >= _FEW_LINES else 1
        """How many lines a wafer's next one stands below the one before it."""
        limits.check_lot(self._name, 1 + sum(gaps[gap] for gap in gaps if gap > self.spacing), 0, with_bins=True)

    def blocks(self) -> Iterator[Block]:
        """Yield the lines of each wafer; empty lines part them, and where all lines stand apart, wider gaps do.

        Raises:
            UnreadableFile: the first line is a table's, a grid is larger than a wafer's, all together are too large,
                or lines that stand apart differ in their number of cells.
        """
        block, cells_before = Block([], []), 0
        for number, line in self._filled_lines():
            if block.places and number - block.places[-1] > self.spacing:
                yield self._checked(block)
                cells_before += _size(block)
                limits.check_cells(self._name, cells_before, with_bins=True)
                block = Block([], [])
            cells = self._cells(number, line)
            if not (cells_before or block.places):
                self._check_first(line, cells)
            block.places.append(number)
            block.rows.append(cells)
            limits.check_grid(self._name, len(block.rows), len(cells) - (cells[-1] == ""))
        if block.places:
            yield self._checked(block)
            limits.check_cells(self._name, cells_before + _size(block), with_bins=True)

    def _lines(self) -> Iterator[str]:
        # Line by line and never all at once: a file may be little else than empty lines.
        start = 0
        for end in _LINE_END.finditer(self._text):
            yield self._text[start : end.start()]
            start = end.end()
        yield self._text[start:]

    def _filled_lines(self) -> Iterator[tuple[int, str]]:
        """Yield every line that is not empty, with its number."""
        # A line of tabs is a row of blank cells where tabs part them, and empty where blanks do.
        nothing = None if self._delimiter is None else " \r\f\x1a"
        for number, line in enumerate(self._lines(), start=1):
            if line and line.strip(nothing):
                limits.check_line(self._name, number, len(line))
                yield number, line

    def _cells(self, number: int, line: str) -> list[str]:
        cells = line.split(self._delimiter)
        if self._delimiter is not None and '"' in line:
            try:
                [cells] = csv.reader([line], delimiter=self._delimiter, skipinitialspace=True)
            except csv.Error as exc:
                reason = f"line {number} cannot be split into cells ({exc}); export it again."
                raise UnreadableFile(self._name, reason) from exc
        return [cell.strip().strip('"') for cell in cells]

    def _check_first(self, line: str, cells: list[str]) -> None:
        """Refuse by its first line a table that is no grid, however long it is."""
        limits.check_grid(self._name, 1, len(cells) - (cells[-1] == ""))
        _, kinds = numbers.parse(cells[1:] or cells)
        if not {numbers.WHOLE, numbers.BLANK}.issuperset(kinds.tolist()):
            reason = f"its first line, {line.strip()[:60]!r}, names no columns x and y; {ADVICE}"
            raise UnreadableFile(self._name, reason)

    def _checked(self, block: Block) -> Block:
        widths = {len(row) for row in block.rows}
        if self.spacing > 1 and len(widths) > 1:
            raise UnreadableFile(
                self._name,
                f"every line stands alone between empty ones, and they hold from {min(widths):,} to {max(widths):,} "
                "cells; leave no line empty but between wafers.",
            )
        return block


def _delimiter(lines: Iterator[str]) -> str | None:
    """Return the delimiter most lines are split by; None stands for blanks between cells."""
    sample = [line for line in lines if line.strip()]
    for delimiter in _DELIMITERS:
        if sample and sum(delimiter in line for line in sample) * 2 > len(sample):
            return delimiter
    return None


def _size(block: Block) -> int:
    """Return the cells of a block once its lines are filled up to the longest."""
    return len(block.rows) * max(map(len, block.rows))
