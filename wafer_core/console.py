"""What command lines share, the product's and that of a kit's runner: parsing, output files, sentences."""

from __future__ import annotations

import argparse
import math
import os
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, NoReturn, TextIO, get_args

from wafer_core.errors import UsageError
from wafer_core.lot import ORIENTATIONS, Cells, ReadingOptions
from wafer_core.whole_files import whole_file

MENDABLE, FAULT, INTERRUPTED = 2, 1, 130
"""Exit codes: for what the caller can mend, for a fault of ours, and for one who interrupts."""


class Parser(argparse.ArgumentParser):
    """An argument parser that raises its complaints as `UsageError`, in one sentence."""

    def error(self, message: str) -> NoReturn:
        """Raise what argparse would print with its usage."""
        raise UsageError(f"{message[:1].upper()}{message[1:].rstrip('.')}; see {self.prog} --help.")


def add_reading(parser: argparse.ArgumentParser) -> None:
    """Add how files are to be read."""
    reading = parser.add_argument_group("reading options")
    reading.add_argument("--pass-bins", type=_bins, metavar="1,2", help="bins that count as passing")
    reading.add_argument("--cells", choices=get_args(Cells), help="what grid cells hold: die states or bins")
    reading.add_argument("--lot", metavar="NAME", help="the lot's id where a file has none")
    reading.add_argument("--orientation", choices=ORIENTATIONS, default="as-read", help="how every wafer is turned")


def reading_options(arguments: argparse.Namespace) -> ReadingOptions:
    """Return what `add_reading` has parsed."""
    return ReadingOptions(
        pass_bins=arguments.pass_bins,
        cells=arguments.cells,
        lot=arguments.lot,
        orientation=arguments.orientation,
    )


def place(text: str) -> Path:
    """Parse the path of a file or folder; an empty one, such as of a variable that is not set, is none."""
    if not text.strip():
        raise argparse.ArgumentTypeError("it is empty; name a file or folder")
    return Path(text)


def whole(low: int) -> Callable[[str], int]:
    """Return an argparse type: a whole number of at least `low`."""

    def parse(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            raise argparse.ArgumentTypeError(f"{text!r} is not a whole number") from None
        if value < low:
            raise argparse.ArgumentTypeError(f"{text} is less than {low}")
        return value

    return parse


def positive(what: str) -> Callable[[str], float]:
    """Return an argparse type: a positive number, of `what` where it is complained of."""

    def parse(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            raise argparse.ArgumentTypeError(f"{text!r} is not a {what}") from None
        if not (math.isfinite(value) and value > 0):
            raise argparse.ArgumentTypeError(f"{text} is not a positive {what}")
        return value

    return parse


def check_overwrite(out: Path, lots: Sequence[Path]) -> None:
    """Refuse to replace a file that is being read.

    Raises:
        UsageError: the output is one of the lots.
    """
    for lot in lots:
        if out.exists() and lot.exists() and os.path.samefile(out, lot):
            raise UsageError(f"--out {out} would overwrite the lot it is made from; name another file.")


@contextmanager
def written(path: Path) -> Iterator[BinaryIO]:
    """Open a file that takes the place of `path` once its block has succeeded.

    A device or pipe is written to in place. What fails leaves `path` as it was.

    Raises:
        UsageError: it could not be written.
    """
    in_place = (path.exists() and not path.is_file()) or path.absolute().parts[1:2] in (("dev",), ("proc",))
    try:
        # What a link leads to is replaced, so that a link stays a link.
        with path.open("wb") if in_place else whole_file(path.resolve()) as file:
            yield file
    except OSError as error:
        raise UsageError(f"--out {path} cannot be written: {(error.strerror or str(error)).lower()}.") from error


def say(sentence: str, code: int = 0) -> int:
    """Put one line on standard error, which may itself be closed, and return an exit code."""
    if sys.stderr is None:  # `print` would turn to standard output, into the midst of a result
        return code
    try:
        print(" ".join(sentence.split()), file=sys.stderr, flush=True)
    except (OSError, ValueError):
        forget(sys.stderr)
    return code


def forget(stream: TextIO) -> None:
    """Point a closed stream at nothing, so that flushing it at exit cannot complain."""
    with suppress(AttributeError, OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _bins(text: str) -> tuple[int, ...]:
    # Not all that `int` takes: of 1_0 it makes ten.
    if not re.fullmatch(r"\s*-?[0-9]{1,99}\s*(,\s*-?[0-9]{1,99}\s*)*", text):
        raise argparse.ArgumentTypeError(f"{text!r} is not a list of whole numbers such as 1,2")
    return tuple(dict.fromkeys(int(part) for part in text.split(",")))
