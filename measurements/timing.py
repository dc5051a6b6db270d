"""Stopwatches for processes and code, and the small tables that figures are printed in."""

from __future__ import annotations

import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import TypeVar

ROOT = Path(__file__).resolve().parents[1]
T = TypeVar("T")


@dataclass(frozen=True)
class Taken:
    """Seconds on the clock, and seconds of processors, which a busy machine disturbs less."""

    wall: float
    processor: float

    @classmethod
    def typical(cls, several: Iterable[Taken]) -> Taken:
        """Return the medians of several."""
        found = list(several)
        return cls(median(each.wall for each in found), median(each.processor for each in found))


def timed(work: Callable[[], T]) -> tuple[T, Taken]:
    """Run a piece of code and say what it took."""
    wall, processor = time.perf_counter(), time.process_time()
    result = work()
    return result, Taken(time.perf_counter() - wall, time.process_time() - processor)


def timed_command(*arguments: str | Path) -> Taken:
    """Run `python ARGUMENTS` from the repository's root as a whole process and say what it took."""
    before, wall = _children(), time.perf_counter()
    subprocess.run([sys.executable, *arguments], cwd=ROOT, check=True, capture_output=True)
    return Taken(time.perf_counter() - wall, _children() - before)


def table(rows: Iterable[Sequence[object]], head: Sequence[str]) -> None:
    """Print rows under a head in columns, words to the left and numbers to the right."""
    texts = [list(head), *([_text(each) for each in row] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*texts, strict=True)]
    for row in texts:
        cells = [row[0].ljust(widths[0]), *(each.rjust(width) for each, width in zip(row[1:], widths[1:], strict=True))]
        print("  ".join(cells).rstrip(), flush=True)


def _text(cell: object) -> str:
    """Return a word as it is, a count in full and a measurement to three digits."""
    return cell if isinstance(cell, str) else f"{cell:,}" if isinstance(cell, int) else f"{cell:,.3g}"


def verdict(what: str, met: bool) -> None:
    """Print whether a goal of the project was met."""
    print(f"{'MET ' if met else 'MISSED'} {what}", flush=True)


def say(what: str) -> None:
    """Say on standard error what is being done, for whoever waits."""
    print(f"{what} ...", file=sys.stderr, flush=True)


def _children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
