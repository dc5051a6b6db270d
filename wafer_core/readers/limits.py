"""Size checks that run before anything is expanded, so a small file cannot fill the memory."""

from __future__ import annotations

from collections.abc import Iterable

from wafer_core.errors import UnreadableFile

MAX_FILE = 1 << 30
"""Bytes of one file as it arrives; MixedWM38 as published takes 412 million."""
MAX_EXPANDED = 1 << 30
"""Bytes of one file's content after expansion."""
FREELY_EXPANDED = 64 << 20
"""Below this many bytes of content no compression is suspicious: a thousand equal maps shrink well."""
MAX_RATIO = 250
"""Above it, real maps have never been seen to shrink further than this."""
MAX_MEMBERS = 20_000
"""Arrays in one npz file."""
MAX_GRID_TEXT = 128 << 20
"""Bytes of a text grid, whose every cell is taken apart; a die list may be longer."""
MAX_LINE = 1 << 19
"""Characters of one line of text, whose cells are taken apart at once."""
MAX_SIDE = 4096
"""Rows or columns of one wafer's grid."""
MAX_CELLS = 400_000_000
"""Cells of one upload, one byte each; reading takes about as much again beside what the file unfolds to."""
MAX_BIN_CELLS = 200_000_000
"""Cells of one upload that carry raw bins, five bytes each; reading takes as much beside them as above."""
MAX_WAFERS = 200_000
MAX_ROWS = 10_000_000
"""Rows of one die list."""
MAX_TEXT = 256
"""Bytes of one text in a packed die list, which holds a text once that is unpacked for every row."""


def check_file(name: str, size: int) -> None:
    """Refuse a file that is empty or too large to take in."""
    if size == 0:
        raise UnreadableFile(name, "the file is empty; export it again.")
    if size > MAX_FILE:
        raise UnreadableFile(name, f"the file has {megabytes(size)}, the most is {megabytes(MAX_FILE)}; split it.")


def check_grid_text(name: str, size: int) -> None:
    """Refuse a text grid that is too long to take apart."""
    if size > MAX_GRID_TEXT:
        most = megabytes(MAX_GRID_TEXT)
        raise UnreadableFile(name, f"a text grid of {megabytes(size)} is larger than {most}; save it as npz.")


def check_line(name: str, number: int, length: int) -> None:
    """Refuse a line of text that is too long to take apart."""
    if length > MAX_LINE:
        raise UnreadableFile(
            name,
            f"line {number:,} is longer than {MAX_LINE:,} characters; check that its lines end as those of text do, or "
            "leave out columns that are not needed.",
        )


def check_expansion(name: str, packed: int, expanded: int) -> None:
    """Refuse content that would unfold to more than it may, given in bytes before and after."""
    bomb = expanded > FREELY_EXPANDED and expanded > MAX_RATIO * max(packed, 1)
    if expanded > MAX_EXPANDED or bomb:
        raise UnreadableFile(
            name,
            f"its {megabytes(packed)} would unfold to {megabytes(expanded)}, which is more than wafer maps need; "
            "split the lot over several files.",
        )


def check_grid(name: str, rows: int, columns: int) -> None:
    """Refuse a grid no wafer has."""
    if max(rows, columns) > MAX_SIDE:
        raise UnreadableFile(
            name,
            f"a grid of {rows:,} x {columns:,} cells is larger than {MAX_SIDE} a side; "
            "check for a stray coordinate, or for data that are not wafer maps.",
        )


def check_lot(name: str, wafers: int, cells: int, with_bins: bool) -> None:
    """Refuse more wafers or cells than one upload may hold."""
    if wafers > MAX_WAFERS:
        raise UnreadableFile(name, f"{wafers:,} wafers are more than the {MAX_WAFERS:,} one upload may hold; split it.")
    check_cells(name, cells, with_bins)


def check_cells(name: str, cells: int, with_bins: bool) -> None:
    """Refuse more cells than one upload may hold."""
    most = MAX_BIN_CELLS if with_bins else MAX_CELLS
    if cells > most:
        raise UnreadableFile(name, f"{cells:,} cells are more than the {most:,} one upload may hold; split it.")


def check_rows(name: str, rows: int) -> None:
    """Refuse a die list that is too long."""
    if rows > MAX_ROWS:
        raise UnreadableFile(name, f"it has more than {MAX_ROWS:,} rows; split the list over several files.")


def check_text(name: str, size: int) -> None:
    """Refuse a text too long to be unpacked for every row that repeats it."""
    if size > MAX_TEXT:
        raise UnreadableFile(
            name,
            f"an id, coordinate or bin in it is {size:,} characters long, the most is {MAX_TEXT}; "
            "check that the columns hold what their names say.",
        )


def megabytes(size: int) -> str:
    """Return a number of bytes as an engineer reads it."""
    if size < 1_000_000:
        return f"{max(1, round(size / 1000)):,} kB"
    return f"{size / 1_000_000:,.0f} MB"


def ranges(numbers: Iterable[int], most: int = 12) -> str:
    """Return ascending line numbers in short: `3, 7-9 and 120 more`."""
    spans: list[list[int]] = []
    for number in numbers:
        if spans and number == spans[-1][1] + 1:
            spans[-1][1] = number
        else:
            spans.append([number, number])
    shown = ", ".join(str(a) if a == b else f"{a}-{b}" for a, b in spans[:most])
    hidden = sum(b - a + 1 for a, b in spans[most:])
    return shown + (f" and {hidden:,} more" if hidden else "")
