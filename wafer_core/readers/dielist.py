"""Die lists as text: one row a die, with lot, wafer, x, y and bin under any usual column name."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TextIO

from wafer_core.errors import UnreadableFile
from wafer_core.lot import Note, ReadingOptions
from wafer_core.readers import limits
from wafer_core.readers.columns import roles
from wafer_core.readers.dierows import BLOCK, DieRows
from wafer_core.readers.draft import Draft, Format, Reading
from wafer_core.readers.source import Source

_DELIMITERS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "bar"}
_PREAMBLE = 40
"""Lines that may stand before the header."""
_LINE_LIMIT = 1 << 18
_MOST_NAMED, _MOST_LETTERS = 8, 40
"""Columns that were not read of which a note tells, and letters of a column's name."""
_SPLIT = 1 << 14
"""Characters split at a time, and the rest of their last line; more gain no speed, and wide lists would fill the memory
with cells nobody asked for."""
_LATER = r"(?:[_\- .](?:\d|\d{6,14}|[a-z]+\d?))*"
"""What may stand behind a wafer's number in a file's name: a date, a word, the number of a test."""
_MARKED_WAFER = re.compile(rf"(.+?)[_\- .](?:w|wf|wafer)[_\- ]?(\d{{1,3}}){_LATER}", re.IGNORECASE)
_NAMED_WAFER = re.compile(r"(.+?)[_\- .](?:w|wf|wafer)?[_\- ]?(\d{1,3})", re.IGNORECASE)


@dataclass(frozen=True)
class _Header:
    line: int
    delimiter: str
    names: Sequence[str]
    columns: dict[str, int]


def _recognises(source: Source) -> bool:
    return _find_header(source.start) is not None


def _read(source: Source, options: ReadingOptions) -> Reading:
    header = _find_header(source.start)
    if header is None or "bin" not in header.columns:
        raise UnreadableFile(source.name, NO_BIN_COLUMN)
    rows = DieRows(source.name)
    _take(source, header, rows)
    layout = f"die list, {_DELIMITERS[header.delimiter]} separated"
    return die_list_reading(source, layout, rows, header.names, header.columns, options)


NO_BIN_COLUMN = "it has x and y but no bin column; call the column with the test result 'bin'."


def die_list_reading(
    source: Source, layout: str, rows: DieRows, header: Sequence[str], columns: dict[str, int], options: ReadingOptions
) -> Reading:
    """Make wafers of gathered rows and say what was assumed about columns, axes and ids."""
    drafts, notes = rows.drafts(options, named=columns)
    turned = "" if options.orientation == "as-read" else ", before the wafers were turned"
    notes[:0] = [
        Note("assumed", source.name, _columns_in_words(header, columns)),
        Note("assumed", source.name, f"x runs to the right and y upwards{turned}."),
    ]
    if "wafer" not in columns:
        drafts = [_named_after_file(draft, source.stem, options) for draft in drafts]
        if drafts[0].wafer is not None:
            notes.append(Note("assumed", source.name, f"The wafer id {drafts[0].wafer} is taken from the file name."))
    return Reading(layout, drafts, notes)


def _columns_in_words(header: Sequence[str], columns: dict[str, int]) -> str:
    """Return which column was taken for what, and which for nothing."""
    read = ", ".join(f"{role} from {_shortened(header[place])}" for role, place in columns.items())
    others = [_shortened(name) for place, name in enumerate(header) if place not in columns.values() and name]
    more = f" and {len(others) - _MOST_NAMED:,} more" if len(others) > _MOST_NAMED else ""
    return f"Read: {read}." + (f" Not read: {', '.join(others[:_MOST_NAMED])}{more}." if others else "")


def _shortened(name: str) -> str:
    name = " ".join(name.split())
    return name if len(name) <= _MOST_LETTERS else f"{name[:_MOST_LETTERS]}…"


def _named_after_file(draft: Draft, stem: str, options: ReadingOptions) -> Draft:
    """Name the one wafer of a file without a wafer column: `A1234_05` is wafer 05 of lot A1234, as is `A1234_W05_2`."""
    match = _MARKED_WAFER.fullmatch(stem) or _NAMED_WAFER.fullmatch(stem)
    lot = draft.lot or options.lot
    wafer = match[2] if match else stem if lot else None
    lot = lot or (match[1] if match else None)
    return Draft(draft.states, lot, wafer, draft.frame, draft.bins, extent=draft.extent)


def _find_header(text: str) -> _Header | None:
    """Look for a line that names an x, a y and a bin column, under any delimiter; else for one that names x and y."""
    lines, nearly = io.StringIO(text, newline=""), None
    for number in range(1, _PREAMBLE + 1):
        line = lines.readline(_LINE_LIMIT).rstrip("\r\n")
        for delimiter in _DELIMITERS:
            if delimiter not in line:
                continue
            cells = _header_cells(line, delimiter)
            columns = roles(cells)
            if "x" in columns and "y" in columns:
                header = _Header(number, delimiter, cells, columns)
                if "bin" in columns:
                    return header
                nearly = nearly or header
    return nearly


def _header_cells(line: str, delimiter: str) -> list[str]:
    """Split a header as the rows below it are split, so that a delimiter within quotes parts no two columns."""
    try:
        [cells] = csv.reader([line], delimiter=delimiter, skipinitialspace=True)
    except csv.Error:
        cells = line.split(delimiter)
    return [cell.strip().strip('"') for cell in cells]


def _take(source: Source, header: _Header, rows: DieRows) -> None:
    text = source.lines()
    for number in range(1, header.line + 1):
        limits.check_line(source.name, number, len(text.readline()))
    needed = max(header.columns.values()) + 1
    lines: list[int] = []
    taken: list[list[str]] = []

    def hand_over() -> None:
        if lines:
            by_column = list(zip(*taken, strict=True))
            rows.add(lines, {role: list(column) for role, column in zip(header.columns, by_column, strict=True)})
            lines.clear()
            taken.clear()

    positions, width = list(header.columns.values()), len(header.names)
    number = header.line
    try:
        for number, cells in enumerate(_cells(source.name, text, header), start=header.line + 1):
            if len(cells) < needed or len(cells) > width:
                if not any(cells):
                    continue
                if len(cells) < needed or any(cells[width:]):
                    rows.reject(number, "it has not as many cells as the header")
                    continue
            elif not any(cells):
                continue
            lines.append(number)
            taken.append([cells[i] for i in positions])
            if len(lines) == BLOCK:
                hand_over()
        hand_over()
    except csv.Error as exc:
        line = number + 1
        raise UnreadableFile(source.name, f"line {line} cannot be split into cells ({exc}); export it again.") from exc


def _cells(name: str, text: TextIO, header: _Header) -> Iterator[list[str]]:
    """Split every line by itself: a quote that a line opens and does not close takes no other line with it."""
    number, delimiter = header.line + 1, header.delimiter
    while lines := text.readlines(_SPLIT):
        if (longest := max(map(len, lines))) > limits.MAX_LINE:
            limits.check_line(name, number + list(map(len, lines)).index(longest), longest)
        yield from _cells_at_once(lines, delimiter) or (
            next(csv.reader([line], delimiter=delimiter, skipinitialspace=True)) for line in lines
        )
        number += len(lines)


def _cells_at_once(lines: Sequence[str], delimiter: str) -> list[list[str]] | None:
    """Return the cells of each line, the fast way, or None where a quote runs on into a next line."""
    try:
        cells = list(csv.reader(lines, delimiter=delimiter, skipinitialspace=True))
    except csv.Error:
        # Lines that run together make cells too long for it before their number shows what they did.
        return None
    return cells if len(cells) == len(lines) else None


FORMAT = Format("die list (CSV, TSV)", _recognises, _read)
