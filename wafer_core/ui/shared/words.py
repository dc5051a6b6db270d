"""How figures, and the texts of files, stand on the screen: short, with their unit, the same everywhere.

Whatever was not written in this package (titles, names of wafers and models, errors, commands) passes through
`plain` or `command` on its way into anything that reads Markdown: a caption, an alert, a table, a label.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Hashable, Mapping
from datetime import datetime
from typing import TypeVar

from wafer_core.lot import Frame, Lot, Wafer

Key = TypeVar("Key", bound=Hashable)

UNLIKE = "Unlike anything known"
"""What a wafer is called that is farther from all a model was taught on than ordinary wafers are."""

ENOUGH = 100
"""Wafers from which on a share of them is told in percent; of fewer it would promise more than they can say."""

# Figures -----------------------------------------------------------------------------------------


def percent(fraction: float | None, digits: int = 1) -> str:
    """Return `0.831` as `83.1 %`, and nothing tested as a dash."""
    return "–" if fraction is None else f"{100 * fraction:.{digits}f} %"


def share(hits: int, n: int) -> str:
    """Return `98.3 %`, or `9 of 12` where fewer than `ENOUGH` were looked at."""
    return percent(hits / n) if n >= ENOUGH else f"{hits:,} of {n:,}"


def score_text(value: float, digits: int = 3) -> str:
    """Return a score from 0 to 1, such as F1: `0.831`."""
    return f"{value:.{digits}f}"


def signed(number: float, digits: int = 1) -> str:
    """Return a number that may be below zero, `−1.2`; what rounds to zero has no sign."""
    text = f"{number:.{digits}f}"
    return text.replace("-", "−") if float(text) else text.removeprefix("-")


def in_points(difference: float, digits: int = 1) -> str:
    """Return a difference of two shares in percentage points: `−1.2` of `-0.012`."""
    return signed(100 * difference, digits)


def percent_end(fraction: float) -> str:
    """Return an end of a share's interval in percent without the sign; all of it has no decimal: `81.6`, `100`."""
    return f"{100 * fraction:.1f}".replace("100.0", "100")


def count_end(number: float) -> str:
    """Return an end of a count's interval: `6`."""
    return f"{number:.0f}"


def interval(low: float, high: float, end: Callable[[float], str] = percent_end) -> str:
    """Return an interval: `81.6 to 100`, both ends written by `end`."""
    return f"{end(low)} to {end(high)}"


def count(number: int, thing: str) -> str:
    """Return `23 wafers`, `1 wafer`, `2.9 M parameters`."""
    return f"{human_count(number)} {thing}{'' if number == 1 else 's'}"


def steps(number: int) -> str:
    """Return `1 step`, `55,000 steps`, with every digit: so many again repeat a run."""
    return f"{number:,} step{'' if number == 1 else 's'}"


def human_count(number: int) -> str:
    """Return a count in at most four characters beyond ten thousand: `1,853`, `61 k`, `2.9 M`."""
    if number < 10_000:
        return f"{number:,}"
    if number < 1_000_000:
        return f"{number / 1_000:.0f} k"
    return f"{number / 1_000_000:.1f} M"


def human_bytes(size: int) -> str:
    """Return a size on disk in decimal units: `84 kB`, `11.5 MB`."""
    if size < 1_000:
        return f"{size} B"
    if size < 1_000_000:
        return f"{size / 1_000:.0f} kB"
    return f"{size / 1_000_000:.1f} MB"


def times(factor: float) -> str:
    """Return how many times: `9.7`, `10` where it is whole, `120` where a tenth would be noise."""
    return f"{factor:.0f}" if factor >= 99.95 else f"{factor:.1f}".removesuffix(".0")


def probability(p: float) -> str:
    """Return a probability of chance: `0.457`, and `< 0.001` where three digits would say that there is none."""
    return f"{p:.3f}" if p >= 0.001 else "< 0.001"


def duration(seconds: float) -> str:
    """Return seconds as an engineer says them: `38 s`, `1 min 30 s`, `2 h 5 min`."""
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min" + (f" {whole % 60} s" if whole % 60 else "")
    return f"{whole // 3600} h" + (f" {whole % 3600 // 60} min" if whole % 3600 // 60 else "")


def moment(seconds: float, year: bool = False) -> str:
    """Return a time, in seconds since 1970, as a list says it: `02 Jan 14:30`; what is kept for long has its year."""
    return f"{datetime.fromtimestamp(seconds):%d %b{' %Y' if year else ''} %H:%M}"


def wafer_name(lot: Lot, wafer: Wafer) -> str:
    """Return what a wafer is called among those of a lot: `05`, and `A / 05` where there are several fab lots."""
    return wafer.wafer if len(lot.lots) == 1 else f"{wafer.lot} / {wafer.wafer}"


def where_it_begins(frame: Frame) -> str:
    """Return the file's coordinates of a grid's upper left cell, as grids of one size differ in them."""
    return f"from x {frame.x}, y {frame.y}"


def told_apart(called: Mapping[Key, str], *marks: Callable[[Key], str]) -> dict[Key, str]:
    """Return what choices are called, with as many marks behind alike ones as tell them apart.

    A list of choices sends back the text of the chosen one, so with two alike it could be the other that is meant.

    Args:
        called: a text for every choice.
        marks: each gives a choice's mark, tried in their order; an empty one is left out. At last choices are numbered.
    """
    named = dict(called)
    numbers = {key: f"{i}" for i, key in enumerate(named, start=1)}
    for mark in (*marks, numbers.__getitem__):
        alike = Counter(named.values())
        named = {
            key: " · ".join(filter(None, (text, mark(key)))) if alike[text] > 1 else text for key, text in named.items()
        }
    return named


# Room --------------------------------------------------------------------------------------------


def shortened(text: str, most: int) -> str:
    """Return a text of at most `most` letters; a longer one ends in dots where it was cut."""
    return text if len(text) <= most else f"{text[: most - 1].rstrip(' ,;:(')}…"


def unbroken(text: str) -> str:
    """Return a text that no narrow column breaks, neither at spaces nor at dashes."""
    return text.replace(" ", "\u00a0").replace("-", "\u2011").replace("–", "\u2060–\u2060")


def stacked(first: str, *quiet: str) -> str:
    """Return quieter lines under a figure, none of them broken by a narrow column."""
    return "  \n".join([unbroken(first), *(f":small[:gray[{unbroken(each)}]]" for each in quiet)])


# Texts of files ----------------------------------------------------------------------------------

_MARKS = re.compile(r"[\\`*_{}\[\]|~$<>&]|:(?!\s)")
_BEGINNING = re.compile(r"^(\d*)([-+#=.)])")
"""What makes a list or a heading of a line that begins with it."""
_BLANKS = re.compile(r"[ \t\r\n\f\v]+")
_NAMES_SOMETHING = re.compile(r"(?<=:)(?=[\w/+-])|(?<=\bwww)(?=\.)|(?<=@)(?=\w)", re.IGNORECASE)
_NOTHING = ":small[]"
"""Markup that shows nothing."""


def plain(text: object) -> str:
    """Return the Markdown that shows a text of a file, a lot, a model or an error as it is, on one line.

    No mark in it makes a picture, a link, a formula, a colour or an icon. Spaces at its ends go, and
    several in a row become one, as on any page.
    """
    # The browser looks for addresses and icons once more after it has read all marks, in what then is one text.
    pieces = _NAMES_SOMETHING.split(_BLANKS.sub(" ", str(text)).strip(" "))
    return _BEGINNING.sub(r"\1\\\2", _NOTHING.join(_MARKS.sub(r"\\\g<0>", piece) for piece in pieces))


def command(text: str) -> str:
    """Return the Markdown that shows a command, or other code, letter by letter, whatever backticks are in it."""
    line = _BLANKS.sub(" ", text).strip(" ")
    fence = "`" * (1 + max(map(len, re.findall("`+", line)), default=0))
    space = " " if line.startswith("`") or line.endswith("`") else ""
    return f"{fence}{space}{line}{space}{fence}" if line else ""
